"""Masks from DICOM Segmentation objects (SEG), as TotalSegmentator, 3D Slicer and OHIF write them."""

from pathlib import Path
from typing import Any

import numpy as np

from core.domain.errors import InputError
from core.domain.volume import Geometry, Volume

SEG_CLASS = "1.2.840.10008.5.1.4.1.1.66.4"


def is_dicom_seg(path: Path) -> bool:
    """Whether a file is a DICOM Segmentation object."""
    import pydicom
    from pydicom.errors import InvalidDicomError

    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID"])
    except (InvalidDicomError, OSError, EOFError):
        return False
    return str(header.get("SOPClassUID", "")) == SEG_CLASS


def read_dicom_seg(path: Path) -> Volume:
    """The segments of a SEG as one label volume: each voxel holds its segment's number, 0 where there is none.

    The grid is that of the segmentation, which may cover part of the image only. Where segments overlap, the one with
    the higher number is kept.

    Raises
    ------
    InputError
        When the object cannot be read as a volume.
    """
    import highdicom

    try:
        held = highdicom.seg.segread(path)
        parts = [(n, held.get_volume(segment_numbers=[n], combine_segments=True)) for n in held.segment_numbers]
    except (ValueError, RuntimeError, AttributeError, KeyError) as error:
        raise InputError(
            f"{path.name} is a DICOM SEG that cannot be read as a volume of evenly spaced slices."
        ) from error
    labels = np.zeros(parts[0][1].array.shape, np.uint8)
    for number, part in parts:
        if part.array.shape != labels.shape:
            raise InputError(f"{path.name} holds segments on different grids. Export one segment a file.")
        labels[part.array > 0] = number
    return Volume(array_zyx=labels, geometry=_geometry(parts[0][1]))


def _geometry(volume: Any) -> Geometry:
    """highdicom's array runs over slices, rows, columns: its affine's columns are our z, y and x."""
    columns = volume.affine[:3, :3][:, ::-1]
    spacing = np.linalg.norm(columns, axis=0)
    origin = volume.affine[:3, 3]
    return Geometry(
        size_xyz=(volume.array.shape[2], volume.array.shape[1], volume.array.shape[0]),
        spacing_mm_xyz=(float(spacing[0]), float(spacing[1]), float(spacing[2])),
        origin_mm_lps=(float(origin[0]), float(origin[1]), float(origin[2])),
        direction=tuple(float(v) for v in (columns / spacing).ravel()),
    )
