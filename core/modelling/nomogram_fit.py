"""Fit a nomogram to a table: logistic or Cox, with splines and categories, as rms's `lrm`, `cph` and `nomogram` do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.domain.errors import InputError
from core.modelling.nomogram import Axis, BaselineSurvival, Level, Nomogram, pretty
from core.stats.cox import fit_cox
from core.stats.regression import default_knots, fit_logistic, spline_columns

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One predictor's columns in the design: the value, with the spline's cubic terms, or a column a level."""

    name: str
    columns: tuple[str, ...]
    low: float
    high: float
    knots: tuple[float, ...] = ()
    levels: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FittedNomogram:
    """The nomogram, its coefficients by column (the intercept under "Intercept"), and the patients' predictors.

    `center` is what R subtracts from the linear predictor of a Cox model: its mean. 0 for a logistic one.
    """

    nomogram: Nomogram
    coefficients: dict[str, float]
    standard_errors: dict[str, float]
    linear_predictor: Vector
    center: float = 0.0


def fit_logistic_nomogram(
    table: pd.DataFrame, outcome: str, predictors: Sequence[str], splines: Mapping[str, int] | None = None
) -> FittedNomogram:
    """Nomogram of a logistic regression; text columns are categories, `splines` names knots (3, 4 or 5).

    Raises
    ------
    InputError
        When a column is absent, has gaps, or the model has no finite solution.
    """
    terms, design = _design(table, predictors, splines or {})
    y = _column(table, outcome).to_numpy(float)
    if not np.isin(y, (0, 1)).all():
        raise InputError(f"The outcome {outcome} must be 0 or 1.")
    fit = fit_logistic(design, y)
    nomogram = Nomogram(intercept=float(fit.coefficients[0]), axes=_axes(terms, fit.coefficients[1:]))
    names = ["Intercept", *(c for t in terms for c in t.columns)]
    return FittedNomogram(
        nomogram=nomogram,
        coefficients=dict(zip(names, fit.coefficients.tolist(), strict=True)),
        standard_errors=dict(zip(names, fit.standard_errors.tolist(), strict=True)),
        linear_predictor=fit.coefficients[0] + design @ fit.coefficients[1:],
    )


def fit_cox_nomogram(
    table: pd.DataFrame,
    time: str,
    event: str,
    predictors: Sequence[str],
    at: Sequence[float],
    splines: Mapping[str, int] | None = None,
) -> FittedNomogram:
    """Nomogram of a Cox regression with the probability of the event by each time of `at`."""
    terms, design = _design(table, predictors, splines or {})
    t, d = _column(table, time), _column(table, event)
    fit = fit_cox(t, d, design)
    late = [x for x in at if x > fit.times.max()]
    if not at or late:
        wrong = f"{late[0]:g} lies after the last event at {fit.times.max():g}" if late else "no time is given"
        raise InputError(f"A Cox nomogram needs times within the follow-up, and {wrong}.")
    survival = fit.baseline_survival(at)
    horizons = tuple(BaselineSurvival(time=float(x), survival=float(s)) for x, s in zip(at, survival, strict=True))
    nomogram = Nomogram(intercept=0.0, axes=_axes(terms, fit.coefficients), horizons=horizons)
    names = [c for t_ in terms for c in t_.columns]
    return FittedNomogram(
        nomogram=nomogram,
        coefficients=dict(zip(names, fit.coefficients.tolist(), strict=True)),
        standard_errors=dict(zip(names, fit.standard_errors.tolist(), strict=True)),
        linear_predictor=design @ fit.coefficients,
        center=float(fit.mean @ fit.coefficients),
    )


def linear_predictor_ticks(fitted: FittedNomogram) -> Vector:
    """Round values that cover the patients' linear predictors, centred as R shows them."""
    shown = fitted.linear_predictor - fitted.center
    return pretty(float(shown.min()), float(shown.max()))


def total_point_ticks(nomogram: Nomogram) -> Vector:
    steps = pretty(0.0, nomogram.most_points)
    return steps[steps <= nomogram.most_points + 1e-9]


def _column(table: pd.DataFrame, name: str) -> pd.Series:
    if name not in table:
        raise InputError(f"There is no column '{name}'. The table has {', '.join(map(str, table.columns[:12]))}.")
    if table[name].isna().any():
        raise InputError(f"Column '{name}' has {int(table[name].isna().sum())} missing values. Complete or leave out.")
    return table[name]


def _design(table: pd.DataFrame, predictors: Sequence[str], splines: Mapping[str, int]) -> tuple[list[Term], Matrix]:
    if not predictors:
        raise InputError("Name at least one predictor.")
    unknown = set(splines) - set(predictors)
    if unknown:
        raise InputError(f"A spline is asked for {', '.join(sorted(unknown))}, which is no predictor.")
    terms, parts = [], []
    for name in predictors:
        term, columns = _term(name, _column(table, name), splines.get(name))
        terms.append(term)
        parts.append(columns)
    return terms, np.column_stack(parts)


def _term(name: str, values: pd.Series, knots: int | None) -> tuple[Term, Matrix]:
    if not pd.api.types.is_numeric_dtype(values):
        levels = tuple(sorted(values.unique()))
        if len(levels) < 2:
            raise InputError(f"Column '{name}' has only the value {levels[0]}.")
        columns = np.column_stack([(values == level).to_numpy(float) for level in levels[1:]])
        term = Term(name=name, columns=tuple(f"{name}={v}" for v in levels[1:]), low=0, high=1, levels=levels)
        return term, columns
    x = values.to_numpy(float)
    steps = pretty(float(x.min()), float(x.max()))
    low, high = float(steps[0]), float(steps[-1])
    if knots is None:
        return Term(name=name, columns=(name,), low=low, high=high), x[:, None]
    if knots not in (3, 4, 5):
        raise InputError(f"A spline of {name} with {knots} knots is not possible; give 3, 4 or 5.")
    places = default_knots(x, knots)
    names = (name, *(name + "'" * i for i in range(1, knots - 1)))
    return Term(name=name, columns=names, low=low, high=high, knots=places), spline_columns(x, places)


def _axes(terms: list[Term], coefficients: Vector) -> tuple[Axis, ...]:
    axes, start = [], 0
    for term in terms:
        mine = coefficients[start : start + len(term.columns)]
        start += len(term.columns)
        levels = tuple(
            Level(value=float(i), label=str(v), effect=0.0 if i == 0 else float(mine[i - 1]))
            for i, v in enumerate(term.levels)
        )
        axes.append(
            Axis(
                name=term.name,
                label=term.name,
                unit="",
                coefficient=0.0 if levels else float(mine[0]),
                low=term.low,
                high=term.high,
                knots=term.knots,
                spline=tuple(map(float, mine[1:])) if term.knots else (),
                levels=levels,
            )
        )
    return tuple(axes)
