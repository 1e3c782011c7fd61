"""Surface area, volume and diameters of a mask's mesh: PyRadiomics' values without its quadratic search.

PyRadiomics' C function walks the marching cubes of a mask and compares every pair of mesh vertices for the maximum
diameters. Area and volume are sums over 2×2×2 cubes, and a cube's part depends only on which of its corners are set
(and, for the volume, linearly on where it stands): so the library itself is asked once for the part of each of the 256
corner patterns, and the mask's cubes are counted. The longest distance between mesh vertices lies between vertices of
their convex hull. Both are exact.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def mesh_coefficients(mask_zyx: NDArray[np.bool_], spacing_zyx: Floats) -> tuple[float, float, Floats]:
    """As PyRadiomics' `cShape.calculate_coefficients`.

    Parameters
    ----------
    mask_zyx : padded by at least one voxel of background on every side.
    spacing_zyx : mm.

    Returns
    -------
    surface area (mm²), volume (mm³), and the maximum diameters (mm): within a slice (z fixed), a column (y fixed), a
    row (x fixed), and in 3D.
    """
    from core.features.kernels import cube_counts

    counts, positions = cube_counts(np.ascontiguousarray(mask_zyx).view(np.int8))
    area, volume, volume_per_step = _cube_parts(tuple(float(s) for s in spacing_zyx))
    total_volume = float(counts @ volume + (positions * volume_per_step).sum())
    return float(counts @ area), total_volume, mesh_diameters(mask_zyx, spacing_zyx)


@lru_cache(maxsize=32)
def _cube_parts(spacing: tuple[float, ...]) -> tuple[Floats, Floats, Floats]:
    """What each corner pattern adds: area, volume at the origin, and volume for each step along z, y, x."""
    from radiomics import cShape

    spacing_zyx = np.asarray(spacing)

    def ask(corners: NDArray[np.bool_]) -> tuple[float, float]:
        area, volume, _ = cShape.calculate_coefficients(np.ascontiguousarray(corners), spacing_zyx)
        return area, volume

    patterns = (np.arange(256)[:, None] >> np.arange(8) & 1).astype(bool).reshape(-1, 2, 2, 2)
    alone = np.array([ask(p) for p in patterns])
    steps = np.zeros((256, 3))
    for axis in range(3):
        for number, pattern in enumerate(patterns):
            # A second cube in front, its near corners equal to its far ones, moves this one on by one step.
            near = np.take(pattern, [0], axis=axis)
            front = _pattern_number(np.concatenate([near, near], axis=axis))
            both = ask(np.concatenate([near, pattern], axis=axis))[1]
            steps[number, axis] = both - alone[front, 1] - alone[number, 1]
    return alone[:, 0], alone[:, 1], steps


def _pattern_number(corners: NDArray[np.bool_]) -> int:
    return int((corners.ravel() << np.arange(8)).sum())


def mesh_diameters(mask_zyx: NDArray[np.bool_], spacing_zyx: Floats) -> Floats:
    """Maximum diameters in mm: z fixed, y fixed, x fixed, 3D. Exact.

    Mesh vertices stand halfway between a voxel of the mask and a neighbour outside; here in half voxels, so that
    coordinates are whole numbers and planes can be compared without tolerance.
    """
    from core.features.kernels import longest_squared

    halves = _vertices_in_half_voxels(mask_zyx)
    half_mm = spacing_zyx / 2
    diameters = np.zeros(4)
    for axis in range(3):
        across = [i for i in range(3) if i != axis]
        planes = _line_ends(halves, along=across[1])
        planes = planes[np.argsort(planes[:, axis], kind="stable")]
        starts = np.flatnonzero(np.r_[True, np.diff(planes[:, axis]) > 0])
        flat = np.ascontiguousarray(planes[:, across] * half_mm[across])
        diameters[axis] = max(longest_squared(part) for part in np.split(flat, starts[1:]))
    diameters[3] = longest_squared(_hull(_line_ends(halves, along=2) * half_mm))
    return np.sqrt(diameters)


def _vertices_in_half_voxels(mask_zyx: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Doubled (z, y, x) positions of all mesh vertices."""
    parts = []
    for axis in range(3):
        changes = np.argwhere(np.diff(mask_zyx, axis=axis)) * 2
        changes[:, axis] += 1
        parts.append(changes)
    return np.concatenate(parts)


def _line_ends(points: NDArray[np.int64], *, along: int) -> NDArray[np.int64]:
    """First and last point on every line along an axis: no point between them can end a longest distance."""
    others = [i for i in range(3) if i != along]
    order = np.lexsort((points[:, along], points[:, others[1]], points[:, others[0]]))
    ordered = points[order]
    new_line = np.r_[True, (np.diff(ordered[:, others], axis=0) != 0).any(axis=1)]
    last = np.r_[new_line[1:], True]
    return ordered[new_line | last]


def _hull(points: Floats) -> Floats:
    from scipy.spatial import ConvexHull, QhullError

    if len(points) < 50:
        return points
    try:
        return np.ascontiguousarray(points[ConvexHull(points).vertices])
    except QhullError:
        return points  # all in one plane: the ends of its lines are few enough to compare
