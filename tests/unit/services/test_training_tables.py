"""Training from feature tables: every model side by side, external cohorts, readings, one hash for one seed."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.cli import main
from core.domain.errors import InputError
from core.services.feature_tables import training_table
from core.services.synthetic_tables import synthetic_table
from core.services.train_command import TrainingRequest, evaluate_from_files, train_from_files
from core.services.training_plan import plan_models
from core.synthetic.feature_table import SHIFTED_SITE
from model_registry.bundle import Bundle
from model_registry.gate import verify
from model_registry.recipe import load_recipe

SIZES = (24, 16)


def write(path: Path, table: pd.DataFrame) -> str:
    table.to_csv(path)
    return str(path)


@pytest.fixture(scope="session")
def epr(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A small synthetic cohort for the EPR recipe, another site, and a second reading of the first 40 cases."""
    folder = tmp_path_factory.mktemp("epr")
    recipe = load_recipe("epr_debtace_dlrrn")
    cohort = synthetic_table(recipe, 110, seed=5, sizes=SIZES)
    other = synthetic_table(recipe, 70, seed=6, site=SHIFTED_SITE, sizes=SIZES)
    features = [c for c in cohort if "_" in c and c[:2] in ("AP", "DP", "PV")]
    again = cohort.iloc[:40].copy()
    rng = np.random.default_rng(0)
    again[features] += 0.2 * rng.standard_normal((40, len(features)))
    again["PVP_intratumoral_original_glcm_Synthetic0003"] = rng.standard_normal(40)
    return {
        "cohort": write(folder / "cohort.csv", cohort),
        "external": write(folder / "other.csv", other),
        "first": write(folder / "first.csv", cohort.iloc[:40]),
        "second": write(folder / "second.csv", again),
    }


@pytest.fixture(scope="session")
def trained(epr: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, Bundle]:
    out = tmp_path_factory.mktemp("trained") / "bundle"
    request = TrainingRequest(
        recipe="epr_debtace_dlrrn", features=epr["cohort"], external=(epr["external"],),
        readers=(epr["first"], epr["second"]), out=out, seed=3, workers=1,
    )  # fmt: skip
    return train_from_files(request), Bundle(out)


def test_all_ten_models_of_the_paper_stand_side_by_side(trained: tuple[dict, Bundle]) -> None:
    made, bundle = trained
    assert len(made["models"]) == 10
    assert made["not_computed"] == {}
    report = bundle.report
    assert len(report["comparison"]["pairs"]) == 45
    assert {"sensitivity", "auc", "n", "ci"} <= set(made["external"][0])
    assert len(report["external"][0]["models"]) == 10
    gain = report["against_clinical"]["delong"]
    areas = (report["nested_cv"]["auc"], report["models"]["clinical"]["nested_cv"]["auc"])
    assert (gain["auc"], gain["auc_baseline"]) == pytest.approx(areas)
    assert [s["endpoint"] for s in report["survival"]] == ["Recurrence-free", "Overall survival"]
    assert all(c.ok for c in verify(bundle))


def test_the_cutoff_is_that_of_out_of_fold_predictions_and_stays_for_the_external_cohort(
    trained: tuple[dict, Bundle],
) -> None:
    _, bundle = trained
    cohort = bundle.reference_cohort()
    first = cohort[cohort["variant"] == bundle.recipe.variants[0].id]
    from core.stats.discrimination import youden_cutoff

    found = youden_cutoff(first["outcome"], first["probability"]).threshold
    assert bundle.report["cutoff"] == pytest.approx(found)
    assert bundle.variant(bundle.recipe.variants[0]).cutoff == bundle.report["cutoff"]


def test_a_feature_that_readers_do_not_agree_on_is_never_selected(trained: tuple[dict, Bundle]) -> None:
    _, bundle = trained
    icc = bundle.report["icc"]
    assert (icc["readings"], icc["cases"]) == (2, 40)
    assert icc["kept"] < icc["features"]
    used = {c for m in bundle.report["models"].values() for c in m["selected"]}
    assert "PVP_intratumoral_original_glcm_Synthetic0003" not in used


def test_the_same_seed_gives_the_same_bundle_with_other_workers_too(
    epr: dict[str, str], trained: tuple[dict, Bundle], tmp_path: Path
) -> None:
    request = TrainingRequest(
        recipe="epr_debtace_dlrrn", features=epr["cohort"], external=(epr["external"],),
        readers=(epr["first"], epr["second"]), out=tmp_path / "again", seed=3, workers=2,
    )  # fmt: skip
    assert train_from_files(request)["sha256"] == trained[0]["sha256"]


