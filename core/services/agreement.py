"""How far two revisions of a mask agree: two readers, or before and after a correction."""

from functools import lru_cache
from pathlib import Path

from core.config import settings
from core.domain.errors import InputError
from core.imaging.resampling import resample_mask
from core.regions.compare import MaskAgreement, compare_masks
from core.services.store import find_case, open_session
from core.storage.files import FileStore


def compare_revisions(code: str, first: int, second: int) -> MaskAgreement:
    """Agreement of two stored revisions; the second is brought to the first's grid where they differ.

    Raises
    ------
    InputError
        When a revision is not the case's.
    """
    with open_session() as session:
        files = {m.id: m.file_sha256 for m in find_case(session, code).masks}
    for number in (first, second):
        if number not in files:
            raise InputError(f"Case {code} has no mask revision {number}.")
    return _compared(str(settings().files), files[first], files[second])


@lru_cache(maxsize=64)
def _compared(files: str, first: str, second: str) -> MaskAgreement:
    """By content, so that a page drawn again does not compute it again."""
    store = FileStore(Path(files))
    a, b = store.volume(first), store.volume(second)
    return compare_masks(a, resample_mask(b, a.geometry))
