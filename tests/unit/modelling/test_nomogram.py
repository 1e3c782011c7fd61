"""Nomograms beyond the straight line: points and probability say what the model says."""

import numpy as np
import pandas as pd
import pytest

from core.domain.errors import InputError
from core.modelling.nomogram_fit import fit_cox_nomogram, fit_logistic_nomogram
from core.stats.regression import spline_columns


def cohort() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    n = 300
    age, size = rng.normal(60, 10, n), rng.lognormal(1.4, 0.5, n)
    group = rng.choice(["A", "B", "C"], n)
    lp = 0.004 * (age - 60) ** 2 + 0.2 * size + 0.7 * (group == "C") - 1.6
    time = rng.exponential(30 * np.exp(-lp))
    return pd.DataFrame(
        {"age": age, "size": size, "group": group, "y": (rng.random(n) < 1 / (1 + np.exp(-lp))) * 1, "time": time + 0.1,
         "event": (rng.random(n) < 0.7) * 1}
    )  # fmt: skip


def points_of(fitted, row: pd.Series) -> float:
    total = 0.0
    for axis in fitted.nomogram.axes:
        value = next((v.value for v in axis.levels if v.label == row[axis.name]), None) if axis.levels else None
        total += fitted.nomogram.axis_points(axis, row[axis.name] if value is None else value)
    return total


def test_points_of_splines_and_categories_give_the_models_probability() -> None:
    table = cohort()
    fitted = fit_logistic_nomogram(table, "y", ["age", "size", "group"], {"age": 4})
    for i in range(20):
        total = points_of(fitted, table.iloc[i])
        assert fitted.nomogram.linear_predictor(total) == pytest.approx(fitted.linear_predictor[i], abs=1e-9)


def test_a_cox_nomogram_gives_the_events_probability_at_each_time() -> None:
    table = cohort()
    fitted = fit_cox_nomogram(table, "time", "event", ["size", "group"], [12, 36])
    total = points_of(fitted, table.iloc[0])
    early, late = (fitted.nomogram.probability(total, h) for h in (12, 36))
    assert 0 < early < late < 1
    for horizon, p in ((12, early), (36, late)):
        assert fitted.nomogram.points_for_probability(p, horizon) == pytest.approx(total)
    with pytest.raises(InputError, match="lies after the last event"):
        fit_cox_nomogram(table, "time", "event", ["size"], [10_000])


def test_a_spline_is_straight_beyond_its_outer_knots() -> None:
    values = spline_columns([80, 90, 100], (40, 55, 65, 75)) @ np.array([0.1, 0.3, -0.2])
    assert values[2] - values[1] == pytest.approx(values[1] - values[0])


def test_a_predictor_that_separates_or_repeats_is_refused() -> None:
    table = cohort()
    table["copy"] = 2 * table["age"]
    with pytest.raises(InputError, match="combination of the others"):
        fit_logistic_nomogram(table, "y", ["age", "copy"])
    table["leak"] = table["y"] * 5.0 + 0.01 * table["size"]
    with pytest.raises(InputError, match="separates"):
        fit_logistic_nomogram(table, "y", ["leak"])