def test_evaluate_says_what_training_said_of_the_external_cohort(
    epr: dict[str, str], trained: tuple[dict, Bundle], capsys: pytest.CaptureFixture[str]
) -> None:
    made, bundle = trained
    arguments = ["evaluate", str(bundle.root), "--features", epr["external"], "--json"]
    assert main(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["auc"] == pytest.approx(made["external"][0]["auc"])
    assert found["sensitivity"] == pytest.approx(made["external"][0]["sensitivity"])
    assert {"calibration", "decision"} <= set(found)


def test_no_patient_and_no_other_column_is_in_a_bundle(trained: tuple[dict, Bundle]) -> None:
    _, bundle = trained
    assert not any(b"SYN-0" in p.read_bytes() for p in bundle.root.rglob("*") if p.is_file())
    pipeline = bundle.pipeline(bundle.recipe.variants[0])
    columns = [c for s in pipeline.named_steps["predictors"].signatures for c in s.columns]
    assert set(columns) == set(bundle.report["selected"])


def test_a_table_with_other_names_trains_what_it_can_and_says_what_it_could_not(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 80)
    names = [f"original_glcm_F{i}_portal" for i in range(12)] + [f"original_glcm_F{i}_arterial" for i in range(12)]
    table = pd.DataFrame(rng.standard_normal((80, 24)) + 0.6 * y[:, None] * (rng.random(24) < 0.3), columns=names)
    table.insert(0, "Case", [f"c{i}" for i in range(80)])
    table["Result"] = np.where(y == 1, "positive", "negative")
    path = tmp_path / "mine.csv"
    path.write_bytes("﻿".encode() + table.to_csv(index=False, sep=";").encode())
    made = train_from_files(
        TrainingRequest(recipe="epr_debtace_dlrrn", features=str(path), outcome="Result", out=tmp_path / "b", workers=1)
    )
    assert set(made["models"]) == {"pvp_radiomics", "ap_radiomics"}
    assert "DP intratumoral" in made["not_computed"]["dp_radiomics"]
    assert made["columns"]["roles"] == {"identifier": 1, "feature": 24, "outcome": 1}
    assert Bundle(tmp_path / "b").manifest["from_images"] is False


def test_a_table_of_unknown_features_is_run_through_the_recipes_pipeline_as_a_whole(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    table = pd.DataFrame(rng.standard_normal((60, 10)), columns=[f"spleen_original_glcm_F{i}" for i in range(10)])
    table["outcome"] = rng.integers(0, 2, 60)
    path = write(tmp_path / "t.csv", table)
    recipe = load_recipe("mvi_eob_mri_crdlr")
    data = training_table(recipe, Path(path), outcome="outcome")
    plan = plan_models(recipe, data, 0)
    assert [m.id for m in plan.models] == ["all_features"]
    assert len(plan.not_computed) == 11


def test_wrong_tables_get_a_sentence(epr: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = ["train", "epr_debtace_dlrrn", "--out", str(tmp_path / "b"), "--features"]
    assert main([*base, epr["cohort"], "--outcome", "nothing"]) == 2
    assert "no column 'nothing'" in capsys.readouterr().err
    short = tmp_path / "short.csv"
    pd.read_csv(epr["second"]).iloc[:5].to_csv(short, index=False)
    assert main([*base, epr["cohort"], "--readers", epr["first"], "--readers", str(short)]) == 2
    assert "same cases in the same order" in capsys.readouterr().err
    few = tmp_path / "few.csv"
    pd.read_csv(epr["cohort"]).iloc[:9].to_csv(few, index=False)
    assert main([*base, str(few)]) == 2
    assert "at least 8 are needed" in capsys.readouterr().err
    assert main([*base, epr["cohort"], "--time", "recurrence_months"]) == 2
    assert not (tmp_path / "b").exists()


def test_a_table_that_lacks_what_the_bundle_reads_is_refused(
    epr: dict[str, str], trained: tuple[dict, Bundle], tmp_path: Path
) -> None:
    table = pd.read_csv(epr["external"], index_col=0)
    without = table.drop(columns=[c for c in table if c.startswith("PVP_intratumoral")])
    with pytest.raises(InputError, match="lacks"):
        evaluate_from_files(str(trained[1].root), write(tmp_path / "without.csv", without), None)


def test_an_external_cohort_without_outcome_serves_survival_alone(epr: dict[str, str], tmp_path: Path) -> None:
    follow_up = pd.read_csv(epr["external"], index_col=0).drop(columns=["early_peritumoral_recurrence"])
    made = train_from_files(
        TrainingRequest(
            recipe="epr_debtace_dlrrn", features=epr["cohort"], out=tmp_path / "b", workers=1,
            external=(write(tmp_path / "rfa.csv", follow_up),),
        )
    )  # fmt: skip
    assert "auc" not in made["external"][0]
    external = Bundle(tmp_path / "b").report["external"][0]
    assert external["survival"][0]["n"] == 70
    assert external["survival"][0]["hazard_ratio"]["reference"] == "low"


def test_an_external_cohort_that_lacks_a_selected_feature_says_so_and_the_training_stands(
    epr: dict[str, str], trained: tuple[dict, Bundle], tmp_path: Path
) -> None:
    other = pd.read_csv(epr["external"], index_col=0).drop(columns=trained[0]["selected"][:1])
    made = train_from_files(
        TrainingRequest(
            recipe="epr_debtace_dlrrn", features=epr["cohort"], readers=(epr["first"], epr["second"]), seed=3,
            out=tmp_path / "b", workers=1, external=(write(tmp_path / "other.csv", other),),
        )
    )  # fmt: skip
    assert "auc" not in made["external"][0]
    assert trained[0]["selected"][0] in made["external"][0]["notes"][-1]
    assert made["nested_cv"] == trained[0]["nested_cv"]


def test_a_copy_counts_once_in_a_signature_and_stays_in_the_other(tmp_path: Path) -> None:
    """Shape features of one mask are the same in every phase: the AP model must keep its own."""
    recipe = load_recipe("epr_debtace_dlrrn")
    rng = np.random.default_rng(0)
    table = pd.DataFrame({f"PVP_intratumoral_original_glcm_F{i}": rng.standard_normal(40) for i in range(3)})
    shape = rng.standard_normal(40)
    table["PVP_intratumoral_original_shape_Sphericity"] = shape
    table["AP_intratumoral_original_shape_Sphericity"] = shape
    table["PVP_intratumoral_original_glcm_Again"] = table["PVP_intratumoral_original_glcm_F0"]
    table["early_peritumoral_recurrence"] = np.arange(40) % 2
    data = training_table(recipe, Path(write(tmp_path / "t.csv", table)), outcome=None)
    columns = {s.id: s.columns for s in plan_models(recipe, data, 0).signatures}
    assert columns["ap_signature"] == ("AP_intratumoral_original_shape_Sphericity",)
    assert len(columns["pvp_signature"]) == 4
