"""`train` from files: a manifest of images or a feature table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.domain.errors import InputError
from core.domain.phase import Phase
from core.imaging.nifti import read_image_file
from core.imaging.resampling import resample_mask
from core.services.cohort_features import CohortCase, LoadedCase, WeightsFile, cohort_table, open_weights
from core.services.feature_tables import (
    TrainingData,
    evaluation_table,
    external_table,
    harmonised,
    image_table,
    training_table,
)
from core.services.readings import read_readings
from core.services.training import Progress, Run, train_bundle
from core.services.training_report import evaluate_bundle
from model_registry.bundle import Bundle, unpack_bundle
from model_registry.recipe import Recipe, load_recipe

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestCase:
    """A case of a manifest: files by column (`AP`, `PVP`, …, `tumour`, `liver`), all numbers as table values."""

    identifier: str
    files: Mapping[str, Path]
    table: dict[str, float]

    def load(self, phases: tuple[Phase, ...]) -> LoadedCase:
        images = {p: read_image_file(self.files[p.value]) for p in phases if p.value in self.files}
        if not images or "tumour" not in self.files:
            raise InputError(
                f"Case {self.identifier}: the manifest names no image of a needed phase, or no tumour mask."
            )
        tumour = read_image_file(self.files["tumour"])
        liver = read_image_file(self.files["liver"]) if "liver" in self.files else None
        loat = read_image_file(self.files["LOAT"]) if "LOAT" in self.files else None
        return LoadedCase(
            images=images,
            tumours={p: resample_mask(tumour, image.geometry) for p, image in images.items()},
            livers={p: resample_mask(liver, image.geometry) for p, image in images.items()} if liver else {},
            loats={p: resample_mask(loat, image.geometry) for p, image in images.items()} if loat else {},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRequest:
    """What `train` was asked for: a recipe, and either a manifest of images or a feature table."""

    recipe: str
    out: Path
    cohort: str | None = None
    features: str | None = None
    external: tuple[str, ...] = ()
    readers: tuple[str, ...] = ()
    outcome: str | None = None
    time: str | None = None
    event: str | None = None
    weights: str | None = None
    harmonise: bool = False
    seed: int = 0
    workers: int = 2
    version: str = "1"


def train_from_files(request: TrainingRequest, progress: Progress | None = None) -> dict[str, Any]:
    """Train and write a bundle; returns what the command line prints.

    Raises
    ------
    InputError
        When a file, column or case is not usable.
    """
    recipe = load_recipe(request.recipe)
    if (request.time is None) != (request.event is None):
        raise InputError("Give --time and --event together.")
    held: dict[str, WeightsFile] = {}
    if request.weights:
        opened = open_weights(_existing(request.weights))
        held[opened.architecture] = opened
    follow_up = [(request.time, request.event)] if request.time and request.event else []
    if request.cohort:
        path = _existing(request.cohort)
        data = _from_manifest(recipe, path, held, request, follow_up)
        described = f"manifest {path.name}"
    else:
        path = _existing(str(request.features))
        data = training_table(recipe, path, outcome=request.outcome, follow_up=follow_up)
        described = f"feature table {path.name}"
    if request.readers:
        readings = read_readings([_existing(p) for p in request.readers], data)
        data = replace(data, readings=readings)
    if request.harmonise:
        data = harmonised(data)
    external = [external_table(recipe, _existing(p), data, outcome=request.outcome) for p in request.external]
    run = Run(seed=request.seed, version=request.version, workers=request.workers, cohort=described)
    bundle = train_bundle(recipe, data, request.out, run=run, weights=held, external=external, progress=progress)
    return {"bundle": str(request.out), **summary(bundle)}


def summary(bundle: Bundle) -> dict[str, Any]:
    """What a training says of itself in a few lines: the recipe's own model, all models' AUCs, external cohorts."""
    report = bundle.report
    told = json.loads((bundle.document("run.json") or b"{}").decode())
    keys = ("n", "events", "auc", "ci", "sensitivity", "specificity")
    return {
        "selected": report["selected"],
        "nested_cv": report["nested_cv"],
        "train": report["train"],
        "external": [
            {"name": e["name"], **{k: e[k] for k in keys if k in e}, "notes": e["notes"]}
            | {"models": _areas(e.get("models", {}))}
            for e in report["external"]
        ],
        "cutoff": report["cutoff"],
        "seconds": told.get("seconds"),
        "sha256": bundle.sha256,
        "models": {n: {"auc": m["nested_cv"]["auc"], "ci": m["nested_cv"]["ci"]} for n, m in report["models"].items()},
        "not_computed": report["not_computed"],
        "shuffled": report["shuffled"],
        "columns": report["columns"],
        "notes": report["notes"],
        "warnings": report["models"][report["headline"]]["warnings"],
    }


def _areas(models: dict[str, Any]) -> dict[str, Any]:
    return {name: {"auc": m["auc"], "ci": m["ci"]} for name, m in models.items()}


def evaluate_from_files(bundle: str, features: str, outcome: str | None) -> dict[str, Any]:
    """A bundle on a new table; returns what `evaluate` prints.

    Raises
    ------
    InputError
        When the bundle or table is not usable.
    """
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = _existing(bundle)
        opened = Bundle(path if path.is_dir() else unpack_bundle(path, Path(folder)))
        return evaluate_bundle(opened, evaluation_table(opened.recipe, _existing(features), outcome=outcome))


def _from_manifest(
    recipe: Recipe,
    path: Path,
    held: dict[str, WeightsFile],
    request: TrainingRequest,
    follow_up: list[tuple[str, str]],
) -> TrainingData:
    frame = _read_csv(path)
    cache = path.parent / ".hepaboard_features"
    cases = [_case(str(name), row, path.parent) for name, row in frame.iterrows()]
    table = cohort_table(recipe, cases, weights=held, cache=cache, workers=request.workers)
    return image_table(recipe, table, outcome=request.outcome, follow_up=follow_up, given=len(cases))


def _case(identifier: str, row: pd.Series, folder: Path) -> CohortCase:
    columns = [
        *(p.value for p in Phase if p.value in row.index),
        *(c for c in ("tumour", "liver", "LOAT") if c in row.index),
    ]
    files = {c: folder / str(row[c]) for c in columns if isinstance(row[c], str) and row[c]}
    absent = [p.name for p in files.values() if not p.exists()]
    if absent:
        raise InputError(f"Case {identifier}: {absent[0]} does not exist.")
    numbers = {str(k): float(v) for k, v in row.items() if k not in columns and _is_number(v)}
    return ManifestCase(identifier=identifier, files=files, table=numbers)


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _read_csv(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_csv(path, index_col=0)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"{path.name} is not a readable CSV table.") from error


def _existing(text: str) -> Path:
    path = Path(text)
    if not path.exists():
        raise InputError(f"'{path.name}' does not exist. Check the path.")
    return path
