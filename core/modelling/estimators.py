"""The estimators a recipe can name, each declared once."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.linear_model import LogisticRegression

from core.modelling.lasso import lasso_path


class LassoLogistic(LogisticRegression):
    """L1 logistic regression with the penalty of least ten-fold deviance, or one standard error above (`rule`)."""

    def __init__(self, rule: str = "min", random_state: int = 0) -> None:
        super().__init__(random_state=random_state)
        self.rule = rule

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> "LassoLogistic":
        path = lasso_path(X, y, seed=self.random_state)
        at = path.best if self.rule == "min" else path.sparse
        while not path.coefficients[at].any() and at + 1 < len(path.penalties):
            # A signature of nothing is none: the column that enters the path first is taken.
            at += 1
        self.classes_ = np.array([0, 1])
        self.coef_ = path.coefficients[at][None, :]
        self.intercept_ = np.array([path.intercepts[at]])
        self.penalty_ = float(path.penalties[at])
        self.n_features_in_ = self.coef_.shape[1]
        return self


def estimator(name: str, seed: int) -> Any:
    """An unfitted estimator by its name in a recipe.

    An SVM gives a decision value, which the regression behind it turns into a probability: Platt's sigmoid on
    cross-validated values. The others give a probability of their own, which that regression recalibrates.
    """
    from sklearn.ensemble import ExtraTreesClassifier, GradientBoostingClassifier, RandomForestClassifier
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.svm import SVC

    made: dict[str, Any] = {
        "lasso_logistic": lambda: LassoLogistic("min", seed),
        "lasso_logistic_1se": lambda: LassoLogistic("1se", seed),
        "logistic": lambda: LogisticRegression(C=np.inf, solver="newton-cholesky", max_iter=200),
        "svm_linear": lambda: SVC(kernel="linear", C=1.0, random_state=seed),
        "svm_rbf": lambda: SVC(kernel="rbf", C=1.0, random_state=seed),
        "random_forest": lambda: RandomForestClassifier(150, min_samples_leaf=5, random_state=seed),
        "extra_trees": lambda: ExtraTreesClassifier(150, min_samples_leaf=5, random_state=seed),
        "gradient_boosting": lambda: GradientBoostingClassifier(
            n_estimators=60, max_depth=2, learning_rate=0.08, random_state=seed
        ),
        "k_nearest_neighbours": lambda: KNeighborsClassifier(15),
        "naive_bayes": GaussianNB,
    }
    return made[name]()


def is_margin(model: Any) -> bool:
    """Whether the model gives a margin instead of a probability."""
    from sklearn.svm import SVC

    return isinstance(model, SVC)
