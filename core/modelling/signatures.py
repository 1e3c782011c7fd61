"""Signatures: many features turned into one number by screening and an estimator, honestly for the patients it learnt.

A signature enters a regression beside other predictors. Were its values for the training patients those of the model
that learnt from them, the regression would trust it too much; so each training patient gets the value of a model
fitted without that patient, from the same folds that choose the estimator and the number of features.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.metrics import roc_auc_score

from core.modelling.estimators import estimator, is_margin
from core.modelling.folds import patient_folds
from core.modelling.harmonise import SiteHarmoniser
from core.modelling.screening import ColumnStep, Reproducible, Selector

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
LOGIT_LIMIT = 6.0
ALL = 10**9


class SignatureModel(BaseEstimator):
    """A fitted signature: which features it reads, how each is prepared, and the estimator. It holds no patient.

    Parameters
    ----------
    columns : names of the features.
    prepare : fitted column steps, for these columns.
    model : fitted estimator.
    """

    def __init__(self, columns: list[str], prepare: list[ColumnStep], model: Any) -> None:
        self.columns = columns
        self.prepare = prepare
        self.model = model

    def values(self, X: pd.DataFrame) -> Vector:
        """Log odds, or for an SVM its decision value, for each row."""
        x = X[self.columns].to_numpy(float)
        for step in self.prepare:
            x = step.transform(x)
        return signature_values(self.model, x)


class Predictors(TransformerMixin, BaseEstimator):
    """The columns of the last regression: each signature's value, then each clinical variable.

    Parameters
    ----------
    signatures : fitted signatures.
    clinical : [code, transform] of each clinical variable; `log10` enters log10(value + 1).
    """

    def __init__(self, signatures: list[SignatureModel], clinical: list[list[str]]) -> None:
        self.signatures = signatures
        self.clinical = clinical

    def fit(self, X: pd.DataFrame, y: ArrayLike | None = None) -> "Predictors":
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def transform(self, X: pd.DataFrame) -> Matrix:
        parts = [s.values(X) for s in self.signatures]
        parts += [clinical_value(X[code].to_numpy(float), transform) for code, transform in self.clinical]
        return np.column_stack(parts)


def clinical_value(value: Vector, transform: str) -> Vector:
    """A clinical variable as it enters the regression."""
    return np.log10(value + 1) if transform == "log10" else value


def signature_values(model: Any, x: Matrix) -> Vector:
    """Decision value of an SVM, log odds of anything else."""
    if is_margin(model):
        return np.asarray(model.decision_function(x), float)
    p = np.asarray(model.predict_proba(x), float)[:, 1]
    with np.errstate(divide="ignore"):
        return np.clip(np.log(p) - np.log1p(-p), -LOGIT_LIMIT, LOGIT_LIMIT)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SignatureSpec:
    """What a signature is made of: columns, screening steps in order, estimators and sizes that compete.

    `sizes` are numbers of features to try of what the last step ranks; empty takes what it selects. With `sites`
    (by case) features are harmonised between the sites of the training rows first.
    """

    id: str
    columns: tuple[str, ...]
    steps: tuple[Any, ...]
    estimators: tuple[str, ...]
    folds: int
    sizes: tuple[int, ...] = ()
    sites: "pd.Series[str] | None" = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FittedSignature:
    """A signature fitted on some patients.

    `held_out` holds each of those patients' value from models fitted without that patient; `inner_auc` the mean
    cross-validated AUC of each estimator at its best size; `weights` the estimator's coefficients where it has them.
    """

    model: SignatureModel
    held_out: Vector
    chosen: str
    inner_auc: dict[str, float]
    weights: dict[str, float] = field(default_factory=dict)
    icc: Vector | None = None
    harmoniser: SiteHarmoniser | None = None

    def cohort_values(self, X: pd.DataFrame, columns: tuple[str, ...]) -> Vector:
        """Values for other patients of the same cohort, whose sites are known; `columns` are the signature's all."""
        return self.model.values(X if self.harmoniser is None else self.harmoniser.transform(X[list(columns)]))


