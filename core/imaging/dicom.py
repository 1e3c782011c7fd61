"""DICOM series from a pile of files: grouped, sorted by position, checked, read into volumes."""

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.domain.errors import InputError
from core.domain.phase import Modality
from core.domain.volume import Volume
from core.imaging.simpleitk import from_sitk

FEWEST_SLICES = 5
# The tags that may tell several acquisitions of one series apart, in the order in which they are tried.
SPLIT_TAGS = (
    "TemporalPositionIdentifier",
    "AcquisitionNumber",
    "AcquisitionTime",
    "ContentTime",
    "TriggerTime",
)
HEADER_TAGS = [
    "Modality",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
    "SeriesNumber",
    "SeriesDescription",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "Rows",
    "Columns",
    *SPLIT_TAGS,
]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DicomSeries:
    """One acquisition as a volume, with what the header says that helps to name its phase.

    `frame` is the same for series of one frame of reference: their coordinates mean the same place. It is a hash, as
    the identifier itself would lead back to the study.
    """

    modality: str
    number: str
    description: str
    acquisition: str
    frame: str
    volume: Volume

    @property
    def source(self) -> str:
        """How the series is called on screen."""
        name = f"series {self.number}" if self.number else "series without number"
        return f"{name}: {self.description}" if self.description else name


def read_series(paths: list[Path]) -> tuple[list[DicomSeries], list[str]]:
    """All CT and MR volumes among the files, with a warning for each file or series left out.

    Raises
    ------
    InputError
        When no file is DICOM, or a series misses slices, is interleaved or mixes image sizes.
    """
    headers, unreadable = _headers(paths)
    if not headers:
        raise InputError(
            "None of the files is a DICOM image. Give a DICOM folder or zip, or NIfTI files named by phase."
        )
    warnings = [f"{unreadable} file(s) are not DICOM images and were left out."] if unreadable else []
    groups: dict[str, list[tuple[Path, Any]]] = defaultdict(list)
    for path, header in headers:
        groups[str(header.SeriesInstanceUID)].append((path, header))
    found = []
    for members in groups.values():
        first = members[0][1]
        label = f"Series {first.get('SeriesNumber') or '?'} ({first.get('SeriesDescription', '') or 'no description'})"
        if str(first.get("Modality", "")) not in tuple(Modality):
            warnings.append(f"{label} is of modality {first.get('Modality', 'unknown')} and was left out.")
        elif len(members) < FEWEST_SLICES:
            warnings.append(f"{label} has {len(members)} image(s), too few for a volume, and was left out.")
        else:
            found += [_volume(part, label) for part in _acquisitions(members, label)]
    if not found:
        raise InputError("There is no CT or MR volume among the files. " + " ".join(warnings))
    return sorted(found, key=lambda s: (s.acquisition, s.number)), warnings


def _headers(paths: list[Path]) -> tuple[list[tuple[Path, Any]], int]:
    import pydicom
    from pydicom.errors import InvalidDicomError

    headers, unreadable = [], 0
    for path in paths:
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=HEADER_TAGS)
        except (InvalidDicomError, OSError, EOFError):
            unreadable += 1
            continue
        if "ImagePositionPatient" in header and "PixelSpacing" in header and "SeriesInstanceUID" in header:
            headers.append((path, header))
        else:
            unreadable += 1
    return headers, unreadable


def _normal(header: Any) -> Any:
    row, column = np.array(header.ImageOrientationPatient, float).reshape(2, 3)
    return np.cross(row, column)


def _position(header: Any) -> float:
    """Distance along the slice normal in mm."""
    return float(_normal(header) @ np.array(header.ImagePositionPatient, float))


def _acquisitions(members: list[tuple[Path, Any]], label: str) -> list[list[tuple[Path, Any]]]:
    """Split a series whose slice positions repeat into its acquisitions."""
    sizes = {(int(h.Rows), int(h.Columns)) for _, h in members}
    normals = np.array([_normal(h) for _, h in members])
    if len(sizes) > 1 or np.abs(normals - normals[0]).max() > 1e-3:
        raise InputError(
            f"{label} mixes image sizes or orientations; it is not one volume. Remove the localiser images."
        )
    if _unique_positions(members):
        return [members]
    for tag in SPLIT_TAGS:
        parts: dict[str, list[tuple[Path, Any]]] = defaultdict(list)
        for member in members:
            parts[str(member[1].get(tag, ""))].append(member)
        if len(parts) > 1 and all(_unique_positions(p) for p in parts.values()):
            return [parts[key] for key in sorted(parts)]
    raise InputError(
        f"{label} holds several images at the same position and no tag tells them apart. Export one series a phase."
    )


def _unique_positions(members: list[tuple[Path, Any]]) -> bool:
    positions = [round(_position(h), 2) for _, h in members]
    return len(set(positions)) == len(positions)


def _volume(members: list[tuple[Path, Any]], label: str) -> DicomSeries:
    import SimpleITK as sitk  # noqa: N813

    ordered = sorted(members, key=lambda m: _position(m[1]))
    positions = np.array([_position(h) for _, h in ordered])
    gaps = np.diff(positions)
    usual = float(np.median(gaps))
    if gaps.max() > 1.5 * usual or gaps.min() < 0.5 * usual:
        at = float(positions[int(np.argmax(gaps))])
        raise InputError(
            f"{label} misses slices: the gap at {at:.1f} mm is {gaps.max():.2f} mm where {usual:.2f} mm is usual. "
            "Send the complete series."
        )
    try:
        image = sitk.ReadImage([str(p) for p, _ in ordered])
    except RuntimeError as error:
        raise InputError(
            f"{label} could not be read: its pixel data is damaged or compressed in an unknown way."
        ) from error
    image.SetSpacing([*image.GetSpacing()[:2], (positions[-1] - positions[0]) / (len(positions) - 1)])
    volume = from_sitk(image)
    first = ordered[0][1]
    return DicomSeries(
        modality=str(first.Modality),
        number=str(first.get("SeriesNumber") or ""),
        description=str(first.get("SeriesDescription", "") or "").strip(),
        acquisition=str(first.get("AcquisitionTime", "") or first.get("AcquisitionNumber", "") or ""),
        frame=_frame(str(first.get("FrameOfReferenceUID", "") or "")),
        volume=Volume(array_zyx=_as_int16(volume.array_zyx), geometry=volume.geometry),
    )


def _frame(uid: str) -> str:
    return hashlib.sha256(uid.encode()).hexdigest()[:16] if uid else ""


def _as_int16(array_zyx: Any) -> Any:
    """16-bit integers where nothing is lost: half the memory and the viewer's quick path."""
    if array_zyx.dtype == np.int16:
        return array_zyx
    whole = np.rint(array_zyx)
    if np.array_equal(whole, array_zyx) and array_zyx.min() >= -32768 and array_zyx.max() <= 32767:
        return whole.astype(np.int16)
    return array_zyx.astype(np.float32)
