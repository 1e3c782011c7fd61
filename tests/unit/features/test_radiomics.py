"""Hand-crafted features: the declared names, plain PyRadiomics' values, and refusals."""

import csv
from pathlib import Path

import numpy as np
import pytest

from core.domain.errors import InputError
from core.domain.phase import Phase
from core.domain.volume import Geometry, Volume
from core.features.radiomics import RadiomicsExtractor, preset_names, preset_text
from core.imaging.nifti import read_image_file
from core.imaging.simpleitk import to_sitk
from core.synthetic.render import RenderedCase
from tests.conftest import shared_data


@pytest.mark.parametrize("preset", preset_names())
def test_a_preset_gives_944_features_a_region(preset: str) -> None:
    names = RadiomicsExtractor(preset).feature_names()
    assert len(names) == len(set(names)) == 944


def test_values_are_those_of_plain_pyradiomics_with_the_printed_preset(mr_case: RenderedCase, tmp_path: Path) -> None:
    from radiomics import featureextractor

    image, mask = mr_case.phases[Phase.PVP], mr_case.tumour
    parameters = tmp_path / "preset.yaml"
    parameters.write_text(preset_text("epr_debtace"))
    plain = featureextractor.RadiomicsFeatureExtractor(str(parameters)).execute(to_sitk(image), to_sitk(mask))
    expected = {k: float(v) for k, v in plain.items() if not k.startswith("diagnostics")}
    found = RadiomicsExtractor("epr_debtace").extract(image, mask).values
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-9, abs=1e-12), name


def test_pyradiomics_own_baseline_is_reproduced() -> None:
    """brain1 with the settings of PyRadiomics' own tests; the table is theirs."""
    from radiomics import featureextractor

    folder = shared_data("pyradiomics_baseline")
    image, mask = (read_image_file(folder / f"brain1_{n}.nrrd") for n in ("image", "label"))
    checked = 0
    for name in ("firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm"):
        expected = {r["featureName"]: r["brain1"] for r in _rows(folder / f"baseline_{name}.csv")}
        setting = {"binWidth": 25, "voxelArrayShift": 2000 if name == "firstorder" else 0}
        extractor = featureextractor.RadiomicsFeatureExtractor(**setting)
        extractor.disableAllFeatures()
        extractor.enableFeatureClassByName(name)
        output = extractor.execute(to_sitk(image), to_sitk(mask))
        for feature, value in output.items():
            if feature in expected and not feature.startswith("diagnostics"):
                assert float(value) == pytest.approx(float(expected[feature]), rel=1e-8), feature
                checked += 1
    assert checked >= 90


def _rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def _cube(values: np.ndarray) -> tuple[Volume, Volume]:
    geometry = Geometry(size_xyz=(12, 12, 12), spacing_mm_xyz=(1, 1, 1))
    mask = np.zeros((12, 12, 12), np.uint8)
    mask[3:9, 3:9, 3:9] = 1
    return Volume(array_zyx=values, geometry=geometry), Volume(array_zyx=mask, geometry=geometry)


def test_few_grey_levels_are_warned_of() -> None:
    rng = np.random.default_rng(0)
    image, mask = _cube(rng.integers(0, 20, (12, 12, 12)).astype(np.int16))
    assert "grey levels" in RadiomicsExtractor("proliferative_ct").extract(image, mask).warnings[0]


def test_masks_that_cannot_carry_texture_are_refused() -> None:
    image, mask = _cube(np.zeros((12, 12, 12), np.int16))
    one = np.zeros((12, 12, 12), np.uint8)
    one[5, 5, 5] = 1
    with pytest.raises(InputError, match="at least two"):
        RadiomicsExtractor("proliferative_ct").extract(image, Volume(array_zyx=one, geometry=mask.geometry))
    other = Volume(array_zyx=mask.array_zyx, geometry=Geometry(size_xyz=(12, 12, 12), spacing_mm_xyz=(1, 1, 2)))
    with pytest.raises(InputError, match="different grids"):
        RadiomicsExtractor("proliferative_ct").extract(image, other)


def test_an_unknown_preset_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="no radiomics preset 'nothing'"):
        RadiomicsExtractor("nothing")