def fit_signature(
    spec: SignatureSpec, X: pd.DataFrame, y: ArrayLike, seed: int, patients: ArrayLike | None = None
) -> FittedSignature:
    """Choose estimator and size by cross-validation, then fit on all rows of `X`."""
    labels = np.asarray(y, int)
    held: dict[tuple[str, int], Vector] = {}
    areas: dict[tuple[str, int], list[float]] = {}
    for train, test in patient_folds(labels, spec.folds, seed=seed, patients=patients):
        screened = _screen(spec, X.iloc[train], labels[train])
        inside, outside = screened.apply(X.iloc[train]), screened.apply(X.iloc[test])
        for size in _sizes(spec, inside.shape[1]):
            for name in spec.estimators:
                model = estimator(name, seed).fit(inside[:, :size], labels[train])
                values = signature_values(model, outside[:, :size])
                held.setdefault((name, size), np.full(len(X), np.nan))[test] = values
                areas.setdefault((name, size), []).append(float(roc_auc_score(labels[test], values)))
    # A size that a fold could not offer, because its screening left fewer, is out of the race.
    means = {key: float(np.mean(found)) for key, found in areas.items() if len(found) == spec.folds}
    name, size = max(means, key=lambda key: (round(means[key], 9), -key[1], -spec.estimators.index(key[0])))
    screened = _screen(spec, X, labels)
    columns = screened.columns[:size]
    model = estimator(name, seed).fit(screened.apply(X)[:, :size], labels)
    prepare = [step.restricted(np.arange(len(columns))) for step in screened.prepare]
    coefficients = np.ravel(model.coef_) if hasattr(model, "coef_") else np.empty(0)
    kept = np.flatnonzero(np.abs(coefficients) > 1e-9) if len(coefficients) else np.arange(len(columns))
    if len(coefficients) and 0 < len(kept) < len(columns):
        # What an L1 penalty set to 0 is not part of the signature: the refitted model never reads it.
        columns = [columns[i] for i in kept]
        prepare = [step.restricted(kept) for step in prepare]
        model = _without_zeros(model, kept)
    return FittedSignature(
        model=SignatureModel(columns, prepare, model),
        held_out=held[name, size],
        chosen=name,
        inner_auc={n: max(v for (other, _), v in means.items() if other == n) for n in {k[0] for k in means}},
        weights=dict(zip(columns, np.ravel(model.coef_).tolist(), strict=True)) if hasattr(model, "coef_") else {},
        icc=screened.icc,
        harmoniser=screened.harmoniser,
    )


def _sizes(spec: SignatureSpec, available: int) -> list[int]:
    """Numbers of features to try; `ALL` stands for all that screening left, however many each fold left."""
    fitting = [s for s in spec.sizes if s <= available]
    return fitting if spec.sizes and fitting else [ALL]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Screened:
    """Fitted screening: the columns that selectors left, and the column steps for them."""

    prepare: list[ColumnStep]
    columns: list[str]
    icc: Vector | None
    harmoniser: SiteHarmoniser | None
    given: tuple[str, ...]

    def apply(self, X: pd.DataFrame) -> Matrix:
        frame = X if self.harmoniser is None else self.harmoniser.transform(X[list(self.given)])
        x = frame[self.columns].to_numpy(float)
        for step in self.prepare:
            x = step.transform(x)
        return x


def _screen(spec: SignatureSpec, X: pd.DataFrame, y: NDArray[np.int64]) -> _Screened:
    places = np.arange(len(spec.columns))
    frame = X[list(spec.columns)]
    harmoniser = None
    if spec.sites is not None:
        harmoniser = SiteHarmoniser(spec.sites).fit(frame)
        frame = harmoniser.transform(frame)
    x = frame.to_numpy(float)
    prepare: list[ColumnStep] = []
    icc = None
    for given in spec.steps:
        step = clone(given, safe=False)
        if isinstance(step, Selector):
            step.fit(pd.DataFrame(x, index=X.index) if isinstance(step, Reproducible) else x, y)
            icc = getattr(step, "icc_", icc)
            places, x = places[step.selected_], x[:, step.selected_]
            prepare = [p.restricted(step.selected_) for p in prepare]
        else:
            x = step.fit(x, y).transform(x)
            prepare.append(step)
        if not x.shape[1]:
            break
    names = [spec.columns[i] for i in places]
    return _Screened(prepare=prepare, columns=names, icc=icc, harmoniser=harmoniser, given=spec.columns)


def _without_zeros(model: Any, kept: NDArray[np.int64]) -> Any:
    """A linear model without the columns whose coefficient is 0."""
    slim = clone(model)
    for name, value in vars(model).items():
        if name.endswith("_"):
            setattr(slim, name, value)
    slim.coef_ = np.asarray(model.coef_)[:, kept]
    slim.n_features_in_ = len(kept)
    return slim
