"""Clinical models from openly licensed cohorts: built from the downloaded tables, shipped without a single patient."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline

from core.config import PROJECT
from core.domain.errors import InputError
from core.modelling import assessment
from core.modelling.applicability import TrainingRange
from core.modelling.combination import AxisLabel, CoxRisk, axes_of
from core.modelling.engine import ClinicalSpec, FittedModel, ModelSpec, fit_models
from core.modelling.nomogram import BaselineSurvival, Nomogram
from core.modelling.signatures import Predictors, clinical_value
from core.services.open_tables import clca_table, tace_table, tcga_table
from core.services.registry import ensure_active
from core.stats.cox import Cox, concordance, fit_cox, schoenfeld_test
from core.stats.discrimination import Z_95, auc_delong, youden_cutoff
from core.stats.horizon import time_dependent_auc
from core.stats.survival import kaplan_meier
from model_registry.bundle import Bundle, VariantModel, dump_pipeline, write_bundle
from model_registry.open_card import open_cohort_card
from model_registry.recipe import Recipe, Variant, load_recipe, recipe_sha256

if TYPE_CHECKING:
    import pandas as pd

Vector = NDArray[np.float64]
Report = Callable[[str], None]
SHIPPED = PROJECT / "model_registry" / "open_cohorts"
VERSION = "1"
SEED = 0
BOOTSTRAPS = 200
PERCENTILES = (1, 99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a cohort comes from; `folder` is where its tables lie in the downloaded ones."""

    recipe: str
    folder: str
    table: Callable[[Path], pd.DataFrame]
    cohort: str
    licence: str
    notice: str


ODBL = (
    "Built from a database made available under the Open Database License (ODbL) 1.0, "
    "http://opendatacommons.org/licenses/odbl/1.0/. The bundle holds coefficients and counts, no record.\n"
)
SOURCES = (
    Source(
        recipe="mvi_clinical_open",
        folder="clca_2024",
        table=clca_table,
        cohort="CLCA 2024: resected HCC, China, through cBioPortal",
        licence="ODbL 1.0",
        notice=ODBL + "Source: CLCA (Nature 2024), cBioPortal datahub, study hcc_clca_2024.\n",
    ),
    Source(
        recipe="os_clinical_open",
        folder="tcga_lihc",
        table=tcga_table,
        cohort="TCGA-LIHC: resected HCC, diagnosed 1995 to 2013, through cBioPortal",
        licence="ODbL 1.0",
        notice=ODBL + "Source: TCGA-LIHC (Firehose legacy), cBioPortal datahub, with the Broad GDAC TCGA notice.\n",
    ),
    Source(
        recipe="tace_clinical_open",
        folder="hcc_tace_seg",
        table=tace_table,
        cohort="HCC-TACE-Seg: HCC treated by TACE, one centre in the United States",
        licence="CC BY 4.0",
        notice="Built from HCC-TACE-Seg, The Cancer Imaging Archive, doi 10.7937/TCIA.5FNA-0924, CC BY 4.0.\n",
    ),
)


def build(tables: Path, out: Path, report: Report) -> list[str]:
    """Fit the models on the downloaded tables and write their bundles under `out`; a bundle there is replaced.

    Raises
    ------
    InputError
        When no cohort's folder is there, or a table is not the one expected.
    """
    import shutil

    present = [s for s in SOURCES if (tables / s.folder).is_dir()]
    if not present:
        wanted = ", ".join(s.folder for s in SOURCES)
        raise InputError(
            f"{tables.name} holds none of the folders {wanted}. docs/researcher.md says where to get them."
        )
    made = []
    for source in present:
        report(f"building {source.recipe}")
        part = out / f".{source.recipe}.new"
        shutil.rmtree(part, ignore_errors=True)
        bundle = _build(source, source.table(tables / source.folder), tables, part)
        target = out / source.recipe
        shutil.rmtree(target, ignore_errors=True)
        part.rename(target)
        made.append(f"{bundle.name} {bundle.version} {bundle.sha256[:12]}")
    return made


def register_shipped(report: Report) -> list[str]:
    """Register the bundles that come with the project and make them active, unless they are there."""
    return [ensure_active(path.parent, report) for path in sorted(SHIPPED.glob("*/manifest.json"))]


