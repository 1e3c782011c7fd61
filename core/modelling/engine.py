"""Fit one variant of a recipe on a feature table: nested cross-validation, final model, cut-off, nomogram."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline

from core.domain.errors import InputError
from core.modelling.applicability import TrainingRange, training_range
from core.modelling.nomogram import Axis, Nomogram, pretty
from core.modelling.signatures import (
    BestByCrossValidation,
    ClinicalSpec,
    CrossFittedSignatures,
    SignatureSpec,
    signature_pipeline,
)
from core.stats.discrimination import Auc, Cutoff, at_threshold, auc_delong, youden_cutoff

MEASURES = ("max_diameter_cm", "in_plane_spacing_mm", "slice_spacing_mm")


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisLabel:
    """How a nomogram predictor is shown."""

    name: str
    label: str
    unit: str
    transform: str = "identity"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FittedVariant:
    """A trained submodel with everything its predictions and its report need.

    `out_of_fold` holds each training patient's probability from models that never saw the patient; cut-off, groups
    and survival curves come from it. `covariance` is that of the combining regression (intercept first).
    """

    pipeline: Pipeline
    out_of_fold: NDArray[np.float64]
    cutoff: Cutoff
    nested_auc: Auc
    apparent_auc: Auc
    nomogram: Nomogram
    covariance: NDArray[np.float64]
    known: TrainingRange
    selected: tuple[str, ...]
    chosen_estimators: dict[str, str]
    warnings: tuple[str, ...] = field(default=())


def variant_pipeline(
    signatures: list[SignatureSpec], clinical: list[ClinicalSpec], *, signature_folds: int, seed: int
) -> Pipeline:
    """Signatures beside clinical predictors, then an unpenalised logistic regression."""
    parts = [{"id": s.id, "columns": list(s.columns), "pipeline": signature_pipeline(s, seed)} for s in signatures]
    columns = [[c.code, c.transform] for c in clinical]
    return Pipeline(
        [
            ("predictors", CrossFittedSignatures(parts, columns, signature_folds, seed)),
            ("combine", LogisticRegression(C=np.inf, max_iter=1000)),
        ]
    )


def fit_variant(
    table: pd.DataFrame,
    outcome: str,
    signatures: list[SignatureSpec],
    clinical: list[ClinicalSpec],
    labels: list[AxisLabel],
    *,
    outer_folds: int,
    signature_folds: int,
    seed: int,
) -> FittedVariant:
    """Fit and judge one submodel.

    Every fitted step lies inside the pipeline, so the outer folds see none of it: the nested AUC is honest.

    Raises
    ------
    InputError
        When columns are missing, values are missing or there are too few events.
    """
    columns = [c for s in signatures for c in s.columns] + [c.code for c in clinical]
    y = _checked(table, columns, outcome, outer_folds, signature_folds)
    pipeline = variant_pipeline(signatures, clinical, signature_folds=signature_folds, seed=seed)
    out_of_fold = np.zeros(len(table))
    for train, test in StratifiedKFold(outer_folds, shuffle=True, random_state=seed).split(table, y):
        fold = clone(pipeline).fit(table.iloc[train], y[train])
        out_of_fold[test] = fold.predict_proba(table.iloc[test])[:, 1]
    predictors = pipeline.named_steps["predictors"]
    design = predictors.fit_transform(table, y)
    pipeline.named_steps["combine"].fit(design, y)
    selected, chosen = _used_features(predictors, signatures)
    measures = [m for m in (*MEASURES, *(c.code for c in clinical)) if m in table]
    cutoff = youden_cutoff(y, out_of_fold)
    return FittedVariant(
        pipeline=pipeline,
        out_of_fold=out_of_fold,
        cutoff=at_threshold(y, out_of_fold, cutoff.threshold),
        nested_auc=auc_delong(y, out_of_fold),
        apparent_auc=auc_delong(y, pipeline.predict_proba(table)[:, 1]),
        nomogram=_nomogram(pipeline.named_steps["combine"], design, labels),
        covariance=_covariance(pipeline.named_steps["combine"], design),
        known=training_range(table, list(selected), list(dict.fromkeys(measures))),
        selected=selected,
        chosen_estimators=chosen,
        warnings=_warnings(y, sum(s.mrmr_features for s in signatures)),
    )


def _checked(
    table: pd.DataFrame, columns: list[str], outcome: str, outer_folds: int, signature_folds: int
) -> NDArray[np.int64]:
    absent = [c for c in [*columns, outcome] if c not in table]
    if absent:
        raise InputError(f"The table lacks {len(absent)} column(s), first {absent[0]}.")
    gaps = table[[*columns, outcome]].isna().any(axis=1)
    if gaps.any():
        raise InputError(
            f"{int(gaps.sum())} case(s) have missing values, first {table.index[gaps][0]}. Complete or leave out."
        )
    y = table[outcome].to_numpy(int)
    fewest = int(min(y.sum(), len(y) - y.sum()))
    if fewest < 2 * max(outer_folds, signature_folds):
        raise InputError(f"{fewest} cases in the smaller class of {outcome} are too few for {outer_folds} outer folds.")
    return y


def _used_features(
    predictors: CrossFittedSignatures, signatures: list[SignatureSpec]
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Columns with influence on a signature (non-zero where the estimator says so), and which estimator won."""
    used: list[str] = []
    chosen: dict[str, str] = {}
    for spec, model in zip(signatures, predictors.fitted_, strict=True):
        last: Any = model.named_steps["estimator"]
        columns = [spec.columns[i] for i in model.named_steps["mrmr"].selected_]
        if isinstance(last, BestByCrossValidation):
            chosen[spec.id] = last.best_name_
            last = last.best_
        else:
            chosen[spec.id] = spec.estimators[0]
        weights = np.ravel(last.coef_) if hasattr(last, "coef_") else np.ones(len(columns))
        kept = [c for c, w in zip(columns, weights, strict=True) if abs(w) > 1e-9]
        used += kept or columns
    return tuple(dict.fromkeys(used)), chosen


def _nomogram(combine: LogisticRegression, design: NDArray[np.float64], labels: list[AxisLabel]) -> Nomogram:
    axes = []
    for i, label in enumerate(labels):
        steps = pretty(float(design[:, i].min()), float(design[:, i].max()))
        axes.append(
            Axis(
                name=label.name,
                label=label.label,
                unit=label.unit,
                coefficient=float(combine.coef_[0, i]),
                low=float(steps[0]),
                high=float(steps[-1]),
                transform=label.transform,
            )
        )
    return Nomogram(intercept=float(combine.intercept_[0]), axes=tuple(axes))


def _covariance(combine: LogisticRegression, design: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse Fisher information of the regression, intercept first."""
    full = np.column_stack([np.ones(len(design)), design])
    p = combine.predict_proba(design)[:, 1]
    return np.asarray(np.linalg.inv((full * (p * (1 - p))[:, None]).T @ full))


def _warnings(y: NDArray[np.int64], candidates: int) -> tuple[str, ...]:
    events = int(min(y.sum(), len(y) - y.sum()))
    if events < 10 * candidates:
        return (
            f"{events} events for {candidates} candidate features after screening: {events / candidates:.1f} per "
            "candidate, fewer than the 10 usually asked for; expect over-fitting.",
        )
    return ()
