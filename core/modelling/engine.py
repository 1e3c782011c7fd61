"""Fit all models of a recipe on a feature table: signatures once, models side by side, nested cross-validation."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from core.domain.errors import InputError
from core.modelling.applicability import TrainingRange, training_range
from core.modelling.combination import AxisLabel, bootstrap_coefficients, fit_combination, nomogram_of
from core.modelling.folds import patient_folds
from core.modelling.nomogram import Nomogram
from core.modelling.signatures import FittedSignature, Predictors, SignatureSpec, clinical_value, fit_signature
from core.stats.discrimination import Auc, Cutoff, auc_delong, youden_cutoff

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Progress = Callable[[float, str], None]
MEASURES = ("max_diameter_cm", "in_plane_spacing_mm", "slice_spacing_mm")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClinicalSpec:
    """A clinical predictor: its column, its code where the model is used, and how it enters."""

    column: str
    code: str
    transform: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """One model: which signatures and clinical predictors its regression takes; `labels` in the same order."""

    id: str
    label: str
    signatures: tuple[str, ...]
    clinical: tuple[ClinicalSpec, ...]
    labels: tuple[AxisLabel, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FittedModel:
    """A trained model with everything its predictions and its report need.

    `out_of_fold` holds each training patient's probability from models that never saw the patient; cut-off, groups
    and survival curves come from it. `design` is the regression's, each signature with held-out values.
    `coefficients` holds bootstrap refits of the regression, intercept first: a patient's interval comes from them.
    """

    spec: ModelSpec
    pipeline: Pipeline
    out_of_fold: Vector
    cutoff: Cutoff
    nested_auc: Auc
    apparent_auc: Auc
    nomogram: Nomogram
    design: Matrix
    coefficients: Matrix
    known: TrainingRange
    selected: tuple[str, ...]
    warnings: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FittedRecipe:
    """All models in the order they were asked for, and the signatures they share, fitted on all patients."""

    models: dict[str, FittedModel]
    signatures: dict[str, FittedSignature]
    outcome: NDArray[np.int64]


def fit_models(
    table: pd.DataFrame,
    outcome: str,
    signatures: list[SignatureSpec],
    models: list[ModelSpec],
    *,
    outer_folds: int,
    seed: int,
    patients: NDArray[np.str_] | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> FittedRecipe:
    """Fit and judge all models.

    Screening, scaling, filling of gaps, choice of estimator, combination: all are fitted inside the outer folds, so
    the nested AUC is honest. A signature is fitted once a fold, whatever the number of models that use it. Where a
    patient has several rows (`patients` says whose each is), they stay together in every fold, outer and inner.

    Raises
    ------
    InputError
        When columns are missing, the outcome has gaps or there are too few events.
    """
    y = _checked(table, outcome, signatures, models, outer_folds)
    splits = [*patient_folds(y, outer_folds, seed=seed, patients=patients), None]
    rows = _Rows(table=table, outcome=y, patients=patients, splits=splits)
    fitted = _fit_signatures(rows, signatures, seed, workers, progress or (lambda share, text: None))
    whole = {s.id: fitted[s.id, len(splits) - 1][0] for s in signatures}
    made: dict[str, FittedModel] = {}
    for spec in models:
        out_of_fold = np.zeros(len(table))
        for number, split in enumerate(splits[:-1]):
            assert split is not None
            train, test = split
            parts = [fitted[s, number] for s in spec.signatures]
            inside = _design(table.iloc[train], [p[0].held_out for p in parts], spec, table.iloc[train])
            outside = _design(table.iloc[test], [p[1] for p in parts], spec, table.iloc[train])
            model, _ = fit_combination(inside, y[train].astype(float))
            out_of_fold[test] = model.predict_proba(outside)[:, 1]
        made[spec.id] = _final(table, y, spec, whole, out_of_fold, seed)
    return FittedRecipe(models=made, signatures=whole, outcome=y)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Rows:
    """What every fit is made from; the last of `splits` is None: all rows."""

    table: pd.DataFrame
    outcome: NDArray[np.int64]
    patients: NDArray[np.str_] | None
    splits: list[Any]

    def of(self, columns: list[str]) -> "_Rows":
        """With some columns alone, to send to a process."""
        return replace(self, table=self.table[columns])


def _fit_signatures(
    rows: _Rows, signatures: list[SignatureSpec], seed: int, workers: int, progress: Progress
) -> dict[tuple[str, int], tuple[FittedSignature, Vector]]:
    """Every signature on every fold's training part and on all patients, with its values for the patients held out."""
    tasks = [(spec, number) for spec in signatures for number in range(len(rows.splits))]
    found: dict[tuple[str, int], tuple[FittedSignature, Vector]] = {}
    results = _spread(rows, tasks, seed, workers)
    for done, (spec_id, number, fit, values) in enumerate(results, start=1):
        found[spec_id, number] = (fit, values)
        progress(done / len(tasks), f"signature {spec_id}, {done} of {len(tasks)} fits")
    return found


