"""The engine, one session a use case, and migrations."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session, sessionmaker

MIGRATIONS = Path(__file__).parent / "migrations"


@cache
def engine(url: str) -> Engine:
    """The engine of a database; SQLite gets WAL, foreign keys and a wait instead of an error when it is busy."""
    target = make_url(url)
    if target.get_backend_name() == "sqlite" and target.database:
        Path(target.database).parent.mkdir(parents=True, exist_ok=True)
    made = create_engine(target)
    if target.get_backend_name() == "sqlite":
        event.listen(made, "connect", _sqlite_pragmas)
    return made


def _sqlite_pragmas(connection: Any, _: Any) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "foreign_keys=ON", "busy_timeout=10000", "synchronous=NORMAL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


@contextmanager
def session(url: str) -> Iterator[Session]:
    """A session that commits at the end and rolls back when anything goes wrong."""
    with sessionmaker(engine(url), expire_on_commit=False)() as opened, opened.begin():
        yield opened


def migrate(url: str) -> None:
    """Bring the database to the newest version of its tables."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = url
    command.upgrade(config, "head")


def is_current(url: str) -> bool:
    """Whether the tables are those of the newest migration, without importing Alembic."""
    newest = sorted(p.name.split("_")[0] for p in (MIGRATIONS / "versions").glob("[0-9]*.py"))[-1]
    with engine(url).connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return False
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == newest
