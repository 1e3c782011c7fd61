"""From mask to prediction with a bundle built by the demonstration's own code."""

import time
from pathlib import Path

import numpy as np
import pytest

from core.domain.case import CaseState
from core.domain.errors import InputError
from core.domain.phase import Phase
from core.domain.volume import Geometry, Volume
from core.imaging.nifti import nifti_bytes
from core.services.analyse import analyse_case
from core.services.board import export_csv, record_decision
from core.services.cases import record_clinical, show_case
from core.services.cohort import group_survival
from core.services.figures import cohort_figure, key_images, patient_nomogram
from core.services.intake import ingest
from core.services.jobs import cancel_job, newest_job, start_analysis
from core.services.registry import list_models, promote, register_bundle, retire, rollback, verify_bundle
from core.services.segment import segment_from_file, segment_from_seed, shell_preview
from core.synthetic.render import RenderedCase
from model_registry.bundle import Bundle


def take_in(folder: Path, case: RenderedCase, phases: tuple[Phase, ...], name: str) -> None:
    folder = folder / name
    folder.mkdir()
    for phase in phases:
        (folder / f"{phase.value}.nii.gz").write_bytes(nifti_bytes(case.phases[phase]))
    ingest([str(folder)], case=name)
    (folder / "mask.nii.gz").write_bytes(nifti_bytes(case.tumour))


@pytest.fixture
def ct_home(home: Path, tmp_path: Path, ct_case: RenderedCase, small_ct_bundle: Bundle) -> Path:
    """A home with the CT model active and a segmented CT case `CT`."""
    take_in(tmp_path, ct_case, (Phase.AP, Phase.PVP), "CT")
    segment_from_file("CT", tmp_path / "CT" / "mask.nii.gz", phase="PVP")
    register_bundle(small_ct_bundle.root)
    promote("proliferative_ct_dlr", "1")
    return home


@pytest.mark.usefixtures("ct_home")
def test_a_prediction_carries_points_probability_cutoff_and_group() -> None:
    record_clinical("CT", {"afp_ng_ml": 50})
    (made,) = analyse_case("CT")
    assert made.computed
    assert made.variant == "ap_pvp_afp"
    assert [p.name for p in made.predictors] == ["dlr_two_phase", "afp_ng_ml", "max_diameter_cm"]
    assert made.total_points == pytest.approx(sum(p.points for p in made.predictors))
    assert made.interval[0] < made.probability < made.interval[1]
    assert made.risk_group == ("high" if made.probability >= made.cutoff else "low")
    by_name = {p.name: p.value for p in made.predictors}
    assert by_name["afp_ng_ml"] == pytest.approx(50)
    assert by_name["max_diameter_cm"] == pytest.approx(show_case("CT").tumours[0].measures["max_diameter_mm"] / 10)
    assert show_case("CT").state is CaseState.ANALYSED


@pytest.mark.usefixtures("ct_home")
def test_missing_afp_or_arterial_phase_choose_another_variant(tmp_path: Path, ct_case: RenderedCase) -> None:
    (without_afp,) = analyse_case("CT")
    assert without_afp.variant == "ap_pvp"
    take_in(tmp_path, ct_case, (Phase.PVP,), "PORTAL")
    segment_from_file("PORTAL", tmp_path / "PORTAL" / "mask.nii.gz")
    (portal,) = analyse_case("PORTAL")
    assert portal.variant == "pvp"


@pytest.mark.usefixtures("ct_home")
def test_a_real_patient_is_outside_a_synthetic_models_population() -> None:
    (made,) = analyse_case("CT")
    assert not made.applicable
    assert "synthetic patients" in made.reasons[0]


@pytest.mark.usefixtures("ct_home")
def test_an_mr_study_is_refused_by_a_ct_model_without_a_number(tmp_path: Path, mr_case: RenderedCase) -> None:
    take_in(tmp_path, mr_case, (Phase.PVP,), "MR")
    segment_from_file("MR", tmp_path / "MR" / "mask.nii.gz")
    (made,) = analyse_case("MR")
    assert not made.computed
    assert made.probability is None
    assert made.reasons == ("The model reads CT; this case is MR.",)


