"""Screening steps: small exact answers, the glance at the outcome, and what is left after restriction."""

import numpy as np
import pandas as pd

from core.modelling.screening import (
    BackwardStepwise,
    Lasso,
    MedianFill,
    OutliersToMedian,
    RecursiveElimination,
    Reproducible,
    Uncorrelated,
    Univariable,
    Varying,
    ZScore,
)

RNG = np.random.default_rng(5)
Y = RNG.integers(0, 2, 200)
NOISE = RNG.standard_normal((200, 60))


def with_signal(columns: dict[int, float]) -> np.ndarray:
    x = NOISE.copy()
    for column, strength in columns.items():
        x[:, column] += strength * Y
    return x


def test_of_two_close_columns_the_one_nearer_to_the_outcome_stays() -> None:
    x = with_signal({3: 1.5})
    x[:, 10] = x[:, 3] + 0.1 * RNG.standard_normal(200)
    kept = set(Uncorrelated(0.9).fit(x, Y).selected_)
    assert len({3, 10} & kept) == 1
    r = np.corrcoef(x[:, sorted(kept)].T) - np.eye(len(kept))
    assert np.abs(r).max() <= 0.9
    stronger = max((3, 10), key=lambda c: abs(np.corrcoef(x[:, c], Y)[0, 1]))
    assert stronger in kept


def test_correlation_filter_over_blocks_equals_the_plain_double_loop() -> None:
    factors = RNG.standard_normal((200, 20))
    x = factors @ RNG.standard_normal((20, 700)) + 0.8 * RNG.standard_normal((200, 700))
    order = np.argsort(-np.abs(np.corrcoef(x.T, Y)[-1, :-1]), kind="stable")
    r = np.abs(np.corrcoef(x.T))
    plain: list[int] = []
    for c in order:
        if all(r[c, k] <= 0.7 for k in plain):
            plain.append(int(c))
    assert Uncorrelated(0.7).fit(x, Y).selected_.tolist() == plain


def test_recursive_elimination_ranks_the_columns_with_signal_first() -> None:
    chosen = RecursiveElimination(3).fit(with_signal({7: 2.5, 21: 1.6}), Y).selected_
    assert chosen[:2].tolist() == [7, 21]


def test_recursive_elimination_one_by_one_is_that_of_scikit_learn() -> None:
    from sklearn.feature_selection import RFE
    from sklearn.svm import SVC

    x = with_signal({1: 1.0, 2: 0.7, 3: 0.5})[:, :12]
    theirs = RFE(SVC(kernel="linear", C=1.0), n_features_to_select=4, step=1).fit(x, Y)
    assert set(RecursiveElimination(6).fit(x, Y).selected_[:4]) == set(np.flatnonzero(theirs.support_))


def test_univariable_score_test_is_the_chi_square_of_a_two_by_two_table() -> None:
    from scipy.stats import chi2_contingency

    x = (RNG.random(200) < 0.4 + 0.2 * Y).astype(float)
    step = Univariable(1.0).fit(x[:, None], Y)
    table = [[np.sum((x == a) & (b == Y)) for b in (0, 1)] for a in (0, 1)]
    assert np.isclose(step.p_[0], chi2_contingency(table, correction=False).pvalue)


def test_lasso_keeps_the_signal_and_backward_elimination_drops_noise() -> None:
    x = with_signal({4: 2.0})
    assert 4 in Lasso("1se").fit(x, Y).selected_
    assert len(Lasso("1se").fit(x, Y).selected_) <= len(Lasso("min").fit(x, Y).selected_)
    left = BackwardStepwise().fit(x[:, :8], Y).selected_
    assert 4 in left
    assert len(left) < 8


def test_readings_drop_a_feature_that_readers_do_not_agree_on() -> None:
    first = RNG.standard_normal((30, 3))
    second = first + np.array([0.05, 3.0, 0.1]) * RNG.standard_normal((30, 3))
    names = [f"p{i}" for i in range(30)]
    step = Reproducible(np.stack([first, second]), names, 0.8)
    frame = pd.DataFrame(NOISE[:40, :3], index=[*names, *(f"q{i}" for i in range(10))])
    assert step.fit(frame).selected_.tolist() == [0, 2]
    # In a fold only its own patients are looked at: of the first ten, the second reader read feature 2 backwards.
    second[:10, 2] = -first[:10, 2]
    inside = Reproducible(np.stack([first, second]), names, 0.8)
    assert 2 not in inside.fit(frame.iloc[:10]).selected_
    assert 2 in inside.fit(frame.iloc[10:30]).selected_


def test_a_restricted_step_does_to_its_columns_what_the_whole_step_did() -> None:
    x = with_signal({})
    x[3, 5] = np.nan
    x[9, 7] = 50
    columns = np.array([5, 7, 30])
    for step in (MedianFill(), OutliersToMedian(3), ZScore()):
        filled = np.nan_to_num(x) if not isinstance(step, MedianFill) else x
        whole = step.fit(filled).transform(filled)[:, columns]
        assert np.array_equal(step.restricted(columns).transform(filled[:, columns]), whole)


def test_constant_columns_never_pass() -> None:
    x = with_signal({0: 1})
    x[:, 9] = 4.0
    for step in (Varying(), Uncorrelated(0.9), RecursiveElimination(20)):
        assert 9 not in step.fit(x, Y).selected_
    assert not ZScore().fit(x).transform(x)[:, 9].any()
