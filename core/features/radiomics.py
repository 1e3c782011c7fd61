"""Hand-crafted features with PyRadiomics 3.0.1, by presets in its own parameter-file format."""

import logging
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import InputError
from core.domain.volume import Volume
from core.features.extractor import Extraction
from core.imaging.simpleitk import to_sitk

PRESETS = Path(__file__).parent / "presets"
FEWEST_GREY_LEVELS, MOST_GREY_LEVELS = 16, 128
WAVELETS = tuple(f"wavelet-{a}{b}{c}" for a in "LH" for b in "LH" for c in "LH")


def preset_names() -> tuple[str, ...]:
    return tuple(sorted(p.stem for p in PRESETS.glob("*.yaml")))


def preset_text(name: str) -> str:
    """The preset as a PyRadiomics parameter file.

    Raises
    ------
    InputError
        When there is no such preset.
    """
    path = PRESETS / f"{name}.yaml"
    if name not in preset_names():
        raise InputError(f"There is no radiomics preset '{name}'. Known: {', '.join(preset_names())}.")
    return path.read_text()


@cache
def _parameters(preset: str) -> dict[str, Any]:
    import yaml

    return yaml.safe_load(preset_text(preset))


class RadiomicsExtractor:
    """PyRadiomics with a preset. Feature names are PyRadiomics' own (`wavelet-LLH_glcm_Idn`)."""

    name = "radiomics"

    def __init__(self, preset: str) -> None:
        preset_text(preset)
        self.preset = preset

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "preset": self.preset,
            "parameters": _parameters(self.preset),
            "pyradiomics": version("pyradiomics"),
            "engine": 1,
        }

    def feature_names(self) -> tuple[str, ...]:
        return _feature_names(self.preset)

    def extract(self, image: Volume, mask: Volume) -> Extraction:
        """Features of the voxels where `mask` is above 0.

        Raises
        ------
        InputError
            When image and mask lie on different grids or the mask holds fewer than two voxels.
        """
        if not image.geometry.matches(mask.geometry):
            raise InputError("Image and mask lie on different grids; resample the mask to the image first.")
        binary = mask.array_zyx > 0
        if binary.sum() < 2:
            raise InputError(f"The region holds {int(binary.sum())} voxel(s); texture needs at least two.")
        if not np.isfinite(image.array_zyx[binary]).all():
            raise InputError("The region holds voxels that are not numbers (NaN or infinite).")
        region = Volume(array_zyx=binary.astype(np.uint8), geometry=image.geometry)
        output = _engine(self.preset).execute(to_sitk(image), to_sitk(region))
        values = {k: float(v) for k, v in output.items() if not k.startswith("diagnostics_")}
        ordered = {name: values[name] for name in self.feature_names() if name in values}
        return Extraction(values=ordered, warnings=_grey_level_warnings(image, binary, self.preset))


@cache
def _engine(preset: str) -> Any:
    from radiomics import featureextractor
    from radiomics import logger as radiomics_logger

    radiomics_logger.setLevel(logging.ERROR)
    return featureextractor.RadiomicsFeatureExtractor(_parameters(preset))


@cache
def _feature_names(preset: str) -> tuple[str, ...]:
    """All names a preset must give, from PyRadiomics' own list of features, in a fixed order."""
    from radiomics import getFeatureClasses

    parameters = _parameters(preset)
    images = ["original"]
    if "Wavelet" in parameters["imageType"]:
        images += WAVELETS
    for sigma in parameters["imageType"].get("LoG", {}).get("sigma", []):
        images.append(f"log-sigma-{str(float(sigma)).replace('.', '-')}-mm-3D")
    classes = getFeatureClasses()
    names = []
    for image in images:
        for cls in parameters["featureClass"]:
            if cls == "shape" and image != "original":
                continue
            active = [f for f, deprecated in classes[cls].getFeatureNames().items() if not deprecated]
            names += [f"{image}_{cls}_{f}" for f in sorted(active)]
    return tuple(names)


def _grey_level_warnings(image: Volume, binary: NDArray[np.bool_], preset: str) -> tuple[str, ...]:
    setting = _parameters(preset)["setting"]
    values = image.array_zyx[binary].astype(float)
    spread = float(np.ptp(values))
    if setting.get("normalize"):
        deviation = float(image.array_zyx.std())
        spread *= setting.get("normalizeScale", 1) / deviation if deviation else 0.0
    levels = int(spread // setting["binWidth"]) + 1
    if levels < FEWEST_GREY_LEVELS or levels > MOST_GREY_LEVELS:
        return (
            f"The region spans {levels} grey levels at bin width {setting['binWidth']}; "
            f"texture is meant for {FEWEST_GREY_LEVELS} to {MOST_GREY_LEVELS}.",
        )
    return ()
