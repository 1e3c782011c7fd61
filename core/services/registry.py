"""The model registry: list, verify, register, promote, roll back, retire; every step leaves an event."""

import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.domain.errors import InputError
from core.services.store import LOCAL_USER, open_session
from core.storage.models import ModelVersion, RegistryEvent
from model_registry.bundle import Bundle, Check, unpack_bundle
from model_registry.gate import verify
from model_registry.registry import admit, bundle_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRow:
    """A registered version as the models page lists it."""

    name: str
    version: str
    title: str
    created: str
    state: str
    synthetic: bool
    registered: datetime
    checks: tuple[dict[str, Any], ...]
    events: tuple[dict[str, Any], ...]


def list_models() -> list[ModelRow]:
    """All registered versions, by name, newest first."""
    with open_session() as session:
        rows = session.scalars(select(ModelVersion).order_by(ModelVersion.name, ModelVersion.id.desc())).all()
        return [_row(session, m) for m in rows]


def _row(session: Session, m: ModelVersion) -> ModelRow:
    events = session.scalars(
        select(RegistryEvent).where(RegistryEvent.model_version_id == m.id).order_by(RegistryEvent.id)
    ).all()
    return ModelRow(
        name=m.name,
        version=m.version,
        title=m.title,
        created=m.created,
        state=m.state,
        synthetic=m.synthetic,
        registered=m.registered,
        checks=tuple(m.gate),
        events=tuple({"event": e.event, "author": e.author, "at": e.at} for e in events),
    )


def verify_bundle(path: Path) -> list[Check]:
    """Check a bundle folder or zip without registering it."""
    with tempfile.TemporaryDirectory() as folder:
        return verify(_open(path, Path(folder)))


def _open(path: Path, folder: Path) -> Bundle:
    if not path.exists():
        raise InputError(f"'{path.name}' does not exist. Give a bundle folder or its zip.")
    return Bundle(path if path.is_dir() else unpack_bundle(path, folder))


def register_bundle(path: Path, *, author: str = LOCAL_USER) -> ModelRow:
    """Verify a bundle and take it into the registry as a candidate.

    Raises
    ------
    InputError
        When a check fails or the version is there already; nothing has been kept then.
    """
    with tempfile.TemporaryDirectory() as folder, open_session() as session:
        bundle = _open(path, Path(folder))
        known = select(ModelVersion.id).where(ModelVersion.name == bundle.name, ModelVersion.version == bundle.version)
        if session.scalar(known) is not None:
            raise InputError(
                f"{bundle.name} version {bundle.version} is registered already. Give the new one a new version."
            )
        checks = verify(bundle)
        failed = [f"{c.name} ({c.detail})" for c in checks if not c.ok]
        if failed:
            raise InputError(f"The bundle does not pass: {'; '.join(failed)}.")
        row = ModelVersion(
            name=bundle.name,
            version=bundle.version,
            title=bundle.recipe.title,
            created=bundle.created,
            synthetic=bundle.synthetic,
            bundle_sha256=bundle.sha256,
            state="candidate",
            gate=[asdict(c) for c in checks],
        )
        session.add(row)
        session.flush()
        _note(session, row, "registered", author)
        # Last, so that a failing database leaves no folder: the transaction commits right after.
        admit(bundle)
        session.flush()
        return _row(session, row)


def ensure_active(folder: Path, report: Callable[[str], None], *, author: str = LOCAL_USER) -> str:
    """Register and promote a bundle that comes with the project, unless that version is there; returns its name."""
    bundle = Bundle(folder)
    with open_session() as session:
        query = select(ModelVersion.id).where(ModelVersion.name == bundle.name, ModelVersion.version == bundle.version)
        known = session.scalar(query)
    if known is None:
        report(f"registering {bundle.name}")
        register_bundle(bundle.root, author=author)
        promote(bundle.name, bundle.version, author=author)
    return f"{bundle.name} {bundle.version}"


def promote(name: str, version: str, *, author: str = LOCAL_USER) -> None:
    """Make a version the active one of its name; the one active before becomes a candidate again."""
    with open_session() as session:
        _promote(session, _find(session, name, version), author)


def _promote(session: Session, chosen: ModelVersion, author: str) -> None:
    if chosen.state == "retired":
        raise InputError(f"{chosen.name} version {chosen.version} is retired. Register a new version instead.")
    for other in session.scalars(
        select(ModelVersion).where(ModelVersion.name == chosen.name, ModelVersion.state == "active")
    ):
        if other.id != chosen.id:
            other.state = "candidate"
            _note(session, other, "replaced", author)
    if chosen.state != "active":
        chosen.state = "active"
        _note(session, chosen, "promoted", author)


def rollback(name: str, *, author: str = LOCAL_USER) -> str:
    """Make the version active again that was active before the present one; returns it."""
    with open_session() as session:
        promoted = session.execute(
            select(ModelVersion)
            .join(RegistryEvent, RegistryEvent.model_version_id == ModelVersion.id)
            .where(ModelVersion.name == name, RegistryEvent.event == "promoted")
            .order_by(RegistryEvent.id.desc())
        ).scalars()
        earlier = next((m for m in promoted if m.state == "candidate"), None)
        if earlier is None:
            raise InputError(f"{name} has no earlier version to go back to.")
        _promote(session, earlier, author)
        return earlier.version


def retire(name: str, version: str, *, author: str = LOCAL_USER) -> None:
    """Take a version out of use for good; its predictions stay readable."""
    with open_session() as session:
        chosen = _find(session, name, version)
        chosen.state = "retired"
        _note(session, chosen, "retired", author)


def model_card(name: str, version: str) -> str:
    """The model card's Markdown, without its machine-readable header."""
    text = Bundle(bundle_folder(name, version)).model_card
    return text.split("---", 2)[2].strip() if text.startswith("---") else text


def _find(session: Session, name: str, version: str) -> ModelVersion:
    found = session.scalar(select(ModelVersion).where(ModelVersion.name == name, ModelVersion.version == version))
    if found is None:
        raise InputError(f"There is no registered model {name} version {version}. `models list` shows them.")
    return found


def _note(session: Session, row: ModelVersion, event: str, author: str) -> None:
    session.add(RegistryEvent(model_version_id=row.id, event=event, author=author))
