"""The command line: exit codes, JSON, quick help without heavy imports, and that every verb is documented."""

import argparse
import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from core.cli import build_parser, main
from core.domain.phase import Phase
from core.features.radiomics import preset_text
from core.imaging.nifti import nifti_bytes
from core.synthetic.render import RenderedCase

PROJECT = Path(__file__).parents[3]
HEAVY = ("torch", "monai", "radiomics", "SimpleITK", "streamlit", "plotly", "sklearn", "pandas", "dask")


def verbs() -> dict[str, argparse.ArgumentParser]:
    actions = build_parser()._subparsers._group_actions
    return dict(actions[0].choices)


@pytest.mark.parametrize("arguments", [["--help"], ["ingest", "--help"], ["train", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys, runpy\n"
        f"sys.argv = ['core', *{arguments!r}]\n"
        "try:\n    runpy.run_module('core', run_name='__main__')\n"
        "except SystemExit:\n    pass\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "usage: python -m core" in done.stdout


def test_the_door_imports_nothing_heavy() -> None:
    """The first page must come up without torch, monai, radiomics or SimpleITK."""
    code = (
        "import sys\nimport app\nimport ui.views.worklist, ui.views.intake, ui.views.risk, ui.views.models\n"
        "print(sorted({'torch', 'monai', 'radiomics', 'SimpleITK', 'dask'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_every_verb_and_option_is_documented() -> None:
    text = (PROJECT / "docs" / "cli.md").read_text()
    for name, parser in verbs().items():
        assert f"`{name}" in text, name
        for action in parser._actions:
            for option in action.option_strings:
                if option not in ("-h", "--help"):
                    assert option in text, f"{name} {option}"


def test_every_setting_is_documented() -> None:
    from core.config import Settings

    text = (PROJECT / "docs" / "administrator.md").read_text()
    for name in Settings.model_fields:
        assert f"HEPABOARD_{name.upper()}" in text


@pytest.mark.usefixtures("home")
def test_a_wrong_input_ends_with_2_and_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cases", "show", "NOBODY"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == "error: There is no case 'NOBODY'. `python -m core cases` lists them.\n"


@pytest.mark.usefixtures("home")
def test_our_own_fault_ends_with_1_and_an_incident_number(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import core.services.cases

    def broken() -> None:
        raise ZeroDivisionError("secret patient name")

    monkeypatch.setattr(core.services.cases, "list_cases", broken)
    assert main(["cases"]) == 1
    message = capsys.readouterr().err
    assert "incident" in message
    assert "secret" not in message


@pytest.mark.usefixtures("home")
def test_ingest_segment_and_show_print_the_contracts_keys(
    tmp_path: Path, mr_case: RenderedCase, capsys: pytest.CaptureFixture[str]
) -> None:
    image, mask = tmp_path / "PVP.nii.gz", tmp_path / "mask.nii.gz"
    image.write_bytes(nifti_bytes(mr_case.phases[Phase.PVP]))
    mask.write_bytes(nifti_bytes(mr_case.tumour))

    def run(*arguments: str) -> dict:
        assert main([*arguments, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    taken = run("ingest", str(image), "--case", "A")
    assert set(taken) == {"case_id", "modality", "phases", "warnings"}
    assert set(taken["phases"][0]) == {"phase", "source", "confidence", "evidence", "size_xyz", "spacing_mm"}
    made = run("segment", "A", "--mask", str(mask))
    assert {"voxels", "volume_ml", "max_diameter_mm", "checks"} <= set(made)
    x, y, z = made["centre_mm_lps"]
    grown = run("segment", "A", "--seed", f"{x},{y},{z}")  # x is negative: the patient's right
    assert x < 0
    assert grown["volume_ml"] > 0
    assert run("cases", "show", "A")["state"] == "segmented"
    assert [c["code"] for c in run("cases")] == ["A"]


def test_radiomics_writes_one_row_with_pyradiomics_names(tmp_path: Path, mr_case: RenderedCase) -> None:
    image, mask, out = tmp_path / "i.nii.gz", tmp_path / "m.nii.gz", tmp_path / "f.csv"
    image.write_bytes(nifti_bytes(mr_case.phases[Phase.PVP]))
    mask.write_bytes(nifti_bytes(mr_case.tumour))
    assert main(["radiomics", str(image), str(mask), "--shell-mm", "5", "--out", str(out)]) == 0
    (row,) = csv.DictReader(out.read_text().splitlines())
    assert len(row) == 944
    assert "wavelet-LLH_glcm_Idn" in row


def test_a_preset_is_printed_as_a_parameter_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["radiomics", "--print-preset", "epr_debtace"]) == 0
    assert capsys.readouterr().out == preset_text("epr_debtace")


def test_scores_need_no_database(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "albi", "bilirubin_umol_l=17", "albumin_g_l=40", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"score", "value", "group", "meaning", "source"} <= set(found)
    assert round(found["value"], 3) == -2.588
    assert main(["score", "albi", "bilirubin=high"]) == 2


@pytest.mark.usefixtures("home")
def test_training_from_a_table_without_weights_or_columns_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "t.csv"
    table.write_text("case,proliferative\n" + "".join(f"c{i},{i % 2}\n" for i in range(40)))
    assert main(["train", "proliferative_ct_dlr", "--features", str(table), "--out", str(tmp_path / "b")]) == 2
    assert "none of the features and clinical variables" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()
