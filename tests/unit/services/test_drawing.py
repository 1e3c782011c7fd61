"""Masks that come from the browser: unpacked exactly, checked, worked on, stored as revisions of their reader."""

import base64
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.domain.errors import InputError, StoreError
from core.domain.phase import Modality, Phase
from core.domain.volume import Geometry, Volume
from core.imaging.nifti import nifti_bytes
from core.services.agreement import compare_revisions
from core.services.cases import delete_case, mask_history, show_case
from core.services.drawing import pack_drawing, store_drawing, unpack_drawing, work_on_drawing
from core.services.intake import ingest
from core.services.preferences import read_preference, write_preference
from core.services.segment import segment_from_file
from core.services.store import DerivedFiles
from core.services.viewing import LinkRefusedError, linked_file, linked_surface, structures, viewer_data
from core.synthetic.render import RenderedCase

GEOMETRY = Geometry(size_xyz=(7, 5, 4), spacing_mm_xyz=(0.7, 0.9, 2.5))


@pytest.fixture
def case(home: Path, ct_case: RenderedCase, tmp_path: Path) -> str:
    del home
    paths = []
    for phase in (Phase.AP, Phase.PVP):
        path = tmp_path / f"{phase.value}.nii.gz"
        path.write_bytes(nifti_bytes(ct_case.phases[phase]))
        paths.append(str(path))
    ingest(paths, case="CT")
    return "CT"


def message(drawn: Volume, **changes: Any) -> dict[str, Any]:
    packed = {"label": "tumour", "lesion": 1, "phase": "PVP", "reader": "A", "mask": pack_drawing(drawn)}
    return {**packed, **changes}


def test_a_drawing_comes_back_voxel_by_voxel() -> None:
    rng = np.random.default_rng(0)
    array = (rng.random((4, 5, 7)) > 0.7).astype(np.uint8)
    found = unpack_drawing(pack_drawing(Volume(array_zyx=array, geometry=GEOMETRY)), GEOMETRY)
    np.testing.assert_array_equal(found.array_zyx, array)
    assert found.geometry == GEOMETRY


def packed(**changes: Any) -> dict[str, Any]:
    box = {"low": [1, 1, 1], "size": [2, 2, 2]}
    return {"size": [7, 5, 4], "box": box, "voxels": voxels(b"\x01" * 8), **changes}


