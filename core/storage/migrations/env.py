"""Alembic's entry: runs migrations on the URL that `migrate` or a test passes."""

from alembic import context

from core.storage.database import engine
from core.storage.models import Base

with engine(context.config.attributes["url"]).connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
