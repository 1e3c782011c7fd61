"""Survival up to a horizon: restricted mean, time-dependent AUC, competing risks, Uno's C."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.domain.errors import InputError
from core.stats.survival import checked_follow_up, kaplan_meier

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class RestrictedMean:
    """Mean time without the event up to `tau`, with its standard error."""

    tau: float
    mean: float
    se: float


def restricted_mean(time: ArrayLike, event: ArrayLike, tau: float) -> RestrictedMean:
    """Area under the Kaplan-Meier curve up to `tau`, Greenwood's variance (R's `survfit`, `rmean=tau`)."""
    t, d = checked_follow_up(time, event)
    if tau <= 0 or tau > t.max():
        raise InputError(f"The horizon {tau:g} lies outside the follow-up, which ends at {t.max():g}.")
    curve = kaplan_meier(t, d)
    steps, survival = np.array(curve.times), np.array(curve.survival)
    inside = steps < tau
    edges = np.append(steps[inside], tau)
    pieces = np.diff(edges) * survival[inside]
    after = np.cumsum(pieces[::-1])[::-1]
    ordered = np.sort(t)
    at_risk = len(t) - np.searchsorted(ordered, edges[:-1], side="left")
    events = np.sort(t[d == 1])
    deaths = np.searchsorted(events, edges[:-1], "right") - np.searchsorted(events, edges[:-1], "left")
    ongoing = at_risk > deaths
    terms = after[ongoing] ** 2 * deaths[ongoing] / (at_risk[ongoing] * (at_risk[ongoing] - deaths[ongoing]))
    return RestrictedMean(tau=float(tau), mean=float(pieces.sum()), se=float(np.sqrt(terms.sum())))


@dataclass(frozen=True, slots=True, kw_only=True)
class CumulativeIncidence:
    """Share that had each kind of event by a time, the other kinds taken as ends, not as censoring."""

    times: tuple[float, ...]
    by_cause: dict[int, tuple[float, ...]]


def cumulative_incidence(time: ArrayLike, cause: ArrayLike, at: ArrayLike) -> CumulativeIncidence:
    """Aalen and Johansen's estimate (R's `cmprsk::cuminc`), by scikit-survival.

    Parameters
    ----------
    cause : (n,) 0 censored, 1 the event of interest, 2 and on competing ones.
    """
    from sksurv.nonparametric import cumulative_incidence_competing_risks

    t, _ = checked_follow_up(time, np.asarray(cause) > 0)
    codes = np.asarray(cause, int)
    steps, values = cumulative_incidence_competing_risks(codes, t)[:2]
    wanted = np.atleast_1d(np.asarray(at, float))
    place = np.searchsorted(steps, wanted, side="right")
    found = {number: tuple(np.concatenate([[0.0], values[number]])[place].tolist()) for number in range(1, len(values))}
    return CumulativeIncidence(times=tuple(wanted.tolist()), by_cause=found)


def time_dependent_auc(time: ArrayLike, event: ArrayLike, risk: ArrayLike, at: ArrayLike) -> tuple[float, ...]:
    """Cumulative/dynamic AUC at each time, censoring weighted (Uno 2007), by scikit-survival."""
    from sksurv.metrics import cumulative_dynamic_auc

    y = _structured(time, event)
    wanted = np.atleast_1d(np.asarray(at, float))
    if (wanted <= y["time"].min()).any() or (wanted >= y["time"].max()).any():
        raise InputError(
            f"A time-dependent AUC needs times within the follow-up, {y['time'].min():g} to {y['time'].max():g}."
        )
    values, _ = cumulative_dynamic_auc(y, y, np.asarray(risk, float), wanted)
    return tuple(np.asarray(values, float).tolist())


def uno_c(time: ArrayLike, event: ArrayLike, risk: ArrayLike, *, tau: float | None = None) -> float:
    """Concordance weighted for censoring (Uno 2011) up to `tau`, by scikit-survival."""
    from sksurv.metrics import concordance_index_ipcw

    y = _structured(time, event)
    return float(concordance_index_ipcw(y, y, np.asarray(risk, float), tau=tau)[0])


def _structured(time: ArrayLike, event: ArrayLike) -> NDArray[np.void]:
    from sksurv.util import Surv

    t, d = checked_follow_up(time, event)
    made: NDArray[np.void] = Surv.from_arrays(event=d.astype(bool), time=t)
    return made
