"""The states of a case: the worklist shows the state and offers the next step."""

from enum import StrEnum


class CaseState(StrEnum):
    RECEIVED = "received"
    PHASES_CONFIRMED = "phases confirmed"
    SEGMENTED = "segmented"
    ANALYSED = "analysed"
    REVIEWED = "reviewed"
    PRESENTED = "presented"


STATE_ORDER = tuple(CaseState)

NEXT_STEP = {
    CaseState.RECEIVED: "Confirm the phases",
    CaseState.PHASES_CONFIRMED: "Mark the tumour",
    CaseState.SEGMENTED: "Analyse",
    CaseState.ANALYSED: "Review the risk",
    CaseState.REVIEWED: "Present to the board",
    CaseState.PRESENTED: "Done",
}
RESEARCH_USE_NOTICE = "Research use only. Not a medical device. Not for diagnosis or treatment decisions."
