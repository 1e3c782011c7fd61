"""What every page shares: the research-use notice, the case at hand, its header and the way to the next step."""

from pathlib import Path

import streamlit as st

from core.domain.case import RESEARCH_USE_NOTICE, CaseState
from core.services.cases import CaseView, list_cases, show_case
from core.services.registry import list_models
from ui import state

ICON = Path(__file__).parent / "icon.png"
STYLE = """<style>
.stMainBlockContainer { padding: 1.6rem 2.5rem 3rem; max-width: 3600px; }
.stMainBlockContainer h1 { font-size: 1.6rem; padding: 0; }
.stMainBlockContainer > div > .stVerticalBlock { gap: 0.7rem; }
.st-key-hb_notice p { font-size: 0.75rem; }
.stMainBlockContainer h3 { font-size: 1.1rem; padding: 0.4rem 0 0; }
[data-testid="stMetricValue"] { font-size: 1.5rem; }
</style>"""
SYNTHETIC = "Synthetic demonstration data: this patient does not exist."
PAGES = {
    "worklist": ("worklist.py", "Worklist"),
    "intake": ("intake.py", "Intake"),
    "review": ("review.py", "Review"),
    "risk": ("risk.py", "Risk"),
    "cohort": ("cohort.py", "Cohort"),
    "board": ("board.py", "Tumour board"),
    "scores": ("scores.py", "Scores"),
    "research": ("research.py", "Research"),
    "models": ("models.py", "Registry"),
}
NEXT_PAGE = {
    CaseState.RECEIVED: ("intake", "Confirm the phases"),
    CaseState.PHASES_CONFIRMED: ("review", "Mark the tumour"),
    CaseState.SEGMENTED: ("review", "Analyse"),
    CaseState.ANALYSED: ("risk", "Review the risk"),
    CaseState.REVIEWED: ("board", "Present to the board"),
    CaseState.PRESENTED: ("board", "Open the board page"),
}


def style() -> None:
    """Denser than Streamlit's default: a reading page needs its room for images."""
    st.html(STYLE)


def notice() -> None:
    """The research-use line with the active models, on every page."""
    active = [m for m in list_models() if m.state == "active"]
    models = "; ".join(
        f"{m.name} v{m.version}, {m.created}{' (synthetic data)' if m.synthetic else ''}" for m in active
    )
    with st.container(key="hb_notice"):
        st.caption(f"**{RESEARCH_USE_NOTICE}** Active models: {models or 'none'}.")


def case_picker() -> None:
    """The case at hand, in the sidebar; changing it keeps the page."""
    codes = [row.code for row in list_cases()]
    current = state.current_case()
    if not codes:
        return
    index = codes.index(current) if current in codes else None
    chosen = st.sidebar.selectbox("Case", codes, index=index, placeholder="Choose a case")
    if chosen and chosen != current:
        state.choose_case(chosen)
        st.rerun()
    if chosen:
        st.query_params["case"] = chosen


def open_case() -> CaseView | None:
    """The case at hand with its header, or a way to choose one."""
    code = state.current_case()
    if code is None:
        st.info("No case is open. Choose one in the worklist or take in a new study.")
        if st.button("Go to the worklist", type="primary"):
            go("worklist")
        return None
    case = show_case(code)
    header(case)
    return case


def header(case: CaseView) -> None:
    """Who and what: pseudonym, modality, phases, state; synthetic data is called so."""
    phases = ", ".join(p["phase"] for p in case.phases)
    synthetic = f" :orange-badge[:material/science: {SYNTHETIC}]" if case.synthetic else ""
    st.markdown(f"**{case.code}** · {case.modality} · {phases} · {case.state.value}{synthetic}")
    state.show_flash()


def go(page: str) -> None:
    """Open a page, keeping the case in the address."""
    code = state.current_case()
    st.switch_page(PAGES[page][0], query_params={"case": code} if code else None)
