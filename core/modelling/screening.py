"""Screening steps as scikit-learn transformers, so that they are fitted inside each training fold.

A step either changes values column by column (`MedianFill`, `OutliersToMedian`, `ZScore`) or chooses columns; the
latter holds their numbers in `selected_`, best first where the step ranks. `restricted` gives a fitted step for some
columns only, so that what is kept of a signature needs the chosen features and no others.
"""

from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from core.modelling.lasso import lasso_path

Matrix = NDArray[np.float64]
Columns = NDArray[np.int64]
CONSTANT = 1e-12


class ColumnStep(TransformerMixin, BaseEstimator):
    """A step that changes values column by column; `_arrays` names what it learnt, one value a column."""

    _arrays: tuple[str, ...] = ()

    def restricted(self, columns: Columns) -> Self:
        """The fitted step for these columns alone."""
        check_is_fitted(self, self._arrays[0])
        made = type(self)(**self.get_params())
        for name in self._arrays:
            setattr(made, name, getattr(self, name)[columns])
        return made


class MedianFill(ColumnStep):
    """Gaps become the training median."""

    _arrays = ("median_",)

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> "MedianFill":
        values = np.asarray(X, float)
        self.median_ = np.nanmedian(values, axis=0) if np.isnan(values).any() else np.median(values, axis=0)
        self.median_ = np.where(np.isnan(self.median_), 0.0, self.median_)
        return self

    def transform(self, X: ArrayLike) -> Matrix:
        check_is_fitted(self, "median_")
        values = np.asarray(X, float)
        return np.where(np.isnan(values), self.median_, values)


class OutliersToMedian(ColumnStep):
    """Values further than `limit` training standard deviations from the training mean become the training median."""

    _arrays = ("mean_", "median_", "sd_")

    def __init__(self, limit: float = 3.0) -> None:
        self.limit = limit

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> "OutliersToMedian":
        values = np.asarray(X, float)
        self.mean_, self.median_ = values.mean(axis=0), np.median(values, axis=0)
        self.sd_ = values.std(axis=0)
        return self

    def transform(self, X: ArrayLike) -> Matrix:
        check_is_fitted(self, "mean_")
        values = np.asarray(X, float)
        far = np.abs(values - self.mean_) > self.limit * np.maximum(self.sd_, CONSTANT)
        return np.where(far, self.median_, values)


class ZScore(ColumnStep):
    """Minus the training mean, over the training standard deviation (of the population); a constant becomes 0."""

    _arrays = ("mean_", "sd_")

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> "ZScore":
        values = np.asarray(X, float)
        self.mean_, self.sd_ = values.mean(axis=0), values.std(axis=0)
        return self

    def transform(self, X: ArrayLike) -> Matrix:
        check_is_fitted(self, "mean_")
        flat = self.sd_ < CONSTANT
        return np.where(flat, 0.0, (np.asarray(X, float) - self.mean_) / np.where(flat, 1.0, self.sd_))


class Selector(TransformerMixin, BaseEstimator):
    """A step that chooses columns; `selected_` holds their numbers."""

    selected_: Columns

    def transform(self, X: ArrayLike) -> Matrix:
        check_is_fitted(self, "selected_")
        return np.asarray(X, float)[:, self.selected_]


class Varying(Selector):
    """Columns whose variance exceeds `variance`."""

    def __init__(self, variance: float = 0.0) -> None:
        self.variance = variance

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> "Varying":
        self.selected_ = np.flatnonzero(np.asarray(X, float).var(axis=0) > max(self.variance, CONSTANT))
        return self


class Uncorrelated(Selector):
    """Of each pair with |Pearson r| above `limit`, the column that goes less with the outcome is dropped.

    Columns are taken in the order of their correlation with the outcome; each is kept unless it is too close to one
    kept before. The outcome is looked at, so the step belongs inside the fold (FAE's PCC does the same).
    """

    _block = 512

    def __init__(self, limit: float = 0.9) -> None:
        self.limit = limit

    def fit(self, X: ArrayLike, y: ArrayLike) -> "Uncorrelated":
        values = np.asarray(X, np.float32)
        z = values - values.mean(axis=0)
        norm = np.linalg.norm(z, axis=0)
        z = z / np.where(norm > CONSTANT, norm, 1.0)
        target = np.asarray(y, np.float32) - np.float32(np.mean(np.asarray(y, float)))
        relevance = np.abs(z.T @ target)
        order = np.argsort(-relevance, kind="stable")
        order = order[norm[order] > CONSTANT]
        kept = np.empty((len(values), 0), np.float32)
        chosen: list[int] = []
        for start in range(0, len(order), self._block):
            block = order[start : start + self._block]
            part = z[:, block]
            if chosen:
                free = np.abs(kept.T @ part).max(axis=0) <= self.limit
                block, part = block[free], part[:, free]
            close = np.abs(part.T @ part) > self.limit
            alive = np.ones(len(block), bool)
            for i in range(len(block)):
                if alive[i]:
                    alive[i + 1 :] &= ~close[i, i + 1 :]
            chosen += block[alive].tolist()
            kept = np.concatenate([kept, part[:, alive]], axis=1)
        self.selected_ = np.array(chosen, int)
        return self


