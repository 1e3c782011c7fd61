"""A region's grey levels and texture matrices, computed once and shared by all feature classes."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import InputError

Floats = NDArray[np.float64]
# Co-occurrences of 13 directions at this many levels take about 1 GB.
MOST_LEVELS = 3000


@dataclass(frozen=True, kw_only=True, eq=False)
class Neighbourhoods:
    """What the pass over all neighbours gathers; see `kernels.neighbourhoods`."""

    pairs: NDArray[np.int64]
    runs: NDArray[np.int64]
    dependences: NDArray[np.int64]
    differences: Floats


class RegionLevels:
    """A region of a (filtered) image, discretised as PyRadiomics does.

    Parameters
    ----------
    image_zyx, mask_zyx : cropped to the region's bounding box.
    settings : PyRadiomics settings (`binWidth` or `binCount`, `force2D`, `force2Ddimension`, `gldm_a`).
    """

    def __init__(self, image_zyx: NDArray[Any], mask_zyx: NDArray[np.bool_], settings: dict[str, Any]) -> None:
        from core.features.kernels import discretise

        self.settings = settings
        self.shape = mask_zyx.shape
        self.values = image_zyx[mask_zyx]
        _refuse_too_many_levels(self.values, settings)
        edges = _bin_edges(self.values, settings)
        self.voxel_levels = discretise(self.values.astype(np.float64), edges)
        self.grey_levels = np.unique(self.voxel_levels)
        padded = np.zeros([n + 2 for n in self.shape], np.int32)
        padded[1:-1, 1:-1, 1:-1][mask_zyx] = self.voxel_levels
        self._levels = padded.ravel()
        self._strides = np.array([padded.shape[1] * padded.shape[2], padded.shape[2], 1])
        self._voxels = np.flatnonzero(self._levels)

    @property
    def highest(self) -> int:
        return int(self.grey_levels[-1])

    @cached_property
    def directions(self) -> NDArray[np.int64]:
        """One of each pair of opposite directions to a neighbour, (n, 3) in z, y, x, as PyRadiomics chooses them."""
        from radiomics import cMatrices

        return np.asarray(
            cMatrices.generate_angles(
                np.array(self.shape),
                np.array([1]),
                False,
                self.settings.get("force2D", False),
                self.settings.get("force2Ddimension", 0),
            ),
            dtype=np.int64,
        )

    @cached_property
    def neighbourhoods(self) -> Neighbourhoods:
        from core.features.kernels import neighbourhoods

        offsets = self.directions @ self._strides
        pairs, runs, dependences, differences = neighbourhoods(
            self._levels, self._voxels, offsets, self.highest, max(self.shape), self.settings.get("gldm_a", 0)
        )
        for a in np.flatnonzero(pairs.sum(axis=(1, 2)) == 0):
            if not self._has_line(self.directions[a]):
                # PyRadiomics leaves out a direction along which no line holds two voxels: the region is flat there.
                runs[a] = 0
        return Neighbourhoods(pairs=pairs, runs=runs, dependences=dependences, differences=differences)

    def _has_line(self, direction: NDArray[np.int64]) -> bool:
        """Whether two voxels of the region, adjacent or not, lie on one line of a direction."""
        position = np.stack(np.unravel_index(self._voxels, [n + 2 for n in self.shape]), axis=1)
        moving = int(np.flatnonzero(direction)[0])
        steps = position[:, [moving]] * direction[moving]
        return len(np.unique(position - steps * direction, axis=0)) < len(position)

    @cached_property
    def zones(self) -> NDArray[np.int64]:
        """(zones, 2): grey level and size of each."""
        from core.features.kernels import zones

        return np.asarray(zones(self._levels.copy(), self._voxels, self.directions @ self._strides))


def _refuse_too_many_levels(values: NDArray[Any], settings: dict[str, Any]) -> None:
    count = settings.get("binCount")
    levels = count or float(values.max() - float(values.min())) / settings.get("binWidth", 25)
    if levels > MOST_LEVELS:
        raise InputError(
            f"The region would span {levels:.0f} grey levels; at most {MOST_LEVELS} can be computed, and texture is "
            "meant for 16 to 128. Use wider bins."
        )


def _bin_edges(values: NDArray[Any], settings: dict[str, Any]) -> Floats:
    """PyRadiomics' own edges: they depend on smallest and largest value only, so it is handed only those."""
    from radiomics.imageoperations import getBinEdges

    extremes = np.array([values.min(), values.max()])
    return np.asarray(getBinEdges(extremes, **settings), dtype=np.float64)
