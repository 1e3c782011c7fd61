"""How far two masks of one structure agree: overlap, volumes, distances between their surfaces."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import InputError
from core.domain.volume import Volume


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskAgreement:
    """Overlap without unit, volumes in mL, distances in mm."""

    dice: float
    volume_a_ml: float
    volume_b_ml: float
    mean_surface_distance_mm: float
    hausdorff_95_mm: float
    hausdorff_mm: float


def compare_masks(a: Volume, b: Volume) -> MaskAgreement:
    """Agreement of two masks on one grid.

    Surface voxels are the marked ones with an unmarked neighbour among the six; distances are taken from each
    surface voxel of one mask to the nearest of the other, both ways together (symmetric mean, 95th percentile and
    maximum; definitions in Taha and Hanbury, BMC Med Imaging 2015;15:29).

    Raises
    ------
    InputError
        When the grids differ or a mask is empty.
    """
    from scipy import ndimage

    if not a.geometry.matches(b.geometry, tolerance_mm=0.1):
        raise InputError("The two masks lie on different grids; bring one to the other's grid first.")
    x, y = a.array_zyx > 0, b.array_zyx > 0
    if not x.any() or not y.any():
        raise InputError("One of the two masks is empty.")
    marked = np.argwhere(x | y)
    low, high = np.maximum(marked.min(axis=0) - 1, 0), marked.max(axis=0) + 2
    box = tuple(slice(p, q) for p, q in zip(low, high, strict=True))
    x, y = x[box], y[box]
    spacing = a.geometry.spacing_mm_xyz[::-1]
    surfaces = [_surface(x), _surface(y)]
    to = [ndimage.distance_transform_edt(~s, sampling=spacing) for s in surfaces]
    one_way, other_way = to[1][surfaces[0]], to[0][surfaces[1]]
    both = np.concatenate([one_way, other_way])
    return MaskAgreement(
        dice=dice(a, b),
        volume_a_ml=float(x.sum() * a.geometry.voxel_ml),
        volume_b_ml=float(y.sum() * a.geometry.voxel_ml),
        mean_surface_distance_mm=float(both.mean()),
        hausdorff_95_mm=float(max(np.percentile(one_way, 95), np.percentile(other_way, 95))),
        hausdorff_mm=float(both.max()),
    )


def dice(a: Volume, b: Volume) -> float:
    """Dice overlap of two masks on one grid, not both empty."""
    x, y = a.array_zyx > 0, b.array_zyx > 0
    return float(2 * (x & y).sum() / (x.sum() + y.sum()))


def _surface(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    from scipy import ndimage

    return np.asarray(mask & ~ndimage.binary_erosion(mask, border_value=0))
