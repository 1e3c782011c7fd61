"""Semi-automatic tumour segmentation: grow a region from a seed point."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import InputError
from core.domain.phase import Modality
from core.domain.volume import Volume
from core.imaging.simpleitk import to_sitk

MAX_RADIUS_MM = 70.0
SEED_RADIUS_MM = 4.0
SMOOTHING_STEPS = 20
OPENING_MM = 2.0
SPREAD_STEP = 0.25
SMALLEST_SPREAD = 0.75
SMALLEST_LESION_ML = 0.05
AIR_BELOW_HU = -300


def grow_from_seed(
    image: Volume, seed_mm_lps: tuple[float, float, float], modality: Modality, *, spread: float = 2.5
) -> Volume:
    """Grow a lesion from a seed.

    The image is denoised (curvature flow keeps edges); voxels connected to the seed whose value lies within `spread`
    standard deviations of the growing region's mean are taken (confidence-connected growing, SimpleITK); an opening
    cuts thin leaks along vessels, and the piece at the seed is kept and filled. When that floods the liver, the spread
    is lowered step by step: the largest region that stays a lesion is returned.

    Raises
    ------
    InputError
        When the seed lies outside the image or in air, or no spread gives a lesion.
    """
    import SimpleITK as sitk  # noqa: N813

    index = _seed_index(image, seed_mm_lps)
    if modality is Modality.CT and image.array_zyx[index[::-1]] < AIR_BELOW_HU:
        raise InputError("The seed point lies in air. Click inside the tumour.")
    start, size = _box(image, index)
    crop = sitk.RegionOfInterest(sitk.Cast(to_sitk(image), sitk.sitkFloat32), size, start)
    smooth = sitk.CurvatureFlow(crop, timeStep=0.0625, numberOfIterations=SMOOTHING_STEPS)
    seed = [i - s for i, s in zip(index, start, strict=True)]
    while spread >= SMALLEST_SPREAD:
        region = _grown(smooth, seed, image.geometry.spacing_mm_xyz, spread)
        if not _floods(region):
            break
        spread -= SPREAD_STEP
    else:
        raise InputError(
            "The region flooded its surroundings: the tumour does not stand out from the liver here. "
            "Try another phase, or import a mask."
        )
    if region.sum() * image.geometry.voxel_ml < SMALLEST_LESION_ML:
        raise InputError("Hardly anything grew from this seed. Click in a more even part of the tumour.")
    full = np.zeros(image.array_zyx.shape, np.uint8)
    full[tuple(slice(s, s + n) for s, n in zip(start[::-1], size[::-1], strict=True))] = region
    return Volume(array_zyx=full, geometry=image.geometry)


def _grown(smooth: Any, seed: list[int], spacing: tuple[float, float, float], spread: float) -> NDArray[np.bool_]:
    import SimpleITK as sitk  # noqa: N813
    from scipy import ndimage

    grown = sitk.ConfidenceConnected(
        smooth,
        seedList=[seed],
        numberOfIterations=3,
        multiplier=spread,
        initialNeighborhoodRadius=max(1, round(SEED_RADIUS_MM / min(spacing))),
        replaceValue=1,
    )
    opened = sitk.BinaryMorphologicalOpening(grown, [max(0, round(OPENING_MM / s)) for s in spacing])
    at = tuple(seed[::-1])
    region = sitk.GetArrayFromImage(opened) > 0
    if not region[at]:
        region = sitk.GetArrayFromImage(grown) > 0
    labels, _ = ndimage.label(region)
    if not labels[at]:
        return np.zeros(region.shape, bool)
    piece = labels == labels[at]
    return np.asarray(ndimage.binary_fill_holes(piece | ndimage.binary_closing(piece, iterations=2)))


def _floods(region: NDArray[np.bool_]) -> bool:
    """A lesion neither fills much of the 140 mm search box nor runs out of several of its sides."""
    sides = (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1], np.s_[:, :, 0], np.s_[:, :, -1])
    touched = sum(bool(region[s].any()) for s in sides)
    filled = region.any(axis=(1, 2)).mean() * region.any(axis=(0, 2)).mean() * region.any(axis=(0, 1)).mean()
    # Solidity tells a lesion from tissue that winds around vessels: how much of its bounding box it fills.
    solidity = float(region.mean() / filled) if filled else 1.0
    return bool(touched > 1 or (region.mean() > 0.02 and solidity < 0.28))


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
