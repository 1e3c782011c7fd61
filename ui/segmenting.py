"""Automatic segmentation: choose a segmenter, watch it, accept or discard what it proposes."""

import streamlit as st

from core.domain.phase import Phase
from core.services.cases import CaseView
from core.services.jobs import RUNNING, SEGMENTATION, cancel_job, newest_job, start_segmentation
from core.services.segmenters import accept_proposals, discard_proposals, list_segmenters
from ui import state
from ui.guard import guarded


def propose_panel(case: CaseView) -> None:
    """Inside a popover: which segmenter looks at which phase."""
    found = {s.name: s for s in list_segmenters(case.modality)}
    if not found:
        st.caption(f"No segmenter for {case.modality} is registered. An administrator registers MONAI bundles.")
        return
    present = [p["phase"] for p in case.phases]
    name = st.selectbox("Segmenter", list(found), format_func=lambda n: f"{n} {found[n].version}")
    phase = st.selectbox(
        "Phase", present, index=present.index("PVP") if "PVP" in present else 0, format_func=lambda p: Phase(p).label
    )
    st.caption(f"{found[name].description} {found[name].intended_use}")
    if st.button("Propose masks"):
        with guarded():
            start_segmentation(case.code, str(name), str(phase))
            st.rerun()


def proposal_bar(case: CaseView) -> None:
    """Progress of a running segmenter, or what to do with its proposal."""
    job = newest_job(case.code, SEGMENTATION)
    if job is not None and job.state in RUNNING:
        _progress(case.code)
        return
    if not case.proposals:
        if job is not None and job.state == "failed":
            st.caption(f"The last proposal failed: {job.message}")
        return
    total = {label: sum(p.measures["volume_ml"] for p in case.proposals if p.label == label) for label in _labels(case)}
    sizes = ", ".join(f"{label} {ml:.1f} mL" for label, ml in total.items())
    left, accept, discard = st.columns([3, 1, 1], vertical_alignment="center")
    left.markdown(f"**Proposed** by {case.proposals[0].author} on {case.proposals[0].phase}: {sizes}. Drawn dashed.")
    if accept.button("Accept", type="primary", width="stretch"):
        with guarded():
            made = accept_proposals(case.code)
            known = f" {made.already_marked} lesion(s) were marked already and stay." if made.already_marked else ""
            state.flash(f"{len(made.stored)} mask(s) accepted. Correct them under Draw.{known}")
            st.rerun()
    if discard.button("Discard", width="stretch"):
        with guarded():
            discard_proposals(case.code)
            st.rerun()


def _labels(case: CaseView) -> list[str]:
    return [label for label in ("tumour", "liver") if any(p.label == label for p in case.proposals)]


@st.fragment(run_every=0.7)
def _progress(code: str) -> None:
    with guarded():
        job = newest_job(code, SEGMENTATION)
        if job is None or job.state not in RUNNING:
            st.rerun()
        left, right = st.columns([5, 1], vertical_alignment="center")
        left.progress(job.progress, text=f"Segmenter: {job.message}")
        if right.button("Cancel", key="cancel-segmenter", width="stretch"):
            cancel_job(job.id)
            st.rerun()
