"""Every session key that is ours. A widget's own key dies when its page is left; what must last is copied here."""

import streamlit as st

CASE = "hb_case"
SHELL_MM = "hb_shell_mm"
HANDLED_DRAWING = "hb_handled_drawing"
SAVED_DRAWING = "hb_saved_drawing"
REFUSED_DRAWING = "hb_refused_drawing"
READER = "hb_reader"
MAP_MODEL = "hb_map_model"
FLASH = "hb_flash"
FLASH_ERROR = "hb_flash_error"
VIEWER_LINKS = "hb_viewer_links"
KEY_IMAGES = "hb_key_images"


def current_case() -> str | None:
    """The case being worked on: the address bar first, so that a reload and a bookmark keep it."""
    named = st.query_params.get("case")
    if named:
        st.session_state[CASE] = named
    return st.session_state.get(CASE)


def choose_case(code: str) -> None:
    st.session_state[CASE] = code
    st.query_params["case"] = code


def forget_case() -> None:
    st.session_state.pop(CASE, None)
    st.query_params.pop("case", None)


def flash(text: str) -> None:
    """A sentence to show after the next rerun."""
    st.session_state[FLASH] = text


def flash_error(text: str) -> None:
    """A sentence about what went wrong, to show after the next rerun."""
    st.session_state[FLASH_ERROR] = text


def show_flash() -> None:
    """As a toast: it moves nothing on the page, so the viewer and open menus stay as they are."""
    text = st.session_state.pop(FLASH, None)
    if text:
        st.toast(text, duration="long", icon=":material/check:")
    wrong = st.session_state.pop(FLASH_ERROR, None)
    if wrong:
        st.toast(wrong, duration="infinite", icon=":material/error:")
