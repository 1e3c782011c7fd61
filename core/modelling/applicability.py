"""Whether a case looks like those a model was trained on, and if not, in which respect."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from core.domain.clinical import VARIABLES

INSIDE_PERCENTILES = (1.0, 99.0)
DISTANCE_PERCENTILE = 97.5
NAMED_FEATURES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRange:
    """What the training cohort spanned.

    `measures` holds (lowest, highest) of readable quantities (diameter, spacing, AFP); `features` (1st, 99th
    percentile) of the features the model uses; the rest is the Mahalanobis distance of those features, shrunken
    (Ledoit-Wolf), with the training cohort's own 97.5th percentile as its limit.
    """

    measures: dict[str, tuple[float, float]]
    features: dict[str, tuple[float, float]]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    precision: tuple[tuple[float, ...], ...]
    distance_limit: float


MEASURE_LABELS = {
    "max_diameter_cm": ("Maximum diameter", "cm"),
    "in_plane_spacing_mm": ("In-plane voxel spacing", "mm"),
    "slice_spacing_mm": ("Slice spacing", "mm"),
    "afp_ng_ml": ("AFP", "ng/mL"),
}


def training_range(table: pd.DataFrame, features: list[str], measures: list[str]) -> TrainingRange:
    """Learn the range from the training table; `features` are the columns the model looks at."""
    from sklearn.covariance import LedoitWolf

    spans = {m: (float(table[m].min()), float(table[m].max())) for m in measures}
    if not features:
        return TrainingRange(measures=spans, features={}, mean=(), scale=(), precision=(), distance_limit=0.0)
    values = table[features].to_numpy(float)
    mean, scale = values.mean(axis=0), np.maximum(values.std(axis=0), 1e-12)
    z = (values - mean) / scale
    precision = LedoitWolf().fit(z).precision_
    limits = np.percentile(values, INSIDE_PERCENTILES, axis=0)
    return TrainingRange(
        measures=spans,
        features={f: (float(limits[0, i]), float(limits[1, i])) for i, f in enumerate(features)},
        mean=tuple(map(float, mean)),
        scale=tuple(map(float, scale)),
        precision=tuple(tuple(map(float, row)) for row in precision),
        distance_limit=float(np.percentile(_distance(z, precision), DISTANCE_PERCENTILE)),
    )


def outside_reasons(known: TrainingRange, row: pd.Series) -> tuple[str, ...]:
    """Sentences on everything that lies outside the training cohort; empty when the case is inside."""
    reasons = []
    for name, (low, high) in known.measures.items():
        value, slack = float(row[name]), 1e-6 * abs(high)
        if not low - slack <= value <= high + slack:
            label, unit = _shown(name)
            reasons.append(
                f"{label} {value:.3g} {unit} lies outside the training range {low:.3g} to {high:.3g} {unit}."
            )
    names = list(known.features)
    if not names:
        return tuple(reasons)
    values = row[names].to_numpy(float)
    z = ((values - np.array(known.mean)) / np.array(known.scale))[None, :]
    distance = float(_distance(z, np.array(known.precision))[0])
    if distance > known.distance_limit:
        reasons.append(
            f"The features together lie far from the training cohort "
            f"(Mahalanobis distance {distance:.1f}, limit {known.distance_limit:.1f})."
        )
    beyond = [n for n, v in zip(names, values, strict=True) if not known.features[n][0] <= v <= known.features[n][1]]
    # By chance a patient from the same population is beyond 1 or 99 % in some of many features.
    expected = float(stats.binom.ppf(0.99, len(names), 0.02))
    if len(beyond) > expected:
        far = sorted(beyond, key=lambda n: -abs(float(z[0, names.index(n)])))[:NAMED_FEATURES]
        reasons.append(
            f"{len(beyond)} of {len(names)} features lie beyond the training cohort's 1st to 99th percentile, "
            f"among them {', '.join(far)}."
        )
    return tuple(reasons)


def _shown(name: str) -> tuple[str, str]:
    """A measure's label and unit."""
    if name in MEASURE_LABELS:
        return MEASURE_LABELS[name]
    variable = VARIABLES.get(name)
    return (variable.label, variable.unit) if variable else (name.replace("_", " "), "")


def _distance(z: NDArray[np.float64], precision: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sqrt(np.einsum("ij,jk,ik->i", z, precision, z))
