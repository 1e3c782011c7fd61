"""Settings, read from `HEPABOARD_*` once they are asked for; nothing is read at import."""

from functools import cache
from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict

PROJECT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """Defaults run on a laptop. `docs/administrator.md` describes each."""

    model_config = SettingsConfigDict(env_prefix="HEPABOARD_", extra="ignore")

    home: Path = Path.home() / ".hepaboard"
    database_url: str = ""
    link_minutes: int = 30
    dask_scheduler: str = ""
    training_workers: int = 2

    @property
    def url(self) -> str:
        """The database: SQLite below `home` unless HEPABOARD_DATABASE_URL names another."""
        return self.database_url or f"sqlite:///{self.home / 'hepaboard.sqlite'}"

    @property
    def features(self) -> Path:
        return self.home / "features"

    @property
    def maps(self) -> Path:
        return self.home / "maps"

    @property
    def files(self) -> Path:
        return self.home / "files"

    @property
    def bundles(self) -> Path:
        return self.home / "bundles"


@cache
def settings() -> Settings:
    """The settings of this process."""
    return Settings()