def voxels(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content)).decode()


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ("nothing", "did not arrive whole"),
        ({}, "did not arrive whole"),
        (packed(size=[7, 5, 5]), "another image grid"),
        (packed(box={"low": [6, 1, 1], "size": [2, 2, 2]}), "outside the image"),
        (packed(box={"low": [-1, 1, 1], "size": [2, 2, 2]}), "outside the image"),
        (packed(box={"low": [1, 1, 1], "size": [2, 2, 0]}), "outside the image"),
        (packed(voxels=voxels(b"\x01" * 7)), "did not arrive whole"),
        (packed(voxels=voxels(b"\x01" * 9)), "did not arrive whole"),
        (packed(voxels=voxels(b"\x01" * 100_000_000)), "did not arrive whole"),
        (packed(voxels="not base64"), "did not arrive whole"),
        (packed(voxels=base64.b64encode(b"not gzip").decode()), "did not arrive whole"),
        (packed(voxels=voxels(b"\x02" * 8)), "other values than 0 and 1"),
    ],
)
def test_what_does_not_fit_is_refused(sent: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        unpack_drawing(sent, GEOMETRY)


def test_each_reader_leaves_a_revision_and_their_agreement_is_known(case: str, ct_case: RenderedCase) -> None:
    first = ct_case.tumour
    shifted = Volume(array_zyx=np.roll(first.array_zyx, 2, axis=2), geometry=first.geometry)
    a = store_drawing(case, message(first, reader="Reader  one "))
    b = store_drawing(case, message(shifted, reader="Reader two"))
    history = mask_history(case, "tumour", 1)
    assert [(m.revision, m.author) for m in history] == [(b.revision, "Reader two"), (a.revision, "Reader one")]
    assert [m.revision for m in show_case(case).tumours] == [b.revision]
    found = compare_revisions(case, a.revision, b.revision)
    overlap = (first.array_zyx & shifted.array_zyx).sum()
    assert found.dice == pytest.approx(2 * overlap / (first.array_zyx.sum() * 2))
    assert found.hausdorff_mm == pytest.approx(2 * first.geometry.spacing_mm_xyz[0])
    with pytest.raises(InputError, match="no mask revision 99"):
        compare_revisions(case, a.revision, 99)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"lesion": 0}, "from 1 to 99"),
        ({"lesion": "1"}, "from 1 to 99"),
        ({"label": "spleen"}, "no mask label"),
        ({"phase": "HBP"}, "no HBP phase"),
        ({"mask": None}, "did not arrive whole"),
    ],
)
def test_a_wrong_message_stores_nothing(case: str, ct_case: RenderedCase, change: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        store_drawing(case, message(ct_case.tumour, **change))
    assert show_case(case).masks == ()


def test_the_workbench_grows_fills_and_smooths_without_storing(case: str, ct_case: RenderedCase) -> None:
    phase = next(p for p in show_case(case).phases if p["phase"] == "AP")
    index = np.argwhere(ct_case.tumour.array_zyx)
    seed = ct_case.tumour.geometry.to_mm_lps(np.median(index, axis=0)[::-1])
    request = {"operation": "grow", "parameters": {"point_mm_lps": seed.tolist(), "spread": 2.5}, "mask": None}
    grown = work_on_drawing(case, phase["sha256"], request)
    assert "mL grown" in grown["note"]
    mask = unpack_drawing(grown["mask"], ct_case.tumour.geometry)
    truth = ct_case.tumour.array_zyx
    assert 2 * (mask.array_zyx & truth).sum() / (mask.array_zyx.sum() + truth.sum()) > 0.6

    sparse = np.where(np.arange(truth.shape[0])[:, None, None] % 3 == index[0, 0] % 3, truth, 0)
    drawn = pack_drawing(Volume(array_zyx=sparse.astype(np.uint8), geometry=ct_case.tumour.geometry))
    fill = {"operation": "fill_between_slices", "parameters": {"axis": 2}, "mask": drawn}
    filled = unpack_drawing(work_on_drawing(case, phase["sha256"], fill)["mask"], ct_case.tumour.geometry).array_zyx
    assert 2 * (filled & truth).sum() / (filled.sum() + truth.sum()) > 0.95
    assert show_case(case).masks == ()


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"operation": "delete"}, "knows fill_between_slices"),
        ("text", "knows fill_between_slices"),
        ({"operation": "smooth", "mask": None}, "Nothing is drawn"),
        ({"operation": "grow", "parameters": {}}, "needs a point"),
        ({"operation": "grow", "parameters": {"point_mm_lps": [0, "x", 0]}}, "no number"),
        ({"operation": "grow", "parameters": {"point_mm_lps": [0, float("nan"), 0]}}, "no number"),
    ],
)
def test_an_operation_that_cannot_be_done_says_why(case: str, request_: Any, says: str) -> None:
    sha256 = show_case(case).phases[0]["sha256"]
    with pytest.raises(InputError, match=says):
        work_on_drawing(case, sha256, request_)
    with pytest.raises(InputError, match="does not belong to the case"):
        work_on_drawing(case, "0" * 64, {"operation": "smooth"})


def test_the_fat_of_a_loat_mask_is_measured(case: str, ct_case: RenderedCase) -> None:
    made = store_drawing(case, message(ct_case.omental_fat, label="LOAT"))
    stored = next(m for m in show_case(case).masks if m.label == "LOAT").measures
    image = ct_case.phases[Phase.PVP].array_zyx
    fat = (ct_case.omental_fat.array_zyx > 0) & (image >= -190) & (image <= -30)
    x, y, z = ct_case.omental_fat.geometry.spacing_mm_xyz
    assert stored["fat_volume_ml"] == pytest.approx(fat.sum() * x * y * z / 1000)
    assert stored["fat_area_cm2"] == pytest.approx(fat.sum(axis=(1, 2)).max() * x * y / 100)
    assert 0 < stored["fat_volume_ml"] <= made.measures.volume_ml


