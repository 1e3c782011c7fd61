"""Clinical variables the models and scores know: their unit, range and label, declared once."""

from dataclasses import dataclass

from core.domain.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A clinical variable. A value outside `lowest`..`highest` is refused as impossible, not merely abnormal."""

    code: str
    label: str
    unit: str
    lowest: float
    highest: float


VARIABLES = {
    v.code: v
    for v in (
        Variable(code="age_years", label="Age", unit="years", lowest=0.0, highest=120.0),
        Variable(code="male", label="Male sex (1 yes, 0 no)", unit="", lowest=0.0, highest=1.0),
        Variable(code="afp_ng_ml", label="AFP", unit="ng/mL", lowest=0.0, highest=5e6),
        Variable(code="bilirubin_umol_l", label="Bilirubin", unit="µmol/L", lowest=1.0, highest=1000.0),
        Variable(code="albumin_g_l", label="Albumin", unit="g/L", lowest=10.0, highest=70.0),
        Variable(code="inr", label="INR", unit="", lowest=0.5, highest=15.0),
        Variable(code="alt_u_l", label="ALT", unit="U/L", lowest=1.0, highest=20000.0),
        Variable(code="ast_u_l", label="AST", unit="U/L", lowest=1.0, highest=20000.0),
        Variable(code="platelets_10e9_l", label="Platelets", unit="10⁹/L", lowest=1.0, highest=2000.0),
        Variable(code="hbsag", label="HBsAg (1 positive, 0 negative)", unit="", lowest=0.0, highest=1.0),
        Variable(code="cirrhosis", label="Cirrhosis (1 yes, 0 no)", unit="", lowest=0.0, highest=1.0),
        Variable(code="ascites", label="Ascites (0 none, 1 slight, 2 moderate)", unit="", lowest=0.0, highest=2.0),
        Variable(code="encephalopathy_grade", label="Encephalopathy (grade 0 to 4)", unit="", lowest=0.0, highest=4.0),
        Variable(code="tumour_number", label="Number of tumours", unit="", lowest=1.0, highest=100.0),
        Variable(
            code="max_diameter_cm",
            label="Maximum diameter (where no tumour is marked)",
            unit="cm",
            lowest=0.1,
            highest=40.0,
        ),
        Variable(code="pivka_ii_mau_ml", label="PIVKA-II", unit="mAU/mL", lowest=0.0, highest=1e7),
        Variable(code="ajcc_stage", label="AJCC stage (1 to 4)", unit="", lowest=1.0, highest=4.0),
        Variable(
            code="child_pugh_b", label="Child-Pugh class B or C (1 yes, 0 class A)", unit="", lowest=0.0, highest=1.0
        ),
        Variable(
            code="vascular_invasion",
            label="Vascular invasion on imaging (1 yes, 0 no)",
            unit="",
            lowest=0.0,
            highest=1.0,
        ),
        Variable(
            code="involvement_over_half",
            label="More than half of the liver involved (1 yes, 0 no)",
            unit="",
            lowest=0.0,
            highest=1.0,
        ),
    )
}


def checked_value(code: str, value: float) -> float:
    """The value, if the variable exists and the value is possible in its unit.

    Raises
    ------
    InputError
        For an unknown code or an impossible value.
    """
    variable = VARIABLES.get(code)
    if variable is None:
        raise InputError(f"There is no clinical variable '{code}'. Known: {', '.join(VARIABLES)}.")
    if not variable.lowest <= value <= variable.highest:
        raise InputError(
            f"{variable.label} {value:g} {variable.unit} is not possible "
            f"(allowed {variable.lowest:g} to {variable.highest:g} {variable.unit}). Check value and unit."
        )
    return value
