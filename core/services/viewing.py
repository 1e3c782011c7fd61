"""What the viewer is given: signed links to the volumes and masks of a case, and the files behind them."""

from pathlib import Path
from typing import Any

from core.access.links import VolumeGrant, check, sign
from core.config import settings
from core.domain.errors import InputError
from core.services.cases import CaseView
from core.services.store import file_store, find_case, open_session

VOLUME_ROUTE = "/viewer/volume"


def viewer_data(case: CaseView, *, user: str, browser: str) -> dict[str, Any]:
    """Phases and tumour masks of a case for the viewer component."""

    def link(sha256: str) -> str:
        token = sign(VolumeGrant(user=user, browser=browser, case=case.code, sha256=sha256), settings().home)
        return f"{VOLUME_ROUTE}/{token}/volume.nii.gz"

    phases = [
        {
            "id": p["sha256"],
            "phase": p["phase"],
            "label": f"{p['phase']}",
            "url": link(p["sha256"]),
            "grid": [*p["size_xyz"], *p["spacing_mm"]],
        }
        for p in case.phases
    ]
    masks = [{"id": m.sha256, "phase": m.phase, "lesion": m.lesion, "url": link(m.sha256)} for m in case.tumours]
    return {"case": case.code, "modality": case.modality, "phases": phases, "masks": masks}


def linked_file(token: str, *, browser: str) -> Path:
    """The stored file that a link allows this browser session to read, if the case still refers to it.

    Raises
    ------
    LinkRefusedError
        When the link is not valid here or now.
    InputError
        When the case no longer holds the file.
    """
    config = settings()
    grant = check(token, browser=browser, home=config.home, max_age_s=config.link_minutes * 60)
    with open_session() as session:
        row = find_case(session, grant.case)
        held = {p.file_sha256 for p in row.phases} | {m.file_sha256 for m in row.masks}
    if grant.sha256 not in held:
        raise InputError("The case no longer holds this volume. Reload the page.")
    return file_store().path(grant.sha256)
