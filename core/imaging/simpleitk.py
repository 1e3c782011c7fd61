"""Between our volumes and SimpleITK's images."""

from typing import TYPE_CHECKING, Any

import numpy as np

from core.domain.volume import Geometry, Volume

if TYPE_CHECKING:
    import SimpleITK as sitk  # noqa: N813


def to_sitk(volume: Volume) -> "sitk.Image":
    """A SimpleITK image with the volume's voxels and geometry."""
    import SimpleITK as sitk  # noqa: N813

    array: Any = volume.array_zyx
    image = sitk.GetImageFromArray(array.astype(np.uint8) if array.dtype == bool else array)
    image.SetSpacing(volume.geometry.spacing_mm_xyz)
    image.SetOrigin(volume.geometry.origin_mm_lps)
    image.SetDirection(volume.geometry.direction)
    return image


def from_sitk(image: "sitk.Image") -> Volume:
    """A volume with the image's voxels and geometry."""
    import SimpleITK as sitk  # noqa: N813

    geometry = Geometry(
        size_xyz=tuple(image.GetSize()),
        spacing_mm_xyz=tuple(image.GetSpacing()),
        origin_mm_lps=tuple(image.GetOrigin()),
        direction=tuple(image.GetDirection()),
    )
    return Volume(array_zyx=sitk.GetArrayFromImage(image), geometry=geometry)
