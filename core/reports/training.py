"""The training report: what a reviewer asks of a prediction model, from the numbers of the run, as HTML and PDF."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from core.domain.case import RESEARCH_USE_NOTICE
from core.reports import figures
from core.reports.document import Block, FigureBlock, Heading, TableBlock, Text, as_html, as_pdf

CHECKLISTS = Path(__file__).parent / "checklists.yaml"
NOT_REPORTED = "not reported"
RATES = (("sensitivity", "Sensitivity"), ("specificity", "Specificity"), ("ppv", "PPV"), ("npv", "NPV"),
         ("accuracy", "Accuracy"))  # fmt: skip
CALIBRATION_HEADER = ("Model", "Brier", "Intercept", "Slope", "In the large", "ICI", "Hosmer-Lemeshow p")
Report = dict[str, Any]


def report_html(report: Report, told: dict[str, Any], *, version: str) -> str:
    """The report as one HTML file. `told` is what only this run knows: date, seconds, memory."""
    return as_html(_title(report), training_blocks(report, told, version))


def report_pdf(report: Report, told: dict[str, Any], *, version: str) -> bytes:
    footer = f"{RESEARCH_USE_NOTICE} {report['recipe']} version {version}."
    return as_pdf(_title(report), training_blocks(report, told, version), footer=footer)


def _title(report: Report) -> str:
    return f"Training report: {report['title']}"


def training_blocks(report: Report, told: dict[str, Any], version: str) -> list[Block]:
    """The report's parts in order."""
    blocks: list[Block] = [Text(text=RESEARCH_USE_NOTICE, strong=True)]
    if report["synthetic"]:
        blocks.append(Text(text="Synthetic patients: these numbers say nothing about any real patient.", strong=True))
    blocks += [*_summary(report), *_cohort(report), *_models(report), *_discrimination(report)]
    blocks += [*_comparison(report), *_calibration(report), *_decision(report), *_features(report)]
    for external in report["external"]:
        blocks += _external(report, external)
    for survival in report["survival"]:
        blocks += _survival(survival, "out-of-fold groups of the training cohort")
    blocks += [*_subgroups(report), *_settings(report, told, version)]
    for name, label in (("tripod_ai", "TRIPOD+AI"), ("claim", "CLAIM")):
        blocks += _checklist(report, name, label)
    return blocks


def _ci(value: dict[str, Any]) -> str:
    low, high = value["ci"]
    return f"{value['auc']:.3f} ({low:.3f} to {high:.3f})"


def p_text(p: float | None) -> str:
    if p is None:
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _summary(report: Report) -> list[Block]:
    first = report["models"][report["headline"]]
    train = report["train"]
    lines = [
        f"{report['summary']} Method after {report['citation']}.",
        f"Model applied: {first['label']}. Nested cross-validated AUC {_ci(report['nested_cv'])} in {train['n']} "
        f"patients, {train['events']} with {report['outcome']}; apparent AUC {_ci(train)}. Cut-off "
        f"{report['cutoff']:.3f}, Youden's index on out-of-fold predictions, frozen before anything else was seen.",
        shuffled_line(report),
    ]
    blocks: list[Block] = [Heading(text="In short"), *(Text(text=t) for t in lines if t)]
    blocks += [Text(text=f"Warning: {w}") for w in first["warnings"]]
    return blocks


def shuffled_line(report: Report) -> str:
    """What the same pipeline finds when labels are drawn at random."""
    s = report["shuffled"]
    if s is None:
        return "The check with shuffled labels was not run."
    verdict = (
        "the interval holds 0.5, as it must"
        if s["holds_half"]
        else ("the interval does NOT hold 0.5: by chance one run in twenty does not; more often means a leak")
    )
    return f"Labels shuffled: AUC {_ci(s)}; {verdict}."


