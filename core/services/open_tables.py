"""The downloaded tables of three open cohorts as clean clinical values; each of their traps is handled here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.domain.errors import InputError
from core.scores.liver_function import BILIRUBIN_UMOL_L_PER_MG_DL
from core.services.derived import AFP_CUT_NG_ML, derived_values

if TYPE_CHECKING:
    import pandas as pd

WEEKS_PER_MONTH = 365.25 / 12 / 7
STAGES = {"I": 1.0, "II": 2.0, "III": 3.0, "IV": 4.0}
ALBUMIN_LOWER_NORM_G_DL = (2.5, 4.5)


def clca_table(folder: Path) -> pd.DataFrame:
    """CLCA 2024 (cBioPortal): MVI and what was known before surgery, a row a patient whose MVI is known.

    AFP is given as ">1210" where it was not diluted further: that is 1,210 here. Sizes are texts such as
    `7.4*6.2/8*4.5/dmax=1.1`: the largest diameter of any lesion, without what follows "dmax". Times of recurrence
    exist only for patients who recurred, so there is nothing to draw a curve from, and none is read.
    """
    import pandas as pd

    sample = _cbioportal(folder / "data_clinical_sample.txt")
    patient = _cbioportal(folder / "data_clinical_patient.txt")
    both = sample.merge(patient, on="PATIENT_ID", how="left", suffixes=("", "_patient"))
    both = both[both["MVI"].isin(["M0", "M1", "M2"])].reset_index(drop=True)
    count = pd.to_numeric(both["TUMOR_NUMBER"], errors="coerce")
    satellite = both["TUMOR_NUMBER"] == "Satellite nodule"
    return pd.DataFrame(
        {
            "mvi": (both["MVI"] != "M0").astype(float),
            "afp_to_1210": _number(both["AFP"]).clip(upper=AFP_CUT_NG_ML),
            "max_diameter_cm": both["TUMOR_SIZE"].map(largest_diameter_cm),
            "multiple_tumours": ((count > 1) | satellite).astype(float).where(count.notna() | satellite),
            "age_years": _number(both["AGE"]),
            "male": (both["SEX"] == "Male").astype(float),
            "pivka_ii_mau_ml": _number(both["PIVKA_II"]),
        }
    )


def tcga_table(folder: Path) -> pd.DataFrame:
    """TCGA-LIHC (cBioPortal): ALBI, AFP, stage, age, overall survival in months, and vascular invasion.

    "None" is a finding (no vascular invasion), not a gap; "[Not Available]" is one. Albumin and bilirubin come in
    several units, which only each record's own normal range tells: without a range a value is not used.
    """
    import pandas as pd

    raw = _cbioportal(folder / "data_clinical_patient.txt")
    albumin = [
        albumin_g_l(v, low)
        for v, low in zip(
            _number(raw["SERUM_ALBUMIN_PRERESECTION"]), _number(raw["SERUM_ALBUMIN_NORM_RANGE_LOWER"]), strict=True
        )
    ]
    bilirubin = [
        bilirubin_umol_l(v, high)
        for v, high in zip(
            _number(raw["BILIRUBIN_TOTAL"]), _number(raw["BILIRUBIN_TOTAL_NORM_RANGE_UPPER"]), strict=True
        )
    ]
    known = [_known(bilirubin_umol_l=b, albumin_g_l=a) for a, b in zip(albumin, bilirubin, strict=True)]
    invasion = raw["VASCULAR_INVASION"].map({"None": 0.0, "Micro": 1.0, "Macro": 1.0})
    table = pd.DataFrame(
        {
            "albi": [derived_values(k).get("albi", np.nan) for k in known],
            "afp_ng_ml": _number(raw["AFP_AT_PROCUREMENT"]),
            "ajcc_stage": raw["AJCC_PATHOLOGIC_TUMOR_STAGE"].map(stage_number),
            "age_years": _number(raw["AGE"]),
            "death_months": _number(raw["OS_MONTHS"]),
            "death_event": raw["OS_STATUS"].map({"1:DECEASED": 1.0, "0:LIVING": 0.0}),
            "vascular_invasion": invasion,
        }
    )
    return table[table["death_months"].notna() & (table["death_months"] > 0)].reset_index(drop=True)


def tace_table(folder: Path) -> pd.DataFrame:
    """HCC-TACE-Seg (TCIA): clinical values before TACE, overall survival and time to progression in months.

    TTP and OS are in weeks, although another column of the sheet (Interval_BL) is in days.
    """
    import pandas as pd

    files = sorted(folder.glob("*.xlsx"))
    if not files:
        raise InputError(f"{folder.name} holds no xlsx file. Put the clinical table of HCC-TACE-Seg there.")
    raw = pd.read_excel(files[0], sheet_name="data table", keep_default_na=False)
    return pd.DataFrame(
        {
            "afp_ng_ml": _number(raw["AFP"]),
            "involvement_over_half": (raw["T_involvment"].str.strip() == ">50%").astype(float),
            "child_pugh_b": raw["CPS"].map({"A": 0.0, "B": 1.0, "C": 1.0}),
            "vascular_invasion": _number(raw["Vascular invasion"]),
            "death_months": _number(raw["OS"]) / WEEKS_PER_MONTH,
            "death_event": _number(raw["Death_1_StillAliveorLostToFU_0"]),
            "ttp_months": _number(raw["TTP"]) / WEEKS_PER_MONTH,
            "ttp_event": _number(raw["Censored_0_progressed_1"]),
        }
    )


def largest_diameter_cm(text: str) -> float:
    """The largest number of `7.4*6.2/8*4.5`; a satellite's `dmax` does not count. NaN when there is none."""
    numbers = [float(n) for n in re.findall(r"\d+(?:\.\d+)?", text.split("dmax", maxsplit=1)[0])]
    return max(numbers, default=float("nan"))


