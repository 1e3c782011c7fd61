"""Train a recipe on a feature table: every model of the paper side by side, external cohorts, a bundle with its report."""

from __future__ import annotations

import io
import json
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from numpy.typing import NDArray

from core.domain.errors import InputError
from core.modelling import assessment, screening
from core.modelling.columns import Column
from core.modelling.combination import AxisLabel, combination_predictor
from core.modelling.engine import (
    ClinicalSpec,
    FittedModel,
    FittedRecipe,
    ModelSpec,
    combination,
    fit_models,
    predict_table,
)
from core.modelling.signatures import SignatureSpec
from core.services.cohort_features import WeightsFile
from core.services.feature_tables import (
    ALL_FEATURES,
    ExternalTable,
    TrainingData,
    exact_prefixes,
    matching_columns,
)
from core.stats.baseline import baseline_table
from core.stats.calibration import bootstrap_validation
from model_registry.bundle import Bundle, VariantModel, dump_pipeline, write_bundle
from model_registry.model_card import model_card
from model_registry.recipe import Recipe, ScreeningStep, Signature, Variant, recipe_sha256

if TYPE_CHECKING:
    import pandas as pd

Vector = NDArray[np.float64]
Progress = Callable[[float, str], None]
LICENSE_TEXT = "This bundle is distributed under the Apache License 2.0, like the software that made it.\n"
PINNED_AT_TRAINING = ("scikit-learn", "pyradiomics", "skops", "numpy")
FEWEST_EVENTS = 8
TABLE_TIMES_MONTHS = (0, 12, 24, 36, 48, 60)
CALIBRATION_REPEATS = 200
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How a training is run; `shuffled_check` trains the recipe's own model once more on shuffled labels."""

    seed: int = 0
    version: str = "1"
    workers: int = 1
    cohort: str = ""
    synthetic: bool = False
    shuffled_check: bool = True


def train_bundle(
    recipe: Recipe,
    data: TrainingData,
    out: Path,
    *,
    run: Run,
    weights: Mapping[str, WeightsFile] | None = None,
    external: Sequence[ExternalTable] = (),
    progress: Progress | None = None,
) -> Bundle:
    """Fit every model the table allows and write the bundle, with its report, to the new folder `out`.

    Raises
    ------
    InputError
        When the table lacks columns or cases, or the folder is in use.
    """
    from core.reports.training import report_html, report_pdf

    started = time.perf_counter()
    tell = progress or (lambda share, text: None)
    if out.exists() and any(out.iterdir()):
        raise InputError(f"The folder {out.name} exists and is not empty. Name a new one.")
    plan = plan_models(recipe, data, run.seed)
    fitted = _fit(plan, data, run, lambda share, text: tell(0.75 * share, text))
    shuffled = _shuffled(plan, data, run, lambda share, text: tell(0.75 + 0.15 * share, f"labels shuffled: {text}"))
    tell(0.9, "judging the models")
    report = training_report(plan, data, fitted, external, run, shuffled)
    tell(0.95, "writing the report")
    created = datetime.now(UTC).date().isoformat()
    files = _files(plan, data, fitted, report, weights or {}, run)
    seconds = round(time.perf_counter() - started, 1)
    told = {"seconds": seconds, "created": created, "peak_memory_mb": _peak_memory_mb(), "workers": run.workers}
    documents = {
        "run.json": json.dumps(told, indent=1).encode(),
        "report.html": report_html(report, told, version=run.version).encode(),
        "report.pdf": report_pdf(report, told, version=run.version),
    }
    held = weights or {}
    manifest = {
        "name": recipe.name,
        "version": run.version,
        "title": recipe.title,
        "created": created,
        "synthetic": run.synthetic,
        "cohort": run.cohort,
        "recipe_sha256": recipe_sha256(plan.recipe),
        "from_images": _from_images(plan),
        "weights": {f: {"sha256": w.weights.sha256, "description": w.description} for f, w in held.items()},
        "versions": {name: installed_version(name) for name in PINNED_AT_TRAINING},
    }
    tell(1.0, "done")
    return write_bundle(out, files, manifest, documents=documents)


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
        found[ALL_FEATURES] = _spec(recipe, extra, tuple(c.name for c in data.features), data, inner, seed)
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


