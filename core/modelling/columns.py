"""What the columns of somebody else's feature table are: identifier, outcome, clinical value, or a feature of what."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from core.domain.clinical import VARIABLES

PHASES = {
    "NC": ("nc", "native", "noncontrast", "unenhanced", "plain", "pre"),
    "AP": ("ap", "art", "arterial", "arterialphase", "late_arterial", "lap"),
    "PVP": ("pvp", "pp", "pv", "vp", "portal", "portalvenous", "venous", "ven"),
    "DP": ("dp", "delayed", "delay", "equilibrium", "ep", "tp", "transitional"),
    "HBP": ("hbp", "hepatobiliary", "hb"),
}
REGIONS = {
    "intratumoral": ("intratumoral", "intratumor", "intra", "tumour", "tumor", "tum", "lesion", "mass", "roi", "voi",
                     "vti", "itv", "gtv", "core"),
    "peritumoral": ("peritumoral", "peritumor", "peritumour", "peri", "pri", "ring", "shell", "margin", "rim", "vpr"),
    "plus": ("plus", "combined", "intraperi", "whole"),
    "loat": ("loat", "omental", "omentum", "fat"),
    "liver": ("liver", "parenchyma"),
}  # fmt: skip
RADIOMICS_CLASSES = ("firstorder", "shape", "shape2d", "glcm", "glrlm", "glszm", "gldm", "ngtdm", "glcm2d", "histogram")
RADIOMICS_IMAGES = ("original", "wavelet", "log", "square", "squareroot", "logarithm", "exponential", "gradient", "lbp")
DEEP = ("deep", "dl", "dlr", "dtl", "cnn", "resnet", "densenet", "vgg", "inception", "efficientnet", "vit", "swin",
        "r3d", "embedding", "dlf", "deepfeature")  # fmt: skip
CLINICAL = {
    "age_years": ("age", "ageyears", "ageatdiagnosis"),
    "male": ("male", "sex", "gender"),
    "afp_ng_ml": ("afp", "afpngml", "alphafetoprotein"),
    "max_diameter_cm": ("diameter", "maxdiameter", "maxdiametercm", "maximumdiameter", "tumorsize", "tumoursize",
                        "sizecm", "diametercm"),
    "alt_u_l": ("alt", "altul"),
    "ast_u_l": ("ast", "astul"),
    "albumin_g_l": ("albumin", "alb", "albumingl"),
    "bilirubin_umol_l": ("bilirubin", "tbil", "tb", "bilirubinumoll", "totalbilirubin"),
    "platelets_10e9_l": ("platelets", "plt", "platelet", "platelets10e9l"),
    "inr": ("inr",),
    "hbsag": ("hbsag", "hbv"),
    "cirrhosis": ("cirrhosis",),
    "tumour_number": ("tumournumber", "tumornumber", "numberoftumors", "numberoftumours", "lesionnumber"),
    "loat_area_mm2": ("loatarea", "loatareamm2"),
    "afp_400": ("afp400", "afpover400", "afpge400"),
}  # fmt: skip
IDENTIFIERS = ("id", "patientid", "patient", "case", "caseid", "pid", "subject", "subjectid", "identifier", "name",
               "sampleid", "sample", "filename", "image", "mask", "mrn", "study", "studyid",
               "syntheticpatient")  # fmt: skip
PATIENTS = ("id", "patientid", "patient", "pid", "subject", "subjectid", "case", "caseid", "mrn", "identifier")
OUTCOMES = ("target", "label", "outcome", "class", "y", "event", "status")
PATHOLOGY = ("pathology", "path", "pathomics", "wsi", "he", "hne", "histology", "slide", "tile")
SITES = ("site", "center", "centre", "hospital", "institution", "scanner", "vendor", "batch")
BOOKKEEPING = ("unnamed0", "index", "split", "set", "group", "fold", "cohort", "diagnostics")
TRUE = ("1", "yes", "true", "positive", "pos", "male", "m", "+", "malignant", "present")
FALSE = ("0", "no", "false", "negative", "neg", "female", "f", "w", "-", "benign", "absent")
MOST_MISSING = 0.2
MOST_SITES = 50
FEWEST_PATIENTS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column and what becomes of it.

    `role` is identifier, outcome, time, event, clinical, site, feature or dropped; `code` the clinical variable; `twin`
    an earlier column with the same values (shape features of one mask in two phases), counted once in a signature;
    `phase`, `region` and `family` (radiomics, deep, pathology, unknown) are empty where the name
    does not say; `note` says why.
    """

    name: str
    role: str
    note: str = ""
    code: str = ""
    phase: str = ""
    region: str = ""
    family: str = ""
    twin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReadColumns:
    """The cleaned table, indexed by identifier, and what was done with each column of the original.

    `patients` says whose each row is where an identifier repeats: several lesions or readings of one patient.
    """

    table: pd.DataFrame
    columns: tuple[Column, ...]
    patients: pd.Series | None = None

    @property
    def features(self) -> tuple[Column, ...]:
        return tuple(c for c in self.columns if c.role == "feature")

    @property
    def clinical(self) -> dict[str, str]:
        """Clinical variable by code → the column that holds it."""
        return {c.code: c.name for c in self.columns if c.role == "clinical"}

    @property
    def site(self) -> str | None:
        return next((c.name for c in self.columns if c.role == "site"), None)

    def summary(self) -> dict[str, int]:
        """How many columns have each role."""
        counts: dict[str, int] = {}
        for column in self.columns:
            counts[column.role] = counts.get(column.role, 0) + 1
        return counts


