"""What the viewer is given: signed links to the volumes of a case and to its masks on each phase's grid."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from core.access.links import BROWSER_COOKIE, LinkRefusedError, VolumeGrant, check, new_browser_id, sign
from core.config import settings
from core.domain.volume import Geometry, Volume
from core.imaging.resampling import resample_mask
from core.services.cases import CaseView
from core.services.segment import shell_preview
from core.services.store import file_store, find_case, open_session

__all__ = ["BROWSER_COOKIE", "VOLUME_ROUTE", "LinkRefusedError", "linked_file", "new_browser_id", "viewer_phases"]
VOLUME_ROUTE = "/viewer/volume"
SHELL_LABEL = 9


def viewer_phases(case: CaseView, *, user: str, browser: str, shell_mm: float | None = None) -> list[dict[str, Any]]:
    """Each phase with its link, and the link of a label volume (lesion numbers, 9 the shell) on its grid."""

    def link(sha256: str) -> str:
        token = sign(VolumeGrant(user=user, browser=browser, case=case.code, sha256=sha256), settings().home)
        return f"{VOLUME_ROUTE}/{token}/volume.nii.gz"

    lesions = tuple((m.lesion, m.sha256) for m in case.tumours)
    organs = tuple(m.sha256 for m in case.masks if m.label == "liver")
    phases = []
    for p in case.phases:
        item = {"id": p["sha256"], "phase": p["phase"], "label": p["phase"], "url": link(p["sha256"])}
        if lesions:
            overlay = _overlay(case.code, p["sha256"], lesions, shell_mm, organs)
            item |= {"overlay_id": overlay, "overlay_url": link(overlay)}
        phases.append(item)
    return phases


@lru_cache(maxsize=256)
def _overlay(
    code: str, phase: str, lesions: tuple[tuple[int, str], ...], shell_mm: float | None, organs: tuple[str, ...]
) -> str:
    """The stored label volume of lesions and shell on a phase's grid; made once.

    `organs` only tells one shell from another: it is cut to them.
    """
    store = file_store()
    geometry: Geometry = store.volume(phase).geometry
    labels = np.zeros(geometry.size_xyz[::-1], np.uint8)
    if shell_mm is not None:
        labels[resample_mask(shell_preview(code, shell_mm), geometry).array_zyx > 0] = SHELL_LABEL
    for lesion, sha256 in lesions:
        labels[resample_mask(store.volume(sha256), geometry).array_zyx > 0] = lesion
    return store.put_volume(Volume(array_zyx=labels, geometry=geometry))


def linked_file(token: str, *, browser: str) -> Path:
    """The stored file that a link allows this browser session to read, while its case exists.

    Raises
    ------
    LinkRefusedError
        When the link is not valid here or now.
    StoreError
        When the case or the file is gone.
    """
    config = settings()
    grant = check(token, browser=browser, home=config.home, max_age_s=config.link_minutes * 60)
    with open_session() as session:
        find_case(session, grant.case)
    return file_store().path(grant.sha256)
