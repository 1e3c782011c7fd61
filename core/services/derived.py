"""Clinical variables that follow from others, so that nobody has to enter them twice."""

from collections.abc import Mapping

from core.scores.liver_function import albi

AFP_HIGH_NG_ML = 400.0
# Where an assay of the CLCA cohort stopped.
AFP_CUT_NG_ML = 1210.0


def derived_values(values: Mapping[str, float]) -> dict[str, float]:
    """AFP from 400 ng/mL on as 1 or 0, AFP cut at 1,210, more than one tumour, and the ALBI score."""
    made: dict[str, float] = {}
    if "afp_ng_ml" in values:
        made["afp_400"] = float(values["afp_ng_ml"] >= AFP_HIGH_NG_ML)
        made["afp_to_1210"] = min(float(values["afp_ng_ml"]), AFP_CUT_NG_ML)
    if "tumour_number" in values:
        made["multiple_tumours"] = float(values["tumour_number"] > 1)
    if {"bilirubin_umol_l", "albumin_g_l"} <= set(values):
        score = albi(bilirubin_umol_l=values["bilirubin_umol_l"], albumin_g_l=values["albumin_g_l"])
        made["albi"] = float(score.value)
    return made
