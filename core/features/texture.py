"""PyRadiomics' feature classes fed with matrices computed once.

The formulas stay PyRadiomics' own; what is replaced is how their inputs come about, and the few formulas that take most
of the time. Each class below skips PyRadiomics' constructor, which would bin the image anew for every class.
"""

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray
from radiomics import base, firstorder, glcm, gldm, glrlm, glszm, ngtdm, shape

from core.features.matrices import Floats, RegionLevels
from core.features.maximal_correlation import second_eigenvalues
from core.features.mesh import mesh_coefficients

EPSILON = float(np.spacing(1))


class _Prepared(base.RadiomicsFeaturesBase):
    """A feature class that starts from discretised levels."""

    def __init__(self, region: RegionLevels, spacing_xyz: tuple[float, ...], settings: dict[str, Any]) -> None:
        self.logger = logging.getLogger("radiomics")
        self.settings = settings
        self.voxelBased = False
        self.region = region
        self.pixelSpacing = spacing_xyz
        self.coefficients = {"grayLevels": region.grey_levels, "Ng": region.highest}
        self.enabledFeatures: dict[str, bool] = {}
        self.featureValues: dict[str, Any] = {}
        self.featureNames = self.getFeatureNames()

    def present(self, matrix: NDArray[Any], axis: int) -> Floats:
        """The rows of grey levels that occur, as floating point."""
        return np.take(matrix, self.region.grey_levels - 1, axis=axis).astype(np.float64)


class FirstOrder(_Prepared, firstorder.RadiomicsFirstOrder):
    """Percentiles are read from one sorted copy, moments from one centred copy."""

    def _initCalculation(self, voxelCoordinates: Any = None) -> None:  # noqa: N802 - PyRadiomics' name
        self.voxelArrayShift = self.settings.get("voxelArrayShift", 0)
        values = self.region.values.astype(np.float64)
        self.targetVoxelArray = values.reshape(1, -1)
        counts = np.bincount(self.region.voxel_levels)[self.region.grey_levels]
        self.coefficients["p_i"] = (counts / counts.sum()).reshape(1, -1)
        self._percentiles = np.percentile(values, [10, 25, 50, 75, 90])
        self._centred = values - values.mean()
        squares = self._centred**2
        self._m2 = squares.mean()
        self._m3 = (squares * self._centred).mean()
        self._m4 = (squares * squares).mean()

    def get10PercentileFeatureValue(self) -> Any:  # noqa: N802
        return self._percentiles[0]

    def getMedianFeatureValue(self) -> Any:  # noqa: N802
        return self._percentiles[2]

    def get90PercentileFeatureValue(self) -> Any:  # noqa: N802
        return self._percentiles[4]

    def getInterquartileRangeFeatureValue(self) -> Any:  # noqa: N802
        return self._percentiles[3] - self._percentiles[1]

    def getMeanAbsoluteDeviationFeatureValue(self) -> Any:  # noqa: N802
        return np.abs(self._centred).mean()

    def getRobustMeanAbsoluteDeviationFeatureValue(self) -> Any:  # noqa: N802
        values = self.targetVoxelArray[0]
        middle = values[(values >= self._percentiles[0]) & (values <= self._percentiles[4])]
        return np.abs(middle - middle.mean()).mean()

    def getSkewnessFeatureValue(self) -> Any:  # noqa: N802
        return self._m3 / (self._m2 or 1.0) ** 1.5

    def getKurtosisFeatureValue(self) -> Any:  # noqa: N802
        return self._m4 / (self._m2 or 1.0) ** 2

    def getVarianceFeatureValue(self) -> Any:  # noqa: N802
        return self._m2


