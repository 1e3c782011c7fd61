"""What the pages compute, on any table: `python -m core stats`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.domain.errors import InputError
from core.services.tables import read_table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The columns and settings of one call; what a verb does not need stays empty."""

    outcome: str = ""
    score: str = ""
    baseline: str = ""
    time: str = ""
    event: str = ""
    group: str = ""
    columns: tuple[str, ...] = ()
    thresholds: tuple[float, ...] = ()
    at: tuple[float, ...] = ()
    splines: dict[str, int] | None = None
    interval: str = "log"


def compute(verb: str, path: Path, question: Question) -> dict[str, Any]:
    """One call of `stats` on a CSV file; docs/cli.md names the keys of each.

    Raises
    ------
    InputError
        When the file is unreadable, a column is absent or cannot be computed with, or an argument is missing.
    """
    return VERBS[verb](read_table(path).frame, question)


def _numbers(frame: pd.DataFrame, name: str, option: str) -> pd.Series:
    import pandas as pd

    if not name:
        raise InputError(f"Name the column with --{option}.")
    if name not in frame:
        raise InputError(f"There is no column '{name}'. The file has {', '.join(map(str, frame.columns[:12]))}.")
    values = pd.to_numeric(frame[name], errors="coerce")
    if values.isna().any():
        raise InputError(f"Column '{name}' has {int(values.isna().sum())} cells that are empty or no numbers.")
    return values


def _pair(frame: pd.DataFrame, q: Question) -> tuple[pd.Series, pd.Series]:
    return _numbers(frame, q.outcome, "outcome"), _numbers(frame, q.score, "score")


def _follow_up(frame: pd.DataFrame, q: Question) -> tuple[pd.Series, pd.Series]:
    return _numbers(frame, q.time, "time"), _numbers(frame, q.event, "event")


def _auc(frame: pd.DataFrame, q: Question) -> dict[str, Any]:
    from core.stats.discrimination import auc_delong, performance, youden_cutoff

    y, s = _pair(frame, q)
    found = auc_delong(y, s)
    best = youden_cutoff(y, s)
    rates = performance(y, s, best.threshold)
    names = ("sensitivity", "specificity", "ppv", "npv", "accuracy")
    intervals = {name: list(getattr(rates, name).ci) for name in names}
    return {
        "n": found.n,
        "events": found.events,
        "auc": found.auc,
        "ci": list(found.ci),
        "youden": {**asdict(best), "ci": intervals},
    }


def _compare(frame: pd.DataFrame, q: Question) -> dict[str, Any]:
    from core.stats.discrimination import compare_auc

    y, s = _pair(frame, q)
    return asdict(compare_auc(y, s, _numbers(frame, q.baseline, "baseline")))


def _reclassify(frame: pd.DataFrame, q: Question) -> dict[str, Any]:
    from core.stats.reclassification import categorical_nri, reclassification

    y, s = _pair(frame, q)
    b = _numbers(frame, q.baseline, "baseline")
    found = asdict(reclassification(y, s, b))
    made = {"continuous_nri": found.pop("nri"), **found}
    if q.thresholds:
        made["categorical"] = asdict(categorical_nri(y, s, b, q.thresholds))
    return made


def _calibration(frame: pd.DataFrame, q: Question) -> dict[str, Any]:
    from core.stats.calibration import calibration

    return asdict(calibration(*_pair(frame, q)))


def _decision(frame: pd.DataFrame, q: Question) -> dict[str, Any]:
    from core.stats.decision import decision_curve

    made = decision_curve(*_pair(frame, q), q.thresholds or tuple(t / 100 for t in range(1, 100)))
    return {name: list(values) for name, values in asdict(made).items()}


def _nomogram(frame: pd.DataFrame, q: Question) -> dict[str, Any]:
    from core.modelling.nomogram_fit import (
        fit_cox_nomogram,
        fit_logistic_nomogram,
        linear_predictor_ticks,
        total_point_ticks,
    )

    if q.time:
        fitted = fit_cox_nomogram(frame, q.time, q.event, q.columns, q.at, q.splines)
    else:
        _numbers(frame, q.outcome, "outcome")
        fitted = fit_logistic_nomogram(frame, q.outcome, q.columns, q.splines)
    nomogram = fitted.nomogram
    axes = {}
    for axis in nomogram.axes:
        values = [level.label for level in axis.levels] if axis.levels else list(axis.shown)
        axes[axis.name] = {"values": values, "points": [nomogram.axis_points(axis, v) for v in axis.shown]}
    rows = []
    horizons: list[float | None] = [h.time for h in nomogram.horizons]
    for value in linear_predictor_ticks(fitted):
        points = nomogram.points_for_linear_predictor(float(value) + fitted.center)
        for horizon in horizons or [None]:
            row = {"points": points, "linear_predictor": float(value)}
            row["probability"] = nomogram.probability(points, horizon)
            rows.append(row if horizon is None else {**row, "time": horizon, "survival": 1 - row["probability"]})
    return {
        "coef": fitted.coefficients,
        "se": fitted.standard_errors,
        "center": fitted.center,
        "axes": axes,
        "total_points": total_point_ticks(nomogram).tolist(),
        "outcome": rows,
    }