def _cohort(report: Report) -> list[Block]:
    flow = TableBlock(header=("Cohort flow", "n"), rows=tuple((f["step"], str(f["n"])) for f in report["flow"]))
    roles = ", ".join(f"{n} {role}" for role, n in report["columns"]["roles"].items())
    dropped = ", ".join(f"{n} {why}" for why, n in report["columns"]["dropped"].items())
    texts = [f"Columns of the table: {roles}." + (f" Dropped: {dropped}." if dropped else "")]
    copies = report["columns"]["copies"]
    if copies:
        texts.append(f"{copies} columns repeat another's values and count once in a signature.")
    unused = report["columns"]["features_of_no_block"]
    if unused:
        texts.append(f"{unused} features belong to no block of the recipe and were not looked at (columns.csv).")
    texts += report["notes"]
    blocks: list[Block] = [Heading(text="Cohort"), flow, *(Text(text=t) for t in texts)]
    if report["baseline"]:
        rows = tuple(
            (r["label"], *r["values"], str(r["missing"] or ""), p_text(r["p"]), r["test"]) for r in report["baseline"]
        )
        header = ("Characteristic", *("event", "no event"), "missing", "p", "test")
        blocks.append(TableBlock(header=header, rows=rows, note="p values describe the sample; they are no evidence."))
    return blocks


def _models(report: Report) -> list[Block]:
    rows = []
    for m in report["models"].values():
        j = m["judged"]
        rates = tuple(f"{j[k]:.2f} ({j[f'{k}_ci'][0]:.2f} to {j[f'{k}_ci'][1]:.2f})" for k, _ in RATES[:2])
        rows.append((m["label"], _ci(m["nested_cv"]), _ci(m["apparent"]), f"{m['cutoff']['threshold']:.3f}", *rates))
    header = ("Model", "AUC, nested CV (95 % CI)", "AUC, apparent", "Cut-off", "Sensitivity", "Specificity")
    note = (
        f"{report['folds']['outer']} outer folds; everything fitted is fitted inside them. Intervals: DeLong for AUC, "
        "Wilson for shares. The apparent AUC is that on the patients the model learnt from: shown, never a result."
    )
    blocks: list[Block] = [Heading(text="All models"), TableBlock(header=header, rows=tuple(rows), note=note)]
    if report["not_computed"]:
        lines = tuple((name, why) for name, why in report["not_computed"].items())
        blocks.append(TableBlock(header=("Not computed", "Why"), rows=lines, prose=True))
    return blocks


def _shown(report: Report) -> list[str]:
    return list(report["decision"]["models"])


def _discrimination(report: Report) -> list[Block]:
    held = {report["models"][n]["label"]: report["models"][n]["judged"] for n in _shown(report)}
    png = figures.roc_figure(held, "ROC, out-of-fold predictions")
    return [Heading(text="Discrimination"), FigureBlock(png=png, caption="ROC curves in nested cross-validation.")]


def _comparison(report: Report) -> list[Block]:
    return _delong(report["comparison"], report, "in nested cross-validation") + _against(report)


def _delong(comparison: dict[str, Any], report: Report, where: str) -> list[Block]:
    names = comparison["models"]
    if len(names) < 2:
        return []
    p = {(x["a"], x["b"]): x for x in comparison["pairs"]}
    numbered = [f"{i + 1}. {report['models'][n]['label']}" for i, n in enumerate(names)]
    rows = []
    for i, a in enumerate(names):
        cells = [p_text(p[names[j], a]["p_holm"]) if j < i else "" for j in range(len(names) - 1)]
        rows.append((numbered[i], *cells))
    header = ("Paired DeLong test", *(str(j + 1) for j in range(len(names) - 1)))
    note = f"p values {where}, adjusted by Holm over all {len(p)} pairs."
    return [Heading(text="Comparison of models"), TableBlock(header=header, rows=tuple(rows), note=note)]


def _against(report: Report) -> list[Block]:
    held = report["against_clinical"]
    if not held:
        return []
    r, d = held["reclassification"], held["delong"]
    rows = (
        ("AUC difference (DeLong)", f"{d['auc'] - d['auc_baseline']:.3f}", p_text(d["p"])),
        ("Integrated discrimination improvement", f"{r['idi']:.3f} (SE {r['idi_se']:.3f})", p_text(r["idi_p"])),
        ("Continuous NRI (not for decisions)", f"{r['nri']:.3f}", p_text(r["nri_p"])),
        ("  of it in events / non-events", f"{r['nri_events']:.3f} / {r['nri_nonevents']:.3f}", ""),
    )
    return [TableBlock(header=("Applied model against the clinical one", "Value", "p"), rows=rows)]


