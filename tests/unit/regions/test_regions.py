"""Shells, measures and region growing against shapes whose answer is known."""

import numpy as np
import pytest

from core.domain.errors import InputError
from core.domain.phase import Modality, Phase
from core.domain.volume import Geometry, Volume
from core.regions.body import body_mask
from core.regions.growing import grow_from_seed
from core.regions.measure import measure_mask
from core.regions.shells import peritumoral_shell, tumour_plus_shell
from core.synthetic.render import RenderedCase

SPACING = (0.5, 0.6, 0.8)


def ball(radius_mm: float) -> Volume:
    size = (96, 80, 60)
    geometry = Geometry(size_xyz=size, spacing_mm_xyz=SPACING)
    z, y, x = np.mgrid[: size[2], : size[1], : size[0]]
    distance = np.sqrt((x * 0.5 - 24) ** 2 + (y * 0.6 - 24) ** 2 + (z * 0.8 - 24) ** 2)
    return Volume(array_zyx=(distance <= radius_mm).astype(np.uint8), geometry=geometry)


def volume_ml(mask: Volume) -> float:
    return float(mask.array_zyx.sum()) * mask.geometry.voxel_ml


@pytest.mark.parametrize("width", [3.0, 5.0, 10.0])
def test_a_shell_around_a_ball_has_the_volume_of_a_spherical_shell(width: float) -> None:
    shell = peritumoral_shell(ball(12), width)
    expected = 4 / 3 * np.pi * ((12 + width) ** 3 - 12**3) / 1000
    assert volume_ml(shell) == pytest.approx(expected, rel=0.08)


def test_a_shell_never_contains_the_tumour_and_plus_is_their_union() -> None:
    tumour = ball(12)
    shell = peritumoral_shell(tumour, 5)
    assert not (shell.array_zyx & tumour.array_zyx).any()
    assert volume_ml(tumour_plus_shell(tumour, shell)) == pytest.approx(volume_ml(tumour) + volume_ml(shell))


def test_a_shell_is_cut_to_the_organ_and_spares_other_lesions() -> None:
    tumour, organ = ball(12), ball(14)
    cut = peritumoral_shell(tumour, 10, within=organ)
    assert volume_ml(cut) == pytest.approx(volume_ml(organ) - volume_ml(tumour))
    other = np.zeros_like(tumour.array_zyx)
    other[:, :, :48] = 1
    spared = peritumoral_shell(tumour, 5, excluding=(Volume(array_zyx=other, geometry=tumour.geometry),))
    assert not spared.array_zyx[:, :, :48].any()


def test_a_shell_with_nothing_left_or_no_width_is_refused() -> None:
    with pytest.raises(InputError, match="Nothing is left"):
        peritumoral_shell(ball(12), 5, within=ball(12))
    with pytest.raises(InputError, match="not possible"):
        peritumoral_shell(ball(12), 0)


def test_diameters_and_volume_of_a_box_are_exact() -> None:
    array = np.zeros((10, 20, 30), np.uint8)
    array[2:6, 5:15, 4:24] = 1
    geometry = Geometry(size_xyz=(30, 20, 10), spacing_mm_xyz=(1.0, 1.0, 2.0))
    found = measure_mask(Volume(array_zyx=array, geometry=geometry))
    assert found.voxels == 4 * 10 * 20
    assert found.volume_ml == pytest.approx(1.6)
    assert found.max_diameter_mm == pytest.approx(np.sqrt(19**2 + 9**2 + 6**2) + 1)
    assert found.max_axial_diameter_mm == pytest.approx(np.hypot(19, 9) + 1)
    assert found.centre_mm_lps == pytest.approx((13.5, 9.5, 7.0))
    assert found.checks == ()


def test_measures_warn_of_edges_pieces_and_single_slices() -> None:
    array = np.zeros((5, 20, 20), np.uint8)
    array[0, 0, 0:9] = array[0, 10, 12:19] = 1
    found = measure_mask(Volume(array_zyx=array, geometry=Geometry(size_xyz=(20, 20, 5), spacing_mm_xyz=(2, 2, 2))))
    text = " ".join(found.checks)
    assert "edge" in text
    assert "2 separate pieces" in text
    assert "single slice" in text


def test_an_empty_mask_is_refused() -> None:
    empty = Volume(
        array_zyx=np.zeros((3, 3, 3), np.uint8), geometry=Geometry(size_xyz=(3, 3, 3), spacing_mm_xyz=(1, 1, 1))
    )
    with pytest.raises(InputError, match="empty"):
        measure_mask(empty)


def test_a_tumour_grows_from_its_centre(mr_case: RenderedCase) -> None:
    truth = mr_case.tumour.array_zyx > 0
    seed = measure_mask(mr_case.tumour).centre_mm_lps
    grown = grow_from_seed(mr_case.phases[Phase.PVP], seed, Modality.MR, spread=2.5).array_zyx > 0
    dice = 2 * (grown & truth).sum() / (grown.sum() + truth.sum())
    assert dice > 0.6


def test_a_seed_outside_the_image_or_in_air_is_refused(ct_case: RenderedCase) -> None:
    image = ct_case.phases[Phase.PVP]
    with pytest.raises(InputError, match="outside the image"):
        grow_from_seed(image, (900.0, 0.0, 0.0), Modality.CT)
    with pytest.raises(InputError, match="air"):
        grow_from_seed(image, (-178.0, -130.0, 0.0), Modality.CT)


def test_the_body_is_found_without_air(ct_case: RenderedCase) -> None:
    body = body_mask(ct_case.phases[Phase.PVP], Modality.CT).array_zyx > 0
    assert body[ct_case.liver.array_zyx > 0].all()
    assert not body[:, 0, 0].any()