def albumin_g_l(value: float, lower_norm: float) -> float:
    """Albumin in g/L; the unit is the power of ten that brings the record's lower norm to that of g/dL."""
    if np.isnan(value) or not lower_norm > 0:
        return float("nan")
    low, high = ALBUMIN_LOWER_NORM_G_DL
    for power in (0, 1, -1, -3):
        if low <= lower_norm * 10.0**power <= high:
            found = value * 10.0**power * 10
            # Above any living patient's: a typing error, such as 8 g/dL.
            return found if 10 <= found <= 60 else float("nan")
    return float("nan")


def bilirubin_umol_l(value: float, upper_norm: float) -> float:
    """Bilirubin in µmol/L; an upper norm of 10 and more is µmol/L already, a smaller one mg/dL."""
    if np.isnan(upper_norm) or not value > 0:
        return float("nan")
    return value if upper_norm >= 10 else value * BILIRUBIN_UMOL_L_PER_MG_DL


def stage_number(text: str) -> float:
    """1 to 4 from `Stage IIIA`; NaN for anything else."""
    found = re.fullmatch(r"Stage (IV|III|II|I)[ABC]?", text)
    return STAGES[found[1]] if found else float("nan")


def _known(**values: float) -> dict[str, float]:
    return {k: v for k, v in values.items() if not np.isnan(v)}


def _number(values: pd.Series) -> pd.Series:
    """Numbers; `>1210` is 1210, words are gaps."""
    import pandas as pd

    return pd.to_numeric(values.astype(str).str.strip().str.lstrip(">"), errors="coerce")


def _cbioportal(path: Path) -> pd.DataFrame:
    import pandas as pd

    if not path.is_file():
        raise InputError(f"'{path.parent.name}/{path.name}' does not exist. docs/researcher.md says where to get it.")
    return pd.read_csv(path, sep="\t", comment="#", keep_default_na=False, dtype=str)