def _build(source: Source, table: pd.DataFrame, tables: Path, out: Path) -> Bundle:
    recipe = load_recipe(source.recipe)
    if recipe.horizons_months:
        fits = {v.id: _fit_survival(recipe, v, table) for v in recipe.variants}
        curves = _curves(recipe, fits)
        external: list[dict[str, Any]] = []
    else:
        fits = _fit_binary(recipe, table)
        curves = []
        external = _afp_check(fits, tables)
    report = {
        "recipe": recipe.name,
        "seed": SEED,
        "models": {name: f.numbers for name, f in fits.items()},
        "external": external,
        "rows": len(table),
    }
    card = open_cohort_card(recipe, report, version=VERSION, cohort=source.cohort, licence=source.licence)
    files: dict[str, bytes] = {
        "recipe.yaml": yaml.safe_dump(
            json.loads(recipe.model_dump_json()), sort_keys=False, allow_unicode=True
        ).encode(),
        "report.json": json.dumps(report, indent=1).encode(),
        "model_card.md": card.encode(),
        "LICENSE": source.notice.encode(),
        "reference_curves.json": json.dumps(curves).encode(),
    }
    for variant in recipe.variants:
        fit = fits[variant.id]
        files[f"variants/{variant.id}.skops"] = dump_pipeline(fit.pipeline)
        files[f"variants/{variant.id}.json"] = json.dumps(fit.model.as_json()).encode()
    manifest = {
        "name": recipe.name,
        "version": VERSION,
        "title": recipe.title,
        "created": datetime.now(UTC).date().isoformat(),
        "synthetic": False,
        "cohort": source.cohort,
        "recipe_sha256": recipe_sha256(recipe),
        "from_images": True,
        "weights": {},
        "versions": {name: installed_version(name) for name in ("scikit-learn", "skops", "numpy")},
    }
    return write_bundle(out, files, manifest)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Fit:
    """A clinical model: what the bundle keeps (`pipeline`, `model`, `numbers`) and what only the building sees."""

    pipeline: Pipeline
    model: VariantModel
    numbers: dict[str, Any]
    table: pd.DataFrame
    high: NDArray[np.bool_]


def _fit_binary(recipe: Recipe, table: pd.DataFrame) -> dict[str, _Fit]:
    made = {}
    for variant in recipe.models:
        rows = table.dropna(subset=[*variant.clinical, recipe.outcome.column]).reset_index(drop=True)
        spec = _spec(recipe, variant)
        folds = recipe.cross_validation.outer_folds
        fitted = fit_models(rows, recipe.outcome.column, [], [spec], outer_folds=folds, seed=SEED).models[spec.id]
        made[variant.id] = _binary(fitted, rows, recipe.outcome.column)
    return made


def _spec(recipe: Recipe, variant: Variant) -> ModelSpec:
    chosen = [c for code in variant.clinical for c in recipe.clinical if c.code == code]
    return ModelSpec(
        id=variant.id,
        label=variant.label,
        signatures=(),
        clinical=tuple(ClinicalSpec(column=c.code, code=c.code, transform=c.transform) for c in chosen),
        labels=tuple(AxisLabel(name=c.code, label=c.label, unit=c.unit, transform=c.transform) for c in chosen),
    )


def _binary(fitted: FittedModel, rows: pd.DataFrame, outcome: str) -> _Fit:
    y = rows[outcome].to_numpy(float)
    regression = fitted.pipeline.named_steps["combine"]
    low, high = np.percentile(fitted.coefficients[:, 1:], [2.5, 97.5], axis=0)
    cutoff = fitted.cutoff.threshold
    judged = assessment.judged(y, fitted.out_of_fold, cutoff)
    numbers = {
        "label": fitted.spec.label,
        "n": len(rows),
        "events": int(y.sum()),
        "cross_validated": {k: v for k, v in judged.items() if k != "roc"},
        "cutoff": cutoff,
        "intercept": float(regression.intercept_[0]),
        "predictors": _predictors(fitted.spec, regression.coef_[0], low, high),
    }
    model = VariantModel(
        cutoff=cutoff,
        nomogram=fitted.nomogram,
        coefficients=fitted.coefficients,
        known=_known(rows, fitted.spec),
    )
    return _Fit(pipeline=fitted.pipeline, model=model, numbers=numbers, table=rows, high=fitted.out_of_fold >= cutoff)


