"""A bundle's answer for one case: variant, probability with interval, points, risk group, applicability."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from core.domain.phase import Phase
from core.domain.prediction import Prediction
from core.modelling.applicability import outside_reasons
from model_registry.bundle import Bundle
from model_registry.recipe import Recipe, Variant

if TYPE_CHECKING:
    import pandas as pd


def refusals(recipe: Recipe, *, modality: str, phases: set[Phase], has_tumour: bool, diameter_mm: float) -> list[str]:
    """Why a model cannot be applied at all; empty when it can."""
    reasons: list[str] = []
    if recipe.modality is None:
        return reasons
    if modality != recipe.modality:
        reasons.append(f"The model reads {recipe.modality.value}; this case is {modality}.")
        return reasons
    missing = [p for p in recipe.required_phases() if p not in phases]
    if missing:
        names = " and ".join(f"{p.label.lower()} ({p.value})" for p in missing)
        reasons.append(f"The model needs the {names} phase, which this case does not have.")
    if not has_tumour:
        reasons.append("There is no tumour mask. Mark the tumour first.")
    elif diameter_mm < recipe.eligibility.smallest_diameter_mm:
        reasons.append(
            f"The lesion measures {diameter_mm:.1f} mm; the model is for lesions of at least "
            f"{recipe.eligibility.smallest_diameter_mm:g} mm."
        )
    return reasons


def choose_variant(recipe: Recipe, phases: set[Phase], clinical: Mapping[str, float]) -> Variant | None:
    """The first variant that can be made from images, and whose phases and clinical values are all there."""
    for variant in recipe.variants:
        made_here = recipe.from_images(variant)
        if made_here and set(recipe.phases_of(variant)) <= phases and set(variant.clinical) <= set(clinical):
            return variant
    return None


def refused(bundle: Bundle, reasons: list[str]) -> Prediction:
    """The answer of a model that does not apply: no number."""
    return Prediction(**_identity(bundle), variant="", computed=False, applicable=False, reasons=tuple(reasons))


def predict(bundle: Bundle, variant: Variant, row: pd.Series, *, synthetic_patient: bool) -> Prediction:
    """Apply a variant to one row of features, clinical values and measures.

    The interval is the middle 95 % of what 200 bootstrap refits of the last regression say of this patient.

    Raises
    ------
    RuntimeError
        When points and pipeline disagree: they are two forms of one model.
    """
    model = bundle.variant(variant)
    frame = row.to_frame().T.astype(float)
    pipeline: Any = bundle.pipeline(variant)
    probability = float(pipeline.predict_proba(frame)[0, 1])
    design = pipeline.named_steps["predictors"].transform(frame)[0]
    points = model.nomogram.patient(dict(zip((a.name for a in model.nomogram.axes), map(float, design), strict=True)))
    total = sum(p.points for p in points)
    if abs(model.nomogram.probability(total) - probability) > 1e-6:
        raise RuntimeError(f"{bundle.name} {variant.id}: nomogram and pipeline disagree")
    x = np.concatenate([[1.0], design])
    refits = model.coefficients @ x
    spread = -np.expm1(-np.exp(refits)) if model.nomogram.horizons else 1 / (1 + np.exp(-refits))
    interval = np.percentile(spread, [2.5, 97.5])
    reasons = list(outside_reasons(model.known, row))
    if bundle.synthetic and not synthetic_patient:
        reasons.insert(0, "The model was trained on synthetic patients; a real patient is outside that population.")
    return Prediction(
        **_identity(bundle),
        variant=variant.id,
        computed=True,
        applicable=not reasons,
        reasons=tuple(reasons),
        notes=(f"Variant used: {variant.label}.",),
        outcome=_outcome(bundle.recipe),
        probability=probability,
        interval=(float(interval[0]), float(interval[1])),
        cutoff=model.cutoff,
        risk_group="high" if probability >= model.cutoff else "low",
        total_points=total,
        predictors=points,
    )


def _outcome(recipe: Recipe) -> str:
    """What the probability is of; a Cox model's is that of the event by its first horizon."""
    if not recipe.horizons_months:
        return recipe.outcome.label
    return f"{recipe.outcome.label} within {recipe.horizons_months[0]:g} months"


def _identity(bundle: Bundle) -> dict[str, Any]:
    return {
        "model": bundle.name,
        "version": bundle.version,
        "model_date": bundle.created,
        "title": bundle.recipe.title,
        "synthetic": bundle.synthetic,
        "cohort": str(bundle.manifest["cohort"]),
    }
