"""Our statistics against R: one test a row of r_values.csv (tolerance relative above 1, absolute below)."""

import csv
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from core.modelling.nomogram import Axis, Nomogram, pretty
from core.stats.cox import hazard_ratio
from core.stats.discrimination import auc_delong, compare_auc, youden_cutoff
from core.stats.survival import kaplan_meier, log_rank

HERE = Path(__file__).parent
ROWS = list(csv.DictReader((HERE / "r_values.csv").read_text().splitlines()))


@cache
def fixture() -> pd.DataFrame:
    return pd.read_csv(HERE / "data" / "r_fixture.csv")


@cache
def pbc() -> pd.DataFrame:
    return pd.read_csv(HERE / "data" / "pbc_scored.csv")


def _auc(frame: pd.DataFrame, outcome: str, score: str, part: str) -> float:
    found = auc_delong(frame[outcome], frame[score])
    return {"": found.auc, "variance": found.variance, "lower": found.ci[0], "upper": found.ci[1]}[part]


@cache
def pbc_nomogram() -> Nomogram:
    names = ["age", "albumin", "log_bili"]
    data = pbc()
    fit = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10_000, solver="newton-cholesky").fit(
        data[names], data["dead_4y"]
    )
    axes = []
    for name, coefficient in zip(names, fit.coef_[0], strict=True):
        steps = pretty(data[name].min(), data[name].max())
        axes.append(Axis(name=name, label=name, unit="", coefficient=coefficient, low=steps[0], high=steps[-1]))
    return Nomogram(intercept=float(fit.intercept_[0]), axes=tuple(axes))


def _nomogram_axis(quantity: str) -> Axis:
    return next(a for a in pbc_nomogram().axes if f"_{a.name}" in quantity)


def _km(case: str, group: str | None, time: float, interval: str):
    if case == "fixture":
        data = fixture() if group is None else fixture().query(f"grp == {group}")
        return kaplan_meier(data["time"], data["status"], at=[time], interval=interval)
    data = pbc().query(f"risk_group == '{group}'")
    return kaplan_meier(data["years"], data["event"], at=[time], interval="log")


def _named(case: str, quantity: str) -> float | None:
    """Quantities that stand alone."""
    f, p = fixture(), pbc()
    if case == "fixture":
        made: dict[str, Callable[[], float]] = {
            "delong_z": lambda: compare_auc(f.y, f.p1, f.p2).z,
            "delong_p": lambda: compare_auc(f.y, f.p1, f.p2).p,
            "km_median": lambda: kaplan_meier(f.time, f.status).median or 0,
            "km_log_lower_24": lambda: _km(case, None, 24, "log").table[0].lower,
            "km_log_upper_24": lambda: _km(case, None, 24, "log").table[0].upper,
            "logrank_chi2": lambda: log_rank(f.time, f.status, f.grp).chi2,
            "logrank_p": lambda: log_rank(f.time, f.status, f.grp).p,
        }
    else:
        made = {
            "auc": lambda: _auc(p, "dead_4y", "p", ""),
            "auc_lower": lambda: _auc(p, "dead_4y", "p", "lower"),
            "auc_upper": lambda: _auc(p, "dead_4y", "p", "upper"),
            "delong_z": lambda: compare_auc(p.dead_4y, p.p, p.p_base).z,
            "logrank_chi2": lambda: log_rank(p.years, p.event, p.risk_group).chi2,
            "hr": lambda: hazard_ratio(p.years, p.event, p.risk_group, reference="low").ratio,
            "hr_lower": lambda: hazard_ratio(p.years, p.event, p.risk_group, reference="low").ci[0],
            "hr_upper": lambda: hazard_ratio(p.years, p.event, p.risk_group, reference="low").ci[1],
        }
    return made[quantity]() if quantity in made else None


def _patterned(case: str, quantity: str) -> float:  # noqa: PLR0911
    """Quantities whose name holds a group, a time or an axis."""
    if m := re.fullmatch(r"auc_?(\w*)_p([12])", quantity):
        return _auc(fixture(), "y", f"p{m[2]}", m[1])
    if m := re.fullmatch(r"youden_(\w+)", quantity):
        frame, outcome, score = (fixture(), "y", "p2") if case == "fixture" else (pbc(), "dead_4y", "p")
        return float(getattr(youden_cutoff(frame[outcome], frame[score]), m[1]))
    if m := re.fullmatch(r"km_(survival|lower|upper|at_risk)_(\d+)", quantity):
        return float(getattr(_km(case, None, float(m[2]), "log-log").table[0], m[1]))
    if m := re.fullmatch(r"at_risk_grp=(\d)_(\d+)", quantity):
        return float(_km(case, m[1], float(m[2]), "log").table[0].at_risk)
    if m := re.fullmatch(r"km_median_(\w+)", quantity):
        return float(_km(case, m[1], 1, "log").median or 0)
    if m := re.fullmatch(r"km_(n_risk|surv|lower|upper)_(\w+)_(\d+)", quantity):
        name = {"n_risk": "at_risk", "surv": "survival"}.get(m[1], m[1])
        return float(getattr(_km(case, m[2], float(m[3]), "log").table[0], name))
    if m := re.fullmatch(r"nomogram_axis_(low|high)_\w+", quantity):
        return float(getattr(_nomogram_axis(quantity), m[1]))
    if m := re.fullmatch(r"nomogram_total_at_lp_(-?\d+)", quantity):
        return pbc_nomogram().points_for_probability(1 / (1 + np.exp(-float(m[1]))))
    if m := re.fullmatch(r"nomogram_\w+_(-?[\d.]+)", quantity):
        return pbc_nomogram().axis_points(_nomogram_axis(quantity), float(m[1]))
    raise AssertionError(f"no computation for {quantity}")


@pytest.mark.parametrize("row", ROWS, ids=[f"{r['case']}-{r['quantity']}" for r in ROWS])
def test_agrees_with_r(row: dict[str, str]) -> None:
    found = _named(row["case"], row["quantity"])
    if found is None:
        found = _patterned(row["case"], row["quantity"])
    tolerance = float(row["tolerance"])
    assert found == pytest.approx(float(row["value"]), rel=tolerance, abs=tolerance), row["citation"]
