"""Semi-automatic tumour segmentation: grow a region from a seed point."""

import numpy as np

from core.domain.errors import InputError
from core.domain.phase import Modality
from core.domain.volume import Volume
from core.imaging.simpleitk import from_sitk, to_sitk

MAX_RADIUS_MM = 70.0
SEED_RADIUS_MM = 3.0


def grow_from_seed(
    image: Volume, seed_mm_lps: tuple[float, float, float], modality: Modality, *, spread: float = 2.0
) -> Volume:
    """Grow a lesion from a seed.

    The image is denoised (curvature flow keeps edges); voxels connected to the seed whose value lies within
    `spread` standard deviations of the growing region's mean are taken (confidence-connected growing, SimpleITK);
    an opening cuts thin leaks along vessels and the piece at the seed is kept and filled.

    Raises
    ------
    InputError
        When the seed lies outside the image, in air, or nothing or far too much grows.
    """
    import SimpleITK as sitk  # noqa: N813
    from scipy import ndimage

    index = _seed_index(image, seed_mm_lps)
    if modality is Modality.CT and image.array_zyx[index[::-1]] < -300:
        raise InputError("The seed point lies in air. Click inside the tumour.")
    start, size = _box(image, index)
    crop = sitk.RegionOfInterest(sitk.Cast(to_sitk(image), sitk.sitkFloat32), size, start)
    local = [i - s for i, s in zip(index, start, strict=True)]
    smooth = sitk.CurvatureFlow(crop, timeStep=0.0625, numberOfIterations=8)
    spacing = image.geometry.spacing_mm_xyz
    grown = sitk.ConfidenceConnected(
        smooth,
        seedList=[local],
        numberOfIterations=3,
        multiplier=spread,
        initialNeighborhoodRadius=max(1, round(SEED_RADIUS_MM / min(spacing))),
        replaceValue=1,
    )
    opened = sitk.BinaryMorphologicalOpening(grown, [max(0, round(1.6 / s)) for s in spacing])
    region = sitk.GetArrayFromImage(opened) > 0
    if not region[tuple(local[::-1])]:
        region = sitk.GetArrayFromImage(grown) > 0
    labels, _ = ndimage.label(region)
    region = labels == labels[tuple(local[::-1])] if labels[tuple(local[::-1])] else np.zeros_like(region)
    region = ndimage.binary_fill_holes(ndimage.binary_closing(region, iterations=1) | region)
    _check_grown(region, image)
    full = np.zeros(image.array_zyx.shape, np.uint8)
    full[tuple(slice(s, s + n) for s, n in zip(start[::-1], size[::-1], strict=True))] = region
    return Volume(array_zyx=full, geometry=from_sitk(to_sitk(image)).geometry)


def _seed_index(image: Volume, seed_mm_lps: tuple[float, float, float]) -> tuple[int, int, int]:
    index = np.round(image.geometry.to_index_xyz(np.asarray(seed_mm_lps))).astype(int)
    if (index < 0).any() or (index >= np.asarray(image.geometry.size_xyz)).any():
        point = ", ".join(f"{v:.1f}" for v in seed_mm_lps)
        raise InputError(f"The seed point ({point}) mm LPS lies outside the image. Click inside the tumour.")
    return int(index[0]), int(index[1]), int(index[2])


def _box(image: Volume, index: tuple[int, int, int]) -> tuple[list[int], list[int]]:
    spacing, shape = image.geometry.spacing_mm_xyz, image.geometry.size_xyz
    reach = [int(np.ceil(MAX_RADIUS_MM / s)) for s in spacing]
    start = [max(0, i - r) for i, r in zip(index, reach, strict=True)]
    stop = [min(n, i + r + 1) for n, i, r in zip(shape, index, reach, strict=True)]
    return start, [b - a for a, b in zip(start, stop, strict=True)]


def _check_grown(region: np.ndarray, image: Volume) -> None:
    if region.sum() * image.geometry.voxel_ml < 0.05:
        raise InputError("Hardly anything grew from this seed. Click in a more even part of the tumour.")
    border = sum(int(region[s].sum()) for s in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]))
    fraction = float(region.mean())
    if fraction > 0.35 or (border > 0 and fraction > 0.2):
        raise InputError(
            "The region flooded its surroundings: the tumour does not stand out from the liver here. "
            "Choose a smaller spread, another phase, or import a mask."
        )
