"""Where services find the database, the file store and the feature cache."""

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.config import settings
from core.domain.errors import StoreError
from core.domain.volume import Volume
from core.features.cache import FeatureCache
from core.storage import database
from core.storage.files import FileStore
from core.storage.models import Case

LOCAL_USER = "local"


@contextmanager
def open_session() -> Iterator[Session]:
    """One unit of work: commits at the end, rolls back on any error."""
    with database.session(settings().url) as session:
        yield session


def file_store() -> FileStore:
    return FileStore(settings().files)


def feature_cache() -> FeatureCache:
    return FeatureCache(settings().features)


class StagedFiles:
    """Files written during a use case that are taken back if it fails: nothing half-done stays behind."""

    def __init__(self) -> None:
        self._store = file_store()
        self._written: list[str] = []

    def __enter__(self) -> "StagedFiles":
        return self

    def put_volume(self, volume: Volume) -> str:
        from core.imaging.nifti import nifti_bytes

        digest, new = self._store.put_new(nifti_bytes(volume))
        if new:
            self._written.append(digest)
        return digest

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            for digest in self._written:
                self._store.discard(digest)


class DerivedFiles:
    """Files made from a case's stored ones for the viewer: they can be made again, and go when the case goes."""

    def __init__(self, code: str) -> None:
        self._folder = settings().home / "derived" / hashlib.sha256(code.encode()).hexdigest()[:24]

    def name(self, *key: object) -> str:
        """The name of what is made from `key`."""
        return hashlib.sha256(json.dumps(key).encode()).hexdigest()

    def make(self, name: str, content: Callable[[], bytes]) -> str:
        """Make the file unless it is there; returns its name."""
        path = self._folder / name
        if not path.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(f".{secrets.token_hex(6)}.part")
            part.write_bytes(content())
            os.replace(part, path)
        return name

    def path(self, name: str) -> Path | None:
        path = self._folder / name
        return path if len(name) == 64 and name.isalnum() and path.exists() else None

    def remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


def find_case(session: Session, code: str) -> Case:
    """The case of that code.

    Raises
    ------
    StoreError
        When there is none.
    """
    found = session.scalar(select(Case).where(Case.code == code))
    if found is None:
        raise StoreError(f"There is no case '{code}'. `python -m core cases` lists them.")
    return found