def _spread(
    rows: _Rows, tasks: list[tuple[SignatureSpec, int]], seed: int, workers: int
) -> Iterator[tuple[str, int, FittedSignature, Vector]]:
    if workers <= 1 or len(tasks) <= 1:
        for spec, number in tasks:
            yield _one(rows, spec, number, seed)
        return
    from joblib import Parallel, delayed

    pool = Parallel(n_jobs=workers, return_as="generator_unordered")
    yield from pool(delayed(_one)(rows.of(list(spec.columns)), spec, number, seed) for spec, number in tasks)


def _one(rows: _Rows, spec: SignatureSpec, number: int, seed: int) -> tuple[str, int, FittedSignature, Vector]:
    from threadpoolctl import threadpool_limits

    split, table, y, whose = rows.splits[number], rows.table, rows.outcome, rows.patients
    # One thread always: sums in another order could choose another feature.
    with threadpool_limits(1):
        if split is None:
            return spec.id, number, fit_signature(spec, table, y, seed, whose), np.empty(0)
        train, test = split
        mine = None if whose is None else whose[train]
        fit = fit_signature(spec, table.iloc[train], y[train], seed, mine)
        return spec.id, number, fit, fit.cohort_values(table.iloc[test], spec.columns)


def _design(rows: pd.DataFrame, values: list[Vector], spec: ModelSpec, training: pd.DataFrame) -> Matrix:
    """Signature values beside clinical ones; a clinical gap becomes the median of `training`."""
    columns = list(values)
    for c in spec.clinical:
        filled = rows[c.column].fillna(training[c.column].median())
        columns.append(clinical_value(filled.to_numpy(float), c.transform))
    return np.column_stack(columns)


def _final(
    table: pd.DataFrame,
    y: NDArray[np.int64],
    spec: ModelSpec,
    signatures: dict[str, FittedSignature],
    out_of_fold: Vector,
    seed: int,
) -> FittedModel:
    mine = [signatures[s] for s in spec.signatures]
    design = _design(table, [s.held_out for s in mine], spec, table)
    model, note = fit_combination(design, y.astype(float))
    predictors = Predictors([s.model for s in mine], [[c.code, c.transform] for c in spec.clinical])
    selected = tuple(dict.fromkeys(c for s in mine for c in s.model.columns))
    applied = _design(table, [s.model.values(table) for s in mine], spec, table)
    measures = {m: m for m in MEASURES if m in table} | {c.code: c.column for c in spec.clinical}
    known = table[list(selected)].fillna(table[list(selected)].median())
    known = known.assign(**{code: table[column] for code, column in measures.items()})
    warning = _sample_size(y, design.shape[1], len(selected))
    return FittedModel(
        spec=spec,
        pipeline=Pipeline([("predictors", predictors), ("combine", model)]),
        out_of_fold=out_of_fold,
        cutoff=youden_cutoff(y, out_of_fold),
        nested_auc=auc_delong(y, out_of_fold),
        apparent_auc=auc_delong(y, model.predict_proba(applied)[:, 1]),
        nomogram=nomogram_of(model, design, list(spec.labels)),
        design=design,
        coefficients=bootstrap_coefficients(design, y.astype(float), seed=seed),
        known=training_range(known, list(selected), list(measures)),
        selected=selected,
        warnings=tuple(w for w in (note, warning) if w),
    )


def predict_table(model: FittedModel, table: pd.DataFrame) -> Vector:
    """Probability of each row of a table with the training table's column names; clinical gaps are refused."""
    renamed = table.rename(columns={c.column: c.code for c in model.spec.clinical if c.column != c.code})
    return np.asarray(model.pipeline.predict_proba(renamed)[:, 1], float)


def combination(model: FittedModel) -> LogisticRegression:
    return model.pipeline.named_steps["combine"]


def _checked(
    table: pd.DataFrame, outcome: str, signatures: list[SignatureSpec], models: list[ModelSpec], outer_folds: int
) -> NDArray[np.int64]:
    columns = [c for s in signatures for c in s.columns] + [c.column for m in models for c in m.clinical]
    absent = [c for c in [*columns, outcome] if c not in table]
    if absent:
        raise InputError(f"The table lacks {len(absent)} column(s), first {absent[0]}.")
    gaps = table[outcome].isna()
    if gaps.any():
        raise InputError(
            f"{int(gaps.sum())} case(s) have no {outcome}, first {table.index[gaps][0]}. Complete or leave out."
        )
    y = table[outcome].to_numpy(int)
    fewest = int(min(y.sum(), len(y) - y.sum()))
    inner = max((s.folds for s in signatures), default=2)
    if fewest < 2 * max(outer_folds, inner):
        raise InputError(f"{fewest} cases in the smaller class of {outcome} are too few for {outer_folds} outer folds.")
    return y


def _sample_size(y: NDArray[np.int64], predictors: int, features: int) -> str:
    """Events per predictor of the regression and per selected feature, where fewer than ten."""
    events = int(min(y.sum(), len(y) - y.sum()))
    candidates = max(predictors, features)
    if events < 10 * candidates:
        return (
            f"{events} events for {candidates} selected features: {events / candidates:.1f} per feature, fewer than "
            "the 10 usually asked for; expect over-fitting."
        )
    return ""
