"""Survival curves by group, with numbers at risk as data, and the log-rank test."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from core.domain.errors import InputError

Vector = NDArray[np.float64]
IntervalKind = Literal["log", "log-log"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AtTime:
    """One row of the table under a curve (KMunicate): at risk just before, censored and events up to a time."""

    time: float
    at_risk: int
    censored: int
    events: int
    survival: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A Kaplan-Meier curve as steps, its table, and the marks of censored patients."""

    group: str
    n: int
    events: int
    median: float | None
    times: tuple[float, ...]
    survival: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    censor_times: tuple[float, ...]
    table: tuple[AtTime, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRank:
    chi2: float
    df: int
    p: float


def kaplan_meier(
    time: ArrayLike,
    event: ArrayLike,
    *,
    group: str = "all",
    at: ArrayLike = (),
    interval: IntervalKind = "log-log",
) -> Curve:
    """Kaplan-Meier with Greenwood's variance (R's `survfit`; its default interval is `log`).

    Parameters
    ----------
    time : (n,) follow-up, any unit, not negative.
    event : (n,) 1 event, 0 censored.
    at : times of the table.
    """
    t, d = checked_follow_up(time, event)
    steps, place = np.unique(t, return_inverse=True)
    left = np.bincount(place, minlength=len(steps))
    at_risk = len(t) - np.concatenate([[0], np.cumsum(left)[:-1]])
    deaths = np.bincount(place, d, len(steps)).astype(int)
    survival = np.cumprod(1 - deaths / at_risk)
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(np.where(at_risk > deaths, deaths / (at_risk * (at_risk - deaths)), np.inf * deaths))
        greenwood = np.where(np.isnan(greenwood), np.inf, greenwood)
    lower, upper = _interval(survival, greenwood, interval)
    below = np.flatnonzero(survival <= 0.5 + 1e-12)
    # R takes the midpoint when the curve runs flat at exactly one half.
    median = _median(steps, survival, deaths, below)
    rows = tuple(_row(x, t, d, steps, survival, lower, upper) for x in np.atleast_1d(np.asarray(at, float)))
    return Curve(
        group=group,
        n=len(t),
        events=int(d.sum()),
        median=median,
        times=(0.0, *steps.tolist()),
        survival=(1.0, *survival.tolist()),
        lower=(1.0, *lower.tolist()),
        upper=(1.0, *upper.tolist()),
        censor_times=tuple(np.sort(t[d == 0]).tolist()),
        table=rows,
    )


def log_rank(time: ArrayLike, event: ArrayLike, group: ArrayLike) -> LogRank:
    """Mantel-Haenszel log-rank test over all groups (R's `survdiff`), computed by lifelines."""
    from lifelines.statistics import multivariate_logrank_test

    t, d = checked_follow_up(time, event)
    result = multivariate_logrank_test(t, np.asarray(group), d)
    return LogRank(chi2=float(result.test_statistic), df=len(np.unique(np.asarray(group))) - 1, p=float(result.p_value))


def checked_follow_up(time: ArrayLike, event: ArrayLike) -> tuple[Vector, Vector]:
    """Times and events as arrays; InputError where they are not follow-up."""
    t, d = np.asarray(time, float), np.asarray(event, float)
    if t.shape != d.shape or t.ndim != 1 or not len(t):
        raise InputError(f"Times and events must be two lists of the same length, got {t.shape} and {d.shape}.")
    if not np.isfinite(t).all() or (t < 0).any() or not np.isin(d, (0, 1)).all():
        raise InputError("Follow-up times must be numbers from 0 on and events 0 or 1, without missing values.")
    return t, d


def _interval(survival: Vector, greenwood: Vector, kind: IntervalKind) -> tuple[Vector, Vector]:
    """95 % limits; where the curve has reached 0 they are not defined and given as 0..upper of the step before."""
    z = float(stats.norm.ppf(0.975))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        se = np.sqrt(greenwood)
        log_s = np.log(survival)
        if kind == "log":
            lower, upper = np.exp(log_s - z * se), np.minimum(np.exp(log_s + z * se), 1)
        else:
            spread = z * se / log_s
            lower, upper = survival ** np.exp(-spread), survival ** np.exp(spread)
    lower = np.where(np.isfinite(lower), lower, np.where(survival == 1, 1.0, 0.0))
    upper = np.where(np.isfinite(upper), upper, 1.0)
    return lower, upper


def _median(steps: Vector, survival: Vector, deaths: NDArray[np.int64], below: NDArray[np.int64]) -> float | None:
    if not len(below):
        return None
    first = int(below[0])
    if abs(survival[first] - 0.5) < 1e-12:
        later = np.flatnonzero(deaths[first + 1 :])
        if len(later):
            return float((steps[first] + steps[first + 1 + later[0]]) / 2)
    return float(steps[first])


def _row(x: float, t: Vector, d: Vector, steps: Vector, survival: Vector, lower: Vector, upper: Vector) -> AtTime:
    passed = int(np.searchsorted(steps, x, side="right")) - 1
    values = (1.0, 1.0, 1.0) if passed < 0 else (survival[passed], lower[passed], upper[passed])
    return AtTime(
        time=float(x),
        at_risk=int((t >= x).sum()),
        censored=int(((t < x) & (d == 0)).sum()),
        events=int(((t < x) & (d == 1)).sum()),
        survival=float(values[0]),
        lower=float(values[1]),
        upper=float(values[2]),
    )
