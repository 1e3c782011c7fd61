"""Intake: upload a study, confirm what each series is, record clinical values."""

import tempfile
from pathlib import Path
from typing import Any

import streamlit as st

from core.domain.clinical import VARIABLES
from core.domain.errors import InputError
from core.domain.phase import PHASE_ORDER, Phase
from core.services.cases import CaseView, confirm_phases, record_clinical, show_case
from core.services.intake import ingest
from ui import state
from ui.guard import guarded, guarded_view
from ui.page import go, header


@guarded_view
def show() -> None:
    st.title("Intake")
    code = state.current_case()
    if code is None:
        _upload()
        return
    case = show_case(code)
    header(case)
    _phases(case)
    with st.expander("Clinical values", expanded=True):
        _clinical(case)
    if st.button("Take in another study"):
        state.forget_case()
        st.rerun()


def _upload() -> None:
    st.write("Give one study: its DICOM files or a zip of them, or NIfTI files named by phase (AP.nii.gz, PVP.nii.gz).")
    files_tab, folder_tab = st.tabs(["Files or zip", "Folder"])
    with files_tab:
        files = st.file_uploader("Study files", accept_multiple_files=True, key="intake_files")
    with folder_tab:
        folder = st.file_uploader("Study folder", accept_multiple_files="directory", key="intake_folder")
    name = st.text_input("Case name (optional, no patient names)", placeholder="made up when empty")
    uploads = [*(files or []), *(folder or [])]
    if st.button("Take in", type="primary", disabled=not uploads):
        with guarded(), st.spinner("Reading the series and finding the phases…"):
            _take_in(uploads, name.strip() or None)


def _take_in(uploads: list[Any], name: str | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for number, upload in enumerate(uploads):
            # A number in front keeps equal names from different folders apart.
            target = Path(folder) / f"{number:06d}-{Path(upload.name).name}"
            target.write_bytes(upload.getbuffer())
        zips = [str(p) for p in Path(folder).glob("*.zip")]
        if zips and len(zips) < len(uploads):
            raise InputError("Give either zip files or single files, not both at once.")
        result = ingest(zips or [folder], case=name)
    state.choose_case(result.case_id)
    state.flash(" ".join([f"Taken in as {result.case_id}.", *result.warnings]))
    st.rerun()


def _phases(case: CaseView) -> None:
    st.subheader("What each series is")
    options = [p.value for p in PHASE_ORDER if p is not Phase.UNKNOWN]
    chosen: dict[int, str] = {}
    with st.form("phases"):
        for number, phase in enumerate(case.phases):
            left, right = st.columns([1, 3])
            index = options.index(phase["phase"]) if phase["phase"] in options else None
            with left:
                picked = st.selectbox(
                    f"Series {number + 1}", options, index=index, format_func=lambda p: f"{p} · {Phase(p).label}"
                )
                chosen[number] = picked or Phase.UNKNOWN.value
            with right:
                size = " × ".join(map(str, phase["size_xyz"]))
                spacing = " × ".join(f"{s:.3g}" for s in phase["spacing_mm"])
                st.markdown(f"{phase['source']} · {size} voxels · {spacing} mm")
                st.caption(f"Confidence {phase['confidence']:.0%}. " + " ".join(phase["evidence"]))
        question = st.text_input("Question to the board", value=case.question)
        if st.form_submit_button("Confirm and open the viewer", type="primary"):
            with guarded():
                confirm_phases(case.code, chosen, question=question)
                go("review")


def _clinical(case: CaseView) -> None:
    with st.form("clinical"):
        columns = st.columns(4)
        typed: dict[str, float | None] = {}
        for number, (code, variable) in enumerate(VARIABLES.items()):
            label = f"{variable.label} ({variable.unit})" if variable.unit else variable.label
            with columns[number % 4]:
                typed[code] = st.number_input(
                    label, value=case.clinical.get(code), min_value=variable.lowest, max_value=variable.highest,
                    format="%g", placeholder="not recorded",
                )  # fmt: skip
        if st.form_submit_button("Save clinical values"):
            with guarded():
                record_clinical(case.code, {c: float(v) for c, v in typed.items() if v is not None})
                state.flash("Clinical values saved.")
                st.rerun()