@pytest.mark.usefixtures("ct_home")
def test_missing_phase_and_missing_tumour_are_refused(tmp_path: Path, ct_case: RenderedCase) -> None:
    take_in(tmp_path, ct_case, (Phase.NC,), "NC")
    (made,) = analyse_case("NC")
    text = " ".join(made.reasons)
    assert "portal venous (PVP) phase" in text
    assert "no tumour mask" in text


@pytest.mark.usefixtures("ct_home")
def test_analysing_again_computes_no_feature_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    first = analyse_case("CT")
    from core.features.radiomics import RadiomicsExtractor

    def never(*_: object) -> None:
        raise AssertionError("computed although cached")

    monkeypatch.setattr(RadiomicsExtractor, "extract_regions", never)
    assert analyse_case("CT")[0].probability == first[0].probability


@pytest.mark.usefixtures("ct_home")
def test_a_new_mask_takes_the_case_back_and_is_a_new_revision(tmp_path: Path) -> None:
    analyse_case("CT")
    before = show_case("CT").tumours[0]
    centre = tuple(before.measures["centre_mm_lps"])
    segment_from_seed("CT", centre, phase="AP")
    after = show_case("CT")
    assert after.state is CaseState.SEGMENTED
    assert after.tumours[0].revision > before.revision


@pytest.mark.usefixtures("ct_home")
def test_a_result_is_outdated_once_a_mask_or_value_changes() -> None:
    record_clinical("CT", {"afp_ng_ml": 50})
    analyse_case("CT")
    assert not show_case("CT").predictions[0]["outdated"]
    record_clinical("CT", {"afp_ng_ml": 50})
    assert not show_case("CT").predictions[0]["outdated"]
    record_clinical("CT", {"afp_ng_ml": 5000})
    assert show_case("CT").predictions[0]["outdated"]
    assert show_case("CT").state is CaseState.SEGMENTED
    assert "probability" not in export_csv("CT")
    analyse_case("CT")
    segment_from_seed("CT", tuple(show_case("CT").tumours[0].measures["centre_mm_lps"]), phase="AP")
    assert show_case("CT").predictions[0]["outdated"]


