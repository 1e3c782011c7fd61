"""Intake: what is taken in, what is refused, and that a refusal leaves nothing behind."""

import gzip
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from core.config import settings
from core.domain.case import CaseState
from core.domain.errors import InputError, StoreError
from core.domain.phase import Phase
from core.imaging.nifti import nifti_bytes
from core.services.cases import confirm_phases, delete_case, list_cases, record_clinical, show_case
from core.services.intake import ingest
from core.synthetic.render import RenderedCase
from tests.unit.imaging.test_dicom import a_series


def write_phase(folder: Path, case: RenderedCase, phase: Phase, name: str | None = None) -> Path:
    path = folder / f"{name or phase.value}.nii.gz"
    path.write_bytes(nifti_bytes(case.phases[phase]))
    return path


def stored_files() -> list[Path]:
    return [p for p in settings().files.rglob("*") if p.is_file()] if settings().files.exists() else []


@pytest.mark.usefixtures("home")
def test_nifti_files_are_named_by_their_file_name(tmp_path: Path, mr_case: RenderedCase) -> None:
    paths = [str(write_phase(tmp_path, mr_case, p)) for p in (Phase.AP, Phase.PVP)]
    result = ingest(paths, case="MR-1")
    assert result.modality == "MR"
    assert [p["phase"] for p in result.phases] == ["AP", "PVP"]
    assert show_case("MR-1").state is CaseState.RECEIVED


@pytest.mark.usefixtures("home")
def test_a_file_can_be_named_on_the_command_line_or_recognised(tmp_path: Path, ct_case: RenderedCase) -> None:
    named = write_phase(tmp_path, ct_case, Phase.DP, "image1")
    plain = write_phase(tmp_path, ct_case, Phase.AP, "image2")
    result = ingest([f"dp={named}", str(plain)])
    assert {p["phase"]: p["confidence"] for p in result.phases}["DP"] == 1.0
    assert "AP" in [p["phase"] for p in result.phases]


@pytest.mark.usefixtures("home")
def test_a_stored_volume_is_the_one_given(tmp_path: Path, mr_case: RenderedCase) -> None:
    from core.services.store import file_store

    ingest([str(write_phase(tmp_path, mr_case, Phase.PVP))], case="A")
    stored = file_store().volume(show_case("A").phases[0]["sha256"])
    np.testing.assert_array_equal(stored.array_zyx, mr_case.phases[Phase.PVP].array_zyx)
    assert stored.geometry.matches(mr_case.phases[Phase.PVP].geometry)


@pytest.mark.usefixtures("home")
def test_a_dicom_zip_is_taken_in(tmp_path: Path) -> None:
    folder = tmp_path / "series"
    folder.mkdir()
    paths = a_series(folder, SeriesDescription="Portal venous")
    archive = tmp_path / "study.zip"
    with zipfile.ZipFile(archive, "w") as held:
        for path in paths:
            held.write(path, f"../../evil/{path.name}")
    result = ingest([str(archive)])
    assert result.phases[0]["phase"] == "PVP"
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    "broken", ["text", "truncated", "truncated .nii", "truncated .nrrd", "empty folder", "missing", "four dimensions"]
)
@pytest.mark.usefixtures("home")
def test_a_wrong_file_is_refused_and_nothing_stays(tmp_path: Path, mr_case: RenderedCase, broken: str) -> None:
    good = write_phase(tmp_path, mr_case, Phase.PVP)
    bad = tmp_path / "AP.nii.gz"
    if broken == "text":
        bad.write_text("this is no image")
    elif broken == "truncated":
        bad.write_bytes(good.read_bytes()[:5000])
    elif broken == "truncated .nii":
        bad = tmp_path / "AP.nii"
        bad.write_bytes(gzip.decompress(good.read_bytes())[:-5000])
    elif broken == "truncated .nrrd":
        import SimpleITK as sitk  # noqa: N813

        bad = tmp_path / "AP.nrrd"
        sitk.WriteImage(sitk.ReadImage(str(good)), str(bad))
        bad.write_bytes(bad.read_bytes()[:-5000])
    elif broken == "empty folder":
        bad = tmp_path / "folder"
        bad.mkdir()
        good = bad
    elif broken == "four dimensions":
        import SimpleITK as sitk  # noqa: N813

        sitk.WriteImage(sitk.Image([8, 8, 8, 3], sitk.sitkInt16), str(bad))
    arguments = [str(bad)] if broken == "empty folder" else [str(good), str(bad)]
    with pytest.raises(InputError):
        ingest(arguments, case="X")
    assert list_cases() == []
    assert stored_files() == []