def _fit(plan: Plan, data: TrainingData, run: Run, tell: Progress) -> FittedRecipe:
    return fit_models(
        data.table,
        plan.recipe.outcome.column,
        list(plan.signatures),
        list(plan.models),
        outer_folds=plan.folds,
        seed=run.seed,
        workers=run.workers,
        progress=tell,
    )


def _shuffled(plan: Plan, data: TrainingData, run: Run, tell: Progress) -> dict[str, Any] | None:
    """The recipe's own model trained once more with labels drawn at random: what it finds then is the floor."""
    if not run.shuffled_check:
        return None
    column = plan.recipe.outcome.column
    labels = np.random.default_rng([run.seed, 4711]).permutation(data.table[column].to_numpy(int))
    spec = plan.models[0]
    fitted = fit_models(
        data.table.assign(**{column: labels}),
        column,
        [s for s in plan.signatures if s.id in spec.signatures],
        [spec],
        outer_folds=plan.folds,
        seed=run.seed,
        workers=run.workers,
        progress=tell,
    )
    area = fitted.models[spec.id].nested_auc
    return {"model": spec.id, "auc": area.auc, "ci": list(area.ci), "holds_half": area.ci[0] <= 0.5 <= area.ci[1]}


def training_report(
    plan: Plan,
    data: TrainingData,
    fitted: FittedRecipe,
    external: Sequence[ExternalTable],
    run: Run,
    shuffled: dict[str, Any] | None,
) -> dict[str, Any]:
    """Everything the run knows, as JSON; nothing in it depends on the clock."""
    y = fitted.outcome.astype(float)
    first = next(iter(fitted.models.values()))
    out_of_fold = {name: m.out_of_fold for name, m in fitted.models.items()}
    shown = _shown(plan)
    clinical = plan.recipe.clinical_model
    optimism, curve = bootstrap_validation(
        combination_predictor, first.design, y, repeats=CALIBRATION_REPEATS, seed=run.seed
    )
    tables = [_external(plan, data, fitted, table) for table in external]
    return {
        "recipe": plan.recipe.name,
        "title": plan.recipe.title,
        "summary": plan.recipe.summary,
        "citation": plan.recipe.paper.citation,
        "time_point": plan.recipe.time_point,
        "eligibility": plan.recipe.eligibility.population,
        "origins": {k: o.model_dump() for k, o in plan.recipe.origins.items()},
        "outcome": plan.recipe.outcome.label,
        "headline": first.spec.id,
        "clinical_model": clinical,
        "cohort": run.cohort,
        "synthetic": run.synthetic,
        "seed": run.seed,
        "folds": {"outer": plan.folds, "inner": max((s.folds for s in plan.signatures), default=0)},
        "flow": _flow(data, y),
        "columns": _column_summary(data.columns),
        "notes": [*data.notes, *plan.notes],
        "train": {"n": len(y), "events": int(y.sum()), **_auc(first.apparent_auc)},
        "nested_cv": _auc(first.nested_auc),
        "selected": list(first.selected),
        "cutoff": first.cutoff.threshold,
        "external": tables,
        "models": {name: _model_entry(fitted, m, y) for name, m in fitted.models.items()},
        "not_computed": plan.not_computed,
        "comparison": assessment.compared(y, out_of_fold),
        "against_clinical": assessment.against_baseline(y, first.out_of_fold, out_of_fold[clinical])
        if clinical and clinical != first.spec.id
        else None,
        "decision": assessment.decision(y, {name: out_of_fold[name] for name in shown}),
        "bias_corrected": {
            "of": "the combining regression; signatures enter with held-out values",
            "repeats": optimism.repeats,
            "auc": list(optimism.auc),
            "slope": list(optimism.slope),
            "brier": list(optimism.brier),
            "curve": {
                "probability": curve.probability.tolist(),
                "apparent": curve.apparent.tolist(),
                "corrected": curve.corrected.tolist(),
            },
        },
        "shuffled": shuffled,
        "subgroups": assessment.subgroups(y, first.out_of_fold, _groups(data)),
        "baseline": _baseline(data, y),
        "correlations": assessment.correlations(data.table, first.selected[:40]) if first.selected else None,
        "icc": _icc(fitted, data, plan),
        "survival": _survival(plan.recipe, data.table, first.out_of_fold >= first.cutoff.threshold, data.follow_up),
        "versions": {name: installed_version(name) for name in (*PINNED_AT_TRAINING, "scipy", "pandas", "statsmodels")},
    }