@pytest.mark.usefixtures("ct_home")
def test_masks_of_another_grid_or_with_several_values_are_asked_about(tmp_path: Path, ct_case: RenderedCase) -> None:
    g = ct_case.tumour.geometry
    coarse = Geometry(
        size_xyz=tuple(n // 2 for n in g.size_xyz),
        spacing_mm_xyz=tuple(2 * s for s in g.spacing_mm_xyz),
        origin_mm_lps=g.origin_mm_lps,
    )
    half = ct_case.tumour.array_zyx[::2, ::2, ::2][: coarse.size_xyz[2], : coarse.size_xyz[1], : coarse.size_xyz[0]]
    path = tmp_path / "coarse.nii.gz"
    path.write_bytes(nifti_bytes(Volume(array_zyx=half.copy(), geometry=coarse)))
    with pytest.raises(InputError, match="another grid"):
        segment_from_file("CT", path)
    made = segment_from_file("CT", path, resample=True)
    truth = ct_case.tumour.array_zyx.sum() * g.voxel_ml
    assert made.measures.volume_ml == pytest.approx(truth, rel=0.15)
    several = np.where(ct_case.liver.array_zyx > 0, 2, 0).astype(np.uint8)
    several[ct_case.tumour.array_zyx > 0] = 255
    path.write_bytes(nifti_bytes(Volume(array_zyx=several, geometry=g)))
    with pytest.raises(InputError, match="values 2, 255"):
        segment_from_file("CT", path)
    assert segment_from_file("CT", path, value=255).measures.voxels == int((several == 255).sum())


@pytest.mark.usefixtures("ct_home")
def test_the_shell_is_cut_to_the_liver_when_there_is_one(tmp_path: Path, ct_case: RenderedCase) -> None:
    free = shell_preview("CT", 10).array_zyx > 0
    path = tmp_path / "liver.nii.gz"
    path.write_bytes(nifti_bytes(ct_case.liver))
    segment_from_file("CT", path, label="liver")
    cut = shell_preview("CT", 10).array_zyx > 0
    np.testing.assert_array_equal(cut, free & (ct_case.liver.array_zyx > 0))


@pytest.mark.usefixtures("ct_home")
def test_figures_board_and_export_show_the_result_with_the_notice() -> None:
    analyse_case("CT")
    case = show_case("CT")
    assert [i.phase for i in key_images(case)] == ["AP", "PVP"]
    stored = case.predictions[0]
    assert stored["title"] in patient_nomogram(stored).layout.title.text
    survival = group_survival("proliferative_ct_dlr", "1", endpoint="recurrence", variant=stored["variant"])
    names = [t.name for t in cohort_figure(survival, stored["risk_group"]).data if t.name]
    assert sum("this patient's group" in n for n in names) == 1
    record_decision("CT", "=Resection")
    text = export_csv("CT")
    assert text.startswith('notice,,"Research use only.') or text.startswith("notice,,Research use only.")
    assert "proliferative_ct_dlr version 1 of" in text
    assert "'=Resection" in text
    assert show_case("CT").state is CaseState.PRESENTED


@pytest.mark.usefixtures("ct_home")
def test_a_job_runs_in_its_own_process_and_can_be_cancelled() -> None:
    job = start_analysis("CT")
    assert start_analysis("CT").id == job.id
    cancel_job(job.id)
    assert newest_job("CT").state == "cancelled"
    assert show_case("CT").predictions == ()
    start_analysis("CT")
    deadline = time.monotonic() + 120
    while (now := newest_job("CT")).state in ("queued", "running") and time.monotonic() < deadline:
        time.sleep(0.3)
    assert now.state == "done", now.message
    assert show_case("CT").predictions[0]["computed"]


@pytest.mark.usefixtures("home")
def test_a_bundle_is_verified_registered_promoted_rolled_back_and_retired(
    small_ct_bundle: Bundle, tmp_path: Path
) -> None:
    assert all(c.ok for c in verify_bundle(small_ct_bundle.root))
    register_bundle(small_ct_bundle.root)
    assert [m.state for m in list_models()] == ["candidate"]
    with pytest.raises(InputError, match="registered already"):
        register_bundle(small_ct_bundle.root)
    promote("proliferative_ct_dlr", "1")
    with pytest.raises(InputError, match="no earlier version"):
        rollback("proliferative_ct_dlr")
    retire("proliferative_ct_dlr", "1")
    with pytest.raises(InputError, match="is retired"):
        promote("proliferative_ct_dlr", "1")
    assert [e["event"] for e in list_models()[0].events] == ["registered", "promoted", "retired"]


@pytest.mark.usefixtures("home")
def test_a_tampered_bundle_is_refused(small_ct_bundle: Bundle, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(small_ct_bundle.root, copy)
    (copy / "model_card.md").write_text("trust me")
    with pytest.raises(InputError, match="SHA-256"):
        register_bundle(copy)
    shutil.copy(small_ct_bundle.root / "model_card.md", copy)
    (copy / "extra.pkl").write_bytes(b"x")
    with pytest.raises(InputError, match=r"extra\.pkl"):
        register_bundle(copy)
    assert list_models() == []


def test_a_bundle_holds_no_identifier_and_its_curves_are_out_of_fold(small_ct_bundle: Bundle) -> None:
    cohort = small_ct_bundle.reference_cohort()
    assert not any(str(v).startswith("SYN") for v in cohort.to_numpy().ravel())
    report = small_ct_bundle.report["models"]
    for variant, rows in cohort.groupby("variant"):
        cutoff = report[variant]["cutoff"]["threshold"]
        assert ((rows["probability"] >= cutoff) == (rows["group"] == "high")).all()


def test_a_pipeline_with_a_foreign_type_cannot_enter_a_bundle() -> None:
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer

    from model_registry.bundle import dump_pipeline

    with pytest.raises(TypeError, match="may not"):
        dump_pipeline(Pipeline([("f", FunctionTransformer(test_a_tampered_bundle_is_refused))]))