def _km(frame: pd.DataFrame, q: Question) -> dict[str, Any]:
    import pandas as pd

    from core.stats.horizon import restricted_mean
    from core.stats.survival import IntervalKind, kaplan_meier, log_rank

    t, d = _follow_up(frame, q)
    if q.group and q.group not in frame:
        raise InputError(f"There is no column '{q.group}'.")
    labels = frame[q.group].astype(str) if q.group else pd.Series("all", index=frame.index)
    if q.group and frame[q.group].isna().any():
        raise InputError(f"Column '{q.group}' has empty cells. Complete them or leave the rows out.")
    kind: IntervalKind = "log-log" if q.interval == "log-log" else "log"
    names = sorted(labels.unique())
    tau = max(q.at) if q.at else min(float(t[labels == g].max()) for g in names)
    groups, means = {}, {}
    for name in names:
        mine = labels == name
        curve = kaplan_meier(t[mine], d[mine], group=name, at=q.at or _round_times(float(t.max())), interval=kind)
        groups[name] = {
            "n": curve.n,
            "events": curve.events,
            "median": curve.median,
            "table": [asdict(row) for row in curve.table],
        }
        if tau <= float(t[mine].max()):
            means[name] = asdict(restricted_mean(t[mine], d[mine], tau))
    test = asdict(log_rank(t, d, labels)) if len(names) > 1 else None
    return {"interval": kind, "groups": groups, "logrank": test, "rmst": means}


def _round_times(last: float) -> tuple[float, ...]:
    from core.modelling.nomogram import pretty

    return tuple(float(v) for v in pretty(0.0, last, 6) if v <= last)


def _cox(frame: pd.DataFrame, q: Question) -> dict[str, Any]:
    import numpy as np

    from core.stats.cox import concordance, fit_cox, schoenfeld_test
    from core.stats.discrimination import Z_95

    t, d = _follow_up(frame, q)
    x = np.column_stack([_numbers(frame, c, "predictors") for c in _wanted(q, "predictors")])
    fit = fit_cox(t, d, x)
    test = schoenfeld_test(t, d, x, fit)
    named = dict(zip(q.columns, range(len(q.columns)), strict=True))
    b, se = fit.coefficients, fit.standard_errors
    return {
        "n": fit.n,
        "events": fit.events,
        "coef": {c: float(b[i]) for c, i in named.items()},
        "se": {c: float(se[i]) for c, i in named.items()},
        "hazard_ratio": {c: float(np.exp(b[i])) for c, i in named.items()},
        "ci": {c: [float(np.exp(b[i] + s * Z_95 * se[i])) for s in (-1, 1)] for c, i in named.items()},
        "p": {c: float(fit.p_values[i]) for c, i in named.items()},
        "c_index": concordance(t, d, fit.linear_predictor(x)),
        "schoenfeld_p": {**{c: test.p[i] for c, i in named.items()}, "GLOBAL": test.global_p},
        "log_likelihood": list(fit.log_likelihood),
        "ties": "efron",
    }


def _icc(frame: pd.DataFrame, q: Question) -> dict[str, Any]:
    import numpy as np

    from core.stats.agreement import intraclass_correlation

    columns = [_numbers(frame, c, "columns") for c in _wanted(q, "columns")]
    return asdict(intraclass_correlation(np.column_stack(columns)))


def _incidence(frame: pd.DataFrame, q: Question) -> dict[str, Any]:
    from core.stats.horizon import cumulative_incidence

    t, d = _follow_up(frame, q)
    found = cumulative_incidence(t, d, q.at or _round_times(float(t.max())))
    return {"times": list(found.times), "by_cause": {str(k): list(v) for k, v in found.by_cause.items()}}


def _time_auc(frame: pd.DataFrame, q: Question) -> dict[str, Any]:
    from core.stats.horizon import time_dependent_auc, uno_c

    t, d = _follow_up(frame, q)
    s = _numbers(frame, q.score, "score")
    if not q.at:
        raise InputError("Name the times with --at, such as 12,24,36.")
    return {"times": list(q.at), "auc": list(time_dependent_auc(t, d, s, q.at)), "uno_c": uno_c(t, d, s)}


def _baseline(frame: pd.DataFrame, q: Question) -> dict[str, Any]:
    from core.stats.baseline import baseline_table

    if q.group not in frame:
        raise InputError("Name the column that splits the table with --group.")
    columns = list(q.columns) or [c for c in frame.columns if c != q.group]
    absent = [c for c in columns if c not in frame]
    if absent:
        raise InputError(f"There is no column '{absent[0]}'.")
    return {"rows": [asdict(row) for row in baseline_table(frame, frame[q.group], columns)]}


def _wanted(q: Question, option: str) -> tuple[str, ...]:
    if not q.columns:
        raise InputError(f"Name the columns with --{option}.")
    return q.columns


VERBS: dict[str, Callable[[pd.DataFrame, Question], dict[str, Any]]] = {
    "auc": _auc,
    "compare": _compare,
    "reclassify": _reclassify,
    "calibration": _calibration,
    "decision": _decision,
    "nomogram": _nomogram,
    "km": _km,
    "cox": _cox,
    "icc": _icc,
    "incidence": _incidence,
    "time-auc": _time_auc,
    "baseline": _baseline,
}
