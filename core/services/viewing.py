"""What the viewer is given: signed links to a case's volumes, its masks on each phase's grid, surfaces, a heat map."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.access.links import BROWSER_COOKIE, LinkRefusedError, VolumeGrant, check, new_browser_id, sign
from core.config import settings
from core.domain.errors import InputError, StoreError
from core.domain.phase import Phase
from core.domain.volume import Geometry, Volume
from core.imaging.nifti import nifti_bytes
from core.imaging.resampling import resample_mask
from core.regions.surface import surface_stl
from core.services.cases import CaseView, MaskView
from core.services.drawing import work_on_drawing
from core.services.explain import Attention, attention
from core.services.segment import SEED_PHASES, shell_preview
from core.services.store import DerivedFiles, file_store, find_case, open_session

__all__ = [
    "BROWSER_COOKIE",
    "DRAWING_ROUTE",
    "SURFACE_ROUTE",
    "VOLUME_ROUTE",
    "LinkRefusedError",
    "linked_file",
    "linked_surface",
    "new_browser_id",
    "viewer_data",
    "work_on_linked_phase",
]
VOLUME_ROUTE = "/viewer/volume"
SURFACE_ROUTE = "/viewer/surface"
DRAWING_ROUTE = "/viewer/drawing"
ROUTES = {
    "read": (VOLUME_ROUTE, "/volume.nii.gz"),
    "surface": (SURFACE_ROUTE, "/surface.stl"),
    "draw": (DRAWING_ROUTE, ""),
}
# Okabe and Ito's palette: told apart by colour-blind readers too.
LESION_COLOURS = ((255, 150, 0), (86, 180, 233), (0, 158, 115), (204, 121, 167), (213, 94, 0), (0, 114, 178))
LIVER_COLOUR, LOAT_COLOUR, SHELL_COLOUR = (150, 200, 150), (230, 160, 230), (240, 228, 66)
MOST_STRUCTURES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """Something drawn over the images; `bit` marks it in the label volumes. Lower bits are drawn in front."""

    key: str
    name: str
    kind: str
    label: str
    lesion: int
    phase: str
    sha256: str
    colour: tuple[int, int, int]
    bit: int


def viewer_data(
    case: CaseView, *, user: str, browser: str, shell_mm: float | None = None, map_model: str | None = None
) -> dict[str, Any]:
    """Phases with links, structures with their bits, what can be drawn, surfaces, and the heat map if one is asked for.

    Links are for `user` in the browser session `browser` and expire.
    """
    shown = structures(case, shell_mm)
    derived = DerivedFiles(case.code)

    def link(sha256: str, *, use: str = "read") -> str:
        route, end = ROUTES[use]
        grant = VolumeGrant(user=user, browser=browser, case=case.code, sha256=sha256, use=use)
        return f"{route}/{sign(grant, settings().home)}{end}"

    phases = []
    for p in case.phases:
        item = {
            "id": p["sha256"],
            "phase": p["phase"],
            "label": f"{p['phase']} · {Phase(p['phase']).label}",
            "frame": p["frame"] or _grid_name(p["geometry"]),
            "geometry": {
                "size": p["geometry"]["size_xyz"],
                "spacing": p["geometry"]["spacing_mm_xyz"],
                "origin": p["geometry"]["origin_mm_lps"],
                "direction": p["geometry"]["direction"],
            },
            "url": link(p["sha256"]),
            "operation_url": link(p["sha256"], use="draw"),
        }
        if shown:
            labels = _labels(case, p["geometry"], shown, shell_mm, derived)
            item |= {"labels_id": labels, "labels_url": link(labels)}
        phases.append(item)
    return {
        "modality": case.modality,
        "synthetic": case.synthetic,
        "phases": phases,
        "first": next((s.value for s in SEED_PHASES if s.value in {p["phase"] for p in case.phases}), ""),
        "structures": [asdict(s) for s in shown],
        "targets": _targets(case, shown),
        "surfaces": [_surface(s, link) for s in shown if s.kind == "mask" and s.label != "LOAT"],
        "map": _map(case, map_model, link, derived) if map_model else None,
    }


def structures(case: CaseView, shell_mm: float | None = None) -> list[Structure]:
    """What is drawn over a case: lesions, LOAT, liver, the shell, and what a segmenter proposes."""
    found: list[Structure] = []

    def add(mask: MaskView, kind: str, colour: tuple[int, int, int]) -> None:
        name = f"Tumour {mask.lesion}" if mask.label == "tumour" else mask.label[0].upper() + mask.label[1:]
        proposed = kind == "proposal"
        found.append(
            Structure(
                key=f"{'proposal ' if proposed else ''}{mask.label}:{mask.lesion}",
                name=f"{name} (proposed)" if proposed else name,
                kind=kind,
                label=mask.label,
                lesion=mask.lesion,
                phase=mask.phase,
                sha256=mask.sha256,
                colour=colour,
                bit=1 << len(found),
            )
        )

    def colour_of(mask: MaskView) -> tuple[int, int, int]:
        if mask.label == "tumour":
            return LESION_COLOURS[(mask.lesion - 1) % len(LESION_COLOURS)]
        return LIVER_COLOUR if mask.label == "liver" else LOAT_COLOUR

    order = {"tumour": 0, "LOAT": 1, "liver": 2}
    for mask in sorted(case.masks, key=lambda m: (order[m.label], m.lesion)):
        add(mask, "mask", colour_of(mask))
    for mask in case.proposals:
        add(mask, "proposal", (255, 255, 255) if mask.label == "tumour" else (190, 210, 230))
    if shell_mm and case.index_lesion:
        lesion = case.index_lesion
        found.append(
            Structure(
                key="shell",
                name=f"Shell {shell_mm:g} mm",
                kind="shell",
                label="shell",
                lesion=lesion.lesion,
                phase=lesion.phase,
                sha256="",
                colour=SHELL_COLOUR,
                bit=1 << len(found),
            )
        )
    return found[:MOST_STRUCTURES]


def linked_file(token: str, *, browser: str) -> Path:
    """The file that a link allows this browser session to read, while its case exists.

    Raises
    ------
    LinkRefusedError
        When the link is not valid here or now.
    StoreError
        When the case or the file is gone.
    """
    grant = _granted(token, browser=browser, use="read")
    return DerivedFiles(grant.case).path(grant.sha256) or file_store().path(grant.sha256)


def linked_surface(token: str, *, browser: str) -> Path:
    """The surface of the mask a link names, made when it is first asked for; errors as for `linked_file`."""
    grant = _granted(token, browser=browser, use="surface")
    derived = DerivedFiles(grant.case)
    name = derived.name("surface", grant.sha256)
    derived.make(name, lambda: surface_stl(file_store().volume(grant.sha256)))
    found = derived.path(name)
    if found is None:
        raise StoreError("The surface is gone again: the case was deleted.")
    return found


def work_on_linked_phase(token: str, request: bytes, *, browser: str) -> dict[str, Any]:
    """An operation of the workbench on the phase a link names (see `work_on_drawing`).

    Raises
    ------
    LinkRefusedError
        When the link is not valid here or now. InputError when the request is not usable.
    """
    grant = _granted(token, browser=browser, use="draw")
    try:
        message = json.loads(request)
    except ValueError as error:
        raise InputError("The request did not arrive whole. Try again.") from error
    return work_on_drawing(grant.case, grant.sha256, message)


def _granted(token: str, *, browser: str, use: str) -> VolumeGrant:
    config = settings()
    grant = check(token, browser=browser, home=config.home, max_age_s=config.link_minutes * 60, use=use)
    with open_session() as session:
        find_case(session, grant.case)
    return grant


def _labels(
    case: CaseView, grid: dict[str, Any], shown: list[Structure], shell_mm: float | None, derived: DerivedFiles
) -> str:
    """The label volume of all structures on a grid: each voxel holds the sum of its structures' bits.

    Phases on one grid share it.
    """
    organs = [m.sha256 for m in case.masks if m.label == "liver"]
    name = derived.name("labels", grid, [(s.key, s.sha256, s.bit) for s in shown], shell_mm, organs)

    def content() -> bytes:
        store = file_store()
        geometry = Geometry.from_json(grid)
        labels = np.zeros(geometry.size_xyz[::-1], np.uint16 if len(shown) > 8 else np.uint8)
        for s in shown:
            mask = shell_preview(case.code, shell_mm or 0.0) if s.kind == "shell" else store.volume(s.sha256)
            try:
                labels[resample_mask(mask, geometry).array_zyx > 0] |= s.bit
            except InputError:
                continue  # the structure lies outside this phase's coverage: nothing of it is to be seen there
        return nifti_bytes(Volume(array_zyx=labels, geometry=geometry))

    return derived.make(name, content)


def _targets(case: CaseView, shown: list[Structure]) -> list[dict[str, Any]]:
    """Masks that can be drawn: those there are, one more lesion, liver and LOAT."""
    there = [s for s in shown if s.kind == "mask"]
    targets: list[dict[str, Any]] = [
        {k: getattr(s, k) for k in ("key", "name", "label", "lesion", "phase", "colour", "bit")} for s in there
    ]
    lesion = max((s.lesion for s in there if s.label == "tumour"), default=0) + 1
    new = [("tumour", lesion, f"Tumour {lesion} (new)", LESION_COLOURS[(lesion - 1) % len(LESION_COLOURS)])]
    for label, name, colour in (("liver", "Liver (new)", LIVER_COLOUR), ("LOAT", "LOAT (new)", LOAT_COLOUR)):
        if label not in {s.label for s in there}:
            new.append((label, 1, name, colour))
    phase = case.index_lesion.phase if case.index_lesion else ""
    targets += [
        {"key": f"{label}:{n}", "name": name, "label": label, "lesion": n, "phase": phase, "colour": colour, "bit": 0}
        for label, n, name, colour in new
    ]
    return targets


def _surface(s: Structure, link: Any) -> dict[str, Any]:
    opacity = 0.5 if s.label == "liver" else 1.0
    url = link(s.sha256, use="surface")
    return {"key": s.key, "name": s.name, "colour": s.colour, "opacity": opacity, "url": url}


def _map(case: CaseView, model: str, link: Any, derived: DerivedFiles) -> dict[str, Any]:
    """The class activation map of a model as a volume of bytes on its phase's grid, 255 at its peak."""
    found: Attention = attention(case.code, model)
    name = derived.name("map", found.map.content_hash())

    def content() -> bytes:
        scaled = np.clip(np.rint(found.map.array_zyx * 255), 0, 255).astype(np.uint8)
        return nifti_bytes(Volume(array_zyx=scaled, geometry=found.map.geometry))

    derived.make(name, content)
    phase = next(p for p in case.phases if p["phase"] == found.phase)
    return {"id": name, "phase": phase["sha256"], "title": f"{model}, {found.phase}", "url": link(name)}


def _grid_name(geometry: dict[str, Any]) -> str:
    """Files without a frame of reference are taken as registered only where they share one grid."""
    return json.dumps(geometry, sort_keys=True)