def _calibration(report: Report) -> list[Block]:
    first = report["models"][report["headline"]]
    lines = {}
    if "calibration_curve" in first["judged"]:
        curve = first["judged"]["calibration_curve"]
        lines["out of fold, smoothed"] = (curve["probability"], curve["observed"])
    corrected = report["bias_corrected"]
    lines["regression, bias-corrected"] = (corrected["curve"]["probability"], corrected["curve"]["corrected"])
    rows = [calibration_row(m["label"], m["judged"]["calibration"]) for m in report["models"].values()]
    note = (
        f"Bias-corrected by {corrected['repeats']} bootstrap refits ({corrected['of']}): AUC "
        f"{corrected['auc'][1]:.3f}, slope {corrected['slope'][1]:.2f}, Brier {corrected['brier'][1]:.3f}."
    )
    return [
        Heading(text="Calibration"),
        FigureBlock(
            png=figures.calibration_figure(lines, "Calibration"), caption="Observed share by predicted probability."
        ),
        TableBlock(header=CALIBRATION_HEADER, rows=tuple(rows), note=note),
    ]


def calibration_row(label: str, c: dict[str, Any]) -> tuple[str, ...]:
    if "not_computed" in c:
        return (label, c["not_computed"], "", "", "", "", "")
    numbers = (c["brier"], c["intercept"], c["slope"], c["in_the_large"], c["ici"])
    return (label, *(f"{v:.3f}" for v in numbers), p_text(c["hosmer_lemeshow"]["p"]))


def _decision(report: Report) -> list[Block]:
    labels = {n: m["label"] for n, m in report["models"].items()}
    png = figures.decision_figure(report["decision"], labels, "Decision curves, out-of-fold predictions")
    return [Heading(text="Decision curves"), FigureBlock(png=png, caption="Net benefit per patient.")]


def _features(report: Report) -> list[Block]:
    first = report["models"][report["headline"]]
    rows = []
    for p in first["predictors"]:
        low, high = p["ci"]
        rows.append((p["label"], f"{p['coefficient']:.4f}", f"{p['odds_ratio']:.3f} ({low:.3f} to {high:.3f})"))
    header = ("Predictor of the applied model", "Coefficient", "Odds ratio (95 % bootstrap)")
    blocks: list[Block] = [Heading(text="Predictors and features"), TableBlock(header=header, rows=tuple(rows))]
    for name, weights in first["weights"].items():
        chosen = first["estimators"][name]
        weighted = tuple((c, f"{w:.4f}") for c, w in sorted(weights.items(), key=lambda i: -abs(i[1])))
        if weighted:
            blocks.append(TableBlock(header=(f"Features of {name} ({chosen})", "Weight"), rows=weighted))
        else:
            blocks.append(Text(text=f"{name}: {chosen}, which has no weight a feature."))
        inner = first["inner_auc"][name]
        if len(inner) > 1:
            listed = tuple((e, f"{a:.3f}") for e, a in sorted(inner.items(), key=lambda i: -i[1]))
            blocks.append(TableBlock(header=("Estimators compared", "Inner cross-validated AUC"), rows=listed))
    if report["correlations"] and len(report["correlations"]["features"]) > 1:
        png = figures.heat_map(report["correlations"], "Correlation of the selected features")
        blocks.append(FigureBlock(png=png, caption="Pearson correlation of the selected features.", width_mm=150))
    icc = report["icc"]
    if icc:
        held = icc["histogram"]
        png = figures.histogram(held["counts"], held["edges"], icc["limit"], "Reproducibility of the features")
        text = f"{icc['kept']} of {icc['features']} features kept over all {icc['cases']} re-read cases."
        blocks.append(FigureBlock(png=png, caption=text))
    return blocks


