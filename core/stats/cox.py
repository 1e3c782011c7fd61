"""Cox regression with Efron's ties, its baseline hazard, and the score test of proportional hazards.

lifelines fits the same model, but three times slower where times are not tied, and its test of proportional hazards is
an approximation that R gave up in survival 3.0; both are wanted here as R has them.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from core.domain.errors import InputError
from core.stats.discrimination import Z_95
from core.stats.survival import checked_follow_up, kaplan_meier

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
TimeTransform = Literal["km", "rank", "identity"]
MOST_STEPS = 30


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cox:
    """A fitted model: `coefficients` per column, their covariance, and the baseline hazard where all columns are 0.

    `times` are the event times, `cumulative_hazard` the Breslow-Efron estimate of the baseline at each (R's
    `basehaz(centered=FALSE)`). `mean` holds the columns' means: R centres its linear predictor there.
    """

    coefficients: Vector
    covariance: Matrix
    log_likelihood: tuple[float, float]
    mean: Vector
    times: Vector
    cumulative_hazard: Vector
    n: int
    events: int

    @property
    def standard_errors(self) -> Vector:
        return np.sqrt(np.diag(self.covariance))

    @property
    def p_values(self) -> Vector:
        return np.asarray(2 * stats.norm.sf(np.abs(self.coefficients) / self.standard_errors))

    def linear_predictor(self, x: ArrayLike) -> Vector:
        """Not centred: the log hazard ratio against a patient whose columns are all 0."""
        return np.asarray(np.asarray(x, float) @ self.coefficients)

    def baseline_survival(self, at: ArrayLike) -> Vector:
        """Survival of a patient whose columns are all 0, at each time."""
        passed = np.searchsorted(self.times, np.asarray(at, float), side="right")
        return np.exp(-np.concatenate([[0.0], self.cumulative_hazard])[passed])


@dataclass(frozen=True, slots=True, kw_only=True)
class HazardRatio:
    """Of `group` against `reference`, Cox with Efron's ties, Wald interval."""

    group: str
    reference: str
    ratio: float
    ci: tuple[float, float]
    p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ProportionalHazards:
    """Score test of a coefficient that changes with time, per column and for all together (R's `cox.zph`)."""

    chi2: tuple[float, ...]
    p: tuple[float, ...]
    global_chi2: float
    global_p: float


def fit_cox(time: ArrayLike, event: ArrayLike, x: ArrayLike) -> Cox:
    """Maximum partial likelihood by Newton's method with step halving (R's `coxph`, ties Efron).

    Parameters
    ----------
    time, event : (n,)
    x : (n, p), no constant column.

    Raises
    ------
    InputError
        When there are no more events than columns, a column is constant or depends on the others, or the likelihood
        has no maximum (a column separates the events).
    """
    risk = _RiskSets(time, event, x)
    beta = np.zeros(risk.x.shape[1])
    start = value = risk.log_likelihood(beta)
    for _ in range(MOST_STEPS):
        score, information = risk.derivatives(beta)
        try:
            step = np.linalg.solve(information, score)
        except np.linalg.LinAlgError as error:
            raise InputError("A predictor of the Cox model is constant or a combination of the others.") from error
        scale = 1.0
        while (new := risk.log_likelihood(beta + scale * step)) < value - 1e-12 and scale > 1e-6:
            scale /= 2
        beta, gain, value = beta + scale * step, new - value, new
        if abs(gain) < 1e-12 * (abs(value) + 1):
            break
    else:
        raise InputError("The Cox model does not converge: a predictor may separate the events completely.")
    _, information = risk.derivatives(beta)
    spread = beta * risk.x.std(axis=0)
    if np.linalg.cond(information) > 1e14 or np.abs(spread).max() > 30:
        raise InputError("The Cox model has no finite solution: a predictor separates the events or repeats another.")
    times, hazard = risk.baseline(beta)
    mean = risk.mean
    return Cox(
        coefficients=beta,
        covariance=np.asarray(np.linalg.inv(information), float),
        log_likelihood=(float(start), float(value)),
        mean=mean,
        times=times,
        # `_RiskSets` works on centred columns; the baseline here is that of columns at 0.
        cumulative_hazard=np.cumsum(hazard) * float(np.exp(-mean @ beta)),
        n=len(risk.time),
        events=int(risk.event.sum()),
    )


def hazard_ratio(time: ArrayLike, event: ArrayLike, group: ArrayLike, *, reference: str) -> HazardRatio:
    """Hazard ratio of the other of two groups against `reference` (R's `coxph`, Efron).

    Raises
    ------
    InputError
        When there are not two groups, or one of them has no event.
    """
    labels = np.asarray(group)
    others = [g for g in np.unique(labels) if g != reference]
    if len(others) != 1 or reference not in labels:
        raise InputError(f"A hazard ratio needs two groups of which one is '{reference}', got {sorted(set(labels))}.")
    t, d = checked_follow_up(time, event)
    without = [g for g in (reference, others[0]) if not d[labels == g].any()]
    if without:
        raise InputError(f"The group '{without[0]}' has no event, so that there is no hazard ratio.")
    fit = fit_cox(t, d, (labels == others[0]).astype(float))
    b, se = float(fit.coefficients[0]), float(fit.standard_errors[0])
    return HazardRatio(
        group=str(others[0]),
        reference=reference,
        ratio=float(np.exp(b)),
        ci=(float(np.exp(b - Z_95 * se)), float(np.exp(b + Z_95 * se))),
        p=float(fit.p_values[0]),
    )


