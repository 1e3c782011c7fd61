"""Regions made from a tumour mask: the peritumoral shell, and the tumour with its shell."""

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import InputError
from core.domain.volume import Geometry, Volume


def peritumoral_shell(
    tumour: Volume,
    width_mm: float,
    *,
    within: Volume | None = None,
    excluding: tuple[Volume, ...] = (),
) -> Volume:
    """Voxels outside the tumour at a Euclidean distance of at most `width_mm`.

    Parameters
    ----------
    within : mask the shell is cut to (liver, or the body where there is no liver mask).
    excluding : other lesions, taken out of the shell.

    Raises
    ------
    InputError
        When the width is not positive, the tumour is empty or nothing of the shell is left.
    """
    if not 0 < width_mm <= 100:
        raise InputError(f"A peritumoral width of {width_mm:g} mm is not possible; choose more than 0, at most 100 mm.")
    shell = _distance_band(tumour, width_mm)
    if within is not None:
        _require_same_grid(tumour, within)
        shell &= within.array_zyx > 0
    for lesion in excluding:
        _require_same_grid(tumour, lesion)
        shell &= lesion.array_zyx == 0
    if not shell.any():
        raise InputError(
            f"Nothing is left of the {width_mm:g} mm shell inside the organ mask. "
            "Check that the mask belongs to this case."
        )
    return Volume(array_zyx=shell.astype(np.uint8), geometry=tumour.geometry)


def tumour_plus_shell(tumour: Volume, shell: Volume) -> Volume:
    """The union of tumour and shell."""
    union = (tumour.array_zyx > 0) | (shell.array_zyx > 0)
    return Volume(array_zyx=union.astype(np.uint8), geometry=tumour.geometry)


def _distance_band(tumour: Volume, width_mm: float) -> NDArray[np.bool_]:
    from scipy import ndimage

    spacing_zyx = np.asarray(tumour.geometry.spacing_mm_xyz[::-1])
    index = np.argwhere(tumour.array_zyx > 0)
    if not len(index):
        raise InputError("The tumour mask is empty: there is nothing to put a shell around.")
    # The distance need only be known near the tumour: a box wide enough keeps a large image cheap.
    pad = np.ceil(width_mm / spacing_zyx).astype(int) + 1
    low = np.maximum(index.min(axis=0) - pad, 0)
    high = np.minimum(index.max(axis=0) + pad + 1, tumour.array_zyx.shape)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    inside = tumour.array_zyx[box] > 0
    distance = ndimage.distance_transform_edt(~inside, sampling=spacing_zyx)
    band = np.zeros(tumour.array_zyx.shape, bool)
    band[box] = (distance > 0) & (distance <= width_mm)
    return band


def _require_same_grid(a: Volume, b: Volume) -> None:
    if not a.geometry.matches(b.geometry):
        raise InputError(f"Masks lie on different grids: {_describe(a.geometry)} and {_describe(b.geometry)}.")


def _describe(g: Geometry) -> str:
    return f"{'×'.join(map(str, g.size_xyz))} voxels of {'×'.join(f'{s:g}' for s in g.spacing_mm_xyz)} mm"
