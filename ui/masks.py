"""The masks of a case: what they measure, their earlier revisions, how far two of them agree; importing one."""

import tempfile
from pathlib import Path

import streamlit as st

from core.domain.phase import Phase
from core.services.agreement import compare_revisions
from core.services.cases import CaseView, MaskView, mask_history
from core.services.segment import LABELS, segment_from_file
from ui import state
from ui.guard import guarded


def mask_table(case: CaseView) -> None:
    st.subheader("Masks")
    if not case.masks:
        st.info("Choose a mask under Draw beside the images and draw it, let a segmenter propose one, or import one.")
        return
    rows = []
    for m in case.masks:
        size = m.measures
        rows.append(
            {
                "Mask": mask_name(m),
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
    for m in case.masks:
        if "fat_volume_ml" in m.measures:
            st.caption(
                f"Fat in the LOAT mask (−190 to −30 HU): {m.measures['fat_area_cm2']:.1f} cm² on the slice with most "
                f"of it, {m.measures['fat_volume_ml']:.1f} mL in all."
            )


def mask_name(m: MaskView) -> str:
    return f"{m.label} {m.lesion}" if m.label == "tumour" else m.label


def revisions(case: CaseView) -> None:
    """Earlier revisions of a mask and the agreement of two of them."""
    if not case.masks:
        return
    with st.expander("Revisions and agreement of two readers"):
        names = [mask_name(m) for m in case.masks]
        chosen = case.masks[names.index(st.selectbox("Mask", names, key=f"history-{case.code}"))]
        history = mask_history(case.code, chosen.label, chosen.lesion)
        st.dataframe(
            [
                {
                    "Revision": m.revision,
                    "Reader": m.author,
                    "Made": f"{m.created:%Y-%m-%d %H:%M} UTC",
                    "How": m.source,
                    "Phase": m.phase,
                    "Volume (mL)": round(m.measures["volume_ml"], 2),
                }
                for m in history
            ],
            hide_index=True,
            width="stretch",
        )
        if len(history) < 2:
            st.caption("A second revision, for example another reader's, can be compared with this one.")
            return
        # What is folded up runs too: the comparison waits until it is wanted.
        if st.toggle("Compare two revisions", key=f"compare-{case.code}"):
            _agreement(case, history)


def _agreement(case: CaseView, history: list[MaskView]) -> None:
    labels = {m.revision: f"{m.revision} · {m.author} · {m.created:%Y-%m-%d %H:%M}" for m in history}
    numbers = list(labels)
    columns = st.columns(2)
    first = columns[0].selectbox("Compare", numbers, index=1, format_func=labels.__getitem__, key=f"a-{case.code}")
    second = columns[1].selectbox("with", numbers, index=0, format_func=labels.__getitem__, key=f"b-{case.code}")
    if first == second:
        st.caption("Choose two different revisions.")
        return
    with guarded():
        found = compare_revisions(case.code, first, second)
        shown = st.columns(4)
        shown[0].metric("Dice", f"{found.dice:.3f}")
        shown[1].metric("Volumes (mL)", f"{found.volume_a_ml:.1f} / {found.volume_b_ml:.1f}")
        shown[2].metric("Mean surface distance", f"{found.mean_surface_distance_mm:.2f} mm")
        shown[3].metric("Hausdorff, 95 %", f"{found.hausdorff_95_mm:.1f} mm", help=f"Max. {found.hausdorff_mm:.1f} mm.")


def import_mask(case: CaseView) -> None:
    present = [p["phase"] for p in case.phases]
    used = sorted({m.lesion for m in case.tumours} | {1})
    newest = max((m.revision for m in case.masks), default=0)  # a new revision empties the upload field
    upload = st.file_uploader(
        "NIfTI, NRRD, DICOM SEG, or a zip of a DICOM image series", key=f"mask_{case.code}_{newest}"
    )
    columns = st.columns(2)
    label = columns[0].selectbox("What it marks", LABELS)
    lesion = columns[1].selectbox(
        "Lesion", [*used, used[-1] + 1], disabled=label != "tumour", key=f"lesion-{case.code}"
    )
    phase = columns[0].selectbox("Phase", present, format_func=lambda p: f"{p} · {Phase(p).label}")
    value = columns[1].number_input(
        "Label value", min_value=0, value=0, step=1, help="0: the only one in the file. Of a DICOM SEG: segment number."
    )
    resample = st.checkbox("Resample if it lies on another grid")
    if st.button("Import", disabled=upload is None) and upload is not None:
        with guarded(), tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / Path(upload.name).name
            path.write_bytes(upload.getbuffer())
            number = int(lesion) if label == "tumour" else 1
            made = segment_from_file(
                case.code,
                path,
                phase=str(phase),
                label=str(label),
                lesion=number,
                value=int(value) or None,
                resample=resample,
            )
            state.flash(f"{str(label)[0].upper()}{str(label)[1:]} {number}: {made.measures.volume_ml:.2f} mL imported.")
            st.rerun()
