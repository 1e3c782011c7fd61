"""Signatures: many features turned into one number, and the step that puts several of them side by side."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from core.modelling.screening import MaxRelevanceMinRedundancy, OutliersToMedian

LOGIT_LIMIT = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureSpec:
    """What a signature is made of: feature columns, screening and the estimators that compete for it."""

    id: str
    columns: tuple[str, ...]
    outlier_z: float
    mrmr_features: int
    estimators: tuple[str, ...]
    inner_folds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClinicalSpec:
    """A clinical column of the nomogram; `log10` enters log10(value + 1)."""

    code: str
    transform: str


class CrossFittedSignatures(TransformerMixin, BaseEstimator):
    """Signature values (log odds) and clinical predictors, one column each.

    `fit_transform` returns for each training patient the signatures of models fitted without that patient, as in
    stacking, so that the regression behind them does not learn from over-fitted values; `transform` uses models
    fitted on all training patients.

    Parameters
    ----------
    signatures : list of dicts with `id`, `columns` and `pipeline` (unfitted).
    clinical : list of (code, transform).
    folds, seed : of the cross-fitting.
    """

    def __init__(
        self, signatures: list[dict[str, Any]], clinical: list[list[str]], folds: int = 5, seed: int = 0
    ) -> None:
        self.signatures = signatures
        self.clinical = clinical
        self.folds = folds
        self.seed = seed

    def fit(self, X: pd.DataFrame, y: ArrayLike) -> "CrossFittedSignatures":
        self.fitted_ = [clone(s["pipeline"]).fit(X[s["columns"]], y) for s in self.signatures]
        return self

    def fit_transform(self, X: pd.DataFrame, y: ArrayLike | None = None, **_: Any) -> NDArray[np.float64]:
        labels = np.asarray(y)
        folds = StratifiedKFold(self.folds, shuffle=True, random_state=self.seed)
        held_out = np.zeros((len(X), len(self.signatures)))
        for train, test in folds.split(X, labels):
            for i, s in enumerate(self.signatures):
                model = clone(s["pipeline"]).fit(X.iloc[train][s["columns"]], labels[train])
                held_out[test, i] = _log_odds(model, X.iloc[test][s["columns"]])
        self.fit(X, labels)
        return np.column_stack([held_out, *self._clinical_columns(X)])

    def transform(self, X: pd.DataFrame) -> NDArray[np.float64]:
        check_is_fitted(self, "fitted_")
        values = [_log_odds(model, X[s["columns"]]) for s, model in zip(self.signatures, self.fitted_, strict=True)]
        return np.column_stack([*values, *self._clinical_columns(X)])

    def _clinical_columns(self, X: pd.DataFrame) -> list[NDArray[np.float64]]:
        return [clinical_value(X[code].to_numpy(float), transform) for code, transform in self.clinical]


def clinical_value(value: NDArray[np.float64], transform: str) -> NDArray[np.float64]:
    """A clinical variable as it enters the regression."""
    return np.log10(value + 1) if transform == "log10" else value


def _log_odds(model: Any, X: pd.DataFrame) -> NDArray[np.float64]:
    p = np.asarray(model.predict_proba(X), float)[:, 1]
    with np.errstate(divide="ignore"):
        return np.clip(np.log(p) - np.log1p(-p), -LOGIT_LIMIT, LOGIT_LIMIT)


def signature_pipeline(spec: SignatureSpec, seed: int) -> Pipeline:
    """Outliers, z-score and mRMR, then the estimator with the best inner cross-validated AUC."""
    steps: list[tuple[str, Any]] = [
        ("outliers", OutliersToMedian(spec.outlier_z)),
        ("scale", StandardScaler()),
        ("mrmr", MaxRelevanceMinRedundancy(spec.mrmr_features)),
    ]
    if spec.estimators == ("lasso_logistic",):
        steps.append(("estimator", lasso_logistic(spec.inner_folds, seed)))
    else:
        candidates = [estimator(name, seed) for name in spec.estimators]
        steps.append(("estimator", BestByCrossValidation(candidates, list(spec.estimators), spec.inner_folds, seed)))
    return Pipeline(steps)


class BestByCrossValidation(BaseEstimator):
    """Fits the candidate with the largest cross-validated AUC on all its data; `best_name_` says which won."""

    _estimator_type = "classifier"

    def __init__(self, candidates: list[Any], names: list[str], folds: int, seed: int) -> None:
        self.candidates = candidates
        self.names = names
        self.folds = folds
        self.seed = seed

    def fit(self, X: ArrayLike, y: ArrayLike) -> "BestByCrossValidation":
        folds = StratifiedKFold(self.folds, shuffle=True, random_state=self.seed)
        search = GridSearchCV(
            Pipeline([("model", self.candidates[0])]),
            {"model": self.candidates},
            scoring="roc_auc",
            cv=folds,
        ).fit(X, y)
        self.best_name_ = self.names[int(search.best_index_)]
        self.auc_by_name_ = dict(zip(self.names, map(float, search.cv_results_["mean_test_score"]), strict=True))
        self.best_ = search.best_estimator_.named_steps["model"]
        self.classes_ = self.best_.classes_
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        return np.asarray(self.best_.predict_proba(X))


class LassoLogistic(LogisticRegressionCV):
    """L1 logistic regression, penalty by cross-validated deviance; saga, which leaves the intercept unpenalised."""

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> "LassoLogistic":
        with warnings.catch_warnings():
            # Along the path the weakest penalties may stop at the iteration limit; the chosen one is checked by score.
            warnings.simplefilter("ignore", ConvergenceWarning)
            super().fit(X, y, sample_weight)
        return self


def lasso_logistic(folds: int, seed: int) -> LassoLogistic:
    return LassoLogistic(
        Cs=np.logspace(-2.2, 1.0, 14),
        l1_ratios=(1.0,),
        solver="saga",
        scoring="neg_log_loss",
        cv=StratifiedKFold(folds, shuffle=True, random_state=seed),
        max_iter=2000,
        tol=1e-4,
        random_state=seed,
        use_legacy_attributes=False,
    )


def estimator(name: str, seed: int) -> Any:
    """A candidate by its name in a recipe, each with a probability."""
    from sklearn.ensemble import ExtraTreesClassifier, GradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier

    made: dict[str, Any] = {
        "lasso_logistic": LogisticRegression(l1_ratio=1.0, C=0.3, solver="saga", max_iter=4000, random_state=seed),
        "svm_linear": _calibrated_svm("linear", seed),
        "svm_rbf": _calibrated_svm("rbf", seed),
        "random_forest": RandomForestClassifier(150, min_samples_leaf=6, random_state=seed),
        "extra_trees": ExtraTreesClassifier(150, min_samples_leaf=6, random_state=seed),
        "gradient_boosting": GradientBoostingClassifier(
            n_estimators=60, max_depth=2, learning_rate=0.08, random_state=seed
        ),
        "k_nearest_neighbours": KNeighborsClassifier(25),
        "naive_bayes": GaussianNB(),
    }
    return made[name]


def _calibrated_svm(kernel: str, seed: int) -> Any:
    """An SVM whose margin becomes a probability by Platt's sigmoid, fitted on held-out folds."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.svm import SVC

    return CalibratedClassifierCV(SVC(kernel=kernel, C=0.5, random_state=seed), ensemble=False, cv=5)