@pytest.mark.usefixtures("home")
def test_a_failing_database_leaves_no_file(
    tmp_path: Path, mr_case: RenderedCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.services import intake

    def broken(_: object) -> None:
        raise RuntimeError("no space")

    monkeypatch.setattr(intake, "phase_json", broken)
    with pytest.raises(RuntimeError):
        ingest([str(write_phase(tmp_path, mr_case, Phase.PVP))], case="X")
    assert list_cases() == []
    assert stored_files() == []


@pytest.mark.usefixtures("home")
def test_a_phase_is_not_overwritten_and_modalities_do_not_mix(
    tmp_path: Path, mr_case: RenderedCase, ct_case: RenderedCase
) -> None:
    mr = str(write_phase(tmp_path, mr_case, Phase.PVP))
    ingest([mr], case="A")
    with pytest.raises(InputError, match="already has a portal venous phase"):
        ingest([mr], case="A")
    ct = tmp_path / "ct"
    ct.mkdir()
    with pytest.raises(InputError, match="Case A is MR"):
        ingest([str(write_phase(ct, ct_case, Phase.AP))], case="A")
    with pytest.raises(InputError, match="mix CT and MR"):
        ingest([mr, str(ct / "AP.nii.gz")], case="B")


@pytest.mark.usefixtures("home")
def test_names_that_could_hurt_are_refused(tmp_path: Path, mr_case: RenderedCase) -> None:
    path = str(write_phase(tmp_path, mr_case, Phase.PVP))
    for name in ("../x", "a b", "", "Jane/Doe"):
        with pytest.raises(InputError, match="cannot be a case name"):
            ingest([path], case=name)


@pytest.mark.usefixtures("home")
def test_clinical_values_come_with_the_study_and_impossible_ones_are_refused(
    tmp_path: Path, mr_case: RenderedCase
) -> None:
    image = str(write_phase(tmp_path, mr_case, Phase.PVP))
    clinical = tmp_path / "c.json"
    clinical.write_text(json.dumps({"afp_ng_ml": 21.5}))
    ingest([image], case="A", clinical=str(clinical))
    assert show_case("A").clinical == {"afp_ng_ml": 21.5}
    table = tmp_path / "c.csv"
    table.write_text("code,value\nalbumin_g_l,4.2\n")
    with pytest.raises(InputError, match=r"Albumin 4\.2 g/L is not possible"):
        ingest([image], case="B", clinical=str(table))


@pytest.mark.usefixtures("home")
def test_clinical_values_keep_their_history_and_show_the_newest(tmp_path: Path, mr_case: RenderedCase) -> None:
    ingest([str(write_phase(tmp_path, mr_case, Phase.PVP))], case="A")
    record_clinical("A", {"afp_ng_ml": 10})
    record_clinical("A", {"afp_ng_ml": 30, "inr": 1.1})
    assert show_case("A").clinical == {"afp_ng_ml": 30, "inr": 1.1}


@pytest.mark.usefixtures("home")
def test_the_reader_confirms_or_changes_phases(tmp_path: Path, mr_case: RenderedCase) -> None:
    ingest([str(write_phase(tmp_path, mr_case, p)) for p in (Phase.AP, Phase.PVP)], case="A")
    with pytest.raises(InputError, match="same phase"):
        confirm_phases("A", {0: "PVP", 1: "PVP"})
    confirm_phases("A", {0: "AP", 1: "HBP"}, question="Resection or TACE?")
    case = show_case("A")
    assert [p["phase"] for p in case.phases] == ["AP", "HBP"]
    assert "Changed from PVP to HBP by the reader." in case.phases[1]["evidence"]
    assert (case.state, case.question) == (CaseState.PHASES_CONFIRMED, "Resection or TACE?")


@pytest.mark.usefixtures("home")
def test_a_deleted_case_takes_its_own_files_with_it(tmp_path: Path, mr_case: RenderedCase) -> None:
    paths = [str(write_phase(tmp_path, mr_case, p)) for p in (Phase.AP, Phase.PVP)]
    ingest(paths, case="A")
    ingest(paths[:1], case="B")
    delete_case("A")
    assert [c.code for c in list_cases()] == ["B"]
    assert len(stored_files()) == 1
    with pytest.raises(StoreError, match="no case 'A'"):
        show_case("A")


@pytest.mark.usefixtures("home")
def test_a_file_name_that_may_hold_a_patients_name_is_not_kept(tmp_path: Path, ct_case: RenderedCase) -> None:
    path = write_phase(tmp_path, ct_case, Phase.AP, "Doe_Jane_arterial")
    result = ingest([str(path)])
    assert result.phases[0]["phase"] == "AP"
    assert "names the arterial phase" in result.phases[0]["evidence"][0]
    assert "doe" not in json.dumps(result.as_json()).lower()
