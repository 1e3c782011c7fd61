"""Whether a probability of 20 % means that one in five has the event."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from core.domain.errors import InputError
from core.stats.discrimination import auc_delong, checked_score
from core.stats.regression import fit_logistic

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Predictor = Callable[[Matrix], Vector]
LOWESS_SPAN = 2 / 3
# R's `lowess` interpolates between points nearer to each other than this share of the range.
LOWESS_STEP = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class HosmerLemeshow:
    chi2: float
    df: int
    p: float
    groups: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Of a probability on data it was not fitted on.

    `intercept` and `slope` are those of the outcome's logistic regression on the probability's log odds (rms
    `val.prob`); `in_the_large` is the intercept where the slope is held at 1; `ici`, `e90` and `emax` are mean, 90th
    percentile and maximum of |probability - smoothed observed share|; `scaled_brier` is 1 - Brier / Brier of the mean.
    """

    n: int
    events: int
    brier: float
    scaled_brier: float
    intercept: float
    slope: float
    in_the_large: float
    ici: float
    e90: float
    emax: float
    hosmer_lemeshow: HosmerLemeshow


def calibration(outcome: ArrayLike, probability: ArrayLike, *, groups: int = 10) -> Calibration:
    """All measures of calibration.

    Raises
    ------
    InputError
        When the score is not a probability, all probabilities are the same, or a class has fewer than two cases.
    """
    y, p = checked_probability(outcome, probability)
    inside = (p > 0) & (p < 1)
    logit = np.log(p[inside]) - np.log1p(-p[inside])
    if not inside.any() or np.ptp(logit) == 0:
        raise InputError("All probabilities are the same, so that nothing can be said of their calibration.")
    line = fit_logistic(logit[:, None], y[inside])
    error = np.abs(p - smoothed(p, y, p))
    brier = float(np.mean((p - y) ** 2))
    return Calibration(
        n=len(y),
        events=int(y.sum()),
        brier=brier,
        scaled_brier=1 - brier / float(y.mean() * (1 - y.mean())),
        intercept=float(line.coefficients[0]),
        slope=float(line.coefficients[1]),
        in_the_large=_in_the_large(y[inside], logit),
        ici=float(error.mean()),
        e90=float(np.quantile(error, 0.9)),
        emax=float(error.max()),
        hosmer_lemeshow=hosmer_lemeshow(y, p, groups=groups),
    )


def hosmer_lemeshow(outcome: ArrayLike, probability: ArrayLike, *, groups: int = 10) -> HosmerLemeshow:
    """Chi-square over groups at the quantiles of risk (type 7, closed on the right), groups - 2 degrees of freedom."""
    y, p = checked_probability(outcome, probability)
    edges = np.unique(np.quantile(p, np.linspace(0, 1, groups + 1)))
    made = len(edges) - 1
    if made < 3:
        raise InputError(f"The probabilities make {made} groups; Hosmer and Lemeshow's test needs at least three.")
    place = np.clip(np.searchsorted(edges, p, side="left") - 1, 0, made - 1)
    n = np.bincount(place, minlength=made)
    observed, expected = np.bincount(place, y, made), np.bincount(place, p, made)
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.where(n > 0, (observed - expected) ** 2 / (expected * (1 - expected / np.maximum(n, 1))), 0.0)
    chi2 = float(parts.sum())
    return HosmerLemeshow(chi2=chi2, df=made - 2, p=float(stats.chi2.sf(chi2, made - 2)), groups=made)


def smoothed(probability: ArrayLike, outcome: ArrayLike, at: ArrayLike) -> Vector:
    """Share observed by local regression on the probability (R's `lowess(p, y, iter=0)`), read off at `at`."""
    from statsmodels.nonparametric.smoothers_lowess import lowess

    p, y = np.asarray(probability, float), np.asarray(outcome, float)
    fitted = lowess(y, p, frac=LOWESS_SPAN, it=0, delta=LOWESS_STEP * float(np.ptp(p)))
    x, first, count = np.unique(fitted[:, 0], return_index=True, return_counts=True)
    means = np.add.reduceat(fitted[:, 1], first) / count
    return np.asarray(np.interp(np.asarray(at, float), x, means))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CalibrationCurve:
    """Observed share at a grid of probabilities: as found, and less what refitting says is optimism."""

    probability: Vector
    apparent: Vector
    corrected: Vector
    repeats: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimism:
    """Apparent and bias-corrected measures of a model (Harrell's bootstrap, rms `validate`)."""

    auc: tuple[float, float]
    slope: tuple[float, float]
    brier: tuple[float, float]
    repeats: int


def bootstrap_validation(
    fit: Callable[[Matrix, Vector], Predictor], x: ArrayLike, outcome: ArrayLike, *, repeats: int, seed: int
) -> tuple[Optimism, CalibrationCurve]:
    """Refit the model on resamples; what it gains on its own resample over the original data is its optimism.

    Parameters
    ----------
    fit : takes (n, p) and (n,), returns what predicts probabilities. Everything that learns belongs into it.
    repeats : resamples; those without two of each class are drawn again.
    """
    design, y = np.asarray(x, float), np.asarray(outcome, float)
    rng = np.random.default_rng(seed)
    own = fit(design, y)(design)
    low, high = np.quantile(own, [0.02, 0.98])
    grid = np.linspace(low, high, 50)
    apparent = smoothed(own, y, grid)
    gain, bend = np.zeros(3), np.zeros(len(grid))
    for _ in range(repeats):
        rows = _resample(y, rng)
        predict = fit(design[rows], y[rows])
        inside, outside = predict(design[rows]), predict(design)
        gain += _measures(y[rows], inside) - _measures(y, outside)
        bend += smoothed(inside, y[rows], grid) - smoothed(outside, y, grid)
    found = _measures(y, own)
    corrected = found - gain / repeats
    pairs = [(float(a), float(c)) for a, c in zip(found, corrected, strict=True)]
    curve = CalibrationCurve(
        probability=grid, apparent=apparent, corrected=np.clip(apparent - bend / repeats, 0, 1), repeats=repeats
    )
    return Optimism(auc=pairs[0], slope=pairs[1], brier=pairs[2], repeats=repeats), curve


def _measures(y: Vector, p: Vector) -> Vector:
    q = np.clip(p, 1e-12, 1 - 1e-12)
    slope = fit_logistic((np.log(q) - np.log1p(-q))[:, None], y).coefficients[1]
    return np.array([auc_delong(y, p).auc, slope, np.mean((p - y) ** 2)])


def _resample(y: Vector, rng: np.random.Generator) -> NDArray[np.int64]:
    while True:
        rows = rng.integers(0, len(y), len(y))
        if 2 <= y[rows].sum() <= len(y) - 2:
            return rows


def _in_the_large(y: Vector, logit: Vector) -> float:
    """The intercept that makes the mean probability the observed share, the log odds taken as they are."""
    from scipy.optimize import brentq

    def excess(shift: float) -> float:
        return float((1 / (1 + np.exp(-(logit + shift))) - y).sum())

    return float(brentq(excess, -50, 50, xtol=1e-12))


def checked_probability(outcome: ArrayLike, probability: ArrayLike) -> tuple[Vector, Vector]:
    """Outcome and probability as arrays; InputError where the score is not a probability."""
    y, p = checked_score(outcome, probability)
    if (p < 0).any() or (p > 1).any():
        raise InputError(f"The score runs from {p.min():.3g} to {p.max():.3g}; a probability lies between 0 and 1.")
    return y, p
