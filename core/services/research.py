"""Training from the browser: a cohort's table and a recipe become a job, its report, and a bundle for the registry."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import select

from core.config import settings
from core.domain.errors import InputError
from core.services.jobs import TRAINING, JobView, start_training_job, view
from core.services.registry import ModelRow, register_bundle
from core.services.store import open_session
from core.services.synthetic_tables import synthetic_table
from core.services.tables import Table, read_table
from core.storage.models import Job
from core.synthetic.feature_table import SHIFTED_SITE
from model_registry.bundle import Bundle
from model_registry.recipe import Recipe, load_recipe, shipped_recipes

SYNTHETIC_PATIENTS, SYNTHETIC_EXTERNAL = 240, 140
SYNTHETIC_SEED = 20250
PROGRESS_SHARE = 0.98


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOrder:
    """What the research page asks for; `tables` and `external` are (file name, content) as uploaded."""

    recipe: str
    table: tuple[str, bytes] | None = None
    external: tuple[tuple[str, bytes], ...] = ()
    readers: tuple[tuple[str, bytes], ...] = ()
    outcome: str | None = None
    seed: int = 0
    version: str = "1"

    @property
    def synthetic(self) -> bool:
        """Without a table of one's own the recipe is tried on a synthetic cohort."""
        return self.table is None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRun:
    """A training as the page lists it; `bundle` is None until it is done."""

    job: JobView
    recipe: str
    title: str
    cohort: str
    bundle: Path | None
    headline: str


def trainable_recipes() -> list[Recipe]:
    """Recipes that a centre trains on its own cohort."""
    return [r for r in shipped_recipes() if not r.horizons_months]


def table_columns(name: str, content: bytes) -> list[str]:
    """Columns of an uploaded table that could be an outcome: two different values.

    Raises
    ------
    InputError
        When it is no table.
    """
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / Path(name).name
        path.write_bytes(content)
        read: Table = read_table(path)
    return [str(c) for c in read.frame.columns if read.frame[c].dropna().nunique() == 2]


def start_training(order: TrainingOrder) -> JobView:
    """Keep the tables and queue the training.

    Raises
    ------
    InputError
        When the recipe is unknown or needs a table of one's own.
    """
    recipe = load_recipe(order.recipe)
    if order.synthetic and not recipe.features:
        raise InputError(f"{recipe.title}: there is no synthetic cohort for it. Upload a table.")
    described = "synthetic demonstration cohort" if order.table is None else Path(order.table[0]).name
    job = start_training_job({"recipe": recipe.name, "cohort": described}, lambda number: _keep(order, number))
    return job


def _keep(order: TrainingOrder, number: int) -> dict[str, Any]:
    """Write the order's tables to the job's folder; returns what the job needs to know."""
    folder = training_folder(number)
    folder.mkdir(parents=True)
    kept: dict[str, Any] = {"outcome": order.outcome, "seed": order.seed, "version": order.version}
    for kind, files in (("features", [order.table] if order.table else []), ("external", order.external),
                        ("readers", order.readers)):  # fmt: skip
        kept[kind] = []
        for i, (name, content) in enumerate(files):
            path = folder / kind / str(i) / Path(name).name
            path.parent.mkdir(parents=True)
            path.write_bytes(content)
            kept[kind].append(str(path.relative_to(folder)))
    return kept


def training_folder(number: int) -> Path:
    return settings().home / "training" / str(number)


