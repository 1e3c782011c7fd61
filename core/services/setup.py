"""Bring the database up to date before the first use; quick when nothing is to be done."""

from core.config import settings
from core.services.store import LOCAL_USER, open_session
from core.storage import database
from core.storage.models import Account


def ensure_database() -> None:
    """Migrate to the newest tables and make the local account."""
    config = settings()
    config.home.mkdir(parents=True, exist_ok=True)
    # Alembic takes a second to import; the version number answers in a millisecond.
    if database.is_current(config.url):
        return
    database.migrate(config.url)
    with open_session() as session:
        if session.query(Account).filter_by(name=LOCAL_USER).first() is None:
            session.add(Account(name=LOCAL_USER, role="administrator"))
