"""The nomogram with the patient's markers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.charts.palette import NEUTRAL, PATIENT_COLOUR
from core.domain.prediction import PredictorPoints
from core.modelling.nomogram import Axis, Nomogram, pretty

if TYPE_CHECKING:
    import plotly.graph_objects as go

RISKS = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
LOG_TICKS = (0, 10, 100, 1_000, 10_000, 100_000, 1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    """One horizontal scale: tick positions (0..1 of the drawing's width) with their texts, and the patient's mark."""

    label: str
    ticks: tuple[tuple[float, str], ...]
    mark: float | None
    mark_text: str = ""


def nomogram_figure(nomogram: Nomogram, patient: tuple[PredictorPoints, ...], *, title: str, outcome: str) -> go.Figure:
    """Points, one axis a predictor, total points and probability, from top to bottom."""
    import plotly.graph_objects as go

    scales = _scales(nomogram, patient, outcome)
    figure = go.Figure()
    for row, scale in enumerate(scales):
        _draw(figure, scale, -row)
    figure.update_layout(
        title={"text": title, "font": {"size": 16}},
        xaxis={"visible": False, "range": [-0.04, 1.06]},
        yaxis={
            "tickvals": [-r for r in range(len(scales))],
            "ticktext": [s.label for s in scales],
            "range": [-len(scales) + 0.35, 0.75],
            "showgrid": False,
            "zeroline": False,
            "automargin": True,
        },
        showlegend=False,
        margin={"l": 10, "r": 20, "t": 60, "b": 10},
        height=110 + 62 * len(scales),
    )
    return figure


def _scales(nomogram: Nomogram, patient: tuple[PredictorPoints, ...], outcome: str) -> list[_Scale]:
    by_name = {p.name: p for p in patient}
    total = sum(p.points for p in patient)
    span = max(nomogram.most_points, total, 1.0)
    scales = [_Scale(label="Points", ticks=tuple((t / 100, f"{t}") for t in range(0, 101, 10)), mark=None)]
    for axis in nomogram.axes:
        mine = by_name[axis.name]
        scales.append(
            _Scale(
                label=f"{axis.label} ({axis.unit})" if axis.unit else axis.label,
                ticks=tuple((nomogram.axis_points(axis, v) / 100, text) for v, text in _axis_ticks(axis)),
                mark=mine.points / 100,
                mark_text=f"{mine.value:.3g} → {mine.points:.1f} points",
            )
        )
    steps = pretty(0, span, 8)
    totals = tuple((float(t) / span, f"{t:g}") for t in steps if t <= span)
    scales.append(_Scale(label="Total points", ticks=totals, mark=total / span, mark_text=f"{total:.1f}"))
    horizons: list[float | None] = [h.time for h in nomogram.horizons]
    for horizon in horizons or [None]:
        risks = [(nomogram.points_for_probability(r, horizon) / span, f"{r:.0%}") for r in RISKS]
        inside = tuple((x, text) for x, text in _apart(risks) if 0 <= x <= 1)
        probability = nomogram.probability(total, horizon)
        when = "" if horizon is None else f" within {horizon:g} months"
        label = f"Probability of {outcome}{when}"
        scales.append(_Scale(label=label, ticks=inside, mark=total / span, mark_text=f"{probability:.1%}"))
    return scales


def _axis_ticks(axis: Axis) -> list[tuple[float, str]]:
    """Ticks on the regression's scale with the text a reader knows."""
    if axis.levels:
        return [(level.value, level.label) for level in axis.levels]
    if axis.transform == "log10":
        return [
            (float(np.log10(v + 1)), f"{v:,}") for v in LOG_TICKS if axis.low - 1e-9 <= np.log10(v + 1) <= axis.high
        ]
    return [(float(v), f"{v:g}") for v in pretty(axis.low, axis.high, 8) if axis.low <= v <= axis.high]


def _apart(ticks: list[tuple[float, str]], gap: float = 0.035) -> list[tuple[float, str]]:
    """Ticks whose texts would run into each other are left out."""
    kept: list[tuple[float, str]] = []
    for x, text in ticks:
        if not kept or abs(x - kept[-1][0]) >= gap:
            kept.append((x, text))
    return kept


def _draw(figure: go.Figure, scale: _Scale, y: float) -> None:
    xs = [x for x, _ in scale.ticks]
    shown = set(_apart(sorted(scale.ticks)))
    figure.add_scatter(
        x=[min(xs, default=0), max(xs, default=0)],
        y=[y, y],
        mode="lines",
        line={"color": NEUTRAL, "width": 1.5},
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=xs,
        y=[y] * len(xs),
        mode="markers+text",
        marker={"symbol": "line-ns-open", "size": 9, "color": NEUTRAL},
        text=[text if (x, text) in shown else "" for x, text in scale.ticks],
        textposition="bottom center",
        textfont={"size": 11},
        hoverinfo="skip",
    )
    if scale.mark is not None:
        figure.add_scatter(
            x=[scale.mark],
            y=[y],
            mode="markers+text",
            marker={"symbol": "diamond", "size": 13, "color": PATIENT_COLOUR},
            text=[scale.mark_text],
            textposition="top center",
            textfont={"size": 12, "color": PATIENT_COLOUR},
            hovertemplate=f"{scale.label}: {scale.mark_text}<extra></extra>",
        )
