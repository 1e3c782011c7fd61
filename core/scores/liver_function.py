"""Liver function: ALBI and Child-Pugh."""

from dataclasses import dataclass
from math import log10

from core.domain.clinical import checked_value
from core.domain.errors import InputError

BILIRUBIN_UMOL_L_PER_MG_DL = 17.104


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreResult:
    """A published score with its group, what the group means, and where it comes from."""

    score: str
    value: float
    group: str
    meaning: str
    source: str
    population: str
    parts: tuple[tuple[str, int], ...] = ()


def albi(*, bilirubin_umol_l: float, albumin_g_l: float) -> ScoreResult:
    """ALBI = 0.66 log10(bilirubin µmol/L) - 0.085 albumin g/L; grade 1 ≤ -2.60, grade 2 ≤ -1.39, else 3.

    Source: Johnson 2015, doi 10.1200/JCO.2014.57.9151.

    Raises
    ------
    InputError
        When a value is impossible in its unit.
    """
    checked_value("bilirubin_umol_l", bilirubin_umol_l)
    checked_value("albumin_g_l", albumin_g_l)
    value = 0.66 * log10(bilirubin_umol_l) - 0.085 * albumin_g_l
    grade = 1 if value <= -2.60 else 2 if value <= -1.39 else 3
    return ScoreResult(
        score="ALBI",
        value=value,
        group=f"grade {grade}",
        meaning={1: "best", 2: "intermediate", 3: "poorest"}[grade] + " liver function of the three grades",
        source="Johnson et al., J Clin Oncol 2015, doi 10.1200/JCO.2014.57.9151",
        population="Patients with HCC",
    )


def child_pugh(
    *, bilirubin_umol_l: float, albumin_g_l: float, inr: float, ascites: float, encephalopathy_grade: float
) -> ScoreResult:
    """Child-Pugh points: A 5-6, B 7-9, C 10-15.

    Bilirubin <2, 2-3, >3 mg/dL (34.2 and 51.3 µmol/L); albumin >35, 28-35, <28 g/L; INR <1.7, 1.7-2.3, >2.3; ascites
    0 none, 1 slight, 2 moderate or severe; encephalopathy grade 0, 1-2, 3-4.

    Source: Pugh 1973, doi 10.1002/bjs.1800600817, with INR for prothrombin time.

    Raises
    ------
    InputError
        When a value is impossible or not one of the categories.
    """
    for code, value in (("bilirubin_umol_l", bilirubin_umol_l), ("albumin_g_l", albumin_g_l), ("inr", inr)):
        checked_value(code, value)
    if ascites not in (0, 1, 2):
        raise InputError("Ascites is 0 (none), 1 (slight) or 2 (moderate or severe).")
    if encephalopathy_grade not in (0, 1, 2, 3, 4):
        raise InputError("Encephalopathy is a whole grade from 0 to 4.")
    bilirubin_mg_dl = bilirubin_umol_l / BILIRUBIN_UMOL_L_PER_MG_DL
    parts = (
        ("Bilirubin", _points(bilirubin_mg_dl, 2.0, 3.0)),
        ("Albumin", 1 if albumin_g_l > 35 else 2 if albumin_g_l >= 28 else 3),
        ("INR", _points(inr, 1.7, 2.3)),
        ("Ascites", 1 + int(ascites)),
        ("Encephalopathy", 1 if encephalopathy_grade == 0 else 2 if encephalopathy_grade <= 2 else 3),
    )
    total = sum(points for _, points in parts)
    group = "A" if total <= 6 else "B" if total <= 9 else "C"
    return ScoreResult(
        score="Child-Pugh",
        value=float(total),
        group=f"class {group}",
        meaning={"A": "well compensated", "B": "significant functional compromise", "C": "decompensated"}[group],
        source="Pugh et al., Br J Surg 1973, doi 10.1002/bjs.1800600817",
        population="Patients with cirrhosis",
        parts=parts,
    )


def _points(value: float, low: float, high: float) -> int:
    """1 below `low`, 2 from `low` to `high`, 3 above."""
    # Unit conversion must not push 3.0 mg/dL entered as 51.3 µmol/L over the border.
    rounded = round(value, 2)
    return 1 if rounded < low else 2 if rounded <= high else 3
