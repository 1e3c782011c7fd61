"""Train a recipe on a feature table: all models of the paper, external cohorts, a bundle with its report."""

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
from core.modelling.columns import Column
from core.modelling.engine import (
    FittedRecipe,
    fit_models,
)
from core.services.cohort_features import WeightsFile
from core.services.feature_tables import (
    ExternalTable,
    TrainingData,
    exact_prefixes,
)
from core.services.training_plan import Plan, plan_models
from core.services.training_report import training_report
from model_registry.bundle import Bundle, VariantModel, dump_pipeline, write_bundle
from model_registry.model_card import model_card
from model_registry.recipe import Recipe, recipe_sha256

if TYPE_CHECKING:
    import pandas as pd

Vector = NDArray[np.float64]
Progress = Callable[[float, str], None]
LICENSE_TEXT = "This bundle is distributed under the Apache License 2.0, like the software that made it.\n"
PINNED_AT_TRAINING = ("scikit-learn", "pyradiomics", "skops", "numpy")
FEWEST_EVENTS = 8
TABLE_TIMES_MONTHS = (0, 12, 24, 36, 48, 60)
CALIBRATION_REPEATS = 200


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
    report = training_report(
        plan, data, fitted, external, shuffled, cohort=run.cohort, synthetic=run.synthetic, seed=run.seed
    )
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


def _fit(plan: Plan, data: TrainingData, run: Run, tell: Progress) -> FittedRecipe:
    return fit_models(
        data.table,
        plan.recipe.outcome.column,
        list(plan.signatures),
        list(plan.models),
        outer_folds=plan.folds,
        seed=run.seed,
        patients=None if data.patients is None else data.patients.to_numpy(str),
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
        patients=None if data.patients is None else data.patients.to_numpy(str),
        workers=run.workers,
        progress=tell,
    )
    area = fitted.models[spec.id].nested_auc
    return {"model": spec.id, "auc": area.auc, "ci": list(area.ci), "holds_half": area.ci[0] <= 0.5 <= area.ci[1]}


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
        "columns.csv": _columns_csv(plan, data.columns),
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


def _columns_csv(plan: Plan, columns: Sequence[Column]) -> bytes:
    """What became of each column, and which signatures look at it."""
    import pandas as pd

    users: dict[str, list[str]] = {}
    for spec in plan.signatures:
        for name in spec.columns:
            users.setdefault(name, []).append(spec.id)
    rows = [{**asdict(c), "signatures": " ".join(users.get(c.name, []))} for c in columns]
    return pd.DataFrame(rows).to_csv(index=False).encode()


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
