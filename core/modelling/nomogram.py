"""A nomogram of a logistic regression, as R's `rms::nomogram` builds it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.domain.prediction import PredictorPoints


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One predictor: its coefficient and the range its axis shows, both on the scale of the regression.

    `transform` is how a displayed value enters the regression: `identity`, or `log10` of value + 1.
    """

    name: str
    label: str
    unit: str
    coefficient: float
    low: float
    high: float
    transform: str = "identity"

    @property
    def effect(self) -> float:
        """How far the axis can move the linear predictor."""
        return abs(self.coefficient) * (self.high - self.low)

    @property
    def zero_point(self) -> float:
        """The end of the axis that is worth no points."""
        return self.low if self.coefficient >= 0 else self.high

    def displayed(self, value: float) -> float:
        """A value of the regression's scale as a reader knows it."""
        return 10**value - 1 if self.transform == "log10" else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Nomogram:
    """Intercept and axes; the widest axis spans 100 points."""

    intercept: float
    axes: tuple[Axis, ...]

    @property
    def points_per_unit(self) -> float:
        """Points for one unit of the linear predictor."""
        widest = max(a.effect for a in self.axes)
        return 100.0 / widest if widest > 0 else 0.0

    def axis_points(self, axis: Axis, value: float) -> float:
        """Points of a value on the regression's scale; beyond the axis the line goes on."""
        return axis.coefficient * (value - axis.zero_point) * self.points_per_unit

    def linear_predictor(self, total_points: float) -> float:
        """Log odds of a total: points and probability say the same thing."""
        base = self.intercept + sum(a.coefficient * a.zero_point for a in self.axes)
        return base + (total_points / self.points_per_unit if self.points_per_unit else 0.0)

    def probability(self, total_points: float) -> float:
        return float(1 / (1 + np.exp(-self.linear_predictor(total_points))))

    def points_for_probability(self, probability: float) -> float:
        """The total at which the probability is reached."""
        log_odds = float(np.log(probability / (1 - probability)))
        return (log_odds - self.linear_predictor(0.0)) * self.points_per_unit

    def patient(self, values: dict[str, float]) -> tuple[PredictorPoints, ...]:
        """Points per predictor for values by name, on the regression's scale."""
        return tuple(
            PredictorPoints(
                name=a.name,
                label=a.label,
                unit=a.unit,
                value=a.displayed(values[a.name]),
                points=self.axis_points(a, values[a.name]),
            )
            for a in self.axes
        )


def pretty(low: float, high: float, intervals: int = 10) -> NDArray[np.float64]:
    """R's `pretty(c(low, high), n)`: round values that cover a range in about `intervals` steps."""
    if high <= low:
        return np.array([low, low + 1.0])
    cell = (high - low) / intervals
    base = 10.0 ** np.floor(np.log10(cell))
    unit = base
    for multiple, bias in ((2, 1.5), (5, 2.75), (10, 1.5)):
        if multiple * base - cell < bias * (cell - unit):
            unit = multiple * base
    first, last = np.floor(low / unit + 1e-7), np.ceil(high / unit - 1e-7)
    steps: NDArray[np.float64] = np.arange(first, last + 1) * unit
    return steps