class Reproducible(Selector):
    """Columns whose ICC(2,1) between the first reading and every other is above `limit`.

    Parameters
    ----------
    readings : (readings, cases, columns), or None to keep everything.
    cases : names of the re-read cases. Where they are among the training patients of a fold, only those are looked
        at; cases re-read outside the cohort always count.
    """

    def __init__(self, readings: Matrix | None = None, cases: list[str] | None = None, limit: float = 0.8) -> None:
        self.readings = readings
        self.cases = cases
        self.limit = limit

    def fit(self, X: pd.DataFrame, y: ArrayLike | None = None) -> "Reproducible":
        from core.stats.agreement import icc2_by_feature

        if self.readings is None:
            self.selected_ = np.arange(X.shape[1])
            return self
        held = np.asarray(self.readings)
        mine = np.isin(self.cases or [], list(map(str, getattr(X, "index", []))))
        if mine.sum() >= 3:
            held = held[:, mine]
        others = [icc2_by_feature(held[[0, i]]) for i in range(1, len(held))]
        self.icc_ = np.nan_to_num(np.min(others, axis=0), nan=0.0)
        self.selected_ = np.flatnonzero(self.icc_ > self.limit)
        return self


class MaxRelevanceMinRedundancy(Selector):
    """mRMR by mutual information (Peng 2005): I(x; y) less, or over, the mean of I(x; s) over chosen s.

    Features are cut into three bins at the training mean ± one standard deviation, as in Peng's own data.
    `selected_` is in the order of choice. `scheme` is MID (difference) or MIQ (quotient).
    """

    def __init__(self, features: int = 20, scheme: str = "MID") -> None:
        self.features = features
        self.scheme = scheme

    def fit(self, X: ArrayLike, y: ArrayLike) -> "MaxRelevanceMinRedundancy":
        values, labels = np.asarray(X, float), np.asarray(y)
        mean, sd = values.mean(axis=0), values.std(axis=0)
        bins = 1 + (values > mean + sd).astype(int) - (values < mean - sd).astype(int)
        coded = _one_hot(bins, 3)
        target = (labels[:, None] == np.unique(labels)[None, :]).astype(float)
        score = relevance = _mutual_information(coded, target)
        redundancy = np.zeros(values.shape[1])
        selected: list[int] = []
        constant = sd < CONSTANT
        while len(selected) < min(self.features, int((~constant).sum())):
            if selected:
                redundancy += _mutual_information(coded, coded[:, selected[-1], :])
                mean_redundancy = redundancy / len(selected)
                quotient = self.scheme == "MIQ"
                score = relevance / (mean_redundancy + 0.01) if quotient else relevance - mean_redundancy
            score = np.where(constant, -np.inf, score)
            score[selected] = -np.inf
            selected.append(int(np.argmax(score)))
        self.selected_ = np.array(selected, int)
        return self


class Lasso(Selector):
    """Columns with a coefficient other than 0 in an L1 logistic regression, penalty by ten-fold deviance.

    `rule` is `min` or `1se`; should nothing be left, the column that enters the path first is kept.
    """

    def __init__(self, rule: str = "min", seed: int = 0) -> None:
        self.rule = rule
        self.seed = seed

    def fit(self, X: ArrayLike, y: ArrayLike) -> "Lasso":
        path = lasso_path(X, y, seed=self.seed)
        at = path.best if self.rule == "min" else path.sparse
        self.selected_ = np.flatnonzero(path.coefficients[at])
        while not len(self.selected_):
            at += 1
            self.selected_ = np.flatnonzero(path.coefficients[at])
        return self