class Glcm(_Prepared, glcm.RadiomicsGLCM):
    """Symmetrical, unweighted co-occurrences at distance 1."""

    def _calculateMatrix(self, voxelCoordinates: Any = None) -> Floats:  # noqa: N802
        self.symmetricalGLCM = True
        pairs = self.present(self.present(self.region.neighbourhoods.pairs, 1), 2)
        pairs += pairs.transpose(0, 2, 1)
        pairs, totals = _occupied(pairs)
        self._by_direction = pairs / totals[:, None, None]
        # Shape (1, levels, levels, directions) as PyRadiomics' formulas expect; memory stays ordered by direction.
        return self._by_direction.transpose(1, 2, 0)[None]

    def _calculateCoefficients(self) -> None:  # noqa: N802
        levels, highest = self.region.grey_levels, self.region.highest
        by_direction = self._by_direction
        directions = len(by_direction)
        i, j = np.meshgrid(levels.astype(float), levels.astype(float), indexing="ij", sparse=True)
        px = self.P_glcm.sum(2, keepdims=True)
        py = self.P_glcm.sum(1, keepdims=True)
        sums = (levels[:, None] + levels - 2).ravel()
        gaps = np.abs(levels[:, None] - levels).ravel()
        flat = by_direction.reshape(directions, -1)
        added = np.stack([np.bincount(sums, weights=p, minlength=2 * highest - 1) for p in flat], axis=1)
        subtracted = np.stack([np.bincount(gaps, weights=p, minlength=highest) for p in flat], axis=1)
        self.coefficients |= {
            "eps": EPSILON,
            "i": i,
            "j": j,
            "kValuesSum": np.arange(2, 2 * highest + 1, dtype=float),
            "kValuesDiff": np.arange(0, highest, dtype=float),
            "px": px,
            "py": py,
            "ux": (i[None, :, :, None] * px).sum((1, 2), keepdims=True),
            "uy": (j[None, :, :, None] * py).sum((1, 2), keepdims=True),
            "pxAddy": added[None],
            "pxSuby": subtracted[None],
            "HXY": -(by_direction * np.log2(by_direction + EPSILON)).sum(axis=(1, 2))[None],
        }

    def getMCCFeatureValue(self) -> Any:  # noqa: N802
        if len(self.region.grey_levels) < 2:
            return 1
        with np.errstate(invalid="ignore"):
            return np.nanmean(np.sqrt(second_eigenvalues(self._by_direction)))


class Glrlm(_Prepared, glrlm.RadiomicsGLRLM):
    """Runs in all directions, unweighted."""

    def _calculateMatrix(self, voxelCoordinates: Any = None) -> Floats:  # noqa: N802
        runs, totals = _occupied(self.present(self.region.neighbourhoods.runs, 1))
        self.coefficients["Nr"] = totals[None]
        return runs.transpose(1, 2, 0)[None]


def _occupied(by_direction: Floats) -> tuple[Floats, Floats]:
    """The matrices of directions that hold anything, with their sums; not a number where none does."""
    totals = by_direction.sum(axis=(1, 2))
    kept = totals > 0
    return (by_direction[kept], totals[kept]) if kept.any() else (by_direction, np.full_like(totals, np.nan))


class Glszm(_Prepared, glszm.RadiomicsGLSZM):
    """Only zone sizes that occur get a column: the full matrix of a large region would not fit a cache, nor memory."""

    def _calculateMatrix(self, voxelCoordinates: Any = None) -> Floats:  # noqa: N802
        found = self.region.zones
        rows = np.searchsorted(self.region.grey_levels, found[:, 0])
        self._sizes, columns = np.unique(found[:, 1], return_inverse=True)
        shape_ = (len(self.region.grey_levels), len(self._sizes))
        counts = np.bincount(rows * shape_[1] + columns, minlength=shape_[0] * shape_[1])
        return counts.reshape(1, *shape_).astype(np.float64)

    def _calculateCoefficients(self) -> None:  # noqa: N802
        ps, pg = self.P_glszm.sum(1), self.P_glszm.sum(2)
        sizes = self._sizes.astype(np.float64)
        self.coefficients |= {
            "Np": (ps * sizes).sum(1),
            "Nz": ps.sum(1),
            "ps": ps,
            "pg": pg,
            "ivector": self.region.grey_levels.astype(float),
            "jvector": sizes,
        }


