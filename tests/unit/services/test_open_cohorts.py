"""Open cohorts: the traps of their tables, and shipped models that hold no patient."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.cli import main
from core.services.cohort import endpoints, group_survival
from core.services.open_cohorts import SHIPPED, build, monthly_counts, register_shipped
from core.services.open_tables import (
    albumin_g_l,
    bilirubin_umol_l,
    clca_table,
    largest_diameter_cm,
    stage_number,
    tace_table,
    tcga_table,
)
from core.stats.survival import kaplan_meier
from model_registry.bundle import Bundle
from model_registry.gate import verify
from tests.conftest import shared_data

BUNDLES = sorted(p.parent for p in SHIPPED.glob("*/manifest.json"))


def test_a_size_is_the_largest_diameter_of_any_lesion_but_no_satellites() -> None:
    assert largest_diameter_cm("7.4*6.2/8*4.5/3.2*3") == 8
    assert largest_diameter_cm("2.7*2.2/dmax=9_11") == 2.7
    assert np.isnan(largest_diameter_cm("dmax=1.2_4"))


def test_the_normal_range_tells_the_unit() -> None:
    # 4 g/dL, 0.4 (tenths), 40 g/L and 4,000 mg/dL are one albumin; 8 g/dL is a typing error.
    assert [albumin_g_l(v, low) for v, low in ((4, 3.5), (0.4, 0.3), (40, 36), (4000, 3800))] == pytest.approx([40] * 4)
    assert np.isnan(albumin_g_l(8, 3.5))
    assert np.isnan(albumin_g_l(4, float("nan")))
    assert bilirubin_umol_l(1, 1.2) == pytest.approx(17.104)
    assert bilirubin_umol_l(8, 17) == 8
    assert [stage_number(s) for s in ("Stage I", "Stage IIIB", "Stage IVA")] == [1, 3, 4]
    assert np.isnan(stage_number("[Discrepancy]"))


def cbioportal(path: Path, rows: list[dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    names = list(rows[0])
    lines = ["#a comment", "\t".join(names), *("\t".join(r[n] for n in names) for r in rows)]
    path.write_text("\n".join(lines))


def test_clca_reads_capped_afp_and_no_time_of_recurrence(tmp_path: Path) -> None:
    base = {"MVI": "M1", "AFP": ">1210", "PIVKA_II": "NA", "TUMOR_SIZE": "3*2", "TUMOR_NUMBER": "Satellite nodule"}
    single = {**base, "PATIENT_ID": "b", "MVI": "M0", "AFP": "2", "TUMOR_NUMBER": "1"}
    others = [single, {**base, "PATIENT_ID": "c", "MVI": "NA"}]
    cbioportal(tmp_path / "data_clinical_sample.txt", [{**base, "PATIENT_ID": "a"}, *others])
    people = [{"PATIENT_ID": p, "AGE": "60", "SEX": "Male", "RFS": "100"} for p in "abc"]
    cbioportal(tmp_path / "data_clinical_patient.txt", people)
    table = clca_table(tmp_path)
    assert table["mvi"].tolist() == [1, 0]
    assert table["afp_to_1210"].tolist() == [1210, 2]
    assert table["multiple_tumours"].tolist() == [1, 0]
    assert not [c for c in table if "month" in c or "rfs" in c.lower()]


def test_in_tcga_none_is_a_finding_and_not_available_a_gap(tmp_path: Path) -> None:
    base = {
        "SERUM_ALBUMIN_PRERESECTION": "4", "SERUM_ALBUMIN_NORM_RANGE_LOWER": "3.5", "BILIRUBIN_TOTAL": "1",
        "BILIRUBIN_TOTAL_NORM_RANGE_UPPER": "1.2", "AFP_AT_PROCUREMENT": "5", "AGE": "50", "OS_MONTHS": "20",
        "AJCC_PATHOLOGIC_TUMOR_STAGE": "Stage II", "OS_STATUS": "0:LIVING",
    }  # fmt: skip
    kinds = ("None", "Micro", "Macro", "[Not Available]")
    cbioportal(tmp_path / "data_clinical_patient.txt", [{**base, "VASCULAR_INVASION": k} for k in kinds])
    found = tcga_table(tmp_path)["vascular_invasion"]
    assert found.isna().tolist() == [False, False, False, True]
    assert found[:3].tolist() == [0, 1, 1]


def test_weeks_become_months_in_the_tace_cohort() -> None:
    table = tace_table(shared_data("open_cohorts", "hcc_tace_seg"))
    assert (len(table), int(table["death_event"].sum()), int(table["ttp_event"].sum())) == (105, 93, 45)
    # The first patient's 350.29 weeks.
    assert table["death_months"][0] == pytest.approx(350.2857143 * 7 / 30.4375)


def test_the_cohorts_are_those_the_sources_describe() -> None:
    assert len(clca_table(shared_data("open_cohorts", "clca_2024"))) == 484
    tcga = tcga_table(shared_data("open_cohorts", "tcga_lihc"))
    assert int(tcga["death_event"].sum()) == 132


def test_monthly_counts_give_the_curve_back_to_the_month() -> None:
    rng = np.random.default_rng(0)
    time, event = rng.exponential(20, 200) + 0.1, (rng.random(200) < 0.6).astype(float)
    counts = monthly_counts(time, event)
    assert sum(c["events"] for c in counts) == event.sum()
    month = np.repeat([c["month"] for c in counts], [c["events"] + c["censored"] for c in counts])
    happened = np.concatenate([[1] * c["events"] + [0] * c["censored"] for c in counts])
    whole = kaplan_meier(time, event, at=[12, 36]).table
    coarse = kaplan_meier(month, happened, at=[12, 36]).table
    assert [r.survival for r in coarse] == pytest.approx([r.survival for r in whole], abs=0.02)


@pytest.mark.parametrize("folder", BUNDLES, ids=lambda p: p.name)
def test_a_shipped_model_passes_the_gate_and_holds_no_patient(folder: Path) -> None:
    bundle = Bundle(folder)
    assert all(c.ok for c in verify(bundle))
    names = {p.name for p in folder.rglob("*") if p.is_file()}
    assert "reference_cohort.parquet" not in names
    assert not any(b"TCGA-2" in p.read_bytes() or b"CLCA_0" in p.read_bytes() for p in folder.rglob("*") if p.is_file())
    assert not bundle.synthetic


def test_rebuilding_from_the_downloaded_tables_gives_the_shipped_models(tmp_path: Path) -> None:
    build(shared_data("open_cohorts"), tmp_path, lambda line: None)
    for folder in BUNDLES:
        shipped, made = Bundle(folder).report["models"], Bundle(tmp_path / folder.name).report["models"]
        assert shipped.keys() == made.keys()
        for name, model in shipped.items():
            assert made[name]["cutoff"] == pytest.approx(model["cutoff"], rel=1e-6)
            for ours, theirs in zip(model["predictors"], made[name]["predictors"], strict=True):
                assert theirs["coefficient"] == pytest.approx(ours["coefficient"], rel=1e-6), (name, ours["name"])


def test_a_model_of_mvi_is_as_good_as_the_papers_clinical_model() -> None:
    """Two variables: about 0.68 in cross-validation; the clinical model of system 3 reached 0.655 externally."""
    report = Bundle(SHIPPED / "mvi_clinical_open").report
    assert report["models"]["two_variables"]["cross_validated"]["auc"] == pytest.approx(0.68, abs=0.02)


@pytest.mark.usefixtures("home")
def test_a_case_with_laboratory_values_gets_a_nomogram_and_a_curve(ct_case) -> None:
    from core.domain.phase import Phase, PhaseEvidence
    from core.services.analyse import analyse_case
    from core.services.intake import FoundPhase, store_case

    register_shipped(lambda line: None)
    evidence = PhaseEvidence(phase=Phase.PVP, confidence=1.0, evidence=("made",))
    found = FoundPhase(modality=ct_case.modality, recognised=evidence, source="made", volume=ct_case.phases[Phase.PVP])
    values = {"age_years": 60, "male": 1, "afp_ng_ml": 500000, "bilirubin_umol_l": 12, "albumin_g_l": 40,
              "ajcc_stage": 2, "tumour_number": 1, "max_diameter_cm": 4.2}  # fmt: skip
    store_case([found], case="LAB", observations=values, warnings=[], author="t", synthetic=False)
    made = {p.model: p for p in analyse_case("LAB")}
    mvi, death, tace = (made[n] for n in ("mvi_clinical_open", "os_clinical_open", "tace_clinical_open"))
    assert mvi.computed
    assert mvi.applicable
    # AFP is cut where the cohort's assay stopped.
    assert next(p.value for p in mvi.predictors if p.name == "afp_to_1210") == pytest.approx(1210)
    assert death.interval[0] < death.probability < death.interval[1]
    assert "AFP 5e+05" in " ".join(death.reasons)
    assert not tace.computed
    assert "Child-Pugh" in tace.reasons[0]
    assert endpoints("mvi_clinical_open", "1") == ()
    survival = group_survival("os_clinical_open", "1", endpoint="death")
    assert sum(c.n for c in survival.curves) == Bundle(SHIPPED / "os_clinical_open").report["models"]["full"]["n"]


def test_the_command_says_which_folder_it_wants(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["open-cohorts", "build", str(tmp_path)]) == 2
    assert "clca_2024" in capsys.readouterr().err


def test_probabilities_are_those_of_the_coefficients_in_the_report() -> None:
    """The bundle's own answer against the formula written out by hand."""
    bundle = Bundle(SHIPPED / "os_clinical_open")
    model = bundle.report["models"]["full"]
    values = {"albi": -2.4, "afp_ng_ml": 99.0, "ajcc_stage": 3.0, "age_years": 70.0}
    lp = sum(
        p["coefficient"] * (np.log10(values[p["name"]] + 1) if p["transform"] == "log10" else values[p["name"]])
        for p in model["predictors"]
    )
    baseline = next(h["survival"] for h in model["baseline_survival"] if h["time"] == 36)
    found = bundle.pipeline(bundle.recipe.variants[0]).predict_proba(pd.DataFrame([values]))[0, 1]
    assert found == pytest.approx(1 - baseline ** np.exp(lp))
    assert json.loads((bundle.root / "manifest.json").read_text())["synthetic"] is False
