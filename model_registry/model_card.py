"""The model card of a trained bundle: Markdown behind a machine-readable header."""

from typing import Any

import yaml

from core.domain.case import RESEARCH_USE_NOTICE
from model_registry.recipe import Recipe

MISSING = (
    "Training: gaps in features and clinical variables become the training fold's median. Use: nothing is imputed; a "
    "submodel without the missing phase or variable is used where the recipe has one, else no number is shown."
)


def model_card(recipe: Recipe, report: dict[str, Any], *, version: str, cohort: str, synthetic: bool) -> str:
    """Card text; every number comes from the training report, what is not known is called not reported."""
    external = [e for e in report["external"] if "auc" in e]
    header = {
        "model": recipe.name,
        "version": version,
        "paper": recipe.paper.citation,
        "doi": recipe.paper.doi,
        "synthetic_training_data": synthetic,
        "tripod_ai": {
            "outcome": recipe.outcome.label,
            "time_point": recipe.time_point,
            "participants": report["train"]["n"],
            "events": report["train"]["events"],
            "missing_data": MISSING,
            "internal_validation": "nested cross-validation",
            "external_validation": [_external_line(e) for e in external] or "not reported",
            "subgroups": "in the training report" if report["subgroups"] else "not reported",
        },
    }
    first = report["models"][recipe.variants[0].id]
    lines = [
        "---",
        yaml.safe_dump(header, sort_keys=False, allow_unicode=True).strip(),
        "---",
        f"# {recipe.title}",
        "",
        f"{recipe.summary}",
        "",
        f"**{RESEARCH_USE_NOTICE}**",
    ]
    if synthetic:
        lines += ["", "**Trained on synthetic patients. Its numbers say nothing about any real patient.**"]
    lines += [
        "",
        "## Intended use",
        f"Research on {recipe.outcome.label} ({recipe.time_point}). Not for diagnosis. {recipe.eligibility.population}",
        "",
        "## Training cohort",
        f"{cohort}. {report['train']['n']} patients, {report['train']['events']} with {recipe.outcome.label}.",
        "",
        "## Performance in nested cross-validation",
        "| model | AUC (95 % CI) | cut-off | sensitivity | specificity |",
        "|---|---|---|---|---|",
        *(_row(v) for v in report["models"].values()),
        "",
        *_external_section(external),
        *_shuffled_line(report),
        "## Missing inputs",
        MISSING,
        "",
        "## Limitations",
        *([] if external else ["- No external validation is reported with this bundle."]),
        "- The interval of a probability comes from 200 bootstrap refits of the last regression; signatures are taken "
        "as fixed, so the interval is too narrow rather than too wide.",
        f"- {'; '.join(first['warnings']) or 'No warning about sample size.'}",
        "",
        "## Settings: stated by the paper or chosen here",
        *(f"- {k}: {o.origin}. {o.note}" for k, o in recipe.origins.items()),
        "",
    ]
    return "\n".join(lines)


def _external_line(e: dict[str, Any]) -> str:
    low, high = e["ci"]
    return f"{e['name']}: n {e['n']}, {e['events']} events, AUC {e['auc']:.3f} ({low:.3f} to {high:.3f})"


def _external_section(external: list[dict[str, Any]]) -> list[str]:
    if not external:
        return []
    return ["## External cohorts, cut-off frozen in training", *(f"- {_external_line(e)}" for e in external), ""]


def _shuffled_line(report: dict[str, Any]) -> list[str]:
    shuffled = report["shuffled"]
    if shuffled is None:
        return []
    low, high = shuffled["ci"]
    return [f"With labels shuffled the AUC is {shuffled['auc']:.3f} ({low:.3f} to {high:.3f}).", ""]


def _row(v: dict[str, Any]) -> str:
    auc, cutoff = v["nested_cv"], v["cutoff"]
    low, high = auc["ci"]
    return (
        f"| {v['label']} | {auc['auc']:.3f} ({low:.3f} to {high:.3f}) | {cutoff['threshold']:.3f} "
        f"| {cutoff['sensitivity']:.2f} | {cutoff['specificity']:.2f} |"
    )
