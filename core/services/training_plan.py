"""Which of a recipe's models a table allows, and what each of them is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from core.domain.errors import InputError
from core.modelling import screening
from core.modelling.combination import AxisLabel
from core.modelling.engine import ClinicalSpec, ModelSpec
from core.modelling.signatures import SignatureSpec
from core.services.feature_tables import ALL_FEATURES, TrainingData, matching_columns, without_twins
from model_registry.recipe import Recipe, ScreeningStep, Signature, Variant

FEWEST_EVENTS = 8
STEPS: dict[str, Callable[[ScreeningStep, int], Any]] = {
    "outliers": lambda s, seed: screening.OutliersToMedian(s.setting("limit")),
    "zscore": lambda s, seed: screening.ZScore(),
    "variance": lambda s, seed: screening.Varying(s.setting("limit")),
    "correlation": lambda s, seed: screening.Uncorrelated(s.setting("limit")),
    "univariable": lambda s, seed: screening.Univariable(s.setting("limit")),
    "mrmr": lambda s, seed: screening.MaxRelevanceMinRedundancy(s.setting("features"), s.setting("scheme")),
    "lasso": lambda s, seed: screening.Lasso(s.setting("rule"), seed),
    "backward": lambda s, seed: screening.BackwardStepwise(),
    "rfe": lambda s, seed: screening.RecursiveElimination(s.setting("features"), s.setting("share")),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """Which of a recipe's models the table allows: `recipe` has those as its variants and comparators."""

    recipe: Recipe
    signatures: tuple[SignatureSpec, ...]
    models: tuple[ModelSpec, ...]
    not_computed: dict[str, str]
    folds: int
    notes: tuple[str, ...]


def plan_models(recipe: Recipe, data: TrainingData, seed: int) -> Plan:
    """Match the recipe's models to the table's columns; where none of them fits, one model of all features.

    Raises
    ------
    InputError
        When the table holds neither features nor clinical variables of the recipe, or too few events.
    """
    y = data.table[recipe.outcome.column].to_numpy(int)
    fewest = int(min(y.sum(), len(y) - y.sum()))
    if fewest < FEWEST_EVENTS:
        raise InputError(
            f"{fewest} of {len(y)} cases are in the smaller class of the outcome; at least {FEWEST_EVENTS} are needed "
            "to train and judge a model."
        )
    folds = min(recipe.cross_validation.outer_folds, fewest // 4)
    inner = min(recipe.cross_validation.signature_folds, max(2, fewest // 4))
    notes = [] if folds == recipe.cross_validation.outer_folds else [f"{folds} outer folds, because events are few."]
    found: dict[str, SignatureSpec] = {}
    why: dict[str, str] = {}
    for signature in recipe.signatures:
        columns, reason = matching_columns(recipe, signature.blocks, data)
        if columns:
            found[signature.id] = _spec(recipe, signature, columns, data, inner, seed)
        else:
            why[signature.id] = reason
    models, not_computed = [], {}
    for variant in recipe.models:
        gaps = [why[s] for s in variant.signatures if s in why]
        gaps += [f"the table has no column for {c}" for c in variant.clinical if c not in data.clinical]
        if gaps:
            not_computed[variant.id] = gaps[0]
        else:
            models.append(variant)
    kept = _kept(recipe, models)
    if not any(v.signatures for v in models) and data.features:
        kept, extra = _with_all_features(kept, recipe, models)
        everything = without_twins([c.name for c in data.features], data)
        found[ALL_FEATURES] = _spec(recipe, extra, everything, data, inner, seed)
        models = kept.models
        notes.append(
            "No column could be assigned to the recipe's own blocks: its pipeline was run on all features together."
        )
    if not models:
        raise InputError(f"The table holds none of the features and clinical variables that {recipe.name} needs.")
    used = {s for m in models for s in m.signatures}
    return Plan(
        recipe=kept,
        signatures=tuple(spec for name, spec in found.items() if name in used),
        models=tuple(_model_spec(kept, m, data) for m in kept.models),
        not_computed=not_computed,
        folds=folds,
        notes=tuple(notes),
    )


def _kept(recipe: Recipe, models: list[Variant]) -> Recipe:
    """The recipe with the models the table allows; the first that uses features is the one that is applied."""
    own = [v for v in recipe.variants if v in models]
    rest = [v for v in recipe.comparators if v in models]
    if not own:
        own = [v for v in rest if v.signatures][:1] or rest[:1]
        rest = [v for v in rest if v not in own]
    clinical = recipe.clinical_model if any(v.id == recipe.clinical_model for v in models) else None
    return recipe.model_copy(
        update={"variants": own or recipe.variants, "comparators": rest, "clinical_model": clinical}
    )


def _with_all_features(kept: Recipe, recipe: Recipe, models: list[Variant]) -> tuple[Recipe, Signature]:
    pattern = recipe.signatures[0]
    signature = pattern.model_copy(update={"id": ALL_FEATURES, "label": "Signature of all features", "blocks": []})
    everything = Variant(id=ALL_FEATURES, label="All features of the table", signatures=[ALL_FEATURES], clinical=[])
    update = {
        "variants": [everything],
        "comparators": models,
        "signatures": [*recipe.signatures, signature],
    }
    return kept.model_copy(update=update), signature


def _spec(
    recipe: Recipe, signature: Signature, columns: tuple[str, ...], data: TrainingData, folds: int, seed: int
) -> SignatureSpec:
    steps: list[Any] = [screening.MedianFill()]
    readings, limit = data.readings, recipe.reproducibility_filter
    if readings is not None and limit is not None:
        columns = tuple(c for c in columns if c in readings.columns) or columns
        places = [readings.columns.index(c) for c in columns if c in readings.columns]
        if places:
            held = readings.values[:, :, places]
            steps.append(screening.Reproducible(held, list(readings.cases), limit.icc_above))
    steps += [STEPS[s.step](s, seed) for s in signature.screening]
    sizes = tuple(range(1, signature.up_to + 1)) if signature.up_to else ()
    return SignatureSpec(
        id=signature.id,
        columns=columns,
        steps=tuple(steps),
        estimators=tuple(signature.estimators),
        folds=folds,
        sizes=sizes,
        sites=data.table[data.site].astype(str) if data.harmonised and data.site else None,
    )


def _model_spec(recipe: Recipe, variant: Variant, data: TrainingData) -> ModelSpec:
    labels = []
    for signature in (s for s in recipe.signatures if s.id in variant.signatures):
        unit = "decision value" if signature.estimators[0].startswith("svm") else "log odds"
        labels.append(AxisLabel(name=signature.id, label=signature.label, unit=unit))
    clinical = [c for c in recipe.clinical if c.code in variant.clinical]
    labels += [AxisLabel(name=c.code, label=c.label, unit=c.unit, transform=c.transform) for c in clinical]
    return ModelSpec(
        id=variant.id,
        label=variant.label,
        signatures=tuple(s.id for s in recipe.signatures if s.id in variant.signatures),
        clinical=tuple(
            ClinicalSpec(column=data.clinical[c.code], code=c.code, transform=c.transform) for c in clinical
        ),
        labels=tuple(labels),
    )
