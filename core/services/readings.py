"""Readings of the same cases by several readers, for the features' intraclass correlation."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.domain.errors import InputError
from core.modelling.columns import read_columns
from core.services.feature_tables import Readings, TrainingData, as_number
from core.services.tables import Table, read_table


def read_readings(paths: Sequence[Path], data: TrainingData) -> Readings:
    """Readings of the same cases in the same order; the first is the reference.

    With one file the training table itself is the reference.

    Raises
    ------
    InputError
        When files differ in their rows or lack the features.
    """
    tables = [read_table(p) for p in paths]
    features = [c.name for c in data.features]
    frames = [t.frame.rename(columns={c: c.strip() for c in t.frame.columns}) for t in tables]
    shared = [c for c in features if all(c in f for f in frames)]
    if not shared:
        raise InputError(f"{paths[0].name} shares no feature column with the training table.")
    values = [f[shared].apply(as_number).to_numpy(float) for f in frames]
    index = [_cases_of(t, data) for t in tables]
    if len(paths) == 1:
        own = data.table
        if index[0] and set(index[0]) <= set(own.index):
            own = own.loc[list(index[0])]
        if len(own) != len(values[0]):
            raise InputError(
                f"{paths[0].name} has {len(values[0])} rows and the training table {len(own)}: give both readings, "
                "or a file with the same cases in the same order."
            )
        values = [own[shared].to_numpy(float), *values]
    if len({len(v) for v in values}) > 1:
        raise InputError("The files of --readers must hold the same cases in the same order; their rows differ.")
    if len(values[0]) < 3:
        raise InputError("Readings of at least three cases are needed for an ICC.")
    stacked = np.stack(values)
    whole = np.isfinite(stacked).all(axis=(0, 2)) if np.isfinite(stacked).all(axis=(0, 2)).sum() >= 3 else None
    stacked = stacked[:, whole] if whole is not None else np.nan_to_num(stacked)
    names = index[0] or (tuple(data.table.index) if len(values[0]) == len(data.table) else ())
    kept = [n for n, ok in zip(names, whole, strict=True) if ok] if whole is not None and names else list(names)
    return Readings(values=stacked, cases=tuple(kept), columns=tuple(shared))


def _cases_of(table: Table, data: TrainingData) -> tuple[str, ...]:
    """Case names of a reading, where its identifiers are those of the training table."""
    index = read_columns(table.frame, outcome=None).table.index
    return tuple(index) if len(set(index) & set(data.table.index)) > len(index) / 2 else ()
