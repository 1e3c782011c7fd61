"""Where a patient stands: survival of the model's reference cohort by risk group."""

from dataclasses import dataclass
from typing import Any

from core.domain.errors import InputError
from core.stats.survival import Curve, HazardRatio, LogRank, hazard_ratio, kaplan_meier, log_rank
from model_registry.bundle import Bundle
from model_registry.recipe import SurvivalEndpoint
from model_registry.registry import bundle_folder

TABLE_TIMES_MONTHS = (0, 12, 24, 36, 48, 60)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSurvival:
    """Curves of the low and the high group of a model's reference cohort for one endpoint, in months."""

    model: str
    version: str
    title: str
    endpoint: str
    cohort: str
    variant: str
    synthetic: bool
    curves: tuple[Curve, ...]
    logrank: LogRank
    hazard: HazardRatio


def endpoints(name: str, version: str) -> tuple[SurvivalEndpoint, ...]:
    """The endpoints that a model's reference cohort was followed for."""
    return tuple(Bundle(bundle_folder(name, version)).recipe.survival)


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
    frame = bundle.reference_cohort()
    rows = frame[frame["variant"] == variant]
    if wanted is None or rows.empty:
        raise InputError(f"{name} version {version} has no reference curves for {endpoint} ({variant}).")
    time, event = rows[wanted.time_column], rows[wanted.event_column]
    curves = []
    for group in ("low", "high"):
        mine = rows["group"] == group
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
        logrank=log_rank(time, event, rows["group"]),
        hazard=hazard_ratio(time, event, rows["group"], reference="low"),
    )


def nomogram_of(name: str, version: str, variant: str) -> Any:
    """The nomogram of a variant."""
    bundle = Bundle(bundle_folder(name, version))
    return bundle.variant(next(v for v in bundle.recipe.variants if v.id == variant)).nomogram
