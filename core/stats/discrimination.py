"""How well a score separates events from non-events: AUC with DeLong's interval and test, Youden's cut-off."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from core.domain.errors import InputError

Vector = NDArray[np.float64]
Z_95 = 1.959963984540054


@dataclass(frozen=True, slots=True, kw_only=True)
class Auc:
    """Area under the ROC curve with its 95 % DeLong interval, cut to 0..1."""

    n: int
    events: int
    auc: float
    variance: float
    ci: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Paired DeLong test of two scores on the same patients."""

    auc: float
    auc_baseline: float
    z: float
    p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutoff:
    """A threshold (positive when score >= threshold) and what it does on the data it was found on."""

    threshold: float
    sensitivity: float
    specificity: float
    ppv: float
    npv: float
    accuracy: float


def auc_delong(outcome: ArrayLike, score: ArrayLike) -> Auc:
    """AUC and DeLong's variance from mid-rank structural components (pROC's `ci.auc`).

    Parameters
    ----------
    outcome : (n,) of 0 and 1.
    score : (n,) higher means more likely an event.

    Raises
    ------
    InputError
        When there are fewer than two of either class.
    """
    y, s = checked_score(outcome, score)
    v10, v01 = _components(y, s)
    area = float(v10.mean())
    variance = float(v10.var(ddof=1) / len(v10) + v01.var(ddof=1) / len(v01))
    half = Z_95 * variance**0.5
    interval = (max(0.0, area - half), min(1.0, area + half))
    return Auc(n=len(y), events=int(y.sum()), auc=area, variance=variance, ci=interval)


def compare_auc(outcome: ArrayLike, score: ArrayLike, baseline: ArrayLike) -> Comparison:
    """DeLong's test of `score` against `baseline` (pROC's `roc.test`, paired)."""
    y, a = checked_score(outcome, score)
    _, b = checked_score(outcome, baseline)
    a10, a01 = _components(y, a)
    b10, b01 = _components(y, b)
    difference = float(a10.mean() - b10.mean())
    variance = np.var(a10 - b10, ddof=1) / len(a10) + np.var(a01 - b01, ddof=1) / len(a01)
    z = difference / float(variance) ** 0.5 if variance > 0 else 0.0
    p = float(2 * stats.norm.sf(abs(z)))
    return Comparison(auc=float(a10.mean()), auc_baseline=float(b10.mean()), z=z, p=p)


def youden_cutoff(outcome: ArrayLike, score: ArrayLike) -> Cutoff:
    """The midpoint threshold with the largest sensitivity + specificity (pROC's `coords`); ties take the lower."""
    y, s = checked_score(outcome, score)
    levels = np.unique(s)
    thresholds = np.concatenate([[-np.inf], (levels[:-1] + levels[1:]) / 2, [np.inf]])
    positive, negative = np.sort(s[y == 1]), np.sort(s[y == 0])
    sensitivity = 1 - np.searchsorted(positive, thresholds) / len(positive)
    specificity = np.searchsorted(negative, thresholds) / len(negative)
    return at_threshold(y, s, float(thresholds[int(np.argmax(sensitivity + specificity))]))


def at_threshold(outcome: ArrayLike, score: ArrayLike, threshold: float) -> Cutoff:
    """Sensitivity, specificity, PPV, NPV and accuracy of `score >= threshold`; NaN where a group is empty."""
    y, s = checked_score(outcome, score)
    tp, fp, fn, tn = _counts(y, s, threshold)

    def share(part: int, whole: int) -> float:
        return part / whole if whole else float("nan")

    return Cutoff(
        threshold=threshold,
        sensitivity=share(tp, tp + fn),
        specificity=share(tn, tn + fp),
        ppv=share(tp, tp + fp),
        npv=share(tn, tn + fn),
        accuracy=share(tp + tn, len(y)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A share with its 95 % Wilson interval; NaN where nobody is counted."""

    value: float
    ci: tuple[float, float]
    part: int
    whole: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """What calling `score >= threshold` positive does, each share with its interval."""

    threshold: float
    sensitivity: Rate
    specificity: Rate
    ppv: Rate
    npv: Rate
    accuracy: Rate


def performance(outcome: ArrayLike, score: ArrayLike, threshold: float) -> Performance:
    """Sensitivity, specificity, PPV, NPV and accuracy with Wilson intervals."""
    tp, fp, fn, tn = _counts(*checked_score(outcome, score), threshold)
    return Performance(
        threshold=threshold,
        sensitivity=rate(tp, tp + fn),
        specificity=rate(tn, tn + fp),
        ppv=rate(tp, tp + fp),
        npv=rate(tn, tn + fn),
        accuracy=rate(tp + tn, tp + fp + fn + tn),
    )


def rate(part: int, whole: int) -> Rate:
    """`part` of `whole` with Wilson's interval (R's `prop.test(correct=FALSE)`)."""
    if not whole:
        return Rate(value=float("nan"), ci=(float("nan"), float("nan")), part=0, whole=0)
    ci = stats.binomtest(part, whole).proportion_ci(0.95, method="wilson")
    return Rate(value=part / whole, ci=(float(ci.low), float(ci.high)), part=part, whole=whole)


def _counts(y: Vector, s: Vector, threshold: float) -> tuple[int, int, int, int]:
    """True and false positives, false and true negatives."""
    called = s >= threshold
    tp, fp = int((called & (y == 1)).sum()), int((called & (y == 0)).sum())
    return tp, fp, int(y.sum()) - tp, int((1 - y).sum()) - fp


def checked_score(outcome: ArrayLike, score: ArrayLike) -> tuple[Vector, Vector]:
    """Outcome and score as arrays.

    Raises
    ------
    InputError
        When lengths differ, values are missing or not 0 and 1, or a class has fewer than two cases.
    """
    y, s = np.asarray(outcome, float), np.asarray(score, float)
    if y.shape != s.shape or y.ndim != 1:
        raise InputError(f"Outcome and score differ in length: {y.shape} and {s.shape}.")
    if not np.isfinite(s).all() or not np.isin(y, (0, 1)).all():
        raise InputError("The outcome must be 0 or 1 and the score a number, without missing values.")
    if min(int(y.sum()), int(len(y) - y.sum())) < 2:
        raise InputError(f"An AUC needs at least two events and two non-events, got {int(y.sum())} of {len(y)}.")
    return y, s


def _components(y: Vector, s: Vector) -> tuple[Vector, Vector]:
    """DeLong's structural components: for each event the share of non-events it beats, and the reverse."""
    events, others = s[y == 1], s[y == 0]
    ranks = stats.rankdata(np.concatenate([events, others]))
    m, n = len(events), len(others)
    v10 = (ranks[:m] - stats.rankdata(events)) / n
    v01 = 1 - (ranks[m:] - stats.rankdata(others)) / m
    return v10, v01
