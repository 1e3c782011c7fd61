"""Hand-crafted features: presets and their names, what is refused, what is warned of."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from core.domain.errors import InputError
from core.domain.volume import Geometry, Volume
from core.features.radiomics import RadiomicsExtractor, preset_names, preset_text

COUNTS = {"epr_debtace": 944, "epr_debtace_960": 960, "mvi_eob_mri": 1781, "proliferative_ct": 944}


def test_every_shipped_preset_has_its_papers_count() -> None:
    assert set(preset_names()) == set(COUNTS)
    for preset, count in COUNTS.items():
        names = RadiomicsExtractor(preset).feature_names()
        assert len(names) == len(set(names)) == count


def test_mr_presets_scale_intensities_and_ct_presets_do_not() -> None:
    for preset in preset_names():
        scaled = yaml.safe_load(preset_text(preset))["setting"].get("normalize", False)
        assert scaled == (preset != "proliferative_ct")


def cube(values: np.ndarray) -> tuple[Volume, Volume]:
    geometry = Geometry(size_xyz=(12, 12, 12), spacing_mm_xyz=(1, 1, 1))
    mask = np.zeros((12, 12, 12), np.uint8)
    mask[3:9, 3:9, 3:9] = 1
    return Volume(array_zyx=values, geometry=geometry), Volume(array_zyx=mask, geometry=geometry)


def noise(spread: float) -> np.ndarray:
    return np.random.default_rng(0).normal(0, spread, (12, 12, 12)).astype(np.float32)


@pytest.mark.parametrize("engine", ["fast", "pyradiomics"])
@pytest.mark.parametrize(("spread", "told"), [(8, "grey levels"), (900, "grey levels"), (0, "one grey level")])
def test_too_few_and_too_many_grey_levels_are_warned_of(spread: float, told: str, engine: str) -> None:
    image, mask = cube(noise(spread))
    assert told in RadiomicsExtractor("proliferative_ct", engine=engine).extract(image, mask).warnings[0]


def test_enough_grey_levels_are_not_warned_of() -> None:
    image, mask = cube(noise(50))
    assert RadiomicsExtractor("proliferative_ct").extract(image, mask).warnings == ()


@pytest.mark.parametrize("engine", ["fast", "pyradiomics"])
def test_a_region_that_cannot_carry_features_is_refused_with_its_reason(engine: str) -> None:
    image, mask = cube(noise(50))
    extractor = RadiomicsExtractor("proliferative_ct", engine=engine)

    def refused(region: np.ndarray, told: str, image: Volume = image) -> None:
        with pytest.raises(InputError, match=told):
            extractor.extract(image, Volume(array_zyx=region, geometry=mask.geometry))

    empty = np.zeros((12, 12, 12), np.uint8)
    refused(empty, "region is empty")
    one = empty.copy()
    one[5, 5, 5] = 1
    refused(one, "single voxel")
    line = empty.copy()
    line[5, 5, 3:8] = 1
    refused(line, "dimension")
    holed = noise(50)
    holed[5, 5, 5] = np.nan
    refused(mask.array_zyx, "not numbers", Volume(array_zyx=holed, geometry=mask.geometry))
    other = Volume(array_zyx=mask.array_zyx, geometry=Geometry(size_xyz=(12, 12, 12), spacing_mm_xyz=(1, 1, 2)))
    with pytest.raises(InputError, match="different grids"):
        extractor.extract(image, other)


def test_one_bad_region_does_not_stop_the_others() -> None:
    image, mask = cube(noise(50))
    empty = Volume(array_zyx=np.zeros((12, 12, 12), np.uint8), geometry=mask.geometry)
    found = dict(RadiomicsExtractor("proliferative_ct").extract_regions([(image, empty), (image, mask)]))
    assert isinstance(found[0], InputError)
    assert len(found[1].values) == 944


def test_a_huge_number_of_grey_levels_is_refused_before_memory_runs_out(tmp_path: Path) -> None:
    preset = tmp_path / "fine.yaml"
    preset.write_text("setting: {binWidth: 0.001}\nimageType: {Original: {}}\n")
    image, mask = cube(noise(50))
    with pytest.raises(InputError, match=r"grey levels.*wider"):
        RadiomicsExtractor(str(preset)).extract(image, mask)


def test_not_a_number_outside_the_region_is_no_matter_without_filters(tmp_path: Path) -> None:
    preset = tmp_path / "plain.yaml"
    preset.write_text("setting: {binWidth: 10}\nimageType: {Original: {}}\n")
    values = noise(50)
    image, mask = cube(values)
    expected = RadiomicsExtractor(str(preset)).extract(image, mask).values
    values = values.copy()
    values[0, 0, 0] = np.inf
    assert RadiomicsExtractor(str(preset)).extract(cube(values)[0], mask).values == expected


def test_not_a_number_that_a_filter_would_spread_is_refused() -> None:
    values = noise(50)
    values[2, 5, 5] = np.nan
    image, mask = cube(values)
    with pytest.raises(InputError, match=r"not numbers.*around the region"):
        RadiomicsExtractor("proliferative_ct").extract(image, mask)


@pytest.mark.parametrize("engine", ["fast", "pyradiomics"])
def test_an_image_too_thin_for_a_filter_is_refused_with_its_reason(engine: str) -> None:
    geometry = Geometry(size_xyz=(30, 30, 2), spacing_mm_xyz=(1, 1, 1))
    mask = np.zeros((2, 30, 30), np.uint8)
    mask[:, 8:20, 8:20] = 1
    image = Volume(array_zyx=np.random.default_rng(0).normal(0, 50, (2, 30, 30)), geometry=geometry)
    with pytest.raises(InputError, match="Laplacian of Gaussian"):
        RadiomicsExtractor("proliferative_ct", engine=engine).extract(image, Volume(array_zyx=mask, geometry=geometry))


def test_images_are_scaled_and_masks_measured_once_for_all_regions(monkeypatch: pytest.MonkeyPatch) -> None:
    from core.features import crops, texture

    calls = {"scaled": 0, "measured": 0}
    scale, measure = crops.normalised, texture.shape_features

    def scaled(*given: object) -> object:
        calls["scaled"] += 1
        return scale(*given)

    def measured(*given: object) -> object:
        calls["measured"] += 1
        return measure(*given)

    monkeypatch.setattr(crops, "normalised", scaled)
    monkeypatch.setattr(texture, "shape_features", measured)
    first, mask = cube(noise(50))
    second, _ = cube(noise(60))
    list(RadiomicsExtractor("epr_debtace", workers=4).extract_regions([(first, mask), (first, mask), (second, mask)]))
    assert calls == {"scaled": 2, "measured": 1}


def test_an_unknown_preset_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="no radiomics preset 'nothing'"):
        RadiomicsExtractor("nothing")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("setting: {binWidth: 5}\nimageTypes: {Original: {}}", "imageTypes"),
        ("imageType: {Wavelets: {}}", "filter 'Wavelets'"),
        ("featureClass: {glcmm: }", "class 'glcmm'"),
        ("featureClass: {glcm: [Energie]}", "glcm_Energie"),
        ("setting: [", "not readable YAML"),
        ("- 1", "not a PyRadiomics parameter file"),
        ("setting: {binWidth: -5}", "binWidth"),
        ("setting: {binWidth: wide}", "binWidth"),
    ],
)
def test_a_wrong_parameter_file_is_refused_by_what_is_wrong(text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=told):
        RadiomicsExtractor(str(path))


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(InputError, match="no radiomics engine"):
        RadiomicsExtractor("epr_debtace", engine="slow")
