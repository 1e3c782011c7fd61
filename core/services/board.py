"""The tumour board: one page a case, and what the board recorded."""

from core.domain.case import RESEARCH_USE_NOTICE, CaseState
from core.domain.errors import InputError
from core.reports.csv import board_csv
from core.services.cases import CaseView, advance, show_case
from core.services.store import LOCAL_USER, find_case, open_session
from core.storage.models import BoardItem


def record_decision(code: str, decision: str, *, dissent: str = "", author: str = LOCAL_USER) -> None:
    """Keep the board's decision in its own words and mark the case presented.

    Raises
    ------
    InputError
        When the decision is empty.
    """
    if not decision.strip():
        raise InputError("The decision is empty. Write what the board decided, or leave the case as it is.")
    with open_session() as session:
        row = find_case(session, code)
        session.add(BoardItem(case_id=row.id, decision=decision.strip(), dissent=dissent.strip(), author=author))
        advance(row, CaseState.PRESENTED)


def export_csv(code: str) -> str:
    """Everything the board page shows of a case as CSV, headed by the research-use notice."""
    return board_csv(_export_rows(show_case(code)), notice=RESEARCH_USE_NOTICE)


def _export_rows(case: CaseView) -> list[tuple[str, str, str]]:
    data = "synthetic demonstration patient" if case.synthetic else "real data"
    rows = [("case", "code", case.code), ("case", "modality", case.modality), ("case", "data", data)]
    rows += [("phase", p["phase"], f"{p['source']} (confidence {p['confidence']:g})") for p in case.phases]
    rows += [("clinical", code, f"{value:g}") for code, value in case.clinical.items()]
    for mask in case.masks:
        rows.append((f"{mask.label} {mask.lesion}", "volume_ml", f"{mask.measures['volume_ml']:.2f}"))
        rows.append((f"{mask.label} {mask.lesion}", "max_diameter_mm", f"{mask.measures['max_diameter_mm']:.1f}"))
    for p in case.predictions:
        head = f"{p['model']} version {p['version']} of {p['model_date']}"
        if p["outdated"]:
            rows.append((head, "outdated", "a mask, a phase or a clinical value has changed since; analyse again"))
            continue
        rows.append((head, "training data", "synthetic" if p["synthetic"] else "centre's cohort"))
        if p["computed"]:
            low, high = p["interval"]
            rows.append((head, "probability", f"{p['probability']:.4f} (95 % CI {low:.4f} to {high:.4f})"))
            rows.append((head, "risk group", f"{p['risk_group']} (cut-off {p['cutoff']:.4f})"))
            rows.append((head, "applicable", "yes" if p["applicable"] else "no"))
        rows += [(head, "reason", r) for r in p["reasons"]]
    rows += [("board", f"decision {b['at']:%Y-%m-%d}", b["decision"]) for b in case.board]
    return rows