def schoenfeld_test(
    time: ArrayLike, event: ArrayLike, x: ArrayLike, fit: Cox, transform: TimeTransform = "km"
) -> ProportionalHazards:
    """Grambsch and Therneau's test in its exact score form (survival 3.x, `cox.zph`, one degree per column)."""
    risk = _RiskSets(time, event, x)
    p = risk.x.shape[1]
    g = _transformed(risk, transform)
    g = g - g.mean()
    u = np.concatenate([np.zeros(p), (g[:, None] * risk.residuals(fit.coefficients)).sum(axis=0)])
    parts = [risk.information(fit.coefficients, w) for w in (np.ones_like(g), g, g**2)]
    full = np.block([[parts[0], parts[1]], [parts[1], parts[2]]])

    def chi2(columns: list[int]) -> float:
        keep = [*range(p), *(p + c for c in columns)]
        return float(u[keep] @ np.linalg.solve(full[np.ix_(keep, keep)], u[keep]))

    each = [chi2([c]) for c in range(p)]
    together = chi2(list(range(p)))
    return ProportionalHazards(
        chi2=tuple(each),
        p=tuple(float(stats.chi2.sf(c, 1)) for c in each),
        global_chi2=together,
        global_p=float(stats.chi2.sf(together, p)),
    )


def concordance(time: ArrayLike, event: ArrayLike, risk: ArrayLike) -> float:
    """Harrell's C: of comparable pairs, the share in which the one with the higher risk fails first (lifelines)."""
    from lifelines.utils import concordance_index

    t, d = checked_follow_up(time, event)
    return float(concordance_index(t, -np.asarray(risk, float), d))


def _transformed(risk: "_RiskSets", transform: TimeTransform) -> Vector:
    """g(t) of each event, in the order of time."""
    t = risk.time[risk.event == 1]
    if transform == "identity":
        return t
    if transform == "rank":
        return np.asarray(stats.rankdata(risk.time)[risk.event == 1])
    curve = kaplan_meier(risk.time, risk.event)
    before = np.searchsorted(np.array(curve.times), t, side="left") - 1
    return 1 - np.array(curve.survival)[np.maximum(before, 0)]


class _RiskSets:
    """Subjects in the order of time, and for each event its risk set with Efron's share of the tied events.

    For the l-th of d events at one time (l = 0 … d-1) the tied events count 1 - l/d in the risk set.
    """

    def __init__(self, time: ArrayLike, event: ArrayLike, x: ArrayLike) -> None:
        t, d = checked_follow_up(time, event)
        values = np.asarray(x, float)
        values = values[:, None] if values.ndim == 1 else values
        if len(values) != len(t) or not np.isfinite(values).all():
            raise InputError(f"The predictors of the Cox model must be {len(t)} rows of numbers without gaps.")
        if d.sum() <= values.shape[1]:
            raise InputError(f"{int(d.sum())} events are too few for {values.shape[1]} predictors in a Cox model.")
        order = np.argsort(t, kind="stable")
        self.time, self.event = t[order], d[order]
        self.mean = values.mean(axis=0)
        self.x = values[order] - self.mean
        self.rows = np.flatnonzero(self.event == 1)
        self.unique, self.group, self.ties = np.unique(self.time[self.rows], return_inverse=True, return_counts=True)
        self.first = np.searchsorted(self.time, self.unique, side="left")
        start = np.concatenate([[0], np.cumsum(self.ties)[:-1]])
        self.share = (np.arange(len(self.rows)) - start[self.group]) / self.ties[self.group]

    def _sums(self, beta: Vector) -> tuple[Vector, Vector]:
        """exp(linear predictor) of all, and for each event the sum over its risk set."""
        r = np.exp(self.x @ beta)
        total = np.cumsum(r[::-1])[::-1][self.first]
        tied = np.bincount(self.group, r[self.rows], len(self.unique))
        return r, total[self.group] - self.share * tied[self.group]

    def log_likelihood(self, beta: Vector) -> float:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            _, s0 = self._sums(beta)
            value = float((self.x[self.rows] @ beta).sum() - np.log(s0).sum())
        return value if np.isfinite(value) else -np.inf

    def residuals(self, beta: Vector) -> Matrix:
        """Each event's columns minus their mean over its risk set."""
        return np.asarray(self.x[self.rows] - self._means(beta))

    def _means(self, beta: Vector) -> Matrix:
        r, s0 = self._sums(beta)
        rx = r[:, None] * self.x
        total = np.cumsum(rx[::-1], axis=0)[::-1][self.first]
        tied = np.zeros((len(self.unique), self.x.shape[1]))
        np.add.at(tied, self.group, rx[self.rows])
        return np.asarray((total[self.group] - self.share[:, None] * tied[self.group]) / s0[:, None])

    def information(self, beta: Vector, weight: Vector) -> Matrix:
        """Sum over events of `weight` times the columns' covariance in the risk set.

        The sum of x x' over all risk sets is taken once over subjects, each with what its risk sets add up to.
        """
        r, s0 = self._sums(beta)
        by_time = np.bincount(self.group, weight / s0, len(self.unique))
        tied = np.bincount(self.group, weight * self.share / s0, len(self.unique))
        passed = np.searchsorted(self.unique, self.time, side="right")
        exposure = np.concatenate([[0.0], np.cumsum(by_time)])[passed]
        exposure[self.rows] -= tied[self.group]
        means = self._means(beta)
        second = (self.x * (r * exposure)[:, None]).T @ self.x
        return np.asarray(second - (means * weight[:, None]).T @ means)

    def derivatives(self, beta: Vector) -> tuple[Vector, Matrix]:
        return self.residuals(beta).sum(axis=0), self.information(beta, np.ones(len(self.rows)))

    def baseline(self, beta: Vector) -> tuple[Vector, Vector]:
        """Event times and the hazard's step at each, for columns at their means."""
        _, s0 = self._sums(beta)
        return self.unique, np.asarray(np.bincount(self.group, 1 / s0, len(self.unique)), float)
