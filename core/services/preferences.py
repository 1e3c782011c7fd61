"""What a user likes to see, kept by name."""

from typing import Any

from sqlalchemy import select

from core.services.store import open_session
from core.storage.models import Preference


def read_preference(user: str, name: str) -> dict[str, Any]:
    """The stored value; empty where none is."""
    with open_session() as session:
        return session.scalar(select(Preference.value).where(Preference.user == user, Preference.name == name)) or {}


def write_preference(user: str, name: str, value: dict[str, Any]) -> None:
    """Store a value, in the place of an older one."""
    with open_session() as session:
        held = session.scalar(select(Preference).where(Preference.user == user, Preference.name == name))
        if held is None:
            session.add(Preference(user=user, name=name, value=value))
        else:
            held.value = value
