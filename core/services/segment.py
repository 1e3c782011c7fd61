"""Tumour, liver and other masks of a case: grown from a seed, or imported; every change a new revision."""

import tempfile
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from core.domain.case import CaseState
from core.domain.errors import InputError
from core.domain.phase import PHASE_ORDER, Modality, Phase
from core.domain.volume import Volume
from core.imaging.archive import unpack_images
from core.imaging.dicom import read_series
from core.imaging.dicom_seg import is_dicom_seg, read_dicom_seg
from core.imaging.nifti import is_image_file, read_image_file
from core.imaging.resampling import is_part_of, resample_mask
from core.regions.body import body_mask
from core.regions.derived import fat_voxels
from core.regions.growing import grow_from_seed
from core.regions.measure import MaskMeasures, measure_mask
from core.regions.shells import peritumoral_shell
from core.services.cases import advance, fall_back, newest_masks
from core.services.store import LOCAL_USER, StagedFiles, file_store, find_case, open_session
from core.storage.models import Case, CasePhase, MaskRevision

SEED_PHASES = (Phase.PVP, Phase.AP, Phase.DP, Phase.HBP, Phase.NC, Phase.UNKNOWN)
LABELS = ("tumour", "liver", "LOAT")


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentResult:
    """A stored revision and what it measures."""

    revision: int
    label: str
    lesion: int
    phase: str
    measures: MaskMeasures

    def as_json(self) -> dict[str, Any]:
        m = asdict(self.measures)
        return {
            "revision": self.revision,
            "label": self.label,
            "lesion": self.lesion,
            "phase": self.phase,
            **m,
            "checks": list(m["checks"]),
        }


def segment_from_seed(
    code: str,
    seed_mm_lps: tuple[float, float, float],
    *,
    phase: str | None = None,
    lesion: int = 1,
    spread: float = 2.5,
    author: str = LOCAL_USER,
) -> SegmentResult:
    """Grow a tumour from a seed point in mm (LPS) and store it as a new revision.

    Raises
    ------
    InputError
        When the seed is not usable or the region floods.
    """
    with open_session() as session:
        row = find_case(session, code)
        stored = phase_of(row, phase)
        sha256, modality = stored.file_sha256, Modality(row.modality)
        name = stored.phase
    image = file_store().volume(sha256)
    mask = grow_from_seed(image, seed_mm_lps, modality, spread=spread)
    point = ", ".join(f"{v:.1f}" for v in seed_mm_lps)
    source = f"grown from seed ({point}) mm LPS, spread {spread:g}"
    return store_mask(code, mask, label="tumour", lesion=lesion, phase=name, source=source, author=author)


def segment_from_file(
    code: str,
    path: Path,
    *,
    phase: str | None = None,
    label: str = "tumour",
    lesion: int = 1,
    value: int | None = None,
    resample: bool = False,
    author: str = LOCAL_USER,
) -> SegmentResult:
    """Import a mask: NIfTI, NRRD, DICOM SEG, or a folder or zip of a DICOM image series whose voxels are the mask.

    A mask whose grid is a part of the phase's, voxel on voxel (a cropped mask, or a SEG of some slices), is put in its
    place as it is.

    Parameters
    ----------
    value : the label value to take where the file holds several.
    resample : bring a mask of another grid to the phase's (nearest neighbour) instead of refusing it.

    Raises
    ------
    InputError
        When the file is not readable, holds several values and none is chosen, or lies on another grid.
    """
    found = read_mask_file(path)
    with open_session() as session:
        stored = phase_of(find_case(session, code), phase)
        sha256, name = stored.file_sha256, stored.phase
    image = file_store().volume(sha256)
    mask = Volume(array_zyx=chosen_label(found, value), geometry=found.geometry)
    if not mask.geometry.matches(image.geometry, tolerance_mm=0.1):
        if not (resample or is_part_of(mask.geometry, image.geometry)):
            raise InputError(
                f"{path.name} lies on another grid ({_grid(mask)}) than the {name} phase ({_grid(image)}). "
                "If both show the same patient position, allow resampling."
            )
        mask = resample_mask(mask, image.geometry)
    # Within the tolerance a mask takes the image's own geometry, so that both lie on exactly one grid.
    mask = Volume(array_zyx=mask.array_zyx, geometry=image.geometry)
    return store_mask(code, mask, label=label, lesion=lesion, phase=name, source="imported mask", author=author)


def read_mask_file(path: Path) -> Volume:
    """A mask from NIfTI, NRRD or DICOM SEG, or from a folder or zip of a DICOM image series."""
    if not path.exists():
        raise InputError(f"'{path.name}' does not exist. Check the path.")
    if is_image_file(path):
        return read_image_file(path)
    if path.is_dir():
        return _single_series([p for p in path.rglob("*") if p.is_file()], path.name)
    if zipfile.is_zipfile(path):
        with tempfile.TemporaryDirectory() as folder:
            return _single_series(unpack_images(path, Path(folder)), path.name)
    if is_dicom_seg(path):
        return read_dicom_seg(path)
    raise InputError(
        f"{path.name} is no mask this version reads. Give NIfTI, NRRD, DICOM SEG, or a DICOM series as folder or zip."
    )


