"""The Kaplan-Meier figure and the table under it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.charts.palette import GROUP_COLOURS, GROUP_DASHES, NEUTRAL, translucent
from core.stats.survival import Curve

if TYPE_CHECKING:
    import plotly.graph_objects as go


def survival_figure(curves: tuple[Curve, ...], *, title: str, endpoint: str, patient_group: str | None) -> go.Figure:
    """Curves with intervals and censoring marks; the patient's group is drawn heavier and named."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for curve in curves:
        mine = curve.group == patient_group
        _add_curve(figure, curve, mine=mine)
    figure.update_layout(
        title={"text": title, "font": {"size": 16}},
        xaxis={"title": "Time (months)", "rangemode": "tozero", "dtick": 12, "zeroline": False},
        yaxis={"title": f"{endpoint} (probability)", "range": [0, 1.02], "tickformat": ".0%"},
        legend={"orientation": "h", "y": 1.02, "x": 0, "yanchor": "bottom"},
        margin={"l": 60, "r": 20, "t": 80, "b": 50},
        height=430,
        hovermode="x unified",
    )
    return figure


def _add_curve(figure: go.Figure, curve: Curve, *, mine: bool) -> None:
    colour = GROUP_COLOURS.get(curve.group, NEUTRAL)
    step: dict[str, Any] = {"shape": "hv", "color": colour}
    band = {"shape": "hv", "width": 0}
    shared = {"x": curve.times, "mode": "lines", "hoverinfo": "skip", "showlegend": False, "line": band}
    figure.add_scatter(y=curve.upper, **shared)
    figure.add_scatter(y=curve.lower, fill="tonexty", fillcolor=translucent(colour, 0.14), **shared)
    name = f"{curve.group} risk (n = {curve.n}, {curve.events} events)" + (" — this patient's group" if mine else "")
    figure.add_scatter(
        x=curve.times,
        y=curve.survival,
        mode="lines",
        name=name,
        line={**step, "width": 4 if mine else 2, "dash": GROUP_DASHES.get(curve.group, "solid")},
        hovertemplate="%{y:.1%}",
    )
    censored = [(t, _at(curve, t)) for t in curve.censor_times]
    figure.add_scatter(
        x=[t for t, _ in censored],
        y=[s for _, s in censored],
        mode="markers",
        marker={"symbol": "line-ns-open", "size": 6, "color": colour},
        hoverinfo="skip",
        showlegend=False,
    )


def _at(curve: Curve, time: float) -> float:
    """The curve's height at a time, read off its own steps."""
    from bisect import bisect_right

    return curve.survival[bisect_right(curve.times, time) - 1]


def at_risk_rows(curves: tuple[Curve, ...]) -> list[dict[str, str]]:
    """Numbers under the curves as KMunicate asks: at risk, censored and events so far."""
    rows = []
    for curve in curves:
        for label, field in (("at risk", "at_risk"), ("censored", "censored"), ("events", "events")):
            counts = {f"{row.time:g} months": str(getattr(row, field)) for row in curve.table}
            rows.append({"Group": f"{curve.group} risk", "Number": label, **counts})
    return rows
