"""Agreement of two masks, against SimpleITK and MONAI."""

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from core.domain.errors import InputError
from core.domain.volume import Geometry, Volume
from core.imaging.simpleitk import to_sitk
from core.regions.compare import compare_masks

GEOMETRY = Geometry(size_xyz=(40, 36, 24), spacing_mm_xyz=(0.7, 0.9, 2.5))


def blob(seed: int) -> Volume:
    rng = np.random.default_rng(seed)
    z, y, x = np.indices(GEOMETRY.size_xyz[::-1])
    centre = np.array([12, 18, 20]) + rng.uniform(-3, 3, 3)
    radii = rng.uniform(5, 9, 3)
    inside = sum(((a - c) / r) ** 2 for a, c, r in zip((z, y, x), centre, radii, strict=True)) < 1
    return Volume(array_zyx=inside.astype(np.uint8), geometry=GEOMETRY)


@pytest.mark.filterwarnings("ignore:monai.metrics:FutureWarning")
@pytest.mark.parametrize("seed", range(4))
def test_overlap_and_distances_are_those_of_simpleitk_and_monai(seed: int) -> None:
    from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance

    a, b = blob(seed), blob(seed + 100)
    found = compare_masks(a, b)
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(to_sitk(a), to_sitk(b))
    assert found.dice == pytest.approx(overlap.GetDiceCoefficient(1), rel=1e-12)
    farthest = sitk.HausdorffDistanceImageFilter()
    farthest.Execute(to_sitk(a), to_sitk(b))
    assert found.hausdorff_mm == pytest.approx(farthest.GetHausdorffDistance(), rel=1e-6)
    pair = [v.array_zyx[None, None].astype(np.float32) for v in (a, b)]
    spacing = list(GEOMETRY.spacing_mm_xyz[::-1])
    mean = compute_average_surface_distance(*pair, include_background=True, symmetric=True, spacing=spacing)
    assert found.mean_surface_distance_mm == pytest.approx(float(mean), rel=1e-5)
    share = compute_hausdorff_distance(*pair, include_background=True, percentile=95, spacing=spacing)
    assert found.hausdorff_95_mm == pytest.approx(float(share), rel=1e-5)


def test_a_mask_agrees_with_itself() -> None:
    found = compare_masks(blob(1), blob(1))
    assert (found.dice, found.mean_surface_distance_mm, found.hausdorff_mm) == (1, 0, 0)
    assert found.volume_a_ml == found.volume_b_ml == pytest.approx(blob(1).array_zyx.sum() * 0.7 * 0.9 * 2.5 / 1000)


def test_empty_masks_and_other_grids_are_refused() -> None:
    empty = Volume(array_zyx=np.zeros(GEOMETRY.size_xyz[::-1], np.uint8), geometry=GEOMETRY)
    with pytest.raises(InputError, match="empty"):
        compare_masks(blob(1), empty)
    other = Geometry(size_xyz=GEOMETRY.size_xyz, spacing_mm_xyz=(1.0, 1.0, 1.0))
    with pytest.raises(InputError, match="different grids"):
        compare_masks(blob(1), Volume(array_zyx=blob(1).array_zyx, geometry=other))
