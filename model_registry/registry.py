"""Where registered bundles lie."""

import shutil
from pathlib import Path

from core.config import settings
from core.domain.errors import InputError
from model_registry.bundle import Bundle


def bundle_folder(name: str, version: str) -> Path:
    """The folder of a registered bundle."""
    return settings().bundles / name / version


def admit(bundle: Bundle) -> Path:
    """Copy a verified bundle among the registered ones, complete or not at all.

    Raises
    ------
    InputError
        When that version is already there.
    """
    target = bundle_folder(bundle.name, bundle.version)
    if target.exists():
        raise InputError(
            f"{bundle.name} version {bundle.version} is registered already. Give the new one a new version."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(bundle.root, part)
    part.rename(target)
    return target