class Univariable(Selector):
    """Columns with p below `limit` in a logistic regression of their own (score test, which needs no fit)."""

    def __init__(self, limit: float = 0.05) -> None:
        self.limit = limit

    def fit(self, X: ArrayLike, y: ArrayLike) -> "Univariable":
        values, labels = np.asarray(X, float), np.asarray(y, float)
        z = values - values.mean(axis=0)
        variance = labels.mean() * (1 - labels.mean()) * (z**2).sum(axis=0)
        score = np.zeros(values.shape[1])
        np.divide((z.T @ (labels - labels.mean())) ** 2, variance, out=score, where=variance > CONSTANT)
        p = stats.chi2.sf(score, 1)
        self.p_ = p
        self.selected_ = np.flatnonzero(p < self.limit)
        if not len(self.selected_):
            self.selected_ = np.array([int(np.argmin(p))])
        return self


class BackwardStepwise(Selector):
    """Backward elimination from a logistic regression of all columns by Akaike's criterion (R's `step`)."""

    def fit(self, X: ArrayLike, y: ArrayLike) -> "BackwardStepwise":
        values, labels = np.asarray(X, float), np.asarray(y, float)
        kept = list(range(values.shape[1]))
        best = _aic(values[:, kept], labels)
        while len(kept) > 1:
            trials = [_aic(np.delete(values[:, kept], i, axis=1), labels) for i in range(len(kept))]
            least = int(np.argmin(trials))
            if trials[least] >= best:
                break
            best = trials[least]
            kept.pop(least)
        self.selected_ = np.array(kept, int)
        return self


class RecursiveElimination(Selector):
    """Columns ranked by recursive elimination with a linear SVM; `selected_` holds the `features` best, best first.

    Each round drops the share `step` with the smallest squared weight, one by one from twice `features` down (Guyon
    2002). The SVM is fitted on the Gram matrix of the patients, which costs the same for 20 columns and for 10,000.
    """

    def __init__(self, features: int = 20, step: float = 0.2, C: float = 1.0) -> None:
        self.features = features
        self.step = step
        self.C = C

    def fit(self, X: ArrayLike, y: ArrayLike) -> "RecursiveElimination":
        from sklearn.svm import SVC

        values, labels = np.asarray(X, float), np.asarray(y)
        left = np.flatnonzero(values.std(axis=0) > CONSTANT)
        if not len(left):
            left = np.arange(min(1, values.shape[1]))
        dropped: list[int] = []
        while len(left) > 1:
            part = values[:, left]
            svm = SVC(kernel="precomputed", C=self.C).fit(part @ part.T, labels)
            weight = svm.dual_coef_[0] @ part[svm.support_]
            many = len(left) > 2 * self.features
            count = min(max(1, int(self.step * len(left))), len(left) - 2 * self.features) if many else 1
            worst = np.argsort(weight**2, kind="stable")[:count]
            dropped += left[worst[::-1]].tolist() if count > 1 else left[worst].tolist()
            left = np.delete(left, worst)
        ranking = [*left.tolist(), *dropped[::-1]]
        self.selected_ = np.array(ranking[: self.features], int)
        return self


def _aic(x: Matrix, y: NDArray[np.float64]) -> float:
    from sklearn.linear_model import LogisticRegression

    if not x.shape[1]:
        p = np.full(len(y), y.mean())
    else:
        p = LogisticRegression(C=np.inf, max_iter=1000, solver="newton-cholesky").fit(x, y).predict_proba(x)[:, 1]
    p = np.clip(p, 1e-12, 1 - 1e-12)
    likelihood = float((y * np.log(p) + (1 - y) * np.log(1 - p)).sum())
    return 2 * (x.shape[1] + 1) - 2 * likelihood


def _one_hot(bins: NDArray[np.int64], levels: int) -> Matrix:
    """(n, features, levels) of 0 and 1."""
    return np.asarray((bins[:, :, None] == np.arange(levels)[None, None, :]).astype(float))


def _mutual_information(coded: Matrix, other: Matrix) -> Matrix:
    """I(x; other) in nats for every feature of `coded` (n, p, a) with one coded variable (n, b)."""
    n, p, levels = coded.shape
    joint = (coded.reshape(n, p * levels).T @ other / len(other)).reshape(p, levels, other.shape[1])
    independent = joint.sum(axis=2, keepdims=True) * joint.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(joint > 0, joint * np.log(joint / independent), 0.0)
    return np.asarray(terms.sum(axis=(1, 2)))
