"""Masks drawn in the browser: unpacked and checked, worked on, and stored as a new revision."""

from __future__ import annotations

import base64
import binascii
import gzip
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.domain.errors import InputError
from core.domain.phase import Modality
from core.domain.volume import Geometry, Volume
from core.regions.editing import fill_between_slices, fill_holes, smooth
from core.regions.growing import grow_from_seed
from core.services.segment import SegmentResult, phase_of, store_mask
from core.services.store import LOCAL_USER, file_store, find_case, open_session

READER_LENGTH = 60
OPERATIONS = ("fill_between_slices", "fill_holes", "grow", "smooth")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WorkedMask:
    """The mask after an operation, and a sentence where one is needed."""

    mask: Volume
    note: str = ""


def unpack_drawing(message: Any, geometry: Geometry) -> Volume:
    """The mask a browser sent, on the grid it was drawn on.

    `message` holds `size` (the grid's, x y z), `box` (`low` and `size`) and `voxels`: the box, x fastest, gzipped, in
    base64.

    Raises
    ------
    InputError
        When anything of it does not fit the grid or is not 0 or 1.
    """
    try:
        size = tuple(int(v) for v in message["size"])
        low = [int(v) for v in message["box"]["low"]]
        extent = [int(v) for v in message["box"]["size"]]
        packed = base64.b64decode(message["voxels"], validate=True)
    except (TypeError, KeyError, ValueError, binascii.Error) as error:
        raise InputError("The drawing did not arrive whole. Save it again.") from error
    if size != geometry.size_xyz:
        raise InputError("The drawing belongs to another image grid. Reload the page and draw again.")
    inside = len(low) == len(extent) == 3 and all(
        a >= 0 and n > 0 and a + n <= whole for a, n, whole in zip(low, extent, size, strict=True)
    )
    if not inside:
        raise InputError("The drawing reaches outside the image. Reload the page and draw again.")
    count = int(np.prod(extent))
    unpacker = zlib.decompressobj(wbits=31)
    try:
        voxels = unpacker.decompress(packed, count + 1)
    except zlib.error as error:
        raise InputError("The drawing did not arrive whole. Save it again.") from error
    if len(voxels) != count or not unpacker.eof:
        raise InputError("The drawing did not arrive whole. Save it again.")
    box = np.frombuffer(voxels, np.uint8).reshape(extent[::-1])
    if box.max() > 1:
        raise InputError("The drawing holds other values than 0 and 1.")
    array = np.zeros(size[::-1], np.uint8)
    array[low[2] : low[2] + extent[2], low[1] : low[1] + extent[1], low[0] : low[0] + extent[0]] = box
    return Volume(array_zyx=array, geometry=geometry)


def pack_drawing(mask: Volume) -> dict[str, Any]:
    """The message that `unpack_drawing` reads; of an empty mask one voxel that is not marked."""
    marked = np.argwhere(mask.array_zyx > 0)
    low = marked.min(axis=0) if len(marked) else np.zeros(3, int)
    high = marked.max(axis=0) + 1 if len(marked) else np.ones(3, int)
    box = mask.array_zyx[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    voxels = gzip.compress(np.ascontiguousarray(box > 0, np.uint8).tobytes(), compresslevel=1)
    return {
        "size": list(mask.geometry.size_xyz),
        "box": {"low": low[::-1].tolist(), "size": (high - low)[::-1].tolist()},
        "voxels": base64.b64encode(voxels).decode(),
    }


def work_on_drawing(code: str, phase_sha256: str, request: Any) -> dict[str, Any]:
    """One operation of the workbench on a mask that is not stored: `{"mask": …, "note": …}`.

    Raises
    ------
    InputError
        When the operation is unknown or cannot be done on this mask.
    """
    if not isinstance(request, dict) or request.get("operation") not in OPERATIONS:
        raise InputError(f"The workbench knows {', '.join(OPERATIONS)}.")
    parameters = request.get("parameters") or {}
    with open_session() as session:
        row = find_case(session, code)
        if phase_sha256 not in {p.file_sha256 for p in row.phases}:
            raise InputError("This phase does not belong to the case any more. Reload the page.")
        modality = Modality(row.modality)
    image = file_store().volume(phase_sha256)
    drawn = unpack_drawing(request["mask"], image.geometry) if request.get("mask") else None
    worked = _work(request["operation"], parameters, drawn, image, modality)
    return {"mask": pack_drawing(worked.mask), "note": worked.note}


def _work(operation: str, given: dict[str, Any], drawn: Volume | None, image: Volume, modality: Modality) -> WorkedMask:
    if operation == "grow":
        point = given.get("point_mm_lps")
        if not isinstance(point, list) or len(point) != 3:
            raise InputError("Growing needs a point in the image.")
        seed = (_number(point[0]), _number(point[1]), _number(point[2]))
        grown = grow_from_seed(image, seed, modality, spread=_number(given.get("spread", 2.5)))
        both = grown.array_zyx if drawn is None else np.maximum(grown.array_zyx, drawn.array_zyx)
        added = int(grown.array_zyx.sum()) * image.geometry.voxel_ml
        return WorkedMask(
            mask=Volume(array_zyx=both, geometry=image.geometry),
            note=f"{added:.1f} mL grown. Correct it with brush and eraser, then save.",
        )
    if drawn is None:
        raise InputError("Nothing is drawn yet.")
    if operation == "fill_between_slices":
        axis = given.get("axis", 2)
        if axis not in (0, 1, 2):
            raise InputError("The direction to fill in is 0, 1 or 2.")
        return WorkedMask(mask=fill_between_slices(drawn, axis))
    if operation == "smooth":
        return WorkedMask(mask=smooth(drawn, _number(given.get("mm", 2.0))))
    return WorkedMask(mask=fill_holes(drawn))


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not np.isfinite(value):
        raise InputError("A setting of the workbench is no number. Check it beside the images.")
    return float(value)


def store_drawing(code: str, message: Any) -> SegmentResult:
    """Store a drawn mask as a new revision of its label and lesion.

    `message` holds `phase`, `label`, `lesion`, `reader` and `mask` (see `unpack_drawing`).

    Raises
    ------
    InputError
        When anything of it does not belong to the case.
    """
    if not isinstance(message, dict):
        raise InputError("The drawing did not arrive whole. Save it again.")
    lesion = message.get("lesion")
    if not isinstance(lesion, int) or not 1 <= lesion <= 99:
        raise InputError("The lesion's number is a whole number from 1 to 99.")
    reader = " ".join(str(message.get("reader") or "").split())[:READER_LENGTH] or LOCAL_USER
    with open_session() as session:
        stored = phase_of(find_case(session, code), str(message.get("phase")))
        geometry, name = Geometry.from_json(stored.geometry), stored.phase
    mask = unpack_drawing(message.get("mask"), geometry)
    return store_mask(
        code,
        mask,
        label=str(message.get("label")),
        lesion=lesion,
        phase=name,
        source="drawn in the viewer",
        author=reader,
    )
