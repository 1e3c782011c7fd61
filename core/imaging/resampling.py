"""Bring a mask from one grid to another."""

import numpy as np

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


def is_part_of(part: Geometry, whole: Geometry, tolerance: float = 0.02) -> bool:
    """Whether each voxel of one grid is a voxel of the other, within `tolerance` of a voxel; axes may run backwards."""
    corners = [np.array([x, y, z], float) for x in (0, 1) for y in (0, 1) for z in (0, 1)]
    last = np.asarray(part.size_xyz) - 1.0
    points = [whole.to_index_xyz(part.to_mm_lps(c * last)) for c in corners]
    step = [whole.to_index_xyz(part.to_mm_lps(np.eye(3)[a])) - points[0] for a in range(3)]
    # A step along an axis of the part is one voxel along one axis of the whole.
    on_grid = all(np.abs(np.abs(p) - np.round(np.abs(p))).max() <= tolerance for p in (*points, *step))
    single = all(abs(np.abs(s).sum() - 1) <= 3 * tolerance for s in step)
    size = np.asarray(whole.size_xyz)
    inside = all((p >= -tolerance).all() and (p <= size - 1 + tolerance).all() for p in points)
    return bool(on_grid and single and inside)
