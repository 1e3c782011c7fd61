"""How far two revisions of a mask agree: two readers, or before and after a correction."""

from core.domain.errors import InputError
from core.imaging.resampling import resample_mask
from core.regions.compare import MaskAgreement, compare_masks
from core.services.store import file_store, find_case, open_session


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
    store = file_store()
    a, b = store.volume(files[first]), store.volume(files[second])
    return compare_masks(a, resample_mask(b, a.geometry))