def _single_series(paths: list[Path], name: str) -> Volume:
    series, _ = read_series(paths)
    if len(series) != 1:
        raise InputError(f"{name} holds {len(series)} series; a mask is one. Give the mask's own folder.")
    return series[0].volume


def label_values(mask: Volume) -> list[int]:
    """Values other than 0 in a mask file."""
    values = np.unique(mask.array_zyx)
    if len(values) > 64:
        raise InputError("The file holds more than 64 different values: that is an image, not a mask.")
    return [int(v) for v in values if v != 0]


def chosen_label(mask: Volume, value: int | None) -> Any:
    """The binary array of one label value."""
    values = label_values(mask)
    if not values:
        raise InputError("The mask is empty: no voxel is marked.")
    if value is None and len(values) > 1:
        raise InputError(f"The mask holds the values {', '.join(map(str, values))}. Choose which of them is meant.")
    if value is not None and value not in values:
        raise InputError(f"The mask does not hold the value {value}. It holds {', '.join(map(str, values))}.")
    return (mask.array_zyx == (values[0] if value is None else value)).astype(np.uint8)


def store_mask(
    code: str, mask: Volume, *, label: str, lesion: int, phase: str, source: str, author: str
) -> SegmentResult:
    """Store a mask as the newest revision of its label and lesion; results made from the old one fall away.

    Raises
    ------
    InputError
        When the mask is empty or the label unknown.
    """
    if label not in LABELS:
        raise InputError(f"There is no mask label '{label}'. Known: {', '.join(LABELS)}.")
    measures = measure_mask(mask)
    stored_measures = {**asdict(measures), **(_fat(code, mask, phase) if label == "LOAT" else {})}
    with StagedFiles() as staged, open_session() as session:
        row = find_case(session, code)
        parent = [m for m in row.masks if m.label == label and m.lesion == lesion]
        revision = MaskRevision(
            label=label,
            lesion=lesion,
            phase=phase,
            author=author,
            source=source,
            parent_id=parent[-1].id if parent else None,
            file_sha256=staged.put_volume(mask),
            measures=stored_measures,
        )
        row.masks.append(revision)
        if label == "tumour":
            fall_back(row, CaseState.SEGMENTED)
        else:
            advance(row, CaseState.PHASES_CONFIRMED)
        session.flush()
        return SegmentResult(revision=revision.id, label=label, lesion=lesion, phase=phase, measures=measures)


def _fat(code: str, mask: Volume, phase: str) -> dict[str, float]:
    """Lesser omental fat on CT: area on the slice with most of it (cm²) and volume (mL)."""
    with open_session() as session:
        row = find_case(session, code)
        if Modality(row.modality) is not Modality.CT:
            return {}
        sha256 = phase_of(row, phase).file_sha256
    fat = fat_voxels(mask, file_store().volume(sha256))
    pixel_mm2 = mask.geometry.spacing_mm_xyz[0] * mask.geometry.spacing_mm_xyz[1]
    return {
        "fat_area_cm2": float(fat.sum(axis=(1, 2)).max()) * pixel_mm2 / 100,
        "fat_volume_ml": float(fat.sum()) * mask.geometry.voxel_ml,
    }


def shell_preview(code: str, width_mm: float) -> Volume:
    """The peritumoral shell of the index lesion on its own phase's grid, as analysis would make it."""
    with open_session() as session:
        row = find_case(session, code)
        masks = current_tumours(session, row)
        if not masks:
            raise InputError("There is no tumour mask yet. Mark the tumour first.")
        index = masks[0]
        phase = phase_of(row, index.phase)
        liver = next((m for m in newest_masks(row) if m.label == "liver"), None)
        modality = Modality(row.modality)
    store = file_store()
    tumour = store.volume(index.file_sha256)
    others = tuple(resample_mask(store.volume(m.file_sha256), tumour.geometry) for m in masks[1:])
    within = (
        resample_mask(store.volume(liver.file_sha256), tumour.geometry)
        if liver
        else body_mask(store.volume(phase.file_sha256), modality)
    )
    return peritumoral_shell(tumour, width_mm, within=within, excluding=others)


def current_tumours(session: Session, row: Case) -> list[MaskRevision]:
    """Newest tumour masks, largest first."""
    tumours = [m for m in newest_masks(row) if m.label == "tumour"]
    return sorted(tumours, key=lambda m: -float(m.measures["volume_ml"]))


def phase_of(row: Case, wanted: str | None) -> CasePhase:
    """The case's stored phase of that name; the best one to draw on when none is named."""
    phases = {p.phase: p for p in row.phases}
    if wanted is not None:
        if wanted not in phases:
            raise InputError(f"Case {row.code} has no {wanted} phase. It has {', '.join(sorted(phases, key=_order))}.")
        return phases[wanted]
    return next(phases[p.value] for p in SEED_PHASES if p.value in phases)


def _order(phase: str) -> int:
    return PHASE_ORDER.index(Phase(phase))


def _grid(v: Volume) -> str:
    size = "×".join(map(str, v.geometry.size_xyz))
    return f"{size} of {'×'.join(f'{s:.3g}' for s in v.geometry.spacing_mm_xyz)} mm"
