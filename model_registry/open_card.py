"""The model card of a clinical model from an open cohort."""

from typing import Any

import yaml

from core.domain.case import RESEARCH_USE_NOTICE
from model_registry.recipe import Recipe


def open_cohort_card(recipe: Recipe, report: dict[str, Any], *, version: str, cohort: str, licence: str) -> str:
    """Card text; every number comes from the building of the bundle."""
    first = report["models"][recipe.variants[0].id]
    header = {
        "model": recipe.name,
        "version": version,
        "source": recipe.paper.citation,
        "doi": recipe.paper.doi,
        "data_licence": licence,
        "synthetic_training_data": False,
        "tripod_ai": {
            "outcome": recipe.outcome.label,
            "time_point": recipe.time_point,
            "participants": first["n"],
            "events": first["events"],
            "missing_data": "complete cases; a variant without the value is used where a patient lacks it",
            "internal_validation": f"{recipe.cross_validation.outer_folds}-fold cross-validation",
            "external_validation": [e["name"] for e in report["external"]] or "not reported",
        },
    }
    lines = [
        "---",
        yaml.safe_dump(header, sort_keys=False, allow_unicode=True).strip(),
        "---",
        f"# {recipe.title}",
        "",
        recipe.summary,
        "",
        f"**{RESEARCH_USE_NOTICE}**",
        "",
        "## Intended use",
        f"Research on {recipe.outcome.label} ({recipe.time_point}). Not for diagnosis. {recipe.eligibility.population}",
        "",
        "## Training cohort",
        f"{cohort}. {report['rows']} patients; each model is fitted on those whose values are complete. "
        f"Data licence: {licence}.",
        "",
        "## Models",
    ]
    for model in report["models"].values():
        lines += [f"### {model['label']} ({model['n']} patients, {model['events']} events)", "", *_numbers(model), ""]
        ratio = "hazard ratio" if "horizon_months" in model else "odds ratio"
        lines += [f"| predictor | coefficient | {ratio} (95 % CI) |", "|---|---|---|"]
        lines += [
            f"| {p['label']}{' (log10 of value + 1)' if p['transform'] == 'log10' else ''} | {p['coefficient']:.4f} "
            f"| {p['ratio']:.3f} ({p['ci'][0]:.3f} to {p['ci'][1]:.3f}) |"
            for p in model["predictors"]
        ]
        lines.append("")
    if report["external"]:
        lines += ["## External check"]
        lines += [
            f"- {e['name']}: n {e['n']}, {e['events']} events, AUC {e['auc']:.3f} "
            f"({e['ci'][0]:.3f} to {e['ci'][1]:.3f})"
            for e in report["external"]
        ]
        lines.append("")
    lines += [
        "## Limitations",
        "- Modest discrimination, one cohort, its country and era: see the numbers above.",
        "- A unit that the cohort does not state (PIVKA-II) is taken as the usual one.",
        "- Curves are counted by whole months, so that no patient's own time is in the bundle.",
        "",
        "## Settings: stated by the source or chosen here",
        *(f"- {k}: {o.origin}. {o.note}" for k, o in recipe.origins.items()),
        "",
    ]
    return "\n".join(lines)


def _numbers(model: dict[str, Any]) -> list[str]:
    held = model["cross_validated"]
    if "auc" in held:
        c = held["calibration"]
        return [
            f"Cross-validated AUC {held['auc']:.3f} ({held['ci'][0]:.3f} to {held['ci'][1]:.3f}); calibration slope "
            f"{c['slope']:.2f}, intercept {c['intercept']:.2f}, Brier {c['brier']:.3f}. Cut-off {model['cutoff']:.3f}: "
            f"sensitivity {held['sensitivity']:.2f}, specificity {held['specificity']:.2f}."
        ]
    areas = ", ".join(f"{float(h):g} months {a:.3f}" for h, a in held["auc_at"].items())
    thirds = "; ".join(f"{c['predicted']:.0%} predicted, {c['observed']:.0%} observed" for c in held["calibration"])
    return [
        f"Cross-validated C {held['c_index']:.3f} (apparent {model['apparent_c_index']:.3f}), AUC at {areas}; "
        f"calibration slope {held['slope']:.2f}; by thirds of risk at {model['horizon_months']:g} months: {thirds}. "
        f"Proportional hazards p {model['proportional_hazards_p']:.3f}. Cut-off {model['cutoff']:.3f}."
    ]
