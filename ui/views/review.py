"""Review: the images with reading and drawing tools, the masks, and the analysis."""

import streamlit as st

from core.domain.case import CaseState
from core.domain.errors import HepaBoardError
from core.services.cases import CaseView
from core.services.explain import attention, explained_models
from ui import state
from ui.analysis import analysis_panel
from ui.guard import guarded_view
from ui.masks import import_mask, mask_table, revisions
from ui.page import go, open_case
from ui.segmenting import proposal_bar, propose_panel
from ui.viewer import viewer


@guarded_view
def show() -> None:
    st.title("Review")
    case = open_case()
    if case is None:
        return
    if case.state is CaseState.RECEIVED:
        st.info("The phases of this case are not confirmed yet.")
        if st.button("Confirm the phases", type="primary"):
            go("intake")
        return
    shell_mm, map_model = _tools(case)
    proposal_bar(case)
    viewer(case, can_draw=True, shell_mm=shell_mm, map_model=map_model)
    left, right = st.columns([3, 2])
    with left:
        mask_table(case)
        revisions(case)
    with right:
        analysis_panel(case)


def _tools(case: CaseView) -> tuple[float | None, str | None]:
    """What is laid over the images, and where masks come from; reading and drawing are in the viewer itself."""
    with st.container(horizontal=True):
        with st.popover("Overlays"):
            kept = float(st.session_state.get(state.SHELL_MM) or 0)
            width = st.number_input("Shell (mm)", 0.0, 50.0, kept, 1.0, format="%g", help="0: no shell is shown.")
            shell_mm = float(width) if width and case.tumours else None
            st.session_state[state.SHELL_MM] = shell_mm
            map_model = _heat_map(case)
        with st.popover("Propose masks"):
            propose_panel(case)
        with st.popover("Import a mask"):
            import_mask(case)
    return shell_mm, map_model


def _heat_map(case: CaseView) -> str | None:
    """The model whose activation map lies over the images; it is computed before the viewer is drawn."""
    models = explained_models(case.code) if case.tumours else {}
    name = st.selectbox(
        "Heat map",
        list(models),
        index=None,
        placeholder="None",
        format_func=lambda n: models[n],
        disabled=not models,
        help="Where a model's network looked (Grad-CAM). Needs a marked tumour and a model with a network.",
        key=f"{state.MAP_MODEL}-{case.code}",
    )
    if name is None:
        return None
    try:
        with st.spinner("Computing the heat map…"):
            attention(case.code, str(name))
    except HepaBoardError as error:
        st.caption(f"No heat map: {error}")
        return None
    return str(name)