def _predictors(spec: ModelSpec, coefficients: Vector, low: Vector, high: Vector) -> list[dict[str, Any]]:
    return [
        {
            "name": label.name,
            "label": label.label,
            "transform": label.transform,
            "coefficient": float(coefficients[i]),
            "ratio": float(np.exp(coefficients[i])),
            "ci": [float(np.exp(low[i])), float(np.exp(high[i]))],
        }
        for i, label in enumerate(spec.labels)
    ]


def _known(rows: pd.DataFrame, spec: ModelSpec) -> TrainingRange:
    """The 1st to 99th percentile of each predictor: the extremes would be single patients."""
    spans = {}
    for c in spec.clinical:
        low, high = np.percentile(rows[c.column], PERCENTILES)
        spans[c.code] = (float(low), float(high))
    return TrainingRange(measures=spans, features={}, mean=(), scale=(), precision=(), distance_limit=0.0)


def _afp_check(fits: dict[str, _Fit], tables: Path) -> list[dict[str, Any]]:
    """The AFP part of the MVI model on TCGA's vascular invasion, where that table is there too."""
    folder = tables / "tcga_lihc"
    if not folder.is_dir():
        return []
    table = tcga_table(folder).dropna(subset=["afp_ng_ml", "vascular_invasion"])
    afp = np.log10(np.minimum(table["afp_ng_ml"].to_numpy(float), 1210.0) + 1)
    found = auc_delong(table["vascular_invasion"], afp)
    return [
        {
            "name": "TCGA-LIHC: AFP alone against vascular invasion (micro or macro)",
            "n": found.n,
            "events": found.events,
            "auc": found.auc,
            "ci": list(found.ci),
        }
    ]


def _fit_survival(recipe: Recipe, variant: Variant, table: pd.DataFrame) -> _Fit:
    endpoint = recipe.survival[0]
    t_name, e_name = endpoint.time_column, endpoint.event_column
    rows = table.dropna(subset=[*variant.clinical, t_name, e_name]).reset_index(drop=True)
    spec = _spec(recipe, variant)
    x = np.column_stack([clinical_value(rows[c.column].to_numpy(float), c.transform) for c in spec.clinical])
    t, d = rows[t_name].to_numpy(float), rows[e_name].to_numpy(float)
    fit = fit_cox(t, d, x)
    horizons = recipe.horizons_months
    out_of_fold, risk = _cross_validated(t, d, x, horizons[0], recipe.cross_validation.outer_folds)
    state_known = (t >= horizons[0]) | (d == 1)
    cutoff = youden_cutoff(((t <= horizons[0]) & (d == 1))[state_known].astype(int), risk[state_known]).threshold
    nomogram = _cox_nomogram(spec, fit, x, horizons)
    baseline = nomogram.horizons[0].survival
    regression = CoxRisk(fit.coefficients.tolist(), baseline, horizons[0])
    predictors = Predictors([], [[c.code, c.transform] for c in spec.clinical])
    model = VariantModel(
        cutoff=cutoff, nomogram=nomogram, coefficients=_refits(t, d, x, horizons[0]), known=_known(rows, spec)
    )
    se = fit.standard_errors
    hazards = schoenfeld_test(t, d, x, fit)
    numbers = {
        "label": variant.label,
        "n": fit.n,
        "events": fit.events,
        "cross_validated": {
            "c_index": concordance(t, d, out_of_fold),
            "auc_at": dict(zip(map(str, horizons), time_dependent_auc(t, d, out_of_fold, horizons), strict=True)),
            "slope": float(fit_cox(t, d, out_of_fold[:, None]).coefficients[0]),
            "calibration": _calibration_at(t, d, risk, horizons[0]),
        },
        "apparent_c_index": concordance(t, d, fit.linear_predictor(x)),
        "cutoff": cutoff,
        "horizon_months": horizons[0],
        "baseline_survival": [asdict(h) for h in nomogram.horizons],
        "proportional_hazards_p": hazards.global_p,
        "predictors": _predictors(spec, fit.coefficients, fit.coefficients - Z_95 * se, fit.coefficients + Z_95 * se),
    }
    return _Fit(
        pipeline=Pipeline([("predictors", predictors), ("combine", regression)]),
        model=model,
        numbers=numbers,
        table=rows,
        high=risk >= cutoff,
    )


