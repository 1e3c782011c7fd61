"""Train a recipe on a feature table and write a bundle."""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from core.domain.errors import InputError
from core.features.presets import image_names
from core.features.table import delta_prefix
from core.modelling.engine import AxisLabel, FittedVariant, fit_variant
from core.modelling.signatures import ClinicalSpec, SignatureSpec
from core.services.cohort_features import WeightsFile
from model_registry.bundle import Bundle, VariantModel, dump_pipeline, write_bundle
from model_registry.model_card import model_card
from model_registry.recipe import Recipe, Variant, recipe_sha256

if TYPE_CHECKING:
    import pandas as pd

LICENSE_TEXT = "This bundle is distributed under the Apache License 2.0, like the software that made it.\n"
PINNED_AT_TRAINING = ("scikit-learn", "pyradiomics", "skops", "numpy")


def train_bundle(
    recipe: Recipe,
    table: pd.DataFrame,
    out: Path,
    *,
    weights: Mapping[str, WeightsFile],
    cohort: str,
    synthetic: bool,
    seed: int = 0,
    version: str = "1",
) -> Bundle:
    """Fit every variant of a recipe and write the bundle to the new folder `out`.

    Raises
    ------
    InputError
        When the table lacks columns or cases, or the folder is in use.
    """
    started = time.perf_counter()
    fitted = {v.id: _fit(recipe, v, table, seed) for v in recipe.variants}
    report = _report(recipe, table, fitted, seed=seed, seconds=time.perf_counter() - started)
    created = datetime.now(UTC).date().isoformat()
    files: dict[str, bytes] = {
        "recipe.yaml": yaml.safe_dump(
            json.loads(recipe.model_dump_json()), sort_keys=False, allow_unicode=True
        ).encode(),
        "report.json": json.dumps(report, indent=1).encode(),
        "LICENSE": LICENSE_TEXT.encode(),
        "reference_cohort.parquet": _reference_cohort(recipe, table, fitted),
    }
    card = model_card(recipe, report, created=created, version=version, cohort=cohort, synthetic=synthetic)
    files["model_card.md"] = card.encode()
    for name, fit in fitted.items():
        files[f"variants/{name}.skops"] = dump_pipeline(fit.pipeline)
        model = VariantModel(
            cutoff=fit.cutoff.threshold, nomogram=fit.nomogram, covariance=fit.covariance, known=fit.known
        )
        files[f"variants/{name}.json"] = json.dumps(model.as_json()).encode()
    for family, held in weights.items():
        files[f"weights/{family}.safetensors"] = held.weights.checked_bytes()
    manifest = {
        "name": recipe.name,
        "version": version,
        "title": recipe.title,
        "created": created,
        "synthetic": synthetic,
        "cohort": cohort,
        "recipe_sha256": recipe_sha256(recipe),
        "weights": {f: {"sha256": w.weights.sha256, "description": w.description} for f, w in weights.items()},
        "versions": {name: installed_version(name) for name in PINNED_AT_TRAINING},
    }
    return write_bundle(out, files, manifest)


def _fit(recipe: Recipe, variant: Variant, table: pd.DataFrame, seed: int) -> FittedVariant:
    signatures, labels = [], []
    for signature in (s for s in recipe.signatures if s.id in variant.signatures):
        prefixes = _column_prefixes(recipe, signature.blocks)
        columns = tuple(c for c in table.columns if c.startswith(prefixes))
        if not columns:
            raise InputError(f"The table has no column that begins with {' or '.join(prefixes)}.")
        signatures.append(
            SignatureSpec(
                id=signature.id,
                columns=columns,
                outlier_z=signature.screening.outlier_z,
                mrmr_features=signature.screening.mrmr_features,
                estimators=tuple(signature.estimators),
                inner_folds=recipe.cross_validation.inner_folds,
            )
        )
        labels.append(AxisLabel(name=signature.id, label=signature.label, unit="log odds"))
    clinical = [c for c in recipe.clinical if c.code in variant.clinical]
    labels += [AxisLabel(name=c.code, label=c.label, unit=c.unit, transform=c.transform) for c in clinical]
    fit = fit_variant(
        table,
        recipe.outcome.column,
        signatures,
        [ClinicalSpec(code=c.code, transform=c.transform) for c in clinical],
        labels,
        outer_folds=recipe.cross_validation.outer_folds,
        signature_folds=recipe.cross_validation.signature_folds,
        seed=seed,
    )
    line = f"{recipe.name} {variant.id}: nested AUC {fit.nested_auc.auc:.3f}, {fit.chosen_estimators}"
    print(line, file=sys.stderr)  # noqa: T201
    return fit


def _column_prefixes(recipe: Recipe, blocks: list[str]) -> tuple[str, ...]:
    """How columns of these blocks begin: deep names start with the network, hand-crafted ones with an image type."""
    prefixes: list[str] = []
    for block in (b for b in recipe.features if b.id in blocks):
        if block.family == "radiomics":
            prefixes += [f"{block.prefix}{image}_" for image in image_names(block.preset or "")]
        else:
            prefixes.append(f"{block.prefix}{block.family}_")
    for delta in (d for d in recipe.deltas if d.id in blocks):
        later, earlier = recipe.delta_prefixes(delta)
        prefixes.append(delta_prefix(later=later, earlier=earlier))
    return tuple(prefixes)


def _report(
    recipe: Recipe, table: pd.DataFrame, fitted: dict[str, FittedVariant], *, seed: int, seconds: float
) -> dict[str, Any]:
    outcome = table[recipe.outcome.column]
    first = fitted[recipe.variants[0].id]
    return {
        "recipe": recipe.name,
        "seed": seed,
        "seconds": round(seconds, 1),
        "train": {"n": len(table), "events": int(outcome.sum()), **_auc(first.apparent_auc)},
        "nested_cv": _auc(first.nested_auc),
        "selected": list(first.selected),
        "cutoff": first.cutoff.threshold,
        "external": [],
        "variants": {
            v.id: {
                "label": v.label,
                "nested_cv": _auc(fitted[v.id].nested_auc),
                "apparent": _auc(fitted[v.id].apparent_auc),
                "cutoff": asdict(fitted[v.id].cutoff),
                "estimators": fitted[v.id].chosen_estimators,
                "selected": list(fitted[v.id].selected),
                "warnings": list(fitted[v.id].warnings),
            }
            for v in recipe.variants
        },
    }


def _auc(auc: Any) -> dict[str, Any]:
    return {"auc": auc.auc, "ci": list(auc.ci)}


def _reference_cohort(recipe: Recipe, table: pd.DataFrame, fitted: dict[str, FittedVariant]) -> bytes:
    """Out-of-fold probability, group and follow-up of each training patient and variant; rows are shuffled."""
    import pandas as pd

    parts: list[pd.DataFrame] = []
    for name, fit in fitted.items():
        part = pd.DataFrame({"variant": name, "probability": fit.out_of_fold})
        part["group"] = ["high" if p >= fit.cutoff.threshold else "low" for p in fit.out_of_fold]
        part["outcome"] = table[recipe.outcome.column].to_numpy(int)
        for endpoint in recipe.survival:
            part[endpoint.time_column] = table[endpoint.time_column].to_numpy(float)
            part[endpoint.event_column] = table[endpoint.event_column].to_numpy(int)
        parts.append(part.sample(frac=1, random_state=len(parts)))
    buffer = io.BytesIO()
    pd.concat(parts, ignore_index=True).to_parquet(buffer, index=False)
    return buffer.getvalue()