def run_training(number: int, parameters: dict[str, Any], progress: Any) -> str:
    """The job's work; returns what to say when it is done."""
    from core.services.feature_tables import (
        ExternalTable,
        external_table,
        from_frame,
        training_table,
    )
    from core.services.readings import read_readings
    from core.services.training import Run, train_bundle

    folder = training_folder(number)
    recipe = load_recipe(parameters["recipe"])
    out = folder / "bundle"
    for left in (out, *folder.glob(".bundle-*")):
        # What an attempt that died left behind.
        shutil.rmtree(left, ignore_errors=True)
    run = Run(seed=parameters["seed"], version=parameters["version"], workers=settings().training_workers)
    run = replace(run, cohort=parameters["cohort"], synthetic=not parameters["features"])
    if run.synthetic:
        table = synthetic_table(recipe, SYNTHETIC_PATIENTS, seed=SYNTHETIC_SEED)
        other = synthetic_table(recipe, SYNTHETIC_EXTERNAL, seed=SYNTHETIC_SEED + 1, site=SHIFTED_SITE)
        pairs = tuple((e.time_column, e.event_column) for e in recipe.survival if e.time_column in table)
        read = Table(frame=table.reset_index(), name="the synthetic cohort", notes=())
        data = from_frame(recipe, read, recipe.outcome.column, pairs)
        named = "synthetic site with another scanner"
        external = [
            ExternalTable(name=named, table=other.assign(**_derived(other)), outcome=other[recipe.outcome.column])
        ]
    else:
        data = training_table(recipe, folder / parameters["features"][0], outcome=parameters["outcome"])
        if parameters["readers"]:
            data = replace(data, readings=read_readings([folder / p for p in parameters["readers"]], data))
        external = [
            external_table(recipe, folder / p, data, outcome=parameters["outcome"]) for p in parameters["external"]
        ]
    bundle = train_bundle(
        recipe, data, out, run=run, external=external,
        progress=lambda share, text: progress(PROGRESS_SHARE * share, text),
    )  # fmt: skip
    return _said(bundle)


def _derived(table: Any) -> dict[str, Any]:
    return {"afp_400": (table["afp_ng_ml"] >= 400).astype(float)}


def _said(bundle: Bundle) -> str:
    found = bundle.report["nested_cv"]
    return f"AUC {found['auc']:.3f} ({found['ci'][0]:.3f} to {found['ci'][1]:.3f}) in nested cross-validation."


def training_runs() -> list[TrainingRun]:
    """All trainings, newest first."""
    with open_session() as session:
        query = select(Job.id, Job.parameters).where(Job.kind == TRAINING).order_by(Job.id.desc())
        rows = [(number, dict(parameters)) for number, parameters in session.execute(query)]
    runs = []
    for number, parameters in rows:
        job = view(number)
        path = training_folder(number) / "bundle"
        done = job.state == "done" and path.is_dir()
        runs.append(
            TrainingRun(
                job=job,
                recipe=parameters["recipe"],
                title=load_recipe(parameters["recipe"]).title,
                cohort=parameters["cohort"],
                bundle=path if done else None,
                headline=job.message if done else "",
            )
        )
    return runs


def run_tables(run: TrainingRun) -> dict[str, Any]:
    """What the page shows of a finished training: all models, external cohorts, the shuffled line, warnings."""
    from core.reports.training import shuffled_line

    report = _bundle(run).report
    models = [
        {"Model": m["label"], "AUC, nested CV (95 % CI)": _area(m["nested_cv"]), "AUC, apparent": _area(m["apparent"])}
        for m in report["models"].values()
    ]
    external = [
        {"Cohort": e["name"], "Model": report["models"][n]["label"], "n": m["n"], "Events": m["events"],
         "AUC (95 % CI)": _area(m)}
        for e in report["external"] for n, m in e.get("models", {}).items()
    ]  # fmt: skip
    return {
        "models": models,
        "external": external,
        "not_computed": report["not_computed"],
        "notes": [*report["notes"], shuffled_line(report), *report["models"][report["headline"]]["warnings"]],
    }


def _area(value: dict[str, Any]) -> str:
    return f"{value['auc']:.3f} ({value['ci'][0]:.3f} to {value['ci'][1]:.3f})"


def report_document(run: TrainingRun, kind: str) -> bytes:
    """The run's report as `html` or `pdf`.

    Raises
    ------
    InputError
        When the training is not done.
    """
    content = _bundle(run).document(f"report.{kind}")
    if content is None:
        raise InputError("This bundle holds no report.")
    return content


def send_to_registry(run: TrainingRun) -> ModelRow:
    """Register the run's bundle as a candidate; an administrator makes it active on the models page."""
    return register_bundle(_bundle(run).root)


def _bundle(run: TrainingRun) -> Bundle:
    if run.bundle is None:
        raise InputError("This training is not done.")
    return Bundle(run.bundle)