def _cross_validated(t: Vector, d: Vector, x: NDArray[np.float64], horizon: float, folds: int) -> tuple[Vector, Vector]:
    """Linear predictor, centred in its fold, and risk by the horizon, each patient by models fitted on the others."""
    lp, risk = np.zeros(len(t)), np.zeros(len(t))
    for train, test in StratifiedKFold(folds, shuffle=True, random_state=SEED).split(x, d):
        fit = fit_cox(t[train], d[train], x[train])
        values = fit.linear_predictor(x[test])
        lp[test] = values - float(fit.mean @ fit.coefficients)
        risk[test] = 1 - fit.baseline_survival([horizon])[0] ** np.exp(values)
    return lp, risk


def _refits(t: Vector, d: Vector, x: NDArray[np.float64], horizon: float) -> NDArray[np.float64]:
    """Log cumulative hazard at the horizon and coefficients, of the model refitted on resampled patients."""
    rng = np.random.default_rng(SEED)
    rows: list[Vector] = []
    while len(rows) < BOOTSTRAPS:
        drawn = rng.integers(0, len(t), len(t))
        try:
            fit = fit_cox(t[drawn], d[drawn], x[drawn])
        except InputError:
            # A resample without variation in a rare predictor has no fit, and is drawn again.
            continue
        hazard = -np.log(fit.baseline_survival([horizon])[0])
        rows.append(np.concatenate([[np.log(hazard)], fit.coefficients]))
    return np.array(rows)


def _cox_nomogram(spec: ModelSpec, fit: Cox, x: NDArray[np.float64], horizons: list[float]) -> Nomogram:
    survival = fit.baseline_survival(horizons)
    held = tuple(BaselineSurvival(time=float(h), survival=float(s)) for h, s in zip(horizons, survival, strict=True))
    axes = axes_of(fit.coefficients, x, list(spec.labels))
    return Nomogram(intercept=0.0, axes=axes, horizons=held)


def _calibration_at(t: Vector, d: Vector, risk: Vector, horizon: float) -> list[dict[str, float]]:
    """Mean predicted and Kaplan-Meier observed risk by the horizon, in thirds of predicted risk."""
    edges = np.quantile(risk, [1 / 3, 2 / 3])
    third = np.searchsorted(edges, risk)
    return [
        {
            "n": int((third == k).sum()),
            "predicted": float(risk[third == k].mean()),
            "observed": 1 - kaplan_meier(t[third == k], d[third == k], at=[horizon]).table[0].survival,
        }
        for k in range(3)
    ]


def _curves(recipe: Recipe, fits: dict[str, _Fit]) -> list[dict[str, Any]]:
    """Each variant's risk groups for each endpoint, counted by whole months: no patient's own time is kept."""
    made = []
    for variant, fit in fits.items():
        for endpoint in recipe.survival:
            for group, mine in (("low", ~fit.high), ("high", fit.high)):
                rows = fit.table[mine]
                made.append(
                    {
                        "variant": variant,
                        "endpoint": endpoint.id,
                        "group": group,
                        "counts": monthly_counts(
                            rows[endpoint.time_column].to_numpy(float), rows[endpoint.event_column].to_numpy(float)
                        ),
                    }
                )
    return made


def monthly_counts(time: Vector, event: Vector) -> list[dict[str, int]]:
    """At risk, events and censored by month; times are rounded up, so that nothing happens before it did."""
    month = np.maximum(np.ceil(time), 1).astype(int)
    counts, left = [], len(month)
    for m in np.unique(month):
        events, censored = int(((month == m) & (event == 1)).sum()), int(((month == m) & (event == 0)).sum())
        counts.append({"month": int(m), "at_risk": left, "events": events, "censored": censored})
        left -= events + censored
    return counts