def _shown(plan: Plan) -> list[str]:
    """The models drawn in curves: the recipe's own, then those that differ from it most in what they read."""
    ids = [m.id for m in plan.models]
    clinical = [plan.recipe.clinical_model] if plan.recipe.clinical_model in ids else []
    return list(dict.fromkeys([ids[0], *clinical, *ids[1:4]]))[:4]


def _auc(auc: Any) -> dict[str, Any]:
    return {"auc": auc.auc, "ci": list(auc.ci)}


def _flow(data: TrainingData, y: Vector) -> list[dict[str, Any]]:
    total = len(y) + data.left_out
    return [
        {"step": "rows or cases given", "n": total},
        {"step": "left out: no outcome, or features not computed", "n": data.left_out},
        {"step": "trained and cross-validated on", "n": len(y)},
        {"step": "of these with the event", "n": int(y.sum())},
    ]


def _column_summary(columns: Sequence[Column]) -> dict[str, Any]:
    """How many columns became what; dropped ones by reason, and each column's fate in `columns.csv`."""
    roles: dict[str, int] = {}
    dropped: dict[str, int] = {}
    for c in columns:
        roles[c.role] = roles.get(c.role, 0) + 1
        if c.role == "dropped":
            kind = "copy of another" if c.note.startswith("the same values") else c.note
            dropped[kind] = dropped.get(kind, 0) + 1
    return {"roles": roles, "dropped": dropped}


def _model_entry(fitted: FittedRecipe, model: FittedModel, y: Vector) -> dict[str, Any]:
    mine = {s: fitted.signatures[s] for s in model.spec.signatures}
    regression = combination(model)
    odds = np.exp(regression.coef_[0])
    low, high = np.exp(np.percentile(model.coefficients[:, 1:], [2.5, 97.5], axis=0))
    predictors = [
        {
            "name": label.name,
            "label": label.label,
            "coefficient": float(regression.coef_[0, i]),
            "odds_ratio": float(odds[i]),
            "ci": [float(low[i]), float(high[i])],
        }
        for i, label in enumerate(model.spec.labels)
    ]
    backwards = [p["label"] for p in predictors[: len(mine)] if p["coefficient"] < 0]
    warnings = [*model.warnings]
    if backwards:
        warnings.append(f"{' and '.join(backwards)}: held-out values run against the outcome, so there is no signal.")
    return {
        "label": model.spec.label,
        "nested_cv": _auc(model.nested_auc),
        "apparent": _auc(model.apparent_auc),
        "cutoff": asdict(model.cutoff),
        "judged": assessment.judged(y, model.out_of_fold, model.cutoff.threshold),
        "intercept": float(regression.intercept_[0]),
        "predictors": predictors,
        "estimators": {name: s.chosen for name, s in mine.items()},
        "inner_auc": {name: s.inner_auc for name, s in mine.items()},
        "selected": list(model.selected),
        "weights": {name: s.weights for name, s in mine.items()},
        "warnings": warnings,
    }


def _groups(data: TrainingData) -> dict[str, pd.Series]:
    """Parts of the cohort whose results are shown apart, as far as the table tells them."""
    import pandas as pd

    made: dict[str, pd.Series] = {}
    table, clinical = data.table, data.clinical
    if "male" in clinical:
        made["sex"] = table[clinical["male"]].map({1.0: "male", 0.0: "female"})
    for code, name, cut, unit in (("age_years", "age", 60, "years"), ("max_diameter_cm", "diameter", 5, "cm")):
        column = clinical.get(code, code if code in table else None)
        if column is not None:
            values = table[column]
            above = pd.Series(np.where(values >= cut, f"{cut} {unit} or more", f"under {cut} {unit}"), table.index)
            made[name] = above.where(values.notna())
    if data.site is not None:
        made[data.site] = table[data.site].astype(str)
    elif "slice_spacing_mm" in table and table["slice_spacing_mm"].nunique() > 1:
        made["slice spacing"] = table["slice_spacing_mm"].map(lambda v: f"{v:g} mm")
    return made


def _baseline(data: TrainingData, y: Vector) -> list[dict[str, Any]]:
    import pandas as pd

    columns = list(dict.fromkeys(data.clinical.values()))
    labels = pd.Series(np.where(y == 1, "event", "no event"), data.table.index)
    return [asdict(row) for row in baseline_table(data.table, labels, columns)]


