"""The numbers of a training report: cohort, every model, comparisons, external cohorts, survival."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version as installed_version
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import InputError
from core.modelling import assessment, screening
from core.modelling.columns import Column
from core.modelling.combination import combination_predictor
from core.modelling.engine import FittedModel, FittedRecipe, combination, predict_table
from core.services.feature_tables import ExternalTable, TrainingData
from core.services.training_plan import Plan
from core.stats.baseline import baseline_table
from core.stats.calibration import bootstrap_validation
from model_registry.bundle import Bundle
from model_registry.recipe import Recipe

if TYPE_CHECKING:
    import pandas as pd

Vector = NDArray[np.float64]
TABLE_TIMES_MONTHS = (0, 12, 24, 36, 48, 60)
CALIBRATION_REPEATS = 200
REPORTED_VERSIONS = ("scikit-learn", "pyradiomics", "skops", "numpy", "scipy", "pandas", "statsmodels")


def training_report(
    plan: Plan,
    data: TrainingData,
    fitted: FittedRecipe,
    external: Sequence[ExternalTable],
    shuffled: dict[str, Any] | None,
    *,
    cohort: str,
    synthetic: bool,
    seed: int,
) -> dict[str, Any]:
    """Everything the run knows, as JSON; nothing in it depends on the clock."""
    y = fitted.outcome.astype(float)
    first = next(iter(fitted.models.values()))
    out_of_fold = {name: m.out_of_fold for name, m in fitted.models.items()}
    shown = _shown(plan)
    clinical = plan.recipe.clinical_model
    optimism, curve = bootstrap_validation(
        combination_predictor, first.design, y, repeats=CALIBRATION_REPEATS, seed=seed
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
        "cohort": cohort,
        "synthetic": synthetic,
        "seed": seed,
        "folds": {"outer": plan.folds, "inner": max((s.folds for s in plan.signatures), default=0)},
        "flow": _flow(data, y),
        "columns": _column_summary(plan, data.columns),
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
        "versions": {name: installed_version(name) for name in REPORTED_VERSIONS},
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


def _column_summary(plan: Plan, columns: Sequence[Column]) -> dict[str, Any]:
    """How many columns became what; dropped ones by reason, and each column's fate in `columns.csv`."""
    roles: dict[str, int] = {}
    dropped: dict[str, int] = {}
    for c in columns:
        roles[c.role] = roles.get(c.role, 0) + 1
        if c.role == "dropped":
            dropped[c.note] = dropped.get(c.note, 0) + 1
    used = {name for spec in plan.signatures for name in spec.columns}
    unused = sum(c.role == "feature" and not c.twin and c.name not in used for c in columns)
    twins = sum(bool(c.twin) for c in columns)
    return {"roles": roles, "dropped": dropped, "copies": twins, "features_of_no_block": unused}


def _model_entry(fitted: FittedRecipe, model: FittedModel, y: Vector) -> dict[str, Any]:
    mine = {s: fitted.signatures[s] for s in model.spec.signatures}
    regression = combination(model)
    odds = np.exp(regression.coef_[0])
    low, high = np.exp(np.percentile(model.coefficients[:, 1:], [2.5, 97.5], axis=0))
    predictors: list[dict[str, Any]] = [
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
                assessment.survival(table[time_column], table[event_column], high, label=label, at=TABLE_TIMES_MONTHS)
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
    made: dict[str, Any] = {"name": external.name, "notes": list(external.notes), "not_computed": why}
    if headline not in scores:
        # Which columns a model reads is known only once it is trained: the training is not thrown away for it.
        note = f"The applied model cannot be computed on this table: {why[headline]}."
        return made | {"n": len(table), "survival": [], "notes": [*external.notes, note]}
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
