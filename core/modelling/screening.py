"""Screening steps as scikit-learn transformers, so that they are fitted inside each training fold."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

Matrix = NDArray[np.float64]


class OutliersToMedian(TransformerMixin, BaseEstimator):
    """Values further than `limit` training standard deviations from the training mean become the training median."""

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
        far = np.abs(values - self.mean_) > self.limit * np.maximum(self.sd_, 1e-12)
        return np.where(far, self.median_, values)


class MaxRelevanceMinRedundancy(TransformerMixin, BaseEstimator):
    """mRMR by mutual information difference (Peng 2005): I(x; y) minus the mean of I(x; s) over chosen s.

    Features are cut into three bins at the training mean ± one standard deviation, as in Peng's own data.
    `selected_` holds column numbers in the order of choice.
    """

    def __init__(self, features: int = 20) -> None:
        self.features = features

    def fit(self, X: ArrayLike, y: ArrayLike) -> "MaxRelevanceMinRedundancy":
        values, labels = np.asarray(X, float), np.asarray(y)
        mean, sd = values.mean(axis=0), values.std(axis=0)
        bins = 1 + (values > mean + sd).astype(int) - (values < mean - sd).astype(int)
        coded = _one_hot(bins, 3)
        target = (labels[:, None] == np.unique(labels)[None, :]).astype(float)
        score = relevance = _mutual_information(coded, target)
        redundancy = np.zeros(values.shape[1])
        selected: list[int] = []
        constant = sd < 1e-12
        while len(selected) < min(self.features, int((~constant).sum())):
            if selected:
                redundancy += _mutual_information(coded, coded[:, selected[-1], :])
                score = relevance - redundancy / len(selected)
            score = np.where(constant, -np.inf, score)
            score[selected] = -np.inf
            selected.append(int(np.argmax(score)))
        self.selected_ = np.array(selected, int)
        return self

    def transform(self, X: ArrayLike) -> Matrix:
        check_is_fitted(self, "selected_")
        return np.asarray(X, float)[:, self.selected_]


def _one_hot(bins: NDArray[np.int64], levels: int) -> Matrix:
    """(n, features, levels) of 0 and 1."""
    return np.asarray((bins[:, :, None] == np.arange(levels)[None, None, :]).astype(float))


def _mutual_information(coded: Matrix, other: Matrix) -> Matrix:
    """I(x; other) in nats for every feature of `coded` (n, p, a) with one coded variable (n, b)."""
    joint = np.einsum("npa,nb->pab", coded, other, optimize=True) / len(other)
    independent = joint.sum(axis=2, keepdims=True) * joint.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(joint > 0, joint * np.log(joint / independent), 0.0)
    return np.asarray(terms.sum(axis=(1, 2)))