def _icc(fitted: FittedRecipe, data: TrainingData, plan: Plan) -> dict[str, Any] | None:
    """How the features' ICCs are spread, over all signatures, and how many stay."""
    if data.readings is None or plan.recipe.reproducibility_filter is None:
        return None
    limit = plan.recipe.reproducibility_filter.icc_above
    step = screening.Reproducible(data.readings.values, None, limit)
    step.fit(data.table[list(data.readings.columns)])
    counts, edges = np.histogram(np.clip(step.icc_, 0, 1), bins=20, range=(0, 1))
    return {
        "form": "ICC(2,1)",
        "readings": len(data.readings.values),
        "cases": data.readings.values.shape[1],
        "limit": limit,
        "features": len(step.icc_),
        "kept": len(step.selected_),
        "histogram": {"edges": edges.tolist(), "counts": counts.tolist()},
    }


def _survival(
    recipe: Recipe, table: pd.DataFrame, high: NDArray[np.bool_], follow_up: Sequence[tuple[str, str]]
) -> list[dict[str, Any]]:
    labels = {(e.time_column, e.event_column): e.label for e in recipe.survival}
    found = []
    for time_column, event_column in follow_up:
        if time_column in table and event_column in table:
            label = labels.get((time_column, event_column), f"Without {event_column}")
            found.append(
                assessment.survival(
                    table[time_column], table[event_column], high, label=label, at=TABLE_TIMES_MONTHS
                )
            )
    return found


def _external(plan: Plan, data: TrainingData, fitted: FittedRecipe, external: ExternalTable) -> dict[str, Any]:
    """All models on a cohort they never saw, with the cut-offs frozen in training."""
    table = external.table
    scores: dict[str, pd.Series] = {}
    why: dict[str, str] = {}
    for name, model in fitted.models.items():
        absent = [c for c in (*model.selected, *(c.column for c in model.spec.clinical)) if c not in table]
        if absent:
            why[name] = f"{len(absent)} of its columns are not in the table, first {absent[0]}"
            continue
        complete = table[[c.column for c in model.spec.clinical]].notna().all(axis=1)
        if complete.any():
            scores[name] = _series(predict_table(model, table[complete]), table[complete].index)
        else:
            why[name] = "no row has all its clinical values"
    headline = plan.models[0].id
    if headline not in scores:
        raise InputError(f"{external.name}: the model {headline} cannot be computed: {why[headline]}.")
    made: dict[str, Any] = {"name": external.name, "notes": list(external.notes), "not_computed": why}
    high = scores[headline].reindex(table.index) >= fitted.models[headline].cutoff.threshold
    rows = scores[headline].index
    pairs = [(e.time_column, e.event_column) for e in plan.recipe.survival]
    pairs = [p for p in dict.fromkeys((*data.follow_up, *pairs)) if set(p) <= set(table.columns)]
    made["survival"] = _survival(plan.recipe, table.loc[rows], high.loc[rows].to_numpy(bool), pairs)
    if external.outcome is None:
        return made | {"n": len(table)}
    y = external.outcome
    judged = {}
    for name, p in scores.items():
        known = y.reindex(p.index).notna()
        judged[name] = assessment.judged(
            y.reindex(p.index)[known].to_numpy(float), p[known].to_numpy(float), fitted.models[name].cutoff.threshold
        )
    # Models are compared on the rows that all of them could be computed for.
    common = y.index[y.notna()]
    for p in scores.values():
        common = common.intersection(p.index, sort=False)
    labels = y.loc[common].to_numpy(float)
    shared = {name: p.loc[common].to_numpy(float) for name, p in scores.items()}
    clinical = plan.recipe.clinical_model
    made |= judged[headline] | {"models": judged, "comparison": assessment.compared(labels, shared)}
    made["decision"] = assessment.decision(labels, {n: shared[n] for n in _shown(plan) if n in shared})
    if clinical in shared and clinical != headline:
        made["against_clinical"] = assessment.against_baseline(labels, shared[headline], shared[clinical])
    return made


def _series(values: Vector, index: Any) -> pd.Series:
    import pandas as pd

    return pd.Series(values, index=index)


def _from_images(plan: Plan) -> bool:
    """Whether the applied models read only features this version makes from images, under its own names."""
    prefixes = {p for b in plan.recipe.features if not b.from_table for p in exact_prefixes(b)}
    prefixes |= {"delta_"}
    used = {s for v in plan.recipe.variants for s in v.signatures}
    columns = [c for s in plan.signatures if s.id in used for c in s.columns]
    return all(c.startswith(tuple(prefixes)) for c in columns)


