"""ALBI and Child-Pugh against published worked values (score_cases of the clinical reference, rows of a table)."""

import pytest

from core.domain.errors import InputError
from core.scores.liver_function import albi, child_pugh
from core.services.scores import compute_score

MG = 17.104  # µmol/L bilirubin for 1 mg/dL


@pytest.mark.parametrize(
    ("bilirubin", "albumin", "value", "grade"),
    [(17, 40, -2.588, 2), (10, 44, -3.080, 1), (60, 24, -0.866, 3)],
)
def test_albi_worked_values(bilirubin: float, albumin: float, value: float, grade: int) -> None:
    found = albi(bilirubin_umol_l=bilirubin, albumin_g_l=albumin)
    assert found.value == pytest.approx(value, abs=5e-4)
    assert found.group == f"grade {grade}"


@pytest.mark.parametrize(
    ("bilirubin_mg", "albumin", "inr", "ascites", "encephalopathy", "points", "group"),
    [(1.0, 42, 1.05, 0, 0, 5, "A"), (2.4, 31, 1.5, 1, 0, 8, "B"), (4.0, 25, 2.4, 2, 2, 14, "C")],
)
def test_child_pugh_of_the_three_reference_patients(
    bilirubin_mg: float, albumin: float, inr: float, ascites: int, encephalopathy: int, points: int, group: str
) -> None:
    found = child_pugh(
        bilirubin_umol_l=bilirubin_mg * MG, albumin_g_l=albumin, inr=inr, ascites=ascites,
        encephalopathy_grade=encephalopathy,
    )  # fmt: skip
    assert (found.value, found.group) == (points, f"class {group}")


@pytest.mark.parametrize(("bilirubin_mg", "points"), [(1.99, 1), (2.0, 2), (3.0, 2), (3.01, 3)])
def test_bilirubin_borders_survive_the_unit(bilirubin_mg: float, points: int) -> None:
    found = child_pugh(bilirubin_umol_l=bilirubin_mg * MG, albumin_g_l=40, inr=1, ascites=0, encephalopathy_grade=0)
    assert dict(found.parts)["Bilirubin"] == points


@pytest.mark.parametrize(("albumin", "points"), [(35.1, 1), (35, 2), (28, 2), (27.9, 3)])
def test_albumin_borders(albumin: float, points: int) -> None:
    found = child_pugh(bilirubin_umol_l=10, albumin_g_l=albumin, inr=1, ascites=0, encephalopathy_grade=0)
    assert dict(found.parts)["Albumin"] == points


def test_a_missing_or_impossible_value_gives_no_number() -> None:
    with pytest.raises(InputError, match="needs Albumin"):
        compute_score("albi", {"bilirubin_umol_l": 17})
    with pytest.raises(InputError, match="not possible"):
        compute_score("albi", {"bilirubin_umol_l": 17, "albumin_g_l": 4.2})
    with pytest.raises(InputError, match="Ascites"):
        child_pugh(bilirubin_umol_l=17, albumin_g_l=40, inr=1, ascites=0.5, encephalopathy_grade=0)
