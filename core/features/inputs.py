"""What the networks look at: adjacent slices as channels, the largest slice, a cube around the region."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import InputError
from core.domain.volume import Volume
from core.features.architecture import Inputs, IntensityWindow

SLICE_SIZE = 224
CUBE_SIZE = 64
CROP_MARGIN = 1.1

Floats = NDArray[np.float32]
Whole = NDArray[np.int64]


def slice_triplets(image: Volume, mask: Volume, window: IntensityWindow) -> Inputs:
    """One input of (3, 224, 224) for each slice that holds the region: it and its neighbours, cropped around it.

    Raises
    ------
    InputError
        When the region is empty.
    """
    index = _voxels(mask)
    return _triplets(image, index, np.arange(index[:, 0].min(), index[:, 0].max() + 1), window)


def largest_slice(image: Volume, mask: Volume, window: IntensityWindow) -> Inputs:
    """One input of (3, 224, 224): the slice where the region is largest, with its neighbours.

    Raises
    ------
    InputError
        When the region is empty.
    """
    index = _voxels(mask)
    return _triplets(image, index, np.array([np.bincount(index[:, 0]).argmax()]), window)


def cube(image: Volume, mask: Volume, window: IntensityWindow) -> Inputs:
    """One input of (3, 64, 64, 64): the box around the region, 10 % wider, zero outside the region, thrice.

    Raises
    ------
    InputError
        When the region is empty.
    """
    index = _voxels(mask)
    low, high = index.min(axis=0), index.max(axis=0) + 1
    margin = np.ceil((high - low) * (CROP_MARGIN - 1) / 2).astype(int)
    numbers = [np.arange(a - m, b + m) for a, b, m in zip(low, high, margin, strict=True)]
    inside = _windowed(image, window) * (mask.array_zyx > 0)
    resized = _resized(_cut(inside, numbers), (CUBE_SIZE,) * 3)
    return Inputs(batch=np.repeat(resized[None, None], 3, axis=1), places=((numbers[0], numbers[1], numbers[2]),))


def square_slice(image: Volume, mask: Volume, window: IntensityWindow) -> Floats:
    """(224, 224): the slice where the region is largest, cropped around it, without neighbours."""
    index = _voxels(mask)
    number = np.bincount(index[:, 0]).argmax()
    rows, columns = _square(index, image)
    return _resized(_cut(_windowed(image, window)[[number]], [np.array([0]), rows, columns])[0], (SLICE_SIZE,) * 2)


def _voxels(mask: Volume) -> Whole:
    index = np.argwhere(mask.array_zyx > 0)
    if not len(index):
        raise InputError("The region is empty: there is nothing for the network to look at.")
    return index


def _triplets(image: Volume, index: Whole, slices: Whole, window: IntensityWindow) -> Inputs:
    rows, columns = _square(index, image)
    first, last = max(slices[0] - 1, 0), min(slices[-1] + 2, image.array_zyx.shape[0])
    crop = _cut(_windowed(image, window)[first:last], [np.arange(last - first), rows, columns])
    neighbours = np.clip(slices[:, None] + np.array([-1, 0, 1]), first, last - 1) - first
    resized = _resized(np.ascontiguousarray(crop), (SLICE_SIZE,) * 2)
    return Inputs(batch=resized[neighbours], places=tuple((np.array([z]), rows, columns) for z in slices))


def _windowed(image: Volume, window: IntensityWindow) -> Floats:
    low, high = window.low, window.high
    if window.percentiles:
        low, high = (float(v) for v in np.percentile(image.array_zyx, [low, high]))
    scaled = (image.array_zyx.astype(np.float32) - low) / max(high - low, 1e-6)
    return np.clip(scaled, 0, 1)


def _square(index_zyx: Whole, image: Volume) -> tuple[Whole, Whole]:
    """Row and column numbers of a square in mm around the region, 10 % wider than its longer side."""
    spacing_yx = np.asarray(image.geometry.spacing_mm_xyz[1::-1])
    low, high = index_zyx.min(axis=0)[1:], index_zyx.max(axis=0)[1:]
    half_mm = CROP_MARGIN * float(((high - low + 1) * spacing_yx).max()) / 2
    centre, half = (low + high) / 2, half_mm / spacing_yx
    rows, columns = (
        np.arange(int(np.floor(c - h)), int(np.ceil(c + h)) + 1) for c, h in zip(centre, half, strict=True)
    )
    return rows, columns


def _cut(array_zyx: NDArray[Any], numbers: list[Whole]) -> NDArray[Any]:
    """The block at these slices, rows and columns; beyond the image its border is repeated."""
    inside = [np.clip(n, 0, size - 1) for n, size in zip(numbers, array_zyx.shape, strict=True)]
    return array_zyx[inside[0]][:, inside[1]][:, :, inside[2]]


def _resized(array: NDArray[Any], size: tuple[int, ...]) -> Floats:
    """The last axes resized by linear interpolation; a leading axis, where there is one more, is kept."""
    import torch

    tensor = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
    extra = tensor.ndim - len(size)
    batch = tensor[(None,) * (2 - extra)]
    mode = "trilinear" if len(size) == 3 else "bilinear"
    resized: Floats = torch.nn.functional.interpolate(
        batch if extra != 1 else tensor[:, None], size=size, mode=mode, align_corners=False
    ).numpy()
    return resized[:, 0] if extra == 1 else resized[0, 0]
