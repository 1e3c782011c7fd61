"""The numbers of a training report: each model judged, models compared, subgroups, survival by the frozen cut-off.

Everything here is a plain dict of numbers and texts: it is stored as JSON, and the reports are drawn from it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.domain.errors import InputError
from core.stats.calibration import calibration, smoothed
from core.stats.cox import hazard_ratio
from core.stats.decision import decision_curve
from core.stats.discrimination import Rate, auc_delong, compare_auc, performance
from core.stats.reclassification import reclassification
from core.stats.survival import Curve, kaplan_meier, log_rank

Vector = NDArray[np.float64]
THRESHOLDS = tuple(t / 100 for t in range(1, 100))
SMALLEST_SUBGROUP = 20
RATES = ("sensitivity", "specificity", "ppv", "npv", "accuracy")
CURVE_POINTS = 200


def judged(y: Vector, p: Vector, cutoff: float) -> dict[str, Any]:
    """Discrimination, classification at the frozen cut-off with Wilson intervals, calibration and its curve."""
    area = auc_delong(y, p)
    rates = performance(y, p, cutoff)
    found: dict[str, Any] = {"n": area.n, "events": area.events, "auc": area.auc, "ci": list(area.ci)}
    for name in RATES:
        rate: Rate = getattr(rates, name)
        found[name] = rate.value
        found[f"{name}_ci"] = list(rate.ci)
    try:
        found["calibration"] = asdict(calibration(y, p))
        low, high = np.quantile(p, [0.02, 0.98])
        grid = np.linspace(low, high, 40)
        found["calibration_curve"] = {"probability": grid.tolist(), "observed": smoothed(p, y, grid).tolist()}
    except InputError as error:
        found["calibration"] = {"not_computed": str(error)}
    found["roc"] = roc_points(y, p)
    return found


def roc_points(y: Vector, p: Vector) -> dict[str, list[float]]:
    """False and true positive rates, thinned to about two hundred points."""
    from sklearn.metrics import roc_curve

    fpr, tpr, _ = roc_curve(y, p)
    keep = np.unique(np.linspace(0, len(fpr) - 1, min(len(fpr), CURVE_POINTS)).astype(int))
    return {"false_positive": fpr[keep].tolist(), "true_positive": tpr[keep].tolist()}


def decision(y: Vector, models: Mapping[str, Vector]) -> dict[str, Any]:
    """Net benefit of each model over threshold probabilities, with treating everybody."""
    curves = {name: decision_curve(y, p, THRESHOLDS) for name, p in models.items()}
    first = next(iter(curves.values()))
    return {
        "thresholds": list(THRESHOLDS),
        "models": {name: list(c.model) for name, c in curves.items()},
        "treat_all": list(first.treat_all),
    }


def compared(y: Vector, models: Mapping[str, Vector]) -> dict[str, Any]:
    """Paired DeLong test of every two models; p values as they are and adjusted by Holm over all pairs."""
    from statsmodels.stats.multitest import multipletests

    pairs = list(combinations(models, 2))
    tests = [compare_auc(y, models[a], models[b]) for a, b in pairs]
    adjusted = multipletests([t.p for t in tests], method="holm")[1].tolist() if tests else []
    return {
        "models": list(models),
        "pairs": [
            {"a": a, "b": b, "difference": t.auc - t.auc_baseline, "z": t.z, "p": t.p, "p_holm": h}
            for (a, b), t, h in zip(pairs, tests, adjusted, strict=True)
        ],
    }


def against_baseline(y: Vector, p: Vector, baseline: Vector) -> dict[str, Any]:
    """DeLong, NRI and IDI of a model against the clinical one."""
    test = compare_auc(y, p, baseline)
    return {"delong": asdict(test), "reclassification": asdict(reclassification(y, p, baseline))}


def subgroups(y: Vector, p: Vector, groups: Mapping[str, "pd.Series[Any]"]) -> list[dict[str, Any]]:
    """AUC within each part of the cohort; parts that are too small or one-sided say so instead of a number."""
    rows = []
    for name, labels in groups.items():
        for level in sorted(labels.dropna().unique(), key=str):
            mine = (labels == level).to_numpy(bool)
            row: dict[str, Any] = {"subgroup": f"{name}: {level}", "n": int(mine.sum()), "events": int(y[mine].sum())}
            if mine.sum() >= SMALLEST_SUBGROUP and 2 <= y[mine].sum() <= mine.sum() - 2:
                area = auc_delong(y[mine], p[mine])
                row |= {"auc": area.auc, "ci": list(area.ci)}
            rows.append(row)
    return rows


def survival(
    time: "pd.Series[float]", event: "pd.Series[float]", high: NDArray[np.bool_], *, label: str, at: Sequence[float]
) -> dict[str, Any]:
    """Curves of the two risk groups, log-rank and hazard ratio; the cut-off was set before these data were seen."""
    known = (time.notna() & event.notna()).to_numpy()
    t, d, group = time[known].to_numpy(float), event[known].to_numpy(float), np.where(high[known], "high", "low")
    found: dict[str, Any] = {"endpoint": label, "n": int(known.sum()), "events": int(d.sum())}
    names = sorted(set(group.tolist()), reverse=True)
    curves = {g: kaplan_meier(t[group == g], d[group == g], group=g, at=at) for g in names}
    found["curves"] = {g: thinned(c) for g, c in curves.items()}
    if len(names) < 2:
        found["not_computed"] = f"all patients are in the {names[0]} risk group"
        return found
    found["logrank"] = asdict(log_rank(t, d, group))
    try:
        found["hazard_ratio"] = asdict(hazard_ratio(t, d, group, reference="low"))
    except InputError as error:
        found["not_computed"] = f"hazard ratio: {error}"
    return found


def thinned(curve: Curve) -> dict[str, Any]:
    """A curve as numbers for a figure and its table."""
    keep = np.unique(np.linspace(0, len(curve.times) - 1, min(len(curve.times), CURVE_POINTS)).astype(int))
    return {
        "n": curve.n,
        "events": curve.events,
        "median": curve.median,
        "times": [curve.times[i] for i in keep],
        "survival": [curve.survival[i] for i in keep],
        "lower": [curve.lower[i] for i in keep],
        "upper": [curve.upper[i] for i in keep],
        "table": [asdict(row) for row in curve.table],
    }


def correlations(table: pd.DataFrame, columns: Sequence[str]) -> dict[str, Any]:
    """Pearson correlations of the selected features, for the heat map."""
    held = table[list(columns)].astype(float)
    matrix = held.corr().fillna(0.0)
    return {"features": list(columns), "r": np.round(matrix.to_numpy(), 3).tolist()}
