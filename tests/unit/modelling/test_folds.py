"""Folds: a patient's rows stay together."""

from pathlib import Path

import numpy as np
import pandas as pd

from core.modelling.folds import patient_folds
from core.services.feature_tables import training_table
from core.services.training import Run, train_bundle
from model_registry.recipe import load_recipe


def test_no_patient_is_on_both_sides() -> None:
    patients = np.repeat([f"p{i}" for i in range(40)], 3)
    y = np.repeat(np.arange(40) % 2, 3)
    held_out = []
    for train, test in patient_folds(y, 5, seed=1, patients=patients):
        assert not set(patients[train]) & set(patients[test])
        assert 0 < y[test].mean() < 1
        held_out += test.tolist()
    assert sorted(held_out) == list(range(120))


def test_repeated_rows_of_a_patient_do_not_make_noise_predictive(tmp_path: Path) -> None:
    """Copies of a patient in other folds would let any flexible model look the answer up: AUC near 1."""
    rng = np.random.default_rng(3)
    y = rng.integers(0, 2, 60)
    features = rng.standard_normal((60, 30))
    rows = np.repeat(np.arange(60), 3)
    names = [f"AP_intratumoral_original_glcm_F{i}" for i in range(30)]
    table = pd.DataFrame(features[rows] + 0.01 * rng.standard_normal((180, 30)), columns=names)
    table.insert(0, "PatientID", [f"p{r}" for r in rows])
    table["mvi"] = y[rows]
    table.to_csv(tmp_path / "lesions.csv", index=False)
    recipe = load_recipe("mvi_eob_mri_crdlr")
    data = training_table(recipe, tmp_path / "lesions.csv", outcome="mvi")
    assert data.patients is not None
    bundle = train_bundle(recipe, data, tmp_path / "b", run=Run(shuffled_check=False))
    assert any("stay together" in n for n in bundle.report["notes"])
    # The interval takes rows for patients, so it is too narrow here: the estimate itself is looked at.
    assert 0.3 < bundle.report["nested_cv"]["auc"] < 0.7
