"""Hand-crafted features of two files: what is accepted, what is refused and how it is said."""

import csv
from pathlib import Path

import numpy as np
import pytest

from core.domain.errors import InputError
from core.domain.volume import Geometry, Volume
from core.imaging.nifti import nifti_bytes
from core.services.radiomics import RadiomicsRequest, radiomics_csv

GEOMETRY = Geometry(size_xyz=(24, 22, 14), spacing_mm_xyz=(1.0, 1.0, 2.0), origin_mm_lps=(-10, 5, 40))


def saved(path: Path, array: np.ndarray, geometry: Geometry = GEOMETRY) -> Path:
    path.write_bytes(nifti_bytes(Volume(array_zyx=array, geometry=geometry)))
    return path


@pytest.fixture
def image(tmp_path: Path) -> Path:
    values = np.random.default_rng(0).normal(100, 40, (14, 22, 24)).astype(np.int16)
    return saved(tmp_path / "image.nii.gz", values)


def box(value: int = 1) -> np.ndarray:
    mask = np.zeros((14, 22, 24), np.uint8)
    mask[4:10, 6:15, 7:17] = value
    return mask


def run(image: Path, mask: Path, out: Path, **given: object) -> dict[str, object]:
    request = RadiomicsRequest(image=image, mask=mask, **{"preset": "proliferative_ct", **given})  # type: ignore[arg-type]
    return radiomics_csv(request, out)


def values(path: Path) -> dict[str, float]:
    (row,) = csv.DictReader(path.read_text().splitlines())
    return {k: float(v) for k, v in row.items()}


def test_a_mask_of_255_is_taken_as_it_is(image: Path, tmp_path: Path) -> None:
    run(image, saved(tmp_path / "one.nii.gz", box()), tmp_path / "one.csv")
    told = run(image, saved(tmp_path / "white.nii.gz", box(255)), tmp_path / "white.csv")
    assert told["features"] == 944
    assert values(tmp_path / "one.csv") == values(tmp_path / "white.csv")


def test_several_label_values_are_listed_and_one_can_be_chosen(image: Path, tmp_path: Path) -> None:
    labels = box(2)
    labels[5:8, 8:12, 9:13] = 7
    mask = saved(tmp_path / "labels.nii.gz", labels)
    with pytest.raises(InputError, match="2, 7"):
        run(image, mask, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()
    with pytest.raises(InputError, match="does not hold the value 3"):
        run(image, mask, tmp_path / "out.csv", value=3)
    run(image, mask, tmp_path / "out.csv", value=7)
    assert values(tmp_path / "out.csv")["original_shape_VoxelVolume"] == pytest.approx(3 * 4 * 4 * 2)


def test_another_grid_is_detected_and_resampled_only_when_asked(image: Path, tmp_path: Path) -> None:
    shifted = Geometry(size_xyz=(24, 22, 14), spacing_mm_xyz=(1.0, 1.0, 2.0), origin_mm_lps=(-9.8, 5, 40))
    mask = saved(tmp_path / "shifted.nii.gz", box(), shifted)
    with pytest.raises(InputError, match=r"another grid.*--resample"):
        run(image, mask, tmp_path / "out.csv")
    assert run(image, mask, tmp_path / "out.csv", resample=True)["features"] == 944
    far = Geometry(size_xyz=(24, 22, 14), spacing_mm_xyz=(1.0, 1.0, 2.0), origin_mm_lps=(500, 5, 40))
    with pytest.raises(InputError, match="outside the image"):
        run(image, saved(tmp_path / "far.nii.gz", box(), far), tmp_path / "out.csv", resample=True)


def test_both_engines_and_any_number_of_threads_write_the_same(image: Path, tmp_path: Path) -> None:
    mask = saved(tmp_path / "mask.nii.gz", box())
    told = [
        run(image, mask, tmp_path / "a.csv", workers=1),
        run(image, mask, tmp_path / "b.csv", workers=3),
        run(image, mask, tmp_path / "c.csv", engine="pyradiomics"),
    ]
    assert [t["engine"] for t in told] == ["fast", "fast", "pyradiomics"]
    assert values(tmp_path / "a.csv") == values(tmp_path / "b.csv")
    assert values(tmp_path / "a.csv") == pytest.approx(values(tmp_path / "c.csv"), rel=1e-6, abs=1e-12)


def test_an_empty_mask_is_refused(image: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="mask is empty"):
        run(image, saved(tmp_path / "empty.nii.gz", box(0)), tmp_path / "out.csv")


def test_a_users_own_parameter_file_is_a_preset(image: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("setting: {binWidth: 20}\nimageType: {Original: {}}\nfeatureClass: {glcm: [JointEnergy, Idn]}\n")
    told = run(image, saved(tmp_path / "mask.nii.gz", box()), tmp_path / "out.csv", preset=str(own))
    assert told["features"] == 2
    assert set(values(tmp_path / "out.csv")) == {"original_glcm_JointEnergy", "original_glcm_Idn"}