def _external(report: Report, external: dict[str, Any]) -> list[Block]:
    blocks: list[Block] = [Heading(text=f"External cohort: {external['name']}")]
    blocks += [Text(text=n) for n in external["notes"]]
    if "models" in external:
        rows = []
        for name, m in external["models"].items():
            rates = tuple(f"{m[k]:.2f} ({m[f'{k}_ci'][0]:.2f} to {m[f'{k}_ci'][1]:.2f})" for k, _ in RATES[:2])
            rows.append((report["models"][name]["label"], str(m["n"]), str(m["events"]), _ci(m), *rates))
        header = ("Model", "n", "events", "AUC (95 % CI)", "Sensitivity", "Specificity")
        blocks.append(TableBlock(header=header, rows=tuple(rows), note="Cut-offs frozen in training."))
        shown = {report["models"][n]["label"]: external["models"][n] for n in _shown(report) if n in external["models"]}
        blocks.append(FigureBlock(png=figures.roc_figure(shown, "ROC, external cohort"), caption="ROC curves."))
        calibrated = [calibration_row(report["models"][n]["label"], m["calibration"])
                      for n, m in external["models"].items()]  # fmt: skip
        blocks.append(TableBlock(header=CALIBRATION_HEADER, rows=tuple(calibrated)))
        labels = {n: m["label"] for n, m in report["models"].items()}
        png = figures.decision_figure(external["decision"], labels, "Decision curves, external cohort")
        blocks.append(FigureBlock(png=png, caption="Net benefit per patient."))
        blocks += _delong(external["comparison"], report, "in the external cohort")
    for survival in external["survival"]:
        blocks += _survival(survival, f"external cohort {external['name']}, cut-off frozen in training")
    return blocks


def _survival(survival: dict[str, Any], where: str) -> list[Block]:
    png = figures.survival_figure(survival, f"{survival['endpoint']}, {where}")
    texts = []
    if "logrank" in survival:
        texts.append(f"Log-rank chi-square {survival['logrank']['chi2']:.2f}, p {p_text(survival['logrank']['p'])}.")
    if "hazard_ratio" in survival:
        h = survival["hazard_ratio"]
        texts.append(f"Hazard ratio {h['group']} against {h['reference']} {h['ratio']:.2f} "
                     f"({h['ci'][0]:.2f} to {h['ci'][1]:.2f}).")  # fmt: skip
    if "not_computed" in survival:
        texts.append(f"Not computed: {survival['not_computed']}.")
    rows = []
    for group, curve in survival["curves"].items():
        for label, key in (("at risk", "at_risk"), ("censored", "censored"), ("events", "events")):
            rows.append((f"{group} risk, {label}", *(str(r[key]) for r in curve["table"])))
    times = next(iter(survival["curves"].values()))["table"]
    header = ("Number at (months)", *(f"{r['time']:g}" for r in times))
    return [
        Heading(text=f"{survival['endpoint']} by risk group: {where}"),
        FigureBlock(png=png, caption=" ".join(texts)),
        TableBlock(header=header, rows=tuple(rows)),
    ]


def _subgroups(report: Report) -> list[Block]:
    if not report["subgroups"]:
        return []
    rows = tuple(
        (r["subgroup"], str(r["n"]), str(r["events"]), _ci(r) if "auc" in r else "too few") for r in report["subgroups"]
    )
    header = ("Subgroup", "n", "events", "AUC, out of fold (95 % CI)")
    return [Heading(text="Subgroups"), TableBlock(header=header, rows=rows)]


def _settings(report: Report, told: dict[str, Any], version: str) -> list[Block]:
    origins = tuple((k.replace("_", " "), o["origin"], o["note"]) for k, o in report["origins"].items())
    run = [("bundle version", version), ("seed", str(report["seed"])), ("date", told["created"]),
           ("seconds", f"{told['seconds']:g}"), ("processes", str(told["workers"])),
           ("peak memory", f"{told['peak_memory_mb']} MB")]  # fmt: skip
    run += [(name, v) for name, v in report["versions"].items()]
    return [
        Heading(text="Settings"),
        TableBlock(
            header=("Setting", "Origin", "Note"), rows=origins, prose=True, note="Stated by the paper, or chosen here."
        ),
        TableBlock(header=("Run", "Value"), rows=tuple(run), prose=True),
    ]


@cache
def _checklists() -> dict[str, Any]:
    held: dict[str, Any] = yaml.safe_load(CHECKLISTS.read_text())
    return held


