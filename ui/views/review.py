"""Review: the viewer with the mask tools beside it, and the analysis."""

import tempfile
from pathlib import Path

import streamlit as st

from core.domain.case import CaseState
from core.domain.phase import Phase
from core.services.cases import CaseView
from core.services.segment import SEED_PHASES, segment_from_file, segment_from_seed
from ui import state
from ui.analysis import analysis_panel
from ui.guard import guarded, guarded_view
from ui.page import go, open_case
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
    lesion, phase, spread = _tools(case)
    seed = viewer(case, allow_seed=True, shell_mm=st.session_state.get(state.SHELL_MM))
    if seed and seed["at"] != st.session_state.get(state.HANDLED_SEED):
        # A trigger may be seen again in a rerun of the same run; each click grows once.
        st.session_state[state.HANDLED_SEED] = seed["at"]
        with guarded(), st.spinner("Growing the tumour…"):
            made = segment_from_seed(
                case.code, (seed["x"], seed["y"], seed["z"]), phase=phase, lesion=lesion, spread=spread
            )
            state.flash(f"Lesion {lesion}: {made.measures.volume_ml:.1f} mL grown on {made.phase}.")
            st.rerun()
    left, right = st.columns([3, 2])
    with left:
        _masks(case)
    with right:
        analysis_panel(case)


def _tools(case: CaseView) -> tuple[int, str, float]:
    """The settings of the mask tools; the click itself happens in the viewer."""
    present = [p["phase"] for p in case.phases]
    usual = next(p.value for p in SEED_PHASES if p.value in present)
    used = sorted({m.lesion for m in case.tumours} | {1})
    lesions = [*used, used[-1] + 1]
    columns = st.columns([1, 1, 1.4, 1.4, 1.2])
    with columns[0]:
        lesion = st.selectbox(
            "Lesion", lesions, key=f"lesion-{case.code}", help="A further number marks a further lesion."
        )
    with columns[1]:
        phase = st.selectbox(
            "Grow on phase", present, index=present.index(usual), format_func=lambda p: f"{p} · {Phase(p).label}"
        )
    with columns[2]:
        spread = st.slider(
            "Spread (SD)", 1.0, 4.0, 2.5, 0.25, help="How far values may differ from the seed's surroundings."
        )
    with columns[3]:
        kept = float(st.session_state.get(state.SHELL_MM) or 0)
        width = st.number_input("Shell width (mm)", 0.0, 50.0, kept, 1.0, format="%g", help="0: no shell shown.")
        st.session_state[state.SHELL_MM] = float(width) if width and case.tumours else None
    with columns[4], st.popover("Import a mask", width="stretch"):
        _import(case, int(lesion), str(phase))
    return int(lesion), str(phase), float(spread)


def _import(case: CaseView, lesion: int, phase: str) -> None:
    upload = st.file_uploader("NIfTI, NRRD, or a zip of a DICOM image series", key=f"mask_{case.code}_{_newest(case)}")
    value = st.number_input("Label value (0: the only one)", min_value=0, value=0, step=1)
    label = st.selectbox("What it marks", ["tumour", "liver", "LOAT"])
    resample = st.checkbox("Resample if it lies on another grid")
    if st.button("Import", disabled=upload is None) and upload is not None:
        with guarded(), tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / Path(upload.name).name
            path.write_bytes(upload.getbuffer())
            number = lesion if label == "tumour" else 1
            made = segment_from_file(
                case.code,
                path,
                phase=phase,
                label=str(label),
                lesion=number,
                value=int(value) or None,
                resample=resample,
            )
            state.flash(f"{str(label).capitalize()} {number}: {made.measures.volume_ml:.2f} mL imported.")
            st.rerun()


def _newest(case: CaseView) -> int:
    """Number of the newest revision: a new one empties the upload field."""
    return max((m.revision for m in case.masks), default=0)


def _masks(case: CaseView) -> None:
    st.subheader("Masks")
    if not case.masks:
        st.info("Move the crosshair into the tumour, then choose Grow from crosshair; or import a mask.")
        return
    rows = []
    for m in case.masks:
        size = m.measures
        rows.append(
            {
                "Mask": f"{m.label} {m.lesion}" if m.label == "tumour" else m.label,
                "Volume (mL)": round(size["volume_ml"], 2),
                "Max. diameter (mm)": round(size["max_diameter_mm"], 1),
                "Axial diameter (mm)": round(size["max_axial_diameter_mm"], 1),
                "Phase": m.phase,
                "Made by": f"{m.author}, {m.source}",
            }
        )
    st.dataframe(rows, hide_index=True, width="stretch")
    for m in case.tumours:
        for check in m.measures["checks"]:
            st.caption(f"Lesion {m.lesion}: {check}")
