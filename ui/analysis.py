"""The analysis panel: start, progress, cancel, and the way to the result."""

import streamlit as st

from core.domain.case import STATE_ORDER, CaseState
from core.services.cases import CaseView
from core.services.jobs import RUNNING, JobView, cancel_job, newest_job, start_analysis
from ui.guard import guarded
from ui.page import go


def analysis_panel(case: CaseView) -> None:
    st.subheader("Analysis")
    job = newest_job(case.code)
    if job is not None and job.state in RUNNING:
        _progress(case.code)
        return
    done = STATE_ORDER.index(case.state) >= STATE_ORDER.index(CaseState.ANALYSED)
    if not case.tumours:
        st.caption("Analysis starts when the tumour is marked.")
    elif done:
        st.caption("The case is analysed with its present masks.")
        if st.button("See the risk", type="primary"):
            go("risk")
    else:
        _start(case, job)
    if done and case.tumours and st.button("Analyse again"):
        with guarded():
            start_analysis(case.code)
            st.rerun()


def _start(case: CaseView, job: JobView | None) -> None:
    if job is not None and job.state in ("failed", "cancelled"):
        st.warning(job.message)
    elif job is not None and job.state == "done":
        st.warning("No model applied to this case; the risk page says why.")
        if st.button("Why no model applied"):
            go("risk")
    if st.button("Analyse", type="primary"):
        with guarded():
            start_analysis(case.code)
            st.rerun()


@st.fragment(run_every=0.7)
def _progress(code: str) -> None:
    with guarded():
        job = newest_job(code)
        if job is None or job.state not in RUNNING:
            st.rerun()
        st.progress(job.progress, text=job.message)
        if st.button("Cancel"):
            cancel_job(job.id)
            st.rerun()
