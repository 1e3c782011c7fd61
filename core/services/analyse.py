"""Analyse a case: regions, features, every active model; one transaction stores the predictions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.domain.case import CaseState
from core.domain.errors import InputError
from core.domain.phase import Modality, Phase
from core.domain.prediction import Prediction
from core.domain.volume import Volume
from core.features.table import CaseFeatures, extract_blocks
from core.imaging.resampling import resample_mask
from core.regions.body import body_mask
from core.regions.derived import Marked
from core.services.cases import advance, clinical_values, newest_masks, prediction_inputs
from core.services.cohort_features import WeightsFile, open_weights, recipe_deltas, region_mask, wanted_blocks
from core.services.derived import derived_values
from core.services.predict import choose_variant, predict, refusals, refused
from core.services.segment import current_tumours
from core.services.store import feature_cache, file_store, find_case, open_session
from core.storage.models import Case, Job, ModelVersion, StoredPrediction
from model_registry.bundle import Bundle
from model_registry.recipe import Recipe, Region, Variant
from model_registry.registry import bundle_folder

Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseInputs:
    """What analysis reads of a case, taken out of the session so that long work holds none open."""

    code: str
    modality: Modality
    synthetic: bool
    phases: dict[Phase, str]
    tumours: tuple[str, ...]
    diameter_mm: float
    liver: str | None
    loat: str | None
    loat_area_mm2: float | None
    clinical: dict[str, float]
    models: tuple[tuple[int, str, str], ...]
    provenance: dict[str, Any]


def analyse_case(
    code: str,
    models: list[str] | None = None,
    progress: Progress | None = None,
    *,
    job: tuple[int, int] | None = None,
) -> list[Prediction]:
    """Run the active models (or those named) on a case and store what they say.

    Parameters
    ----------
    job : number and attempt of the job this is done for; it ends in the transaction that stores the predictions, and
        nothing is stored when the job was cancelled or taken over meanwhile.

    Raises
    ------
    InputError
        When no model is active or a named one is unknown.
    """
    tell = progress or (lambda fraction, text: None)
    inputs = read_inputs(code, models)
    predictions = []
    for number, (model_id, name, version) in enumerate(inputs.models):
        bundle = Bundle(bundle_folder(name, version))
        told = _part_of(tell, number, len(inputs.models), bundle.recipe.title)
        told(0.0, "checking")
        predictions.append((model_id, *_predict(bundle, inputs, told)))
    tell(1.0, "saving")
    with open_session() as session:
        if job is not None and not _finish(session, *job):
            return []
        row = find_case(session, code)
        row.predictions += [
            StoredPrediction(
                model_version_id=model_id,
                content={**asdict(p), **p.as_json(), "feature_sets": feature_sets},
                inputs=inputs.provenance,
            )
            for model_id, p, feature_sets in predictions
        ]
        if any(p.computed for _, p, _ in predictions):
            advance(row, CaseState.ANALYSED)
    return [p for _, p, _ in predictions]


def _finish(session: Session, number: int, attempt: int) -> bool:
    mine = (Job.id == number, Job.attempts == attempt, Job.state == "running")
    ended = update(Job).where(*mine).values(state="done", progress=1.0).returning(Job.id)
    return session.scalar(ended) is not None


def _part_of(tell: Progress, number: int, of: int, title: str) -> Progress:
    """Progress of one model as a part of the whole."""
    return lambda fraction, text: tell((number + fraction) / of, f"{title}: {text}")


def read_inputs(code: str, names: list[str] | None) -> CaseInputs:
    """What the active models (or those named) need of a case."""
    with open_session() as session:
        row = find_case(session, code)
        active = session.scalars(
            select(ModelVersion).where(ModelVersion.state == "active").order_by(ModelVersion.name)
        ).all()
        unknown = set(names or ()) - {m.name for m in active}
        if unknown:
            raise InputError(f"No active model is called {', '.join(sorted(unknown))}. `models list` shows them.")
        chosen = [m for m in active if not names or m.name in names]
        if not chosen:
            raise InputError("No model is active. Register and promote a bundle on the models page first.")
        tumours = current_tumours(session, row)
        return CaseInputs(
            code=row.code,
            modality=Modality(row.modality),
            synthetic=row.patient.synthetic,
            phases={Phase(p.phase): p.file_sha256 for p in row.phases},
            tumours=tuple(m.file_sha256 for m in tumours),
            diameter_mm=float(tumours[0].measures["max_diameter_mm"]) if tumours else 0.0,
            liver=_newest(row, "liver"),
            loat=_newest(row, "LOAT"),
            loat_area_mm2=_loat_area_mm2(row),
            clinical=clinical_values(row),
            models=tuple((m.id, m.name, m.version) for m in chosen),
            provenance=prediction_inputs(row),
        )


def _loat_area_mm2(row: Case) -> float | None:
    """The fat's area on its largest slice, where LOAT is marked on CT."""
    area = next((m.measures.get("fat_area_cm2") for m in newest_masks(row) if m.label == "LOAT"), None)
    return None if area is None else 100.0 * float(area)


def _newest(row: Case, label: str) -> str | None:
    return next((m.file_sha256 for m in newest_masks(row) if m.label == label), None)


