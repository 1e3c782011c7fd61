"""A nomogram of a logistic or a Cox regression, as R's `rms::nomogram` builds it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.domain.prediction import PredictorPoints
from core.stats.regression import spline_columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One value of a categorical predictor and its effect against the first."""

    value: float
    label: str
    effect: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One predictor: its effect on the linear predictor and the range its axis shows, on the regression's scale.

    `transform` is how a displayed value enters the regression: `identity`, or `log10` of value + 1. With `knots` the
    effect is a restricted cubic spline: `coefficient` times the value plus `spline` times the cubic terms. With
    `levels` it is each level's own.
    """

    name: str
    label: str
    unit: str
    coefficient: float
    low: float
    high: float
    transform: str = "identity"
    knots: tuple[float, ...] = ()
    spline: tuple[float, ...] = ()
    levels: tuple[Level, ...] = ()

    def effect_at(self, value: float) -> float:
        """What a value on the regression's scale adds to the linear predictor."""
        if self.levels:
            found = next((level.effect for level in self.levels if level.value == value), None)
            if found is None and self.coefficient:
                # Yes and no as 1 and 0: between them the line goes on.
                return self.coefficient * value
            if found is None:
                raise ValueError(f"{self.name} has no level {value:g}")
            return found
        if self.knots:
            return float(spline_columns([value], self.knots)[0] @ np.array([self.coefficient, *self.spline]))
        return self.coefficient * value

    @property
    def shown(self) -> tuple[float, ...]:
        """The values its ticks stand at."""
        if self.levels:
            return tuple(level.value for level in self.levels)
        steps = pretty(self.low, self.high)
        return tuple(float(v) for v in steps if self.low - 1e-9 <= v <= self.high + 1e-9) or (self.low, self.high)

    @property
    def extent(self) -> tuple[float, float]:
        """The smallest and the largest effect over the axis; a spline's is looked for at its ticks, as rms does."""
        values = self.shown if self.knots or self.levels else (self.low, self.high)
        effects = [self.effect_at(v) for v in values]
        return min(effects), max(effects)

    @property
    def effect(self) -> float:
        """How far the axis can move the linear predictor."""
        low, high = self.extent
        return high - low

    def displayed(self, value: float) -> float:
        """A value of the regression's scale as a reader knows it."""
        return 10**value - 1 if self.transform == "log10" else value


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineSurvival:
    """Survival at `time` of a patient whose linear predictor is 0."""

    time: float
    survival: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Nomogram:
    """Intercept and axes; the widest axis spans 100 points.

    With `horizons` it is that of a Cox model: the intercept is 0, and the probability is that of the event by a
    horizon, the first unless another is named.
    """

    intercept: float
    axes: tuple[Axis, ...]
    horizons: tuple[BaselineSurvival, ...] = ()

    @property
    def points_per_unit(self) -> float:
        """Points for one unit of the linear predictor."""
        widest = max(a.effect for a in self.axes)
        return 100.0 / widest if widest > 0 else 0.0

    def axis_points(self, axis: Axis, value: float) -> float:
        """Points of a value on the regression's scale; beyond the axis the line goes on."""
        return (axis.effect_at(value) - axis.extent[0]) * self.points_per_unit

    @property
    def most_points(self) -> float:
        """The total when every predictor is at its worst end."""
        return sum(a.effect for a in self.axes) * self.points_per_unit

    def linear_predictor(self, total_points: float) -> float:
        """Log odds, or log hazard ratio, of a total: points and probability say the same thing."""
        base = self.intercept + sum(a.extent[0] for a in self.axes)
        return base + (total_points / self.points_per_unit if self.points_per_unit else 0.0)

    def points_for_linear_predictor(self, value: float) -> float:
        return (value - self.linear_predictor(0.0)) * self.points_per_unit

    def probability(self, total_points: float, horizon: float | None = None) -> float:
        """Of the event; in a Cox model by `horizon` (in the unit of its times)."""
        return self.probability_at(self.linear_predictor(total_points), horizon)

    def probability_at(self, linear_predictor: float, horizon: float | None = None) -> float:
        if not self.horizons:
            return float(1 / (1 + np.exp(-linear_predictor)))
        return 1 - self._baseline(horizon).survival ** float(np.exp(linear_predictor))

    def points_for_probability(self, probability: float, horizon: float | None = None) -> float:
        """The total at which the probability is reached."""
        if self.horizons:
            baseline = -np.log(self._baseline(horizon).survival)
            wanted = float(np.log(-np.log1p(-probability) / baseline))
        else:
            wanted = float(np.log(probability / (1 - probability)))
        return self.points_for_linear_predictor(wanted)

    def _baseline(self, horizon: float | None) -> BaselineSurvival:
        if horizon is None:
            return self.horizons[0]
        found = next((h for h in self.horizons if h.time == horizon), None)
        if found is None:
            raise ValueError(f"the nomogram has no horizon {horizon:g}")
        return found

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
