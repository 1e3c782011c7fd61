"""One level of the stationary wavelet transform where a region lies, to the last bit as PyRadiomics gets it.

PyRadiomics transforms the whole crop, 10 voxels wider than the region on every side, with PyWavelets, and then cuts the
region's box out. An output needs only as many neighbours as the filter has taps, so only the box is computed here. Sums
run in PyWavelets' order: a detail coefficient of a flat area is then the same rounding error on the same side of zero,
which decides its grey level.
"""

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Box = tuple[slice, slice, slice]


def wavelet_bands(
    array_zyx: NDArray[Any], box: Box, *, wavelet: str = "coif1", axes: tuple[int, ...]
) -> dict[str, Floats]:
    """The bands by name (`LLH`: low-pass along the first of `axes`, …), cut to `box`.

    Parameters
    ----------
    array_zyx : the crop PyRadiomics would transform.
    axes : as PyRadiomics orders them: (2, 1, 0), less the axis left out by `force2D`.
    """
    filters = dict(zip("LH", _filters(wavelet), strict=True))
    length = len(filters["L"])
    data = array_zyx
    tables = {}
    for axis in range(3):
        wanted = np.arange(*box[axis].indices(array_zyx.shape[axis]))
        if axis in axes:
            taps, sources = _tables(wanted, array_zyx.shape[axis], length)
            wanted = np.unique(sources)
            tables[axis] = taps, np.searchsorted(wanted, sources)
        data = np.take(data, wanted, axis=axis)
    bands = {"": np.ascontiguousarray(data, dtype=np.float64)}
    for axis in axes:
        taps, sources = tables[axis]
        bands = {
            name + letter: _filtered(band, axis, filters[letter][taps], sources)
            for (name, band), letter in product(bands.items(), "LH")
        }
    return bands


def _filtered(band: Floats, axis: int, taps: Floats, sources: NDArray[np.int64]) -> Floats:
    from core.features.kernels import filtered_lines

    before, after = band.shape[:axis], band.shape[axis + 1 :]
    lines = band.reshape(int(np.prod(before)), band.shape[axis], int(np.prod(after)))
    return np.asarray(filtered_lines(lines, taps, sources)).reshape(*before, len(taps), *after)


def _filters(wavelet: str) -> tuple[Floats, Floats]:
    import pywt

    held = pywt.Wavelet(wavelet)
    return np.array(held.dec_lo), np.array(held.dec_hi)


def _tables(wanted: NDArray[np.int64], size: int, length: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which tap meets which input voxel, in PyWavelets' order of summation, for each wanted output.

    The signal is periodic; an odd one is first lengthened by its own first voxel. At its far end PyWavelets sums the
    wrapped inputs first, in reverse order of taps.
    """
    even = size + size % 2
    last = wanted + length // 2
    taps = np.tile(np.arange(length), (len(wanted), 1))
    for row in np.flatnonzero(last >= even):
        wrapped = last[row] - even + 1
        taps[row, :wrapped] = taps[row, :wrapped][::-1]
    sources = (last[:, None] - taps) % even
    return taps, np.where(sources == size, 0, sources)
