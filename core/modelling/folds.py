"""Folds that keep the classes balanced and, where a patient has several rows, the patient together."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

Rows = NDArray[np.int64]


def patient_folds(
    outcome: ArrayLike, folds: int, *, seed: int, patients: ArrayLike | None
) -> Iterator[tuple[Rows, Rows]]:
    """(train, test) rows of each fold; `patients` says whose each row is, None for a row a patient."""
    y = np.asarray(outcome)
    if patients is None:
        yield from StratifiedKFold(folds, shuffle=True, random_state=seed).split(y[:, None], y)
    else:
        whose = np.asarray(patients)
        yield from StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(y[:, None], y, whose)
