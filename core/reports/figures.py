"""The figures of a printed report as PNG, from the report's numbers."""

import io
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from core.charts.palette import GROUP_COLOURS

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = ("-", "--", "-.", ":")


def _drawn(draw: Callable[[Any], None], *, size: tuple[float, float] = (5.2, 4.2)) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    draw(axes)
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": ""})
    return out.getvalue()


def roc_figure(models: dict[str, Any], title: str) -> bytes:
    """ROC curves; `models` holds by label a `roc`, an `auc` and its `ci`."""

    def draw(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], color="#999999", lw=0.8)
        for i, (label, m) in enumerate(models.items()):
            low, high = m["ci"]
            text = f"{label}: {m['auc']:.3f} ({low:.3f} to {high:.3f})"
            style = {"color": COLOURS[i % len(COLOURS)], "ls": DASHES[i % len(DASHES)], "lw": 1.6}
            axes.plot(m["roc"]["false_positive"], m["roc"]["true_positive"], label=text, **style)
        axes.set(xlabel="1 - specificity", ylabel="Sensitivity", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
        axes.set_title(title, fontsize=10)
        axes.legend(fontsize=7, loc="lower right", title="AUC (95 % CI)", title_fontsize=7)

    return _drawn(draw)


def calibration_figure(lines: dict[str, tuple[list[float], list[float]]], title: str) -> bytes:
    """Observed share against predicted probability."""

    def draw(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], color="#999999", lw=0.8, label="ideal")
        for i, (label, (x, y)) in enumerate(lines.items()):
            axes.plot(x, y, color=COLOURS[i % len(COLOURS)], ls=DASHES[i % len(DASHES)], lw=1.6, label=label)
        axes.set(xlabel="Predicted probability", ylabel="Observed share", xlim=(0, 1), ylim=(0, 1))
        axes.set_title(title, fontsize=10)
        axes.legend(fontsize=7, loc="upper left")

    return _drawn(draw)


def decision_figure(decision: dict[str, Any], labels: dict[str, str], title: str) -> bytes:
    """Net benefit over threshold probabilities."""

    def draw(axes: Any) -> None:
        x = decision["thresholds"]
        axes.axhline(0, color="#999999", lw=0.8, label="treat nobody")
        axes.plot(x, decision["treat_all"], color="#999999", lw=1, ls=":", label="treat everybody")
        top = max(decision["treat_all"])
        for i, (name, values) in enumerate(decision["models"].items()):
            style = {"color": COLOURS[i % len(COLOURS)], "ls": DASHES[i % len(DASHES)], "lw": 1.6}
            axes.plot(x, values, label=labels.get(name, name), **style)
            top = max(top, *values)
        axes.set(xlabel="Threshold probability", ylabel="Net benefit", xlim=(0, 1), ylim=(-0.1 * top, 1.15 * top))
        axes.set_title(title, fontsize=10)
        axes.legend(fontsize=7)

    return _drawn(draw)


def survival_figure(survival: dict[str, Any], title: str) -> bytes:
    """Kaplan-Meier curves of the risk groups with intervals."""

    def draw(axes: Any) -> None:
        for group, c in survival["curves"].items():
            colour = GROUP_COLOURS.get(group, "#555555")
            axes.fill_between(c["times"], c["lower"], c["upper"], step="post", color=colour, alpha=0.15, lw=0)
            label = f"{group} risk (n = {c['n']}, {c['events']} events)"
            axes.step(c["times"], c["survival"], where="post", color=colour, lw=1.8, label=label)
        axes.set(xlabel="Time (months)", ylabel=survival["endpoint"], ylim=(0, 1.02), xlim=(0, None))
        axes.set_title(title, fontsize=10)
        axes.legend(fontsize=7, loc="lower left")

    return _drawn(draw)


def heat_map(correlations: dict[str, Any], title: str) -> bytes:
    """Pearson correlations of the selected features."""
    names = correlations["features"]
    side = min(7.5, 2.5 + 0.16 * len(names))
    labels = [n if len(n) < 46 else f"…{n[-44:]}" for n in names]

    def draw(axes: Any) -> None:
        shown = axes.imshow(correlations["r"], vmin=-1, vmax=1, cmap="PuOr")
        axes.set_yticks(range(len(names)), labels, fontsize=5)
        axes.set_xticks(range(len(names)), [str(i + 1) for i in range(len(names))], fontsize=5)
        axes.set_title(title, fontsize=9)
        axes.figure.colorbar(shown, ax=axes, label="Pearson r", shrink=0.7)

    return _drawn(draw, size=(side + 3.4, side))


def histogram(counts: list[int], edges: list[float], limit: float, title: str) -> bytes:
    """ICC of the features, with the limit below which they were dropped."""

    def draw(axes: Any) -> None:
        widths = [b - a for a, b in pairwise(edges)]
        axes.bar(edges[:-1], counts, width=widths, align="edge", color=COLOURS[0], edgecolor="white", lw=0.4)
        axes.axvline(limit, color=COLOURS[1], lw=1.4, label=f"kept above {limit:g}")
        axes.set(xlabel="ICC(2,1)", ylabel="Features", xlim=(0, 1))
        axes.set_title(title, fontsize=10)
        axes.legend(fontsize=7)

    return _drawn(draw, size=(5.2, 3))
