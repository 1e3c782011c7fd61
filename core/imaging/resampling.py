"""Bring a mask from one grid to another."""

from core.domain.errors import InputError
from core.domain.volume import Geometry, Volume
from core.imaging.simpleitk import from_sitk, to_sitk


def resample_mask(mask: Volume, geometry: Geometry) -> Volume:
    """The mask on another grid by nearest neighbour in patient coordinates; its geometry is exactly the one given.

    Raises
    ------
    InputError
        When nothing of the mask lies inside the other grid.
    """
    if mask.geometry.matches(geometry):
        return Volume(array_zyx=mask.array_zyx, geometry=geometry)
    import SimpleITK as sitk  # noqa: N813

    reference = sitk.Image(list(geometry.size_xyz), sitk.sitkUInt8)
    reference.SetSpacing(geometry.spacing_mm_xyz)
    reference.SetOrigin(geometry.origin_mm_lps)
    reference.SetDirection(geometry.direction)
    moved = sitk.Resample(to_sitk(mask), reference, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    result = from_sitk(moved)
    if not result.array_zyx.any() and mask.array_zyx.any():
        raise InputError("The mask lies outside the image: do both belong to the same patient and position?")
    return Volume(array_zyx=result.array_zyx, geometry=geometry)