def read_columns(frame: pd.DataFrame, *, outcome: str | None, also: Sequence[str] = ()) -> ReadColumns:
    """Say what each column is, and make features numbers.

    Dropped, with a note: constant columns, text that is not yes/no, columns with more than 20 % missing, bookkeeping.
    Gaps in what is kept stay gaps: they are filled inside the training fold.

    Parameters
    ----------
    outcome : the column of the outcome; other outcome-like columns are dropped so that none leaks in.
    also : columns of times and events, kept as they are.
    """
    used: list[Column] = []
    kept: dict[str, pd.Series] = {}
    seen: dict[bytes, str] = {}
    index = _index(frame, outcome)
    for name in map(str, frame.columns):
        values = frame[name]
        column, cleaned = _read_one(name, values, outcome, also, is_index=name == index)
        if column.role in ("feature", "clinical") and cleaned is not None:
            digest = cleaned.to_numpy(float).tobytes()
            twin = seen.setdefault(digest, name)
            if twin != name:
                column = replace(column, twin=twin, note=f"the same values as {twin}")
        used.append(column)
        if cleaned is not None:
            kept[name] = cleaned
    table = pd.DataFrame(kept)
    table.index = pd.Index(frame[index].astype(str) if index else [f"row {i + 1}" for i in range(len(frame))])
    if table.index.has_duplicates:
        table.index = pd.Index([f"{label} (row {i + 1})" for i, label in enumerate(table.index)])
    return ReadColumns(table=table, columns=tuple(used), patients=_repeated(frame, table.index, index, outcome))


def _read_one(
    name: str, values: pd.Series, outcome: str | None, also: Sequence[str], *, is_index: bool
) -> tuple[Column, pd.Series | None]:
    plain = _plain(name)
    if is_index or name == outcome:
        return Column(name=name, role="identifier" if is_index else "outcome"), None if is_index else values
    if name in also:
        return Column(name=name, role="time or event"), pd.to_numeric(values, errors="coerce")
    if plain in SITES and values.nunique() <= MOST_SITES:
        return Column(name=name, role="site"), values.astype(str)
    cleaned = None if _bookkeeping(plain) else _numeric(name, values)
    reason = "bookkeeping or another outcome by its name" if _bookkeeping(plain) else _unusable(cleaned)
    if reason or cleaned is None:
        return Column(name=name, role="dropped", note=reason), None
    gaps = int(cleaned.isna().sum())
    note = f"{gaps} gaps, filled with the training median" if gaps else ""
    code = _clinical_code(name)
    if code:
        return Column(name=name, role="clinical", code=code, note=note), cleaned
    phase, region, family = feature_kind(name)
    return Column(name=name, role="feature", phase=phase, region=region, family=family, note=note), cleaned


def _bookkeeping(plain: str) -> bool:
    known = (*OUTCOMES, *BOOKKEEPING, *IDENTIFIERS)
    return plain in known or plain.startswith("diagnostics")


def _unusable(cleaned: pd.Series | None) -> str:
    """Why a column cannot be used; empty when it can."""
    if cleaned is None:
        return "text"
    missing = float(cleaned.isna().mean())
    if missing == 1:
        return "empty"
    if cleaned.nunique(dropna=True) < 2:
        return "constant"
    return f"{missing:.0%} missing" if missing > MOST_MISSING else ""