def test_labels_carry_a_bit_for_each_structure_and_go_with_the_case(case: str, ct_case: RenderedCase) -> None:
    from core.imaging.nifti import read_nifti_bytes

    store_drawing(case, message(ct_case.liver, label="liver"))
    store_drawing(case, message(ct_case.tumour))
    view = show_case(case)
    data = viewer_data(view, user="local", browser="mine", shell_mm=10)
    bits = {s.key: s.bit for s in structures(view, 10)}
    assert bits == {"tumour:1": 1, "liver:1": 2, "shell": 4}
    token = data["phases"][0]["labels_url"].split("/")[3]
    labels = read_nifti_bytes(linked_file(token, browser="mine").read_bytes()).array_zyx
    np.testing.assert_array_equal(labels & 1 > 0, ct_case.tumour.array_zyx > 0)
    np.testing.assert_array_equal(labels & 2 > 0, ct_case.liver.array_zyx > 0)
    assert (labels & 4 > 0).any()
    assert not ((labels & 4 > 0) & (labels & 1 > 0)).any()
    assert {t["key"] for t in data["targets"]} == {"tumour:1", "liver:1", "tumour:2", "LOAT:1"}
    surface = data["surfaces"][0]["url"].split("/")[3]
    stl = linked_surface(surface, browser="mine").read_bytes()
    triangles = int.from_bytes(stl[80:84], "little")
    assert triangles > 100
    assert len(stl) == 84 + 50 * triangles
    for wrong, find in ((surface, linked_file), (token, linked_surface)):
        with pytest.raises(LinkRefusedError, match="another use"):
            find(wrong, browser="mine")
    with pytest.raises(LinkRefusedError, match="another session"):
        linked_surface(surface, browser="other")
    delete_case(case)
    assert DerivedFiles(case).path(data["phases"][0]["labels_id"]) is None
    with pytest.raises(StoreError):
        linked_file(token, browser="mine")


def test_a_preference_is_kept_by_user_and_name(home: Path) -> None:
    del home
    assert read_preference("a", "viewer CT") == {}
    write_preference("a", "viewer CT", {"layout": "mpr"})
    write_preference("a", "viewer CT", {"layout": "one"})
    assert read_preference("a", "viewer CT") == {"layout": "one"}
    assert read_preference("b", "viewer CT") == {}
    assert read_preference("a", "viewer MR") == {}


def test_a_cropped_mask_is_put_in_its_place_without_resampling(
    case: str, ct_case: RenderedCase, tmp_path: Path
) -> None:
    index = np.argwhere(ct_case.tumour.array_zyx)
    low, high = index.min(axis=0) - 1, index.max(axis=0) + 2
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    g = ct_case.tumour.geometry
    # The same voxels stored backwards along z, as DICOM SEG often has them.
    array = ct_case.tumour.array_zyx[box][::-1]
    origin = g.to_mm_lps(np.array([low[2], low[1], high[0] - 1]))
    flipped = Geometry(
        size_xyz=array.shape[::-1],
        spacing_mm_xyz=g.spacing_mm_xyz,
        origin_mm_lps=tuple(origin),
        direction=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, -1.0),
    )
    path = tmp_path / "cropped.nii.gz"
    path.write_bytes(nifti_bytes(Volume(array_zyx=np.ascontiguousarray(array), geometry=flipped)))
    made = segment_from_file(case, path, phase="PVP")
    assert made.measures.voxels == ct_case.tumour.array_zyx.sum()
    shifted = Geometry(
        size_xyz=flipped.size_xyz,
        spacing_mm_xyz=flipped.spacing_mm_xyz,
        origin_mm_lps=(origin[0] + 0.5, origin[1], origin[2]),
        direction=flipped.direction,
    )
    path.write_bytes(nifti_bytes(Volume(array_zyx=np.ascontiguousarray(array), geometry=shifted)))
    with pytest.raises(InputError, match="another grid"):
        segment_from_file(case, path, phase="PVP")


def test_modality_is_needed_for_fat(home: Path, mr_case: RenderedCase, tmp_path: Path) -> None:
    del home
    path = tmp_path / "AP.nii.gz"
    path.write_bytes(nifti_bytes(mr_case.phases[Phase.AP]))
    ingest([str(path)], case="MR")
    assert show_case("MR").modality == Modality.MR
    store_drawing("MR", message(mr_case.omental_fat, label="LOAT", phase="AP"))
    assert "fat_volume_ml" not in show_case("MR").masks[0].measures
