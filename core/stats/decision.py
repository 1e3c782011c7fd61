"""Decision curves: what acting on a score is worth against treating everybody or nobody."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from core.domain.errors import InputError
from core.stats.calibration import checked_probability
from core.stats.survival import kaplan_meier


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionCurve:
    """Net benefit per patient at each threshold probability; treating nobody is 0 throughout."""

    thresholds: tuple[float, ...]
    model: tuple[float, ...]
    treat_all: tuple[float, ...]


def decision_curve(outcome: ArrayLike, probability: ArrayLike, thresholds: ArrayLike) -> DecisionCurve:
    """Net benefit TP/n - FP/n * t/(1-t) of treating from the threshold on (Vickers and Elkin 2006)."""
    y, p = checked_probability(outcome, probability)
    cuts = _checked_thresholds(thresholds)
    events, others = np.sort(p[y == 1]), np.sort(p[y == 0])
    odds = cuts / (1 - cuts)
    true = len(events) - np.searchsorted(events, cuts, side="left")
    false = len(others) - np.searchsorted(others, cuts, side="left")
    model = (true - false * odds) / len(y)
    everybody = y.mean() - (1 - y.mean()) * odds
    return _curve(cuts, model, everybody)


def survival_decision_curve(
    time: ArrayLike, event: ArrayLike, probability: ArrayLike, thresholds: ArrayLike, *, horizon: float
) -> DecisionCurve:
    """Net benefit for a censored outcome: events among those treated by Kaplan-Meier at `horizon` (Vickers 2008)."""
    t, d, p = (np.asarray(v, float) for v in (time, event, probability))
    cuts = _checked_thresholds(thresholds)

    def benefit(treated: "np.ndarray", odds: float) -> float:
        if not treated.any():
            return 0.0
        alive = kaplan_meier(t[treated], d[treated], at=[horizon]).table[0].survival
        share = float(treated.mean())
        return (1 - alive) * share - alive * share * odds

    odds = cuts / (1 - cuts)
    model = [benefit(p >= c, o) for c, o in zip(cuts, odds, strict=True)]
    everybody = [benefit(np.ones(len(p), bool), o) for o in odds]
    return _curve(cuts, model, everybody)


def _checked_thresholds(thresholds: ArrayLike) -> "np.ndarray":
    cuts = np.atleast_1d(np.asarray(thresholds, float))
    if not len(cuts) or (cuts <= 0).any() or (cuts >= 1).any():
        raise InputError("Threshold probabilities must lie between 0 and 1, both excluded.")
    return cuts


def _curve(cuts: ArrayLike, model: ArrayLike, everybody: ArrayLike) -> DecisionCurve:
    return DecisionCurve(
        thresholds=tuple(np.asarray(cuts, float).tolist()),
        model=tuple(np.asarray(model, float).tolist()),
        treat_all=tuple(np.asarray(everybody, float).tolist()),
    )
