"""From an image and a mask to the crop PyRadiomics computes on: normalised, resampled, and boxed in."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import InputError

Box = tuple[slice, slice, slice]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Crop:
    """A resampled image with the region in it; `image` and `mask` are SimpleITK images on one grid."""

    image: Any
    mask: Any
    mask_zyx: NDArray[np.bool_]
    box: Box

    @property
    def spacing_xyz(self) -> tuple[float, ...]:
        return tuple(self.image.GetSpacing())

    @property
    def boxed_mask(self) -> NDArray[np.bool_]:
        return np.ascontiguousarray(self.mask_zyx[self.box])


def normalised(image: Any, settings: dict[str, Any]) -> Any:
    """The image as PyRadiomics scales it (`normalize`), over all its voxels; unchanged without that setting."""
    from radiomics import imageoperations

    return imageoperations.normalizeImage(image, **settings) if settings.get("normalize") else image


def crop_to_region(image: Any, mask: Any, settings: dict[str, Any]) -> Crop:
    """The crop of one region.

    Parameters
    ----------
    image : SimpleITK image, normalised.
    mask : SimpleITK image on the same grid, 1 in the region.

    Raises
    ------
    InputError
        When the region is empty, a single voxel, or has fewer dimensions than the settings ask for.
    """
    import SimpleITK as sitk  # noqa: N813

    if settings.get("interpolator") is not None and settings.get("resampledPixelSpacing") is not None:
        image, mask = _resampled(image, mask, settings)
    mask_zyx = sitk.GetArrayViewFromImage(mask) == 1
    box = _bounding_box(mask_zyx)
    extent = sum(s.stop - s.start > 1 for s in box)
    if extent == 0:
        raise InputError("The region is a single voxel; features need more.")
    if extent < settings.get("minimumROIDimensions", 2):
        raise InputError(
            f"The region extends in {extent} dimension{'s' * (extent > 1)} only; "
            f"{settings.get('minimumROIDimensions', 2)} are needed."
        )
    smallest = settings.get("minimumROISize")
    if smallest is not None and mask_zyx.sum() <= smallest:
        raise InputError(f"The region holds {int(mask_zyx.sum())} voxels; more than {smallest} are needed.")
    return Crop(image=image, mask=mask, mask_zyx=mask_zyx, box=box)


def _bounding_box(mask_zyx: NDArray[np.bool_]) -> Box:
    box = []
    for axis in range(3):
        held = np.flatnonzero(mask_zyx.any(axis=tuple(a for a in range(3) if a != axis)))
        if not len(held):
            raise InputError(
                "The region is empty after resampling: it is smaller than a voxel of the feature grid. "
                "Draw it larger or use a preset with finer spacing."
            )
        box.append(slice(int(held[0]), int(held[-1]) + 1))
    return box[0], box[1], box[2]


def _resampled(image: Any, mask: Any, settings: dict[str, Any]) -> tuple[Any, Any]:
    """Image and mask on the grid that PyRadiomics' `resampleImage` makes, by the same arithmetic.

    The grid starts at the corner of the input and covers the region's box with `padDistance` voxels around it, as far
    as the input reaches. A direction in which the region is one slice thick keeps its spacing.
    """
    import SimpleITK as sitk  # noqa: N813

    held = _bounding_box(sitk.GetArrayViewFromImage(mask) > 0)
    low = np.array([s.start for s in held[::-1]])
    size = np.array([s.stop - s.start for s in held[::-1]])
    spacing = np.array(mask.GetSpacing())
    wanted = np.array(settings["resampledPixelSpacing"], dtype=float)
    wanted = np.where(wanted == 0, spacing, wanted)
    wanted = np.where(size != 1, wanted, spacing)
    pad = settings.get("padDistance", 5)
    if np.allclose(spacing, wanted):
        first, last = low - pad, low + size - 1 + pad
        first, last = np.maximum(first, 0), np.minimum(last, np.array(mask.GetSize()) - 1)
        extent = (last - first + 1).tolist()
        return sitk.RegionOfInterest(image, extent, first.tolist()), sitk.RegionOfInterest(mask, extent, first.tolist())
    ratio = spacing / wanted
    first = np.maximum(np.floor((low - 0.5) * ratio - pad), 0)
    last = np.minimum(np.ceil((low + size - 0.5) * ratio + pad), np.ceil(np.array(mask.GetSize()) * ratio) - 1)
    origin_index = np.array(0.5 * (wanted - spacing) / spacing) + first / ratio
    resample = sitk.ResampleImageFilter()
    resample.SetOutputSpacing(wanted)
    resample.SetOutputDirection(mask.GetDirection())
    resample.SetSize((last - first + 1).astype(int).tolist())
    resample.SetOutputOrigin(mask.TransformContinuousIndexToPhysicalPoint(origin_index))
    resample.SetOutputPixelType(image.GetPixelID())
    resample.SetInterpolator(getattr(sitk, str(settings["interpolator"]), sitk.sitkBSpline))
    moved = resample.Execute(image)
    resample.SetOutputPixelType(mask.GetPixelID())
    resample.SetInterpolator(sitk.sitkNearestNeighbor)
    return moved, resample.Execute(mask)
