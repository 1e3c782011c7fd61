"""Hand-crafted features against outside values: the IBSI digital phantom, and LBP-3D under SciPy 1.14."""

import csv
from functools import cache
from pathlib import Path

import pytest

from core.domain.volume import Geometry, Volume
from core.features.radiomics import RadiomicsExtractor
from core.imaging.nifti import read_image_file
from tests.conftest import shared_data
from tests.reference.lbp3d_scipy_1_14 import PARAMETERS, formula_image

HERE = Path(__file__).parent
IBSI = list(csv.DictReader((HERE / "ibsi_digital_phantom.csv").read_text().splitlines()))
LBP = list(csv.DictReader((HERE / "lbp3d_scipy_1_14.csv").read_text().splitlines()))


@cache
def phantom_features(engine: str) -> dict[str, float]:
    folder = shared_data("ibsi_digital_phantom", "nifti")
    image = read_image_file(folder / "image" / "phantom.nii.gz")
    mask = read_image_file(folder / "mask" / "mask.nii.gz")
    preset = Path(__file__).parent / "ibsi_digital_phantom.yaml"
    return RadiomicsExtractor(str(preset), engine=engine).extract(image, mask).values


@pytest.mark.parametrize("engine", ["fast", "pyradiomics"])
@pytest.mark.parametrize("row", IBSI, ids=[r["case"] for r in IBSI])
def test_a_feature_agrees_with_ibsi_where_we_say_so(row: dict[str, str], engine: str) -> None:
    """Agreement: within IBSI's tolerance, or equal to the three significant digits printed."""
    value, published = phantom_features(engine)[f"original_{row['quantity']}"], float(row["value"])
    printed = abs(float(f"{value:.3g}") - published) <= 1e-9 * max(1, abs(published))
    agrees = abs(value - published) <= float(row["tolerance"]) * 1.0001 or printed
    assert agrees == (row["agrees"] == "yes"), f"{row['case']}: {value} against {published}"


@cache
def lbp_features() -> dict[str, float]:
    array, mask_array = formula_image()
    geometry = Geometry(size_xyz=array.shape[::-1], spacing_mm_xyz=(1, 1, 1))
    image = Volume(array_zyx=array, geometry=geometry)
    preset = HERE / "lbp3d.yaml"
    assert str(PARAMETERS["setting"]["binWidth"]) in preset.read_text()
    return RadiomicsExtractor(str(preset)).extract(image, Volume(array_zyx=mask_array, geometry=geometry)).values


@pytest.mark.parametrize("row", LBP, ids=[r["quantity"] for r in LBP])
def test_lbp_3d_has_the_values_of_older_scipy(row: dict[str, str]) -> None:
    assert lbp_features()[row["quantity"]] == pytest.approx(float(row["value"]), rel=1e-6, abs=1e-12)
