"""Regions made from what is marked: liver, background liver, lesser omental fat."""

import numpy as np
import pytest

from core.domain.errors import InputError
from core.domain.volume import Geometry, Volume
from core.regions.derived import Marked, RegionKind, make_region

GEOMETRY = Geometry(size_xyz=(40, 40, 20), spacing_mm_xyz=(1, 1, 2))


def box(z: slice, y: slice, x: slice) -> Volume:
    array = np.zeros((20, 40, 40), np.uint8)
    array[z, y, x] = 1
    return Volume(array_zyx=array, geometry=GEOMETRY)


LIVER = box(slice(2, 18), slice(5, 35), slice(5, 35))
TUMOUR = box(slice(8, 12), slice(15, 25), slice(15, 25))
SECOND = box(slice(14, 16), slice(8, 12), slice(8, 12))


def test_background_liver_keeps_its_margin_from_every_lesion() -> None:
    marked = Marked(tumour=TUMOUR, others=(SECOND,), liver=LIVER)
    bare = make_region(RegionKind.BACKGROUND_LIVER, None, marked).array_zyx
    assert bare.sum() == LIVER.array_zyx.sum() - TUMOUR.array_zyx.sum() - SECOND.array_zyx.sum()
    kept = make_region(RegionKind.BACKGROUND_LIVER, 5, marked).array_zyx
    assert kept[10, 20, 9] == 1
    assert kept[10, 20, 10] == 0
    assert kept[15, 10, 13] == 0


def test_lesser_omental_fat_is_taken_by_its_hu_within_the_marked_region() -> None:
    hu = np.full((20, 40, 40), 40, np.int16)
    hu[5, 2:6, 2:6] = -100
    hu[5, 2, 2:6] = -191
    hu[5, 3, 2:6] = -29
    hu[10, 30, 30] = -100
    marked = Marked(
        tumour=None,
        loat=box(slice(4, 7), slice(0, 10), slice(0, 10)),
        image=Volume(array_zyx=hu, geometry=GEOMETRY),
    )
    fat = make_region(RegionKind.LOAT, None, marked).array_zyx
    assert fat.sum() == 8
    assert fat[10].sum() == 0


@pytest.mark.parametrize(
    ("kind", "width", "told"),
    [
        (RegionKind.LIVER, None, "No liver is marked"),
        (RegionKind.BACKGROUND_LIVER, 5.0, "No liver is marked"),
        (RegionKind.LOAT, None, "LOAT"),
        (RegionKind.INTRATUMORAL, None, "No tumour is marked"),
    ],
)
def test_a_region_whose_mask_is_missing_is_refused_by_name(kind: RegionKind, width: float | None, told: str) -> None:
    with pytest.raises(InputError, match=told):
        make_region(kind, width, Marked(tumour=None))


def test_a_liver_that_is_all_tumour_has_no_background() -> None:
    with pytest.raises(InputError, match="Nothing is left of the liver"):
        make_region(RegionKind.BACKGROUND_LIVER, None, Marked(tumour=LIVER, liver=LIVER))
