"""The last regression of a model: signatures and clinical variables into one probability, and its nomogram."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression

from core.domain.errors import InputError
from core.modelling.nomogram import Axis, Level, Nomogram, pretty
from core.stats.regression import fit_logistic

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
BOOTSTRAPS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisLabel:
    """How a predictor is shown."""

    name: str
    label: str
    unit: str
    transform: str = "identity"


def fit_combination(design: Matrix, y: Vector) -> tuple[LogisticRegression, str]:
    """Unpenalised logistic regression, and a note.

    Where the predictors separate the outcome, or repeat each other, maximum likelihood has no solution: a ridge
    penalty is used then, and the note says so.
    """
    try:
        fit = fit_logistic(design, y)
        model, note = _logistic(fit.coefficients), ""
    except InputError:
        sd = np.maximum(design.std(axis=0), 1e-12)
        ridge = LogisticRegression(C=1.0).fit(design / sd, y)
        model = _logistic(np.concatenate([ridge.intercept_, ridge.coef_[0] / sd]))
        note = "The predictors separate the outcome or repeat each other; their regression is ridge-penalised."
    return model, note


def _logistic(coefficients: Vector) -> LogisticRegression:
    model = LogisticRegression(C=np.inf)
    model.classes_ = np.array([0, 1])
    model.intercept_, model.coef_ = coefficients[:1].copy(), coefficients[None, 1:].copy()
    model.n_features_in_ = len(coefficients) - 1
    return model


def combination_predictor(design: Matrix, y: Vector) -> Callable[[Matrix], Vector]:
    """Fit, and return what predicts: the form bootstrap validation asks for."""
    model, _ = fit_combination(design, y)

    def predict(rows: Matrix) -> Vector:
        return np.asarray(model.predict_proba(rows)[:, 1], float)

    return predict


def bootstrap_coefficients(design: Matrix, y: Vector, *, seed: int, repeats: int = BOOTSTRAPS) -> Matrix:
    """(repeats, 1 + predictors): the regression refitted on resampled patients, intercept first."""
    rng = np.random.default_rng(seed)
    rows: list[Vector] = []
    while len(rows) < repeats:
        drawn = rng.integers(0, len(y), len(y))
        if 2 <= y[drawn].sum() <= len(y) - 2:
            model, _ = fit_combination(design[drawn], y[drawn])
            rows.append(np.concatenate([model.intercept_, model.coef_[0]]))
    return np.array(rows)


def nomogram_of(model: LogisticRegression, design: Matrix, labels: list[AxisLabel]) -> Nomogram:
    """Axes over the rounded range of the training patients."""
    return Nomogram(intercept=float(model.intercept_[0]), axes=axes_of(model.coef_[0], design, labels))


def axes_of(coefficients: Vector, design: Matrix, labels: list[AxisLabel]) -> tuple[Axis, ...]:
    """An axis a column; one that holds 0 and 1 alone has the levels no and yes."""
    axes = []
    for i, label in enumerate(labels):
        steps = pretty(float(design[:, i].min()), float(design[:, i].max()))
        coefficient = float(coefficients[i])
        binary = set(np.unique(design[:, i])) == {0.0, 1.0}
        yes_no = (Level(value=0.0, label="no", effect=0.0), Level(value=1.0, label="yes", effect=coefficient))
        axes.append(
            Axis(
                name=label.name,
                label=label.label,
                unit=label.unit,
                coefficient=coefficient,
                low=0.0 if binary else float(steps[0]),
                high=1.0 if binary else float(steps[-1]),
                transform=label.transform,
                levels=yes_no if binary else (),
            )
        )
    return tuple(axes)


class CoxRisk(BaseEstimator):
    """A fitted Cox model as a classifier of the event by a horizon.

    Parameters
    ----------
    coefficients : log hazard ratios.
    baseline_survival : at the horizon, of a patient whose predictors are 0.
    horizon : in months.
    """

    def __init__(self, coefficients: list[float], baseline_survival: float, horizon: float) -> None:
        self.coefficients = coefficients
        self.baseline_survival = baseline_survival
        self.horizon = horizon

    def fit(self, X: Matrix, y: Vector | None = None) -> "CoxRisk":
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict_proba(self, X: Matrix) -> Matrix:
        hazard = np.exp(np.asarray(X, float) @ np.asarray(self.coefficients))
        event = 1 - self.baseline_survival**hazard
        return np.column_stack([1 - event, event])
