"""The L1 path against glmnet 4.1-6 (`cv.glmnet(X, y, family="binomial", foldid=rep(1:10))`) on a table of R's."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.modelling.lasso import lasso_path

DATA = Path(__file__).parent / "data"
AT_MIN = {"x1": 0.806376827257, "x2": 0.176723795813, "z6": -0.0477448152814}
AT_1SE = {"x1": 0.631195937169, "x2": 0.0529991654378}


def test_path_and_choice_are_those_of_glmnet() -> None:
    x = pd.read_csv(DATA / "glmnet_X.csv")
    y = pd.read_csv(DATA / "r_fixture.csv")["y"]
    path = lasso_path(x, y, np.arange(len(y)) % 10)
    assert path.penalties[0] == pytest.approx(0.274543369456, abs=1e-10)
    assert path.penalties[path.best] == pytest.approx(0.0619649798758, abs=1e-10)
    assert path.penalties[path.sparse] == pytest.approx(0.108285562139, abs=1e-10)
    # glmnet gives each fold a path of its own and interpolates: its deviance differs in the fifth digit.
    assert path.deviance[path.best] == pytest.approx(1.06953824394, abs=3e-4)
    assert path.intercepts[path.best] == pytest.approx(-0.292459813254, abs=1e-5)
    for at, expected in ((path.best, AT_MIN), (path.sparse, AT_1SE)):
        found = {c: v for c, v in zip(x.columns, path.coefficients[at], strict=True) if v != 0}
        assert found == pytest.approx(expected, abs=1e-5)
