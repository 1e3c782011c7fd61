"""Where a patient stands: survival of the model's reference cohort by risk group."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import InputError
from core.modelling.nomogram import Nomogram
from core.stats.cox import HazardRatio, hazard_ratio
from core.stats.survival import Curve, LogRank, kaplan_meier, log_rank
from model_registry.bundle import Bundle
from model_registry.recipe import SurvivalEndpoint
from model_registry.registry import bundle_folder

Vector = NDArray[np.float64]
TABLE_TIMES_MONTHS = (0, 12, 24, 36, 48, 60)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSurvival:
    """Curves of the low and the high group of a model's reference cohort for one endpoint, in months.

    `hazard` is None where a group has no event.
    """

    model: str
    version: str
    title: str
    endpoint: str
    cohort: str
    variant: str
    synthetic: bool
    curves: tuple[Curve, ...]
    logrank: LogRank
    hazard: HazardRatio | None


def endpoints(name: str, version: str) -> tuple[SurvivalEndpoint, ...]:
    """The endpoints that a model's reference cohort was followed for."""
    bundle = Bundle(bundle_folder(name, version))
    frame = bundle.reference_cohort()
    if frame is None:
        held = {c["endpoint"] for c in bundle.reference_curves()}
        return tuple(e for e in bundle.recipe.survival if e.id in held)
    return tuple(e for e in bundle.recipe.survival if {e.time_column, e.event_column} <= set(frame.columns))


def group_survival(name: str, version: str, *, endpoint: str, variant: str | None = None) -> GroupSurvival:
    """Kaplan-Meier by risk group, log-rank and hazard ratio.

    Groups are those of out-of-fold predictions at the frozen cut-off, so the curves are not flattered by fitting.

    Raises
    ------
    InputError
        When the model has no such endpoint or variant.
    """
    bundle = Bundle(bundle_folder(name, version))
    wanted = next((e for e in bundle.recipe.survival if e.id == endpoint), None)
    variant = variant or bundle.recipe.variants[0].id
    none = InputError(f"{name} version {version} has no reference curves for {endpoint} ({variant}).")
    if wanted is None:
        raise none
    time, event, groups = _follow_up(bundle, wanted, variant)
    if not len(time):
        raise none
    curves = []
    for group in ("low", "high"):
        mine = groups == group
        curves.append(kaplan_meier(time[mine], event[mine], group=group, at=TABLE_TIMES_MONTHS))
    return GroupSurvival(
        model=name,
        version=version,
        title=bundle.recipe.title,
        endpoint=wanted.label,
        cohort=str(bundle.manifest["cohort"]),
        variant=variant,
        synthetic=bundle.synthetic,
        curves=tuple(curves),
        logrank=log_rank(time, event, groups),
        hazard=_hazard(time, event, groups),
    )


def _hazard(time: Vector, event: Vector, groups: NDArray[Any]) -> HazardRatio | None:
    """None where a group has no event: its hazard cannot be compared."""
    try:
        return hazard_ratio(time, event, groups, reference="low")
    except InputError:
        return None


def _follow_up(bundle: Bundle, endpoint: SurvivalEndpoint, variant: str) -> tuple[Vector, Vector, NDArray[Any]]:
    """Times, events and risk groups of the reference cohort: its patients', or those its monthly counts stand for."""
    frame = bundle.reference_cohort()
    if frame is not None:
        if endpoint.time_column not in frame:
            return np.empty(0), np.empty(0), np.empty(0)
        rows = frame[frame["variant"] == variant].dropna(subset=[endpoint.time_column, endpoint.event_column])
        return (
            rows[endpoint.time_column].to_numpy(float),
            rows[endpoint.event_column].to_numpy(float),
            rows["group"].to_numpy(str),
        )
    time, event, groups = [], [], []
    for curve in bundle.reference_curves():
        if (curve["variant"], curve["endpoint"]) != (variant, endpoint.id):
            continue
        for count in curve["counts"]:
            for number, happened in ((count["events"], 1.0), (count["censored"], 0.0)):
                time += [float(count["month"])] * number
                event += [happened] * number
                groups += [curve["group"]] * number
    return np.array(time), np.array(event), np.array(groups)


def nomogram_of(name: str, version: str, variant: str) -> tuple[Nomogram, str]:
    """The nomogram of a variant, and what its probability is of."""
    bundle = Bundle(bundle_folder(name, version))
    found = bundle.variant(next(v for v in bundle.recipe.variants if v.id == variant))
    return found.nomogram, bundle.recipe.outcome.label