def _files(
    plan: Plan,
    data: TrainingData,
    fitted: FittedRecipe,
    report: dict[str, Any],
    weights: Mapping[str, WeightsFile],
    run: Run,
) -> dict[str, bytes]:
    recipe = plan.recipe
    card = model_card(recipe, report, version=run.version, cohort=run.cohort, synthetic=run.synthetic)
    files: dict[str, bytes] = {
        "recipe.yaml": yaml.safe_dump(
            json.loads(recipe.model_dump_json(exclude_none=True)), sort_keys=False, allow_unicode=True
        ).encode(),
        "report.json": json.dumps(report, indent=1, allow_nan=True).encode(),
        "LICENSE": LICENSE_TEXT.encode(),
        "model_card.md": card.encode(),
        "columns.csv": _columns_csv(data.columns),
        "reference_cohort.parquet": _reference_cohort(recipe, data, fitted),
    }
    for variant in recipe.variants:
        fit = fitted.models[variant.id]
        files[f"variants/{variant.id}.skops"] = dump_pipeline(fit.pipeline)
        model = VariantModel(
            cutoff=fit.cutoff.threshold, nomogram=fit.nomogram, coefficients=fit.coefficients, known=fit.known
        )
        files[f"variants/{variant.id}.json"] = json.dumps(model.as_json()).encode()
    for family, held in weights.items():
        files[f"weights/{family}.safetensors"] = held.weights.checked_bytes()
    return files


def _columns_csv(columns: Sequence[Column]) -> bytes:
    import pandas as pd

    return pd.DataFrame([asdict(c) for c in columns]).to_csv(index=False).encode()


def _reference_cohort(recipe: Recipe, data: TrainingData, fitted: FittedRecipe) -> bytes:
    """Out-of-fold probability, group and follow-up of each training patient and variant; rows are shuffled."""
    import pandas as pd

    parts: list[pd.DataFrame] = []
    endpoints = [e for e in recipe.survival if {e.time_column, e.event_column} <= set(data.table.columns)]
    for variant in recipe.variants:
        fit = fitted.models[variant.id]
        part = pd.DataFrame({"variant": variant.id, "probability": fit.out_of_fold})
        part["group"] = np.where(fit.out_of_fold >= fit.cutoff.threshold, "high", "low")
        part["outcome"] = fitted.outcome
        for endpoint in endpoints:
            part[endpoint.time_column] = data.table[endpoint.time_column].to_numpy(float)
            part[endpoint.event_column] = data.table[endpoint.event_column].to_numpy(float)
        parts.append(part.sample(frac=1, random_state=len(parts)))
    buffer = io.BytesIO()
    pd.concat(parts, ignore_index=True).to_parquet(buffer, index=False)
    return buffer.getvalue()


def _peak_memory_mb() -> int:
    own, children = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return int((own + children) / 1024)


def evaluate_bundle(bundle: Bundle, external: ExternalTable) -> dict[str, Any]:
    """A bundle's own model on a table with the outcome: as one item of `external`, with calibration and decision.

    Raises
    ------
    InputError
        When the table lacks a column the model reads, or the outcome.
    """
    variant = bundle.recipe.variants[0]
    model = bundle.variant(variant)
    pipeline: Any = bundle.pipeline(variant)
    predictors = pipeline.named_steps["predictors"]
    needed = [c for s in predictors.signatures for c in s.columns] + [code for code, _ in predictors.clinical]
    absent = [c for c in needed if c not in external.table]
    if absent:
        raise InputError(f"{external.name} lacks {len(absent)} column(s) that the model reads, first '{absent[0]}'.")
    if external.outcome is None:
        raise InputError(f"{external.name} has no outcome column. Name it with --outcome.")
    clinical = [code for code, _ in predictors.clinical]
    known = external.outcome.notna() & external.table[clinical].notna().all(axis=1)
    if not known.any():
        raise InputError(f"No row of {external.name} has the outcome and all clinical values.")
    y = external.outcome[known].to_numpy(float)
    p = np.asarray(pipeline.predict_proba(external.table[known])[:, 1], float)
    made = {"bundle": bundle.name, "version": bundle.version, "model": variant.id, "cutoff": model.cutoff}
    made |= assessment.judged(y, p, model.cutoff)
    made["left_out"] = int((~known).sum())
    made["decision"] = assessment.decision(y, {variant.id: p})
    return made

