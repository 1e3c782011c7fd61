"""The viewer component: registered once, mounted with a case; what comes back from it is handled here."""

import time
from pathlib import Path
from typing import Any

import streamlit as st

from core.config import settings
from core.domain.errors import HepaBoardError
from core.services.cases import CaseView
from core.services.drawing import store_drawing
from core.services.preferences import read_preference, write_preference
from core.services.store import LOCAL_USER
from core.services.viewing import BROWSER_COOKIE, viewer_data
from ui import state
from ui.routes import NIIVUE_ROUTE, app_script

SOURCE = Path(__file__).parent.parent / "viewer"
WINDOWS = {
    "CT": (
        {"name": "abdomen", "label": "Abdomen", "width": 400, "level": 40},
        {"name": "liver", "label": "Liver", "width": 150, "level": 100},
        {"name": "bone", "label": "Bone", "width": 1800, "level": 400},
        {"name": "lung", "label": "Lung", "width": 1500, "level": -600},
    ),
    # Percentiles of the voxels that are not 0; the script's loader computes exactly these.
    "MR": (
        {"name": "full", "label": "1st to 99.8th percentile", "percentiles": ["0.01", "0.998"]},
        {"name": "liver", "label": "25th to 99th percentile", "percentiles": ["0.25", "0.99"]},
        {"name": "dark", "label": "1st to 75th percentile", "percentiles": ["0.01", "0.75"]},
    ),
}
LAYOUT_KEYS = {"layout": ("one", "two", "all", "mpr", "surface"), "plane": ("axial", "coronal", "sagittal")}
STYLES = ("outline", "fill")

_mount = st.components.v2.component(
    "hepaboard_viewer",
    html=(SOURCE / "viewer.html").read_text(),
    css=(SOURCE / "viewer.css").read_text(),
    js=(SOURCE / "component.js").read_text(),
    isolate_styles=False,
)


def viewer(case: CaseView, *, can_draw: bool, shell_mm: float | None = None, map_model: str | None = None) -> None:
    """Show a case's phases; stores what is drawn, and the layout the user chose for this modality."""
    lesion = case.index_lesion
    kept = read_preference(LOCAL_USER, f"viewer {case.modality}")
    data: dict[str, Any] = {
        **_linked(case, shell_mm, map_model),
        "script": app_script(),
        "niivue": NIIVUE_ROUTE,
        "presets": list(WINDOWS[case.modality]),
        "preferences": kept,
        "can_draw": can_draw,
        "reader": st.session_state.get(state.READER, LOCAL_USER),
        "focus_mm_lps": list(lesion.measures["centre_mm_lps"]) if lesion else None,
        "saved": st.session_state.get(state.SAVED_DRAWING),
        "refused": st.session_state.get(state.REFUSED_DRAWING),
    }
    result = _mount(
        data=data, key=f"viewer-{case.code}", on_mask_change=lambda: None, on_preferences_change=lambda: None
    )
    if result.preferences:
        _remember(case.modality, dict(result.preferences), kept)
    if result.mask and result.mask["at"] != st.session_state.get(state.HANDLED_DRAWING):
        _store(case, dict(result.mask))


def _store(case: CaseView, message: dict[str, Any]) -> None:
    """A trigger may be seen again in a rerun of the same run; each drawing is stored once."""
    st.session_state[state.HANDLED_DRAWING] = message["at"]
    st.session_state[state.READER] = message.get("reader") or LOCAL_USER
    try:
        made = store_drawing(case.code, message)
    except HepaBoardError as error:
        st.session_state[state.REFUSED_DRAWING] = message["at"]
        state.flash_error(str(error))
    else:
        st.session_state[state.SAVED_DRAWING] = message["at"]
        name = f"Lesion {made.lesion}" if message["label"] == "tumour" else str(message["label"]).capitalize()
        state.flash(f"{name}: {made.measures.volume_ml:.1f} mL saved on {made.phase}.")
    st.rerun()


def _remember(modality: str, wanted: dict[str, Any], kept: dict[str, Any]) -> None:
    known = {k: wanted[k] for k, allowed in LAYOUT_KEYS.items() if wanted.get(k) in allowed}
    if wanted.get("style") in STYLES:
        known["style"] = wanted["style"]
    if known and known != kept:
        write_preference(LOCAL_USER, f"viewer {modality}", known)


def _linked(case: CaseView, shell_mm: float | None, map_model: str | None) -> dict[str, Any]:
    """Links are made anew only for new content, or before they expire: the viewer knows volumes by id, not by link."""
    browser = str(st.context.cookies.get(BROWSER_COOKIE, ""))
    masks = tuple((m.label, m.lesion, m.sha256) for m in (*case.masks, *case.proposals))
    period = int(time.time() // (settings().link_minutes * 30))  # half of a link's life
    phases = tuple(p["sha256"] + p["phase"] for p in case.phases)
    wanted = (case.code, phases, masks, shell_mm, map_model, period)
    held = st.session_state.get(state.VIEWER_LINKS)
    if held is None or held[0] != wanted:
        made = viewer_data(case, user=LOCAL_USER, browser=browser, shell_mm=shell_mm, map_model=map_model)
        held = (wanted, made)
        st.session_state[state.VIEWER_LINKS] = held
    found: dict[str, Any] = held[1]
    return found