class Gldm(_Prepared, gldm.RadiomicsGLDM):
    """Dependences at distance 1."""

    def _calculateMatrix(self, voxelCoordinates: Any = None) -> Floats:  # noqa: N802
        matrix = self.present(self.region.neighbourhoods.dependences, 0)
        kept = np.flatnonzero(matrix.sum(axis=0))
        matrix = matrix[:, kept]
        pd = matrix.sum(axis=0)[None]
        self.coefficients |= {
            "Nz": pd.sum(1),
            "pd": pd,
            "pg": matrix.sum(axis=1)[None],
            "ivector": self.region.grey_levels.astype(float),
            "jvector": (kept + 1).astype(np.float64),
        }
        return matrix[None]


class Ngtdm(_Prepared, ngtdm.RadiomicsNGTDM):
    """Neighbourhood grey-tone differences at distance 1."""

    def _calculateMatrix(self, voxelCoordinates: Any = None) -> Floats:  # noqa: N802
        differences = self.present(self.region.neighbourhoods.differences, 0)
        return np.column_stack([differences, self.region.grey_levels])[None]


class Shape(shape.RadiomicsShape):
    """3D shape from a mask array; spacing in mm."""

    def __init__(self, mask_zyx: NDArray[np.bool_], spacing_xyz: tuple[float, ...], settings: dict[str, Any]) -> None:
        self.logger = logging.getLogger("radiomics")
        self.settings = settings
        self.voxelBased = False
        self.coefficients: dict[str, Any] = {}
        self.enabledFeatures: dict[str, bool] = {}
        self.featureValues: dict[str, Any] = {}
        self.featureNames = self.getFeatureNames()
        self.pixelSpacing = np.array(spacing_xyz[::-1])
        padded = np.pad(mask_zyx, 1)
        self.labelledVoxelCoordinates = np.nonzero(padded)
        self.SurfaceArea, self.Volume, self.diameters = mesh_coefficients(padded, self.pixelSpacing)
        points = np.stack(self.labelledVoxelCoordinates, axis=1) * self.pixelSpacing
        points -= points.mean(axis=0)
        points /= np.sqrt(len(points))
        values = np.linalg.eigvals(points.T @ points)
        values[(values < 0) & (values > -1e-10)] = 0
        self.eigenValues = np.sort(values)


TEXTURE_CLASSES: dict[str, type[_Prepared]] = {
    "firstorder": FirstOrder,
    "glcm": Glcm,
    "glrlm": Glrlm,
    "glszm": Glszm,
    "gldm": Gldm,
    "ngtdm": Ngtdm,
}


def texture_features(
    region: RegionLevels, spacing_xyz: tuple[float, ...], settings: dict[str, Any], classes: dict[str, Any]
) -> dict[str, float]:
    """Values by `class_Feature` for the classes of a preset (feature names, or none for all)."""
    values: dict[str, float] = {}
    for name, wanted in classes.items():
        if name in TEXTURE_CLASSES:
            values |= _executed(name, TEXTURE_CLASSES[name](region, spacing_xyz, settings), wanted)
    return values


def shape_features(
    mask_zyx: NDArray[np.bool_], spacing_xyz: tuple[float, ...], settings: dict[str, Any], wanted: list[str] | None
) -> dict[str, float]:
    """Values by `shape_Feature`."""
    return _executed("shape", Shape(mask_zyx, spacing_xyz, settings), wanted)


def _executed(name: str, features: Any, wanted: list[str] | None) -> dict[str, float]:
    for feature in wanted or ():
        features.enableFeatureByName(feature)
    return {f"{name}_{key}": float(np.squeeze(value)) for key, value in features.execute().items()}
