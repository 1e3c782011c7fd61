"""The viewer component: registered once, mounted with the phases of a case."""

import time
from pathlib import Path
from typing import Any

import streamlit as st

from core.config import settings
from core.services.cases import CaseView
from core.services.store import LOCAL_USER
from core.services.viewing import BROWSER_COOKIE, viewer_phases
from ui import state

SOURCE = Path(__file__).parent.parent / "viewer"
WINDOWS = {
    "CT": (
        {"name": "abdomen", "label": "Abdomen (W 400 L 40)", "width": 400, "level": 40},
        {"name": "liver", "label": "Liver (W 150 L 100)", "width": 150, "level": 100},
        {"name": "bone", "label": "Bone (W 1800 L 400)", "width": 1800, "level": 400},
        {"name": "lung", "label": "Lung (W 1500 L −600)", "width": 1500, "level": -600},
    ),
    "MR": (
        {"name": "full", "label": "Full range", "percentile": [0.0, 1.0]},
        {"name": "liver", "label": "Liver contrast", "percentile": [0.2, 0.85]},
        {"name": "dark", "label": "Dark structures", "percentile": [0.0, 0.5]},
    ),
}

_mount = st.components.v2.component(
    "hepaboard_viewer",
    html=(SOURCE / "viewer.html").read_text(),
    css=(SOURCE / "viewer.css").read_text(),
    js=(SOURCE / "viewer.js").read_text(),
    isolate_styles=False,
)


def viewer(case: CaseView, *, allow_seed: bool, shell_mm: float | None = None) -> dict[str, float] | None:
    """Show a case's phases; returns the crosshair (mm, LPS) when the user asked to grow from it in this run."""
    lesion = case.index_lesion
    data: dict[str, Any] = {
        "modality": case.modality,
        "phases": _phases(case, shell_mm),
        "presets": list(WINDOWS[case.modality]),
        "allow_seed": allow_seed,
        "focus_mm_lps": list(lesion.measures["centre_mm_lps"]) if lesion else None,
    }
    result = _mount(data=data, key=f"viewer-{case.code}", on_seed_change=lambda: None)
    return result.seed


def _phases(case: CaseView, shell_mm: float | None) -> list[dict[str, Any]]:
    """Links are made anew only for new content, or before they expire: the viewer knows volumes by id, not by link."""
    browser = str(st.context.cookies.get(BROWSER_COOKIE, ""))
    masks = tuple(m.sha256 for m in case.masks)
    period = int(time.time() // (settings().link_minutes * 30))  # half of a link's life
    wanted = (case.code, tuple(p["sha256"] + p["phase"] for p in case.phases), masks, shell_mm, period)
    held = st.session_state.get(state.VIEWER_LINKS)
    if held is None or held[0] != wanted:
        held = (wanted, viewer_phases(case, user=LOCAL_USER, browser=browser, shell_mm=shell_mm))
        st.session_state[state.VIEWER_LINKS] = held
    return held[1]