def feature_kind(name: str) -> tuple[str, str, str]:
    """Phase, region and family that a feature's name speaks of, as prefix or suffix; empty where it does not."""
    tokens = [t for t in re.split(r"[^A-Za-z0-9]+", name) if t]
    lower = [t.lower() for t in tokens]
    own = next((i for i, t in enumerate(lower) if t in RADIOMICS_IMAGES or t in RADIOMICS_CLASSES), None)
    family = "radiomics" if any(t in RADIOMICS_CLASSES for t in lower) else ""
    last = max((i for i, t in enumerate(lower) if t in RADIOMICS_CLASSES), default=-1)
    # The feature's own words (image type … class and name) are not searched: "Maximum2DDiameterSlice" is no phase.
    around = lower if own is None else [*lower[:own], *lower[last + 2 :]]
    if not family and any(t in PATHOLOGY for t in around):
        return "", "", "pathology"
    if not family and any(re.fullmatch(rf"(?:{'|'.join(DEEP)})\d*[a-z]?", t) for t in around):
        family = "deep"
    region = _region(around)
    phase = next((p for p, words in PHASES.items() for t in around if t in words), "")
    if phase == "PVP" and "vein" in around:
        # The vein itself, not the phase.
        return "", "portalvein", family or "unknown"
    if own and not phase and not region:
        region = "".join(around[:own]) if around[:own] not in (["mr"], ["ct"], ["mri"]) else ""
    return phase, region, family or "unknown"


def _region(tokens: list[str]) -> str:
    for region, words in REGIONS.items():
        for token in tokens:
            found = re.fullmatch(r"([a-z]*?)(\d*)(?:mm)?", token)
            if found and found[1] in words:
                width = found[2]
                return f"{region}{width}mm" if width and region in ("peritumoral", "plus") else region
    return ""


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _clinical_code(name: str) -> str:
    if name in VARIABLES or name in CLINICAL:
        return name
    plain = _plain(name)
    return next((code for code, words in CLINICAL.items() if plain in words), "")


def _index(frame: pd.DataFrame, outcome: str | None) -> str | None:
    """The identifier: named like one, or the first text column whose values are all different."""
    unique = [str(c) for c in frame.columns if c != outcome and frame[c].notna().all() and frame[c].is_unique]
    named = [c for c in unique if _plain(c) in IDENTIFIERS]
    if named:
        return named[0]
    first = str(frame.columns[0])
    whole = pd.api.types.is_integer_dtype(frame[first]) and _plain(first) in ("column1", "unnamed0", "index", "no")
    texts = [c for c in unique if not pd.api.types.is_numeric_dtype(frame[c])]
    return first if whole and first in unique else (texts[0] if texts else None)


def _repeated(frame: pd.DataFrame, rows: pd.Index, index: str | None, outcome: str | None) -> pd.Series | None:
    """The patients of the rows, where a column named like a patient's identifier holds some of them twice."""
    for name in map(str, frame.columns):
        known = name not in (index, outcome) and _plain(name) in PATIENTS and frame[name].notna().all()
        if known and FEWEST_PATIENTS <= frame[name].nunique() < len(frame):
            return pd.Series(frame[name].astype(str).to_numpy(), rows)
    return None


def _numeric(name: str, values: pd.Series) -> pd.Series | None:
    """As numbers; yes/no words and two-valued text become 1 and 0, other text nothing."""
    if pd.api.types.is_bool_dtype(values):
        return values.astype(float)
    if pd.api.types.is_numeric_dtype(values):
        cleaned = values.astype(float)
        return cleaned.where(np.isfinite(cleaned))
    text = values.dropna().astype(str).str.strip()
    numbers = pd.to_numeric(text, errors="coerce")
    if len(text) and numbers.notna().mean() > 0.8:
        return pd.to_numeric(values.astype(str).str.strip(), errors="coerce")
    words = set(text.str.lower())
    if len(words) == 2 and words <= {*TRUE, *FALSE}:
        return (
            values.astype(str)
            .str.strip()
            .str.lower()
            .map(lambda v: 1.0 if v in TRUE else 0.0 if v in FALSE else np.nan)
        )
    return None


def binary_outcome(values: pd.Series, name: str) -> tuple[pd.Series, str]:
    """The outcome as 1 and 0 (gaps stay), and which value became 1.

    Raises
    ------
    ValueError
        When it has not exactly two values.
    """
    known = values.dropna()
    levels = sorted(known.unique().tolist(), key=str)
    if len(levels) != 2:
        shown = ", ".join(map(str, levels[:5]))
        raise ValueError(f"the outcome {name} has {len(levels)} different values ({shown}), and needs two")
    words = [str(v).strip().lower() for v in levels]
    numeric = pd.api.types.is_numeric_dtype(known)
    positive = max(levels) if numeric else levels[1] if words[1] in TRUE or words[0] in FALSE else levels[0]
    if not numeric and not (set(words) & {*TRUE, *FALSE}):
        positive = levels[1]
    made = values.map(lambda v: np.nan if pd.isna(v) else float(v == positive))
    return made.astype(float), f"{positive}"
