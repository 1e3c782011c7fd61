"""The database: migrations describe the models, foreign keys hold, WAL is on."""

from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from core.config import settings
from core.domain.errors import StoreError
from core.storage.database import MIGRATIONS, engine, is_current
from core.storage.files import FileStore


@pytest.mark.usefixtures("home")
def test_migrations_lead_to_the_models_and_back() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = settings().url
    command.check(config)
    command.downgrade(config, "base")
    assert not is_current(settings().url)
    command.upgrade(config, "head")
    assert is_current(settings().url)


@pytest.mark.usefixtures("home")
def test_sqlite_runs_in_wal_mode_and_refuses_orphans() -> None:
    with engine(settings().url).connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        with pytest.raises(IntegrityError):
            connection.execute(
                text(
                    "INSERT INTO prediction (case_id, model_version_id, content, inputs, made) "
                    "VALUES (99, 99, '{}', '{}', '2026-01-01')"
                )
            )


def test_the_file_store_names_files_by_content_and_takes_no_path(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    digest, new = store.put_new(b"volume")
    assert new
    assert store.put_new(b"volume") == (digest, False)
    assert store.path(digest).read_bytes() == b"volume"
    for name in ("../secret", "0" * 63, "z" * 64):
        with pytest.raises(StoreError, match="not the name"):
            store.path(name)
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == [digest]