def _predict(bundle: Bundle, inputs: CaseInputs, tell: Progress) -> tuple[Prediction, dict[str, str]]:
    """What a model says, and the cached feature sets it was computed from by what they hold."""
    import pandas as pd

    recipe = bundle.recipe
    phases = set(inputs.phases)
    reasons = refusals(
        recipe,
        modality=inputs.modality,
        phases=phases,
        has_tumour=bool(inputs.tumours),
        diameter_mm=inputs.diameter_mm,
    )
    if not bundle.manifest.get("from_images", True):
        reasons = ["The model was trained on a feature table whose columns this version does not make from images."]
    clinical = known_values(inputs)
    variant = choose_variant(recipe, phases, clinical) if not reasons else None
    if not reasons and variant is None:
        reasons = [_lacking(recipe, phases, clinical)]
    if variant is None:
        return refused(bundle, reasons), {}
    if not recipe.blocks_of(variant):
        row = pd.Series(clinical, dtype=float)
        return predict(bundle, variant, row, synthetic_patient=inputs.synthetic), {}
    found, spacing = _features(bundle, recipe, variant, inputs, tell)
    if found.failures:
        return refused(bundle, list(found.failures.values())), found.sources
    measures = {"in_plane_spacing_mm": max(spacing[:2]), "slice_spacing_mm": spacing[2]}
    deltas = recipe_deltas(recipe, found.values)
    row = pd.Series({**clinical, **measures, **found.values, **deltas}, dtype=float)
    made = predict(bundle, variant, row, synthetic_patient=inputs.synthetic)
    notes = (*made.notes, *found.warnings, *_weight_notes(bundle))
    return replace(made, notes=notes), found.sources


def known_values(inputs: CaseInputs) -> dict[str, float]:
    """Clinical values with what follows from them; a marked tumour's own diameter goes before a recorded one."""
    known = {**inputs.clinical, **derived_values(inputs.clinical)}
    if inputs.tumours:
        known["max_diameter_cm"] = inputs.diameter_mm / 10.0
    if inputs.loat_area_mm2 is not None:
        known["loat_area_mm2"] = inputs.loat_area_mm2
    return known


def _lacking(recipe: Recipe, phases: set[Phase], clinical: dict[str, float]) -> str:
    """What would have to be there for the recipe's last variant, which asks for least."""
    variant = recipe.variants[-1]
    labels = {c.code: c.label for c in recipe.clinical}
    absent = [p.value for p in recipe.phases_of(variant) if p not in phases]
    absent += [labels[c] for c in variant.clinical if c not in clinical]
    if not absent:
        return "No variant of the model can be computed from this case's images."
    return f"The model needs {', '.join(absent)}, which this case does not have."


def _features(
    bundle: Bundle, recipe: Recipe, variant: Variant, inputs: CaseInputs, tell: Progress
) -> tuple[CaseFeatures, tuple[float, float, float]]:
    blocks = recipe.blocks_of(variant)
    images = {p: file_store().volume(inputs.phases[p]) for p in recipe.phases_of(variant)}
    marks = open_marks(inputs)
    places = [b.place for b in blocks]
    regions = {(phase, r.name): case_region(r, images[phase], marks, inputs.modality) for phase, r in places}
    wanted = wanted_blocks(blocks, inputs.modality, bundle_weights(bundle))
    found = extract_blocks(wanted, images, regions, feature_cache(), tell)
    return found, images[places[0][0]].geometry.spacing_mm_xyz


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """The masks of a case, each on the grid it was drawn on; the index lesion comes first."""

    tumours: tuple[Volume, ...]
    liver: Volume | None
    loat: Volume | None


def open_marks(inputs: CaseInputs) -> Marks:
    store = file_store()
    return Marks(
        tumours=tuple(store.volume(sha256) for sha256 in inputs.tumours),
        liver=store.volume(inputs.liver) if inputs.liver else None,
        loat=store.volume(inputs.loat) if inputs.loat else None,
    )


def case_region(region: Region, image: Volume, marks: Marks, modality: Modality) -> Volume | InputError:
    """A region on a phase's grid; a shell is cut to the liver where it is marked, else to the body."""
    try:
        tumour, *others = (resample_mask(m, image.geometry) for m in marks.tumours)
        liver = resample_mask(marks.liver, image.geometry) if marks.liver is not None else None
        loat = resample_mask(marks.loat, image.geometry) if marks.loat is not None else None
    except InputError as error:
        return error
    within = liver
    if within is None and region.kind.needs_width:
        within = body_mask(image, modality)
    marked = Marked(tumour=tumour, others=tuple(others), within=within, liver=liver, loat=loat, image=image)
    return region_mask(region, marked)


def bundle_weights(bundle: Bundle) -> dict[str, WeightsFile]:
    """Network weights that came with a bundle."""
    families = {b.family for b in bundle.recipe.features if b.family != "radiomics"}
    held = {f: bundle.weights_path(f) for f in families}
    return {f: open_weights(p) for f, p in held.items() if p is not None}


def _weight_notes(bundle: Bundle) -> tuple[str, ...]:
    return tuple(f"Network {f}: {w['description']}." for f, w in bundle.manifest["weights"].items() if w["description"])
