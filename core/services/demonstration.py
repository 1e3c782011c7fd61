"""The demonstration: synthetic showcase cases, the 300-patient table, and the bundles that come with the project."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from core.config import PROJECT, settings
from core.domain.case import CaseState
from core.domain.phase import Modality, Phase, PhaseEvidence
from core.services.cases import set_state
from core.services.intake import FoundPhase, store_case
from core.services.open_cohorts import SHIPPED as OPEN_BUNDLES
from core.services.registry import ensure_active
from core.services.segment import store_mask
from core.services.store import open_session
from core.storage.models import Case, ModelVersion
from core.synthetic.patients import SyntheticPatient, synthetic_patients
from core.synthetic.render import RenderedCase, render_case

if TYPE_CHECKING:
    import pandas as pd

SHIPPED_BUNDLES = PROJECT / "model_registry" / "demonstration"
COHORT_PATIENTS = 300
SHOWCASE_SEED_SHIFT = 7
AUTHOR = "demonstration"
CLINICAL = (
    "age_years",
    "male",
    "afp_ng_ml",
    "bilirubin_umol_l",
    "albumin_g_l",
    "inr",
    "alt_u_l",
    "ast_u_l",
    "platelets_10e9_l",
    "hbsag",
    "cirrhosis",
    "ascites",
    "encephalopathy_grade",
    "tumour_number",
)
OUTCOMES = (
    "diameter_mm",
    "proliferative",
    "early_peritumoral_recurrence",
    "recurrence_months",
    "recurrence_event",
    "death_months",
    "death_event",
)
Report = Callable[[str], None]


def make_demonstration(*, cases: int, seed: int, report: Report) -> dict[str, Any]:
    """Register the shipped bundles, write the cohort table, make the showcase cases; what is there is left alone.

    The last case of each modality is left without a tumour mask, to practise on.
    """
    shipped = sorted((*SHIPPED_BUNDLES.glob("*/manifest.json"), *OPEN_BUNDLES.glob("*/manifest.json")))
    models = [ensure_active(path.parent, report, author=AUTHOR) for path in shipped]
    write_cohort_table(settings().home / "demonstration_cohort.csv", seed=seed)
    # Showcase patients are not those of the training cohort.
    patients = synthetic_patients(cases, seed + SHOWCASE_SEED_SHIFT)
    made = 0
    for number, patient in enumerate(patients):
        modality = Modality.CT if number % 2 == 0 else Modality.MR
        practise = number >= cases - 2 and cases > 2
        if _make_case(patient, modality, practise=practise):
            made += 1
            report(f"demonstration case {number + 1} of {cases}")
    if made:
        _analyse_all(cases, report)
    return {"cases": cases, "models": models}


def write_cohort_table(path: Path, *, seed: int) -> None:
    """The synthetic cohort's clinical variables and outcomes as CSV; an existing file is left alone."""
    if path.exists():
        return
    table = cohort_clinical_table(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    table.to_csv(part, index_label="synthetic_patient")
    os.replace(part, path)


def cohort_clinical_table(seed: int) -> pd.DataFrame:
    """One row a synthetic patient of the training cohort."""
    import pandas as pd

    patients = synthetic_patients(COHORT_PATIENTS, seed)
    rows = [{name: getattr(p, name) for name in (*CLINICAL, *OUTCOMES)} for p in patients]
    return pd.DataFrame(rows, index=[p.identifier for p in patients])


def case_code(number: int, modality: Modality) -> str:
    return f"DEMO-{modality.value}-{number:02d}"


def _make_case(patient: SyntheticPatient, modality: Modality, *, practise: bool) -> bool:
    code = case_code(patient.number, modality)
    with open_session() as session:
        if session.scalar(select(Case.id).where(Case.code == code)) is not None:
            return False
    rendered = render_case(patient, modality)
    clinical = {name: float(getattr(patient, name)) for name in CLINICAL}
    store_case(
        [_found(rendered, phase) for phase in rendered.phases],
        case=code,
        observations=clinical,
        warnings=[],
        author=AUTHOR,
        synthetic=True,
    )
    set_state(code, CaseState.PHASES_CONFIRMED)
    made_by = {"phase": Phase.PVP.value, "author": AUTHOR, "source": "synthetic truth", "lesion": 1}
    store_mask(code, rendered.liver, label="liver", **made_by)  # type: ignore[arg-type]
    if not practise:
        store_mask(code, rendered.tumour, label="tumour", **made_by)  # type: ignore[arg-type]
    return True


def _found(rendered: RenderedCase, phase: Phase) -> FoundPhase:
    evidence = PhaseEvidence(phase=phase, confidence=1.0, evidence=("Synthetic: rendered as this phase.",))
    return FoundPhase(
        modality=rendered.modality,
        recognised=evidence,
        source="synthetic demonstration image",
        volume=rendered.phases[phase],
    )


def _analyse_all(cases: int, report: Report) -> None:
    from core.services.analyse import analyse_case

    with open_session() as session:
        segmented = session.scalars(
            select(Case.code).where(Case.code.startswith("DEMO-"), Case.state == CaseState.SEGMENTED.value)
        ).all()
        active = session.scalar(select(ModelVersion.id).where(ModelVersion.state == "active").limit(1))
    for number, code in enumerate(segmented if active is not None else ()):
        report(f"analysing demonstration case {number + 1} of {len(segmented)}")
        analyse_case(code)
