"""The model card of a trained bundle: Markdown behind a machine-readable header."""

from typing import Any

import yaml

from core.domain.case import RESEARCH_USE_NOTICE
from model_registry.recipe import Recipe


def model_card(
    recipe: Recipe, report: dict[str, Any], *, created: str, version: str, cohort: str, synthetic: bool
) -> str:
    """Card text; every number comes from the training report, what is not known is called not reported."""
    header = {
        "model": recipe.name,
        "version": version,
        "created": created,
        "paper": recipe.paper.citation,
        "doi": recipe.paper.doi,
        "synthetic_training_data": synthetic,
        "tripod_ai": {
            "outcome": recipe.outcome.label,
            "time_point": recipe.time_point,
            "participants": report["train"]["n"],
            "events": report["train"]["events"],
            "missing_data": "complete cases; submodels where an input is absent; nothing is imputed",
            "internal_validation": "nested cross-validation",
            "external_validation": "not reported",
            "fairness": "not reported",
        },
    }
    first = report["variants"][recipe.variants[0].id]
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
        "| variant | AUC (95 % CI) | cut-off | sensitivity | specificity |",
        "|---|---|---|---|---|",
        *(_row(variant_id, v) for variant_id, v in report["variants"].items()),
        "",
        "## Limitations",
        "- No external validation is reported with this bundle.",
        "- The interval of a probability is that of the combining regression (Wald); signatures are taken as fixed.",
        f"- {'; '.join(first['warnings']) or 'No warning about sample size.'}",
        "",
        "## Settings: stated by the paper or chosen here",
        *(f"- {k}: {o.origin}. {o.note}" for k, o in recipe.origins.items()),
        "",
    ]
    return "\n".join(lines)


def _row(variant_id: str, v: dict[str, Any]) -> str:
    auc, cutoff = v["nested_cv"], v["cutoff"]
    low, high = auc["ci"]
    return (
        f"| {v['label']} | {auc['auc']:.3f} ({low:.3f} to {high:.3f}) | {cutoff['threshold']:.3f} "
        f"| {cutoff['sensitivity']:.2f} | {cutoff['specificity']:.2f} |"
    )
