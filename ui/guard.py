"""Errors become sentences: the user's own are shown, ours get an incident number and a log line without contents."""

import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import streamlit as st

from core.domain.errors import HepaBoardError

log = logging.getLogger("hepaboard.ui")
# Streamlit steers pages with exceptions of its own; they must pass.
CONTROL_FLOW = ("RerunException", "StopException")


@contextmanager
def guarded() -> Iterator[None]:
    """Show an error where it happened instead of a traceback."""
    try:
        yield
    except HepaBoardError as error:
        st.error(str(error))
    except Exception as error:
        if type(error).__name__ in CONTROL_FLOW:
            raise
        incident = secrets.token_hex(4)
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else "unknown"
        log.error("incident %s: %s at %s", incident, type(error).__name__, where)
        st.error(f"Something went wrong on our side. Incident {incident}; tell your administrator this number.")


def guarded_view(view: Callable[..., Any]) -> Callable[..., Any]:
    """A whole page under `guarded`."""

    @wraps(view)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with guarded():
            return view(*args, **kwargs)

    return wrapped
