"""Filling between slices, holes, smoothing: shapes whose result geometry says."""

import numpy as np
import pytest

from core.domain.errors import InputError
from core.domain.volume import Geometry, Volume
from core.regions.editing import fill_between_slices, fill_holes, smooth


def made(array_zyx: np.ndarray, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Volume:
    geometry = Geometry(size_xyz=array_zyx.shape[::-1], spacing_mm_xyz=spacing)
    return Volume(array_zyx=array_zyx.astype(np.uint8), geometry=geometry)


def disc(shape: tuple[int, int], centre: tuple[float, float], radius: float) -> np.ndarray:
    y, x = np.indices(shape)
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2


def test_between_two_circles_the_radius_changes_evenly() -> None:
    array = np.zeros((11, 60, 60), bool)
    array[0], array[10] = disc((60, 60), (30, 30), 8), disc((60, 60), (30, 30), 20)
    filled = fill_between_slices(made(array), 2).array_zyx
    for z in range(1, 10):
        expected = np.pi * (8 + 12 * z / 10) ** 2
        assert filled[z].sum() == pytest.approx(expected, rel=0.04)


def test_a_tube_that_runs_obliquely_is_followed() -> None:
    array = np.zeros((9, 60, 60), bool)
    array[0], array[8] = disc((60, 60), (15, 15), 6), disc((60, 60), (43, 39), 6)
    filled = fill_between_slices(made(array), 2).array_zyx
    for z in range(1, 8):
        centre = np.argwhere(filled[z]).mean(axis=0)
        np.testing.assert_allclose(centre, [15 + 28 * z / 8, 15 + 24 * z / 8], atol=0.6)
        assert filled[z].sum() == pytest.approx(np.pi * 36, rel=0.12)


def test_drawn_slices_stay_as_they_are_and_nothing_grows_beyond_them() -> None:
    array = np.zeros((12, 30, 30), bool)
    array[2, 5:12, 5:20] = array[5, 5:12, 5:20] = array[9, 7:20, 8:11] = True
    filled = fill_between_slices(made(array), 2).array_zyx > 0
    for z in (2, 5, 9):
        np.testing.assert_array_equal(filled[z], array[z])
    assert filled[3:9].any(axis=(1, 2)).all()
    assert not filled[:2].any()
    assert not filled[10:].any()
    np.testing.assert_array_equal(filled[3], array[2])  # between equal outlines the same outline


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices_run_along_the_axis_they_were_drawn_in(axis: int) -> None:
    array = np.zeros((20, 22, 24), bool)
    low = [slice(6, 12)] * 3
    for at in (4, 9):
        index = list(low)
        index[2 - axis] = slice(at, at + 1)
        array[tuple(index)] = True
    filled = fill_between_slices(made(array, (0.8, 1.1, 2.5)), axis).array_zyx > 0
    across = tuple(a for a in range(3) if a != 2 - axis)
    np.testing.assert_array_equal(np.flatnonzero(filled.any(axis=across)), np.arange(4, 10))
    assert filled.sum() == 6 * 36


def test_an_outline_at_the_edge_of_the_image_stays_inside() -> None:
    array = np.zeros((5, 20, 20), bool)
    array[0, :6, :6], array[4, 14:, 14:] = True, True
    filled = fill_between_slices(made(array), 2).array_zyx
    assert all(s.any() for s in filled)


@pytest.mark.parametrize("drawn", [[], [3], [3, 4]])
def test_without_a_gap_there_is_nothing_to_fill(drawn: list[int]) -> None:
    array = np.zeros((8, 10, 10), bool)
    array[drawn, 3:6, 3:6] = True
    with pytest.raises(InputError, match="slices left out"):
        fill_between_slices(made(array), 2)


def test_holes_are_filled_in_space_and_in_slices() -> None:
    array = np.zeros((7, 12, 12), bool)
    array[1:6, 2:10, 2:10] = True
    array[3, 5, 5] = False  # enclosed
    array[:, 7, 7] = False  # a channel: open above and below, closed in each slice
    filled = fill_holes(made(array)).array_zyx
    assert filled.sum() == 5 * 8 * 8


def test_smoothing_rounds_corners_and_keeps_the_volume() -> None:
    array = np.zeros((30, 40, 40), bool)
    array[8:22, 10:30, 10:30] = True
    array[15, 31, 20] = True  # a speck
    smoothed = smooth(made(array, (0.8, 0.8, 1.2)), 2.0).array_zyx > 0
    assert smoothed.sum() == pytest.approx(array.sum(), rel=0.01)
    assert not smoothed[15, 31, 20]
    assert not smoothed[8, 10, 10]
    assert smoothed[15, 20, 20]


@pytest.mark.parametrize(("mm", "says"), [(0, "more than 0"), (50, "at most 20")])
def test_a_smoothing_width_out_of_range_is_refused(mm: float, says: str) -> None:
    with pytest.raises(InputError, match=says):
        smooth(made(np.ones((3, 3, 3), bool)), mm)
