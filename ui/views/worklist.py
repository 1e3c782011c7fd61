"""The worklist: every case with its state; opening one leads to its next step."""

import pandas as pd
import streamlit as st

from core.services.cases import CaseRow, list_cases
from ui import state
from ui.guard import guarded_view
from ui.page import NEXT_PAGE, go


@guarded_view
def show() -> None:
    st.title("Worklist")
    rows = list_cases()
    if not rows:
        st.info("There is no case yet. Take in a study to begin.")
        if st.button("Take in a study", type="primary"):
            go("intake")
        return
    if any(r.synthetic for r in rows):
        st.warning("Cases named DEMO are synthetic: these patients do not exist.", icon=":material/science:")
    selected = st.dataframe(
        _table(rows), hide_index=True, width="stretch", on_select="rerun", selection_mode="single-row", key="worklist"
    ).selection.rows
    if selected:
        state.choose_case(rows[selected[0]].code)
    current = next((r for r in rows if r.code == state.current_case()), None)
    left, right = st.columns([3, 1])
    with left:
        if current is None:
            st.caption("Click a row, or choose a case in the sidebar, to open it.")
        else:
            page, label = NEXT_PAGE[current.state]
            if st.button(f"{current.code}: {label}", type="primary", icon=":material/arrow_forward:"):
                go(page)
    with right:
        if st.button("Take in a new study", width="stretch", type="secondary" if current else "primary"):
            state.forget_case()
            go("intake")


def _table(rows: list[CaseRow]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "Case": r.code,
                "Modality": r.modality,
                "Phases": ", ".join(r.phases),
                "State": r.state.value,
                "Next step": r.next_step,
                "Data": "synthetic" if r.synthetic else "patient",
                "Taken in (UTC)": r.created.strftime("%Y-%m-%d %H:%M"),
            }
            for r in rows
        ]
    )
