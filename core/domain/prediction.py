"""What a model says of one case."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictorPoints:
    """One predictor of a nomogram: the patient's value, its points, and the axis they are read from."""

    name: str
    label: str
    unit: str
    value: float
    points: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One model's answer for one case.

    `probability`, `interval`, `risk_group` and `points` are None when the model does not apply at all
    (`computed` is False); a prediction outside the training population is computed, but not `applicable`,
    and `reasons` says why.
    """

    model: str
    version: str
    model_date: str
    title: str
    variant: str
    computed: bool
    applicable: bool
    reasons: tuple[str, ...]
    notes: tuple[str, ...] = ()
    outcome: str = ""
    probability: float | None = None
    interval: tuple[float, float] | None = None
    cutoff: float | None = None
    risk_group: str | None = None
    total_points: float | None = None
    predictors: tuple[PredictorPoints, ...] = ()
    synthetic: bool = False
    cohort: str = ""

    def as_json(self) -> dict[str, Any]:
        """The object that `python -m core analyse --json` prints for this model."""
        points = None
        if self.total_points is not None:
            by_predictor = {p.name: round(p.points, 6) for p in self.predictors}
            points = {"total": self.total_points, "by_predictor": by_predictor}
        return {**asdict(self), "points": points, "interval": list(self.interval) if self.interval else None}
