"""The training report: everything a reviewer asks for is there, and what is not known is called so."""

import yaml

from core.reports.training import ANSWERS, CHECKLISTS, checklist_answer, p_text, report_html
from model_registry.bundle import Bundle

HEADINGS = ("In short", "Cohort", "All models", "Discrimination", "Comparison of models", "Calibration",
            "Decision curves", "Predictors and features", "Settings", "TRIPOD+AI checklist",
            "CLAIM checklist")  # fmt: skip


def test_the_report_has_every_part(small_ct_bundle: Bundle) -> None:
    html = (small_ct_bundle.document("report.html") or b"").decode()
    for heading in HEADINGS:
        assert f"<h2>{heading}</h2>" in html, heading
    assert "Synthetic patients" in html
    assert "The check with shuffled labels was not run." in html
    assert html.count("<img") >= 3
    assert "http" not in html.replace("http-equiv", "").split("<body>")[0]


def test_the_report_prints_the_bundles_own_numbers(small_ct_bundle: Bundle) -> None:
    report = small_ct_bundle.report
    html = (small_ct_bundle.document("report.html") or b"").decode()
    for model in report["models"].values():
        auc = model["nested_cv"]
        assert f"{auc['auc']:.3f} ({auc['ci'][0]:.3f} to {auc['ci'][1]:.3f})" in html


def test_every_checklist_item_has_an_answer_or_is_called_not_reported(small_ct_bundle: Bundle) -> None:
    held = yaml.safe_load(CHECKLISTS.read_text())
    assert len(held["claim"]["items"]) == 44
    assert {i["id"].rstrip("abcdefg") for i in held["tripod_ai"]["items"]} == {str(n) for n in range(1, 28)}
    for items in (held["tripod_ai"]["items"], held["claim"]["items"]):
        for item in items:
            assert checklist_answer(item.get("answer"), small_ct_bundle.report).strip(), item
    used = {i.get("answer") for c in held.values() for i in c["items"]} - {None}
    assert used == set(ANSWERS)


def test_text_from_outside_cannot_become_markup(small_ct_bundle: Bundle) -> None:
    report = {**small_ct_bundle.report, "cohort": "<script>alert(1)</script>"}
    told = {"created": "2026-01-01", "seconds": 1.0, "workers": 1, "peak_memory_mb": 1}
    assert "<script>" not in report_html(report, told, version="1")


def test_small_p_values_are_not_printed_as_nought() -> None:
    assert (p_text(0.00001), p_text(0.04), p_text(None)) == ("< 0.001", "0.040", "")
