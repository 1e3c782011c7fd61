"""Columns of other people's tables: what each is, and what is done with it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.domain.errors import InputError
from core.modelling.columns import binary_outcome, feature_kind, read_columns
from core.services.tables import read_table

KINDS = {
    "AP_intratumoral_original_glcm_Idn": ("AP", "intratumoral", "radiomics"),
    "AP_peritumoral10mm_wavelet-LLH_glcm_Idn": ("AP", "peritumoral10mm", "radiomics"),
    "original_firstorder_Mean_PVP": ("PVP", "", "radiomics"),
    "wavelet-LHL_glszm_ZoneEntropy_peri_HBP": ("HBP", "peritumoral", "radiomics"),
    "Arterial_Tumor_log-sigma-1-0-mm-3D_glrlm_RunEntropy": ("AP", "intratumoral", "radiomics"),
    "original_shape_Maximum2DDiameterSlice": ("", "", "radiomics"),
    "MR_original_shape_Sphericity": ("", "", "radiomics"),
    "Portal_vein_original_glcm_Contrast": ("", "portalvein", "radiomics"),
    "Abdominal_aorta_original_glcm_Contrast": ("", "abdominalaorta", "radiomics"),
    "PVP_intratumoral_resnet34_2_5d_017": ("PVP", "intratumoral", "deep"),
    "DL_feature_12_delayed": ("DP", "", "deep"),
    "WSI_resnet50_3": ("", "", "pathology"),
    "mystery_42": ("", "", "unknown"),
}


@pytest.mark.parametrize(("name", "kind"), KINDS.items())
def test_a_feature_name_says_phase_region_and_family_as_prefix_or_suffix(name: str, kind: tuple[str, str, str]) -> None:
    assert feature_kind(name) == kind


def test_every_column_is_read_or_dropped_with_a_reason() -> None:
    frame = pd.DataFrame(
        {
            "Patient ID": ["a", "b", "c", "d", "e"],
            "f": [1.0, 2, 3, 4, 5],
            "copy": [1.0, 2, 3, 4, 5],
            "constant": [7.0] * 5,
            "comment": ["x", "y", "z", "u", "v"],
            "sparse": [1.0, 2, np.nan, np.nan, np.nan],
            "Gender": ["Male", "Female", "Male", "Male", "Female"],
            "AFP (ng/mL)": ["3,5", "10", ">1000", "4", "5"],
            "label": [0, 1, 0, 1, 1],
            "Target": [0, 1, 1, 0, 1],
        }
    )
    read = read_columns(frame, outcome="Target")
    roles = {c.name: (c.role, c.note) for c in read.columns}
    assert roles["Patient ID"][0] == "identifier"
    assert list(read.table.index) == ["a", "b", "c", "d", "e"]
    assert roles["copy"] == ("feature", "the same values as f")
    assert {c.name: c.twin for c in read.columns}["copy"] == "f"
    assert roles["constant"] == ("dropped", "constant")
    assert roles["comment"] == ("dropped", "text")
    assert roles["sparse"] == ("dropped", "60% missing")
    # Another outcome must not leak in as a feature.
    assert roles["label"][0] == "dropped"
    assert read.clinical["male"] == "Gender"
    assert read.table["Gender"].tolist() == [1, 0, 1, 1, 0]


def test_encodings_separators_and_double_names(tmp_path: Path) -> None:
    (tmp_path / "bom.csv").write_bytes("﻿id,a,a\np1,1,2\np2,3,4\n".encode())
    table = read_table(tmp_path / "bom.csv")
    assert list(table.frame.columns) == ["id", "a", "a.2"]
    assert "stand twice" in table.notes[0]
    (tmp_path / "latin.csv").write_bytes("Größe;wert\n1,5;2\n2,5;3\n".encode("cp1252"))
    table = read_table(tmp_path / "latin.csv")
    assert table.frame["Größe"].tolist() == [1.5, 2.5]
    assert "cp1252" in table.notes[-1]
    (tmp_path / "none.tsv").write_text("# made by\nid\tinvasion\np1\tNone\np2\tMicro\n")
    assert read_table(tmp_path / "none.tsv").frame["invasion"].tolist() == ["None", "Micro"]
    (tmp_path / "empty.csv").write_text("\n")
    with pytest.raises(InputError, match="no table"):
        read_table(tmp_path / "empty.csv")


def test_the_outcome_becomes_one_and_nought_whatever_its_words() -> None:
    for values, positive in ((["yes", "no", "yes"], "yes"), ([1, 2, 2], "2"), (["M0", "M1", "M0"], "M1")):
        made, which = binary_outcome(pd.Series(values), "o")
        assert which == positive
        assert made.tolist() == [float(str(v) == positive) for v in values]
    with pytest.raises(ValueError, match="3 different values"):
        binary_outcome(pd.Series([0, 1, 2]), "o")
