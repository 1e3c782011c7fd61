"""Unpenalised logistic regression with standard errors, and the columns of a restricted cubic spline."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from core.domain.errors import InputError

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
# Harrell's default places of 3, 4 and 5 knots.
KNOT_QUANTILES = {3: (0.1, 0.5, 0.9), 4: (0.05, 0.35, 0.65, 0.95), 5: (0.05, 0.275, 0.5, 0.725, 0.95)}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Logistic:
    """Coefficients with the intercept first, and their covariance."""

    coefficients: Vector
    covariance: Matrix

    @property
    def standard_errors(self) -> Vector:
        return np.sqrt(np.diag(self.covariance))

    @property
    def p_values(self) -> Vector:
        """Wald."""
        return np.asarray(2 * stats.norm.sf(np.abs(self.coefficients) / self.standard_errors))

    def predict(self, x: ArrayLike) -> Vector:
        """Probability for (n, p)."""
        return np.asarray(1 / (1 + np.exp(-(self.coefficients[0] + np.asarray(x, float) @ self.coefficients[1:]))))


def fit_logistic(x: ArrayLike, outcome: ArrayLike) -> Logistic:
    """Maximum likelihood (R's `glm(family=binomial)`, rms `lrm`), by statsmodels.

    Raises
    ------
    InputError
        When a predictor is constant, repeats others, or separates the outcome completely.
    """
    from statsmodels.discrete.discrete_model import Logit
    from statsmodels.tools.sm_exceptions import ConvergenceWarning, PerfectSeparationError, PerfectSeparationWarning

    design = np.column_stack([np.ones(len(np.asarray(outcome))), np.asarray(x, float)])
    if np.linalg.matrix_rank(design) < design.shape[1]:
        raise InputError("A predictor of the logistic model is constant or a combination of the others.")
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", PerfectSeparationWarning)
            warnings.simplefilter("error", ConvergenceWarning)
            warnings.simplefilter("ignore", RuntimeWarning)
            fit = Logit(np.asarray(outcome, float), design).fit(disp=0, method="newton", maxiter=100, tol=1e-10)
    except (PerfectSeparationError, PerfectSeparationWarning, ConvergenceWarning, np.linalg.LinAlgError) as error:
        raise InputError(
            "The logistic model has no finite solution: a predictor separates the outcome completely."
        ) from error
    return Logistic(coefficients=np.asarray(fit.params), covariance=np.asarray(fit.cov_params()))


def default_knots(values: ArrayLike, knots: int) -> tuple[float, ...]:
    """Knots at Harrell's quantiles (R's `rcs(x, knots)`)."""
    found = np.quantile(np.asarray(values, float), KNOT_QUANTILES[knots])
    if len(np.unique(found)) < knots:
        raise InputError(f"The values repeat too often for {knots} knots.")
    return tuple(map(float, found))


def spline_columns(values: ArrayLike, knots: tuple[float, ...]) -> Matrix:
    """(n, k - 1): the value itself and k - 2 cubic terms, linear beyond the outer knots (Hmisc `rcspline.eval`)."""
    x, t = np.asarray(values, float), np.asarray(knots, float)
    last, before = t[-1], t[-2]

    def cube(at: float) -> Vector:
        return np.maximum(x - at, 0) ** 3

    terms = [
        (cube(tj) - cube(before) * (last - tj) / (last - before) + cube(last) * (before - tj) / (last - before))
        / (last - t[0]) ** 2
        for tj in t[:-2]
    ]
    return np.column_stack([x, *terms])
