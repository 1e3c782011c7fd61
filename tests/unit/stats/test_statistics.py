"""Statistics where R gives no number: agreement with scikit-learn and lifelines on large tables, limits, bad input."""

import numpy as np
import pytest

from core.domain.errors import InputError
from core.modelling.combination import combination_predictor
from core.stats.calibration import bootstrap_validation, calibration
from core.stats.cox import fit_cox
from core.stats.decision import decision_curve, survival_decision_curve
from core.stats.discrimination import auc_delong, performance, rate
from core.stats.horizon import restricted_mean, time_dependent_auc
from core.stats.survival import kaplan_meier

RNG = np.random.default_rng(9)
N = 5000
Y = (RNG.random(N) < 0.3).astype(int)
SCORE = np.clip(0.25 * Y + RNG.random(N) * 0.7, 0, 1).round(3)
TIME = np.round(RNG.exponential(30, N), 1) + 0.1
EVENT = (RNG.random(N) < 0.6).astype(int)


def test_auc_with_many_ties_is_scikit_learns() -> None:
    from sklearn.metrics import roc_auc_score

    assert auc_delong(Y, SCORE).auc == pytest.approx(roc_auc_score(Y, SCORE), abs=1e-12)


def test_kaplan_meier_with_many_ties_is_lifelines() -> None:
    from lifelines import KaplanMeierFitter

    fitter = KaplanMeierFitter().fit(TIME, EVENT)
    curve = kaplan_meier(TIME, EVENT, at=[10, 40])
    assert [r.survival for r in curve.table] == pytest.approx(fitter.predict([10, 40]).tolist(), abs=1e-12)
    assert curve.median == pytest.approx(fitter.median_survival_time_)


def test_cox_with_many_ties_is_lifelines() -> None:
    import pandas as pd
    from lifelines import CoxPHFitter

    x = RNG.standard_normal((N, 2))
    frame = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "t": TIME, "d": EVENT})
    theirs = CoxPHFitter().fit(frame, "t", "d").params_
    assert fit_cox(TIME, EVENT, x).coefficients == pytest.approx(theirs.to_numpy(), abs=1e-6)


def test_cox_refuses_what_has_no_maximum() -> None:
    with pytest.raises(InputError, match=r"constant|separates|combination"):
        fit_cox(TIME, EVENT, np.ones((N, 1)))
    time = np.arange(1.0, 41)
    with pytest.raises(InputError, match="separate"):
        fit_cox(time, np.ones(40), -time[:, None])


def test_wilson_at_the_ends_and_empty_groups() -> None:
    assert rate(10, 10).ci[1] == pytest.approx(1)
    assert 0.7 < rate(10, 10).ci[0] < 0.75
    assert np.isnan(rate(0, 0).value)
    assert performance(Y, SCORE, 2.0).sensitivity.value == 0


def test_net_benefit_of_a_useless_score_is_that_of_treating_all_or_none() -> None:
    constant = np.full(N, 0.3)
    curve = decision_curve(Y, constant, [0.1, 0.5])
    assert curve.model[0] == pytest.approx(curve.treat_all[0])
    assert curve.model[1] == 0
    with pytest.raises(InputError, match="between 0 and 1"):
        decision_curve(Y, constant, [0.0])


def test_survival_net_benefit_without_censoring_is_the_binary_one() -> None:
    died = (TIME <= 24).astype(int)
    risk = RNG.random(N)
    ours = survival_decision_curve(TIME, np.ones(N), risk, [0.2, 0.6], horizon=24)
    assert ours.model == pytest.approx(decision_curve(died, risk, [0.2, 0.6]).model)


def test_a_perfectly_calibrated_probability_has_slope_one() -> None:
    p = RNG.beta(2, 4, 40_000)
    found = calibration((RNG.random(len(p)) < p).astype(int), p)
    assert found.slope == pytest.approx(1, abs=0.05)
    assert found.ici < 0.01
    with pytest.raises(InputError, match="a probability lies between"):
        calibration([0, 1, 0, 1], [0.1, 2.0, 0.3, 0.4])


def test_bootstrap_finds_the_optimism_of_a_model_with_too_many_predictors() -> None:
    x = RNG.standard_normal((80, 15))
    y = (RNG.random(80) < 0.5).astype(float)
    found, curve = bootstrap_validation(combination_predictor, x, y, repeats=60, seed=1)
    assert found.auc[0] > 0.7
    assert found.auc[1] < found.auc[0] - 0.1
    assert found.slope[1] < 0.6
    assert len(curve.corrected) == len(curve.probability)


def test_bootstrap_validation_agrees_with_rms_within_monte_carlo_error() -> None:
    """rms `validate(lrm(y ~ x1 + x2 + log(afp)), B=200)`: Dxy 0.6562, slope 0.9063, Brier 0.1722."""
    from pathlib import Path

    import pandas as pd

    d = pd.read_csv(Path(__file__).parents[2] / "reference" / "data" / "r_fixture.csv")
    x = np.column_stack([d.x1, d.x2, np.log(d.afp)])
    found, _ = bootstrap_validation(combination_predictor, x, d.y, repeats=200, seed=1)
    assert 2 * found.auc[1] - 1 == pytest.approx(0.6562, abs=0.015)
    assert found.slope[1] == pytest.approx(0.9063, abs=0.04)
    assert found.brier[1] == pytest.approx(0.1722, abs=0.004)


def test_horizons_outside_the_follow_up_are_refused() -> None:
    with pytest.raises(InputError, match="outside the follow-up"):
        restricted_mean(TIME, EVENT, 10_000)
    with pytest.raises(InputError, match="within the follow-up"):
        time_dependent_auc(TIME, EVENT, SCORE, [10_000])
