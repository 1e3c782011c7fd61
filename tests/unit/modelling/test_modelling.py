"""Screening, cross-fitted signatures, nomogram, applicability: exact small answers and no leakage."""

import numpy as np
import pandas as pd
import pytest

from core.domain.errors import InputError
from core.modelling.applicability import outside_reasons, training_range
from core.modelling.combination import AxisLabel
from core.modelling.engine import ClinicalSpec, ModelSpec, fit_models
from core.modelling.nomogram import Axis, Nomogram
from core.modelling.screening import MaxRelevanceMinRedundancy, MedianFill, OutliersToMedian, ZScore
from core.modelling.signatures import SignatureSpec


def test_outliers_become_the_training_median_also_in_new_data() -> None:
    train = np.r_[np.zeros(50), np.ones(50), 40.0][:, None]
    step = OutliersToMedian(3).fit(train)
    assert step.transform(train)[-1, 0] == np.median(train)
    assert step.transform([[100.0]])[0, 0] == np.median(train)
    assert step.transform([[1.0]])[0, 0] == 1.0


def test_mrmr_takes_the_relevant_feature_then_not_its_copy() -> None:
    """y = a or b; a2 copies a. I(a;y) is largest together with I(a2;y); after a, b beats the copy."""
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 2, 400), rng.integers(0, 2, 400)
    y = a | b
    X = np.column_stack([rng.standard_normal(400), a, a, b]).astype(float)
    assert list(MaxRelevanceMinRedundancy(2).fit(X, y).selected_) in ([1, 3], [3, 1])


def test_mrmr_relevance_is_mutual_information_of_a_two_by_two_table() -> None:
    from core.modelling.screening import _mutual_information, _one_hot

    x = np.array([0, 0, 0, 0, 2, 2, 2, 2])
    y = np.array([0, 0, 0, 1, 1, 1, 1, 0])
    target = (y[:, None] == np.array([0, 1])).astype(float)
    expected = 2 * (3 / 8 * np.log((3 / 8) / 0.25) + 1 / 8 * np.log((1 / 8) / 0.25))
    assert _mutual_information(_one_hot(x[:, None], 3), target)[0] == pytest.approx(expected)


def test_mrmr_never_takes_a_constant_feature() -> None:
    X = np.column_stack([np.ones(20), np.arange(20.0)])
    assert list(MaxRelevanceMinRedundancy(2).fit(X, np.arange(20) > 9).selected_) == [1]


def a_table(n: int, *, signal: float, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    table = pd.DataFrame(rng.standard_normal((n, 200)), columns=[f"f{i}" for i in range(200)])
    table["f0"] += signal * y
    table["afp"] = 10 ** (1 + rng.random(n) + 0.3 * signal * y)
    table["max_diameter_cm"], table["in_plane_spacing_mm"], table["slice_spacing_mm"] = 3.0, 1.0, 2.0
    table["outcome"] = y
    return table


def fit(table: pd.DataFrame, seed: int = 0):
    columns = tuple(f"f{i}" for i in range(200))
    steps = (MedianFill(), OutliersToMedian(3), ZScore(), MaxRelevanceMinRedundancy(8))
    signature = SignatureSpec(id="s", columns=columns, steps=steps, estimators=("lasso_logistic",), folds=4)
    labels = (
        AxisLabel(name="s", label="Signature", unit=""),
        AxisLabel(name="afp", label="AFP", unit="ng/mL", transform="log10"),
    )
    clinical = (ClinicalSpec(column="afp", code="afp", transform="log10"),)
    model = ModelSpec(id="m", label="M", signatures=("s",), clinical=clinical, labels=labels)
    return fit_models(table, "outcome", [signature], [model], outer_folds=4, seed=seed).models["m"]


def test_nothing_is_learnt_from_noise_although_screening_sees_200_features() -> None:
    """Screening outside the folds would give an AUC far above one half here."""
    areas = [fit(a_table(120, signal=0.0, seed=s)).nested_auc for s in range(3)]
    assert np.mean([a.auc for a in areas]) == pytest.approx(0.5, abs=0.09)
    assert all(a.ci[0] < 0.5 for a in areas)


def test_a_real_signal_is_found_and_points_equal_the_pipeline() -> None:
    table = a_table(160, signal=1.5, seed=1)
    fitted = fit(table)
    assert fitted.nested_auc.auc > 0.8
    assert "f0" in fitted.selected
    design = fitted.pipeline.named_steps["predictors"].transform(table)
    direct = fitted.pipeline.predict_proba(table)[:, 1]
    for row, probability in zip(design[:20], direct[:20], strict=True):
        points = fitted.nomogram.patient(dict(zip(("s", "afp"), row, strict=True)))
        assert fitted.nomogram.probability(sum(p.points for p in points)) == pytest.approx(probability, abs=1e-9)


def test_missing_outcomes_and_small_classes_are_refused() -> None:
    table = a_table(60, signal=1, seed=0)
    table["outcome"] = table["outcome"].astype(float)
    table.loc[3, "outcome"] = np.nan
    with pytest.raises(InputError, match="have no outcome"):
        fit(table)
    few = a_table(60, signal=1, seed=0)
    few["outcome"] = [1] * 3 + [0] * 57
    with pytest.raises(InputError, match="too few"):
        fit(few)


def test_points_of_a_falling_predictor_start_at_its_high_end() -> None:
    axes = (
        Axis(name="a", label="a", unit="", coefficient=2.0, low=0, high=5),
        Axis(name="b", label="b", unit="", coefficient=-1.0, low=0, high=4),
    )
    nomogram = Nomogram(intercept=-1.0, axes=axes)
    assert nomogram.axis_points(axes[0], 5) == pytest.approx(100)
    assert nomogram.axis_points(axes[1], 4) == pytest.approx(0)
    assert nomogram.axis_points(axes[1], 0) == pytest.approx(40)
    assert nomogram.linear_predictor(140) == pytest.approx(-1 + 2 * 5 - 1 * 0)


def test_a_case_like_the_training_cohort_is_inside_and_an_odd_one_says_why() -> None:
    rng = np.random.default_rng(0)
    train = pd.DataFrame(rng.standard_normal((300, 5)), columns=list("abcde"))
    train["max_diameter_cm"] = rng.uniform(2, 8, 300)
    known = training_range(train, list("abcde"), ["max_diameter_cm"])
    usual = pd.Series({**dict.fromkeys("abcde", 0.1), "max_diameter_cm": 4.0})
    assert outside_reasons(known, usual) == ()
    odd = pd.Series({**dict.fromkeys("abcde", 6.0), "max_diameter_cm": 12.0})
    text = " ".join(outside_reasons(known, odd))
    assert "Maximum diameter 12 cm lies outside the training range" in text
    assert "Mahalanobis" in text
    assert "5 of 5 features" in text


def test_few_of_the_training_patients_count_as_outside() -> None:
    rng = np.random.default_rng(1)
    train = pd.DataFrame(rng.standard_normal((300, 20)), columns=[f"f{i}" for i in range(20)])
    known = training_range(train, list(train.columns), [])
    outside = sum(bool(outside_reasons(known, row)) for _, row in train.iterrows())
    assert outside / len(train) < 0.06
