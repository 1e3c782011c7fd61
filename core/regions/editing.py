"""What the workbench does to a whole mask: the slices between those drawn, holes, smoothing."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import InputError
from core.domain.volume import Volume

Mask = NDArray[np.bool_]


def fill_between_slices(mask: Volume, axis_xyz: int) -> Volume:
    """The mask with its gaps between drawn slices filled along a voxel axis (0 x, 1 y, 2 z).

    Shape-based interpolation: between two drawn slices the signed distance to their outlines is interpolated linearly
    (Raya and Udupa, IEEE Trans Med Imaging 1990;9:32-42); the outlines are first moved onto a common centre, so that a
    structure that runs obliquely is followed (as in Herman et al., IEEE Comput Graph Appl 1992;12:69-79).

    Raises
    ------
    InputError
        When fewer than two slices are drawn or none is missing between them.
    """
    spacing = mask.geometry.spacing_mm_xyz
    slices = np.moveaxis(mask.array_zyx > 0, 2 - axis_xyz, 0).copy()
    in_plane = tuple(s for a, s in reversed(list(enumerate(spacing))) if a != axis_xyz)
    drawn = np.flatnonzero(slices.any(axis=(1, 2))).tolist()
    gaps = [(a, b) for a, b in pairwise(drawn) if b - a > 1]
    if len(drawn) < 2 or not gaps:
        raise InputError("Draw on two slices or more, with slices left out between them; then fill between.")
    for low, high in gaps:
        slices[low + 1 : high] = _between(slices[low], slices[high], high - low - 1, in_plane)
    filled = np.moveaxis(slices, 0, 2 - axis_xyz)
    return Volume(array_zyx=np.ascontiguousarray(filled, np.uint8), geometry=mask.geometry)


def fill_holes(mask: Volume) -> Volume:
    """The mask with what it encloses: in space, and in each slice (z) of its own grid."""
    from scipy import ndimage

    filled = ndimage.binary_fill_holes(mask.array_zyx > 0)
    filled = np.stack([ndimage.binary_fill_holes(s) for s in filled])
    return Volume(array_zyx=filled.astype(np.uint8), geometry=mask.geometry)


def smooth(mask: Volume, mm: float) -> Volume:
    """The mask with its surface smoothed by a Gaussian of `mm`, at the level that keeps its volume.

    Raises
    ------
    InputError
        When the width is not usable or nothing is marked.
    """
    from scipy import ndimage

    if not 0 < mm <= 20:
        raise InputError(f"Smoothing over {mm:g} mm is not possible; choose more than 0, at most 20 mm.")
    voxels = int(np.count_nonzero(mask.array_zyx))
    if not voxels:
        raise InputError("Nothing is drawn yet.")
    box = _box(mask, mm * 3)
    sigma = [mm / s for s in mask.geometry.spacing_mm_xyz[::-1]]
    soft = ndimage.gaussian_filter(mask.array_zyx[box].astype(np.float32), sigma)
    level = np.partition(soft.ravel(), -voxels)[-voxels] if voxels <= soft.size else 0.0
    smoothed = np.zeros(mask.array_zyx.shape, np.uint8)
    smoothed[box] = soft >= max(float(level), 1e-6)
    return Volume(array_zyx=smoothed, geometry=mask.geometry)


def _between(a: Mask, b: Mask, count: int, spacing: tuple[float, ...]) -> Mask:
    from scipy import ndimage

    rows = np.flatnonzero((a | b).any(axis=1))
    columns = np.flatnonzero((a | b).any(axis=0))
    # Room on each side, so that a centred outline stays in the box.
    pad_y, pad_x = int(np.ptp(rows)) + 2, int(np.ptp(columns)) + 2
    y, x = rows[0] - pad_y, columns[0] - pad_x
    shape = (int(np.ptp(rows)) + 1 + 2 * pad_y, int(np.ptp(columns)) + 1 + 2 * pad_x)

    def boxed(m: Mask) -> Mask:
        out = np.zeros(shape, bool)
        out[pad_y : shape[0] - pad_y, pad_x : shape[1] - pad_x] = m[
            rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1
        ]
        return out

    ends = [boxed(a), boxed(b)]
    centres = [np.array(ndimage.center_of_mass(e)) for e in ends]
    middle = (np.array(shape) - 1) / 2
    fields = [
        ndimage.shift(_signed_distance(e, spacing), middle - c, order=1, mode="nearest")
        for e, c in zip(ends, centres, strict=True)
    ]
    made = np.zeros((count, *a.shape), bool)
    for n in range(count):
        t = (n + 1) / (count + 1)
        centre = (1 - t) * centres[0] + t * centres[1]
        field = ndimage.shift((1 - t) * fields[0] + t * fields[1], centre - middle, order=1, mode="nearest")
        _paste(made[n], field > 0, int(y), int(x))
    return made


def _paste(target: Mask, part: Mask, y: int, x: int) -> None:
    """Put a box into a slice at (y, x); what lies outside the slice is dropped."""
    top, left = max(0, -y), max(0, -x)
    height = min(part.shape[0], target.shape[0] - y) - top
    width = min(part.shape[1], target.shape[1] - x) - left
    target[y + top : y + top + height, x + left : x + left + width] = part[top : top + height, left : left + width]


def _signed_distance(mask: Mask, spacing: tuple[float, ...]) -> NDArray[np.float64]:
    """Distance to the outline in mm, positive inside; the outline lies half-way between pixels."""
    from scipy import ndimage

    inside = ndimage.distance_transform_edt(mask, sampling=spacing)
    outside = ndimage.distance_transform_edt(~mask, sampling=spacing)
    return np.asarray(inside - outside + np.where(mask, -0.5, 0.5) * min(spacing))


def _box(mask: Volume, margin_mm: float) -> tuple[slice, ...]:
    marked = np.argwhere(mask.array_zyx > 0)
    pad = np.ceil(margin_mm / np.asarray(mask.geometry.spacing_mm_xyz[::-1])).astype(int) + 1
    low = np.maximum(marked.min(axis=0) - pad, 0)
    high = np.minimum(marked.max(axis=0) + pad + 1, mask.array_zyx.shape)
    return tuple(slice(a, b) for a, b in zip(low, high, strict=True))