def _checklist(report: Report, name: str, label: str) -> list[Block]:
    held = _checklists()[name]
    rows = tuple((f"{i['id']} {i['item']}", checklist_answer(i.get("answer"), report)) for i in held["items"])
    note = f"Items after {held['source']}, in our own words. What the run cannot know is for the authors to add."
    return [
        Heading(text=f"{label} checklist"),
        TableBlock(header=("Item", "In this run"), rows=rows, note=note, prose=True),
    ]


def checklist_answer(key: str | None, report: Report) -> str:
    """What the run knows about an item, or that it is not reported."""
    return ANSWERS[key](report) if key else NOT_REPORTED


def _external_answer(report: Report) -> str:
    judged = [f"{e['name']}: n {e['n']}, AUC {_ci(e)}" for e in report["external"] if "auc" in e]
    return "; ".join(judged) or "no external cohort was given"


def _agreement_answer(report: Report) -> str:
    icc = report["icc"]
    if not icc:
        return "one reading only"
    return f"{icc['readings']} readings of {icc['cases']} cases, {icc['form']} above {icc['limit']:g} kept"


ANSWERS: dict[str, Callable[[Report], str]] = {
    "title": lambda r: r["title"],
    "context": lambda r: f"method after {r['citation']}",
    "intended_use": lambda r: f"research; {r['time_point']}; trained readers of liver imaging",
    "objective": lambda r: "development" + (" and external evaluation" if r["external"] else ""),
    "data_source": lambda r: r["cohort"],
    "sites": lambda r: (
        ", ".join(s["subgroup"] for s in r["subgroups"] if s["subgroup"].startswith("site")) or NOT_REPORTED
    ),
    "eligibility": lambda r: r["eligibility"],
    "preparation": lambda r: "; ".join(f"{n} columns {k}" for k, n in r["columns"]["roles"].items()),
    "outcome": lambda r: f"{r['outcome']}: {r['origins']['outcome']['note']}",
    "predictors": lambda r: r["origins"]["features"]["note"],
    "agreement": _agreement_answer,
    "sample_size": lambda r: f"all available: {r['train']['n']} with {r['train']['events']} events; see warnings",
    "missing": lambda r: "training: median of the fold; in use nothing is imputed, a submodel or no number",
    "partition": lambda r: (
        f"{r['folds']['outer']} outer and {r['folds']['inner']} inner folds, stratified, seed {r['seed']}"
    ),
    "disjoint": lambda r: "patient: rows of one patient stay together",
    "screening": lambda r: r["origins"]["signatures"]["note"],
    "model": lambda r: f"{r['models'][r['headline']]['label']}; {r['origins']['signatures']['note']}",
    "measures": lambda r: "AUC (DeLong), shares (Wilson), calibration, net benefit, NRI, IDI; Holm over all pairs",
    "none_done": lambda r: "none",
    "frozen": lambda r: "model and cut-off as trained; gaps in features become training medians",
    "subgroups": lambda r: f"{len(r['subgroups'])} subgroups in the report" if r["subgroups"] else NOT_REPORTED,
    "output": lambda r: f"probability; cut-off {r['cutoff']:.3f} by Youden's index, out of fold",
    "external": _external_answer,
    "code": lambda r: "software and bundle: Apache License 2.0",
    "flow": lambda r: "; ".join(f"{f['step']}: {f['n']}" for f in r["flow"]),
    "baseline": lambda r: "table in the report" if r["baseline"] else NOT_REPORTED,
    "counts": lambda r: f"{r['train']['n']} with {r['train']['events']} events; external in their sections",
    "full_model": lambda r: "in the bundle (coefficients, nomogram, features)",
    "performance": lambda r: f"nested cross-validation: AUC {_ci(r['nested_cv'])}",
    "limitations": lambda r: "; ".join(r["models"][r["headline"]]["warnings"]) or "see the model card",
    "acquisition": lambda r: r["origins"]["modality"]["note"],
    "versions": lambda r: ", ".join(f"{k} {v}" for k, v in r["versions"].items()),
    "seed": lambda r: f"seed {r['seed']}",
    "shuffled": shuffled_line,
    "explain": lambda r: (
        "weights of the features, nomogram; activation maps on the review page where a network is used"
    ),
}
