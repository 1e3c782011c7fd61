"""Radiomics presets: PyRadiomics parameter files, shipped or a user's own, and the names each must give."""

from functools import cache
from pathlib import Path
from typing import Any

from core.domain.errors import InputError

PRESETS = Path(__file__).parent / "presets"
WAVELETS = tuple(f"wavelet-{a}{b}{c}" for a in "LH" for b in "LH" for c in "LH")
SINGLE_FILTERS = {
    "Original": "original",
    "Square": "square",
    "SquareRoot": "squareroot",
    "Logarithm": "logarithm",
    "Exponential": "exponential",
    "Gradient": "gradient",
    "LBP2D": "lbp-2D",
}


def preset_names() -> tuple[str, ...]:
    return tuple(sorted(p.stem for p in PRESETS.glob("*.yaml")))


def preset_text(name: str) -> str:
    """The preset as a PyRadiomics parameter file. `name` is a shipped preset or the path of a user's YAML file.

    Raises
    ------
    InputError
        When there is no such preset or file.
    """
    if name in preset_names():
        return (PRESETS / f"{name}.yaml").read_text()
    path = Path(name)
    if path.suffix in (".yaml", ".yml") and path.is_file():
        return path.read_text()
    raise InputError(
        f"There is no radiomics preset '{name}'. Known: {', '.join(preset_names())}; or give a YAML file in "
        "PyRadiomics' parameter format."
    )


def parameters_of(name: str) -> dict[str, Any]:
    """The preset's content with PyRadiomics' defaults for what it leaves out.

    Raises
    ------
    InputError
        When the file is not a PyRadiomics parameter file.
    """
    return _parsed(Path(name).name, preset_text(name))


@cache
def _parsed(name: str, text: str) -> dict[str, Any]:
    """Kept by content: a user may edit a file between two calls."""
    import yaml

    try:
        held = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"The preset {name} is not readable YAML: {_where(error)}.") from error
    if not isinstance(held, dict):
        raise InputError(f"The preset {name} is not a PyRadiomics parameter file.")
    unknown = set(held) - {"setting", "imageType", "featureClass", "voxelSetting"}
    if unknown:
        raise InputError(
            f"The preset {name} holds '{sorted(unknown)[0]}'; PyRadiomics knows setting, imageType and featureClass."
        )
    _check_words(name, held)
    _check_numbers(name, held.get("setting") or {})
    return {
        "setting": held.get("setting") or {},
        "imageType": {k: v or {} for k, v in (held.get("imageType") or {"Original": {}}).items()},
        # shape2D is for single slices (force2D) and has to be asked for.
        "featureClass": held.get("featureClass") or dict.fromkeys(c for c in _classes() if c != "shape2D"),
    }


def _where(error: Any) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"line {mark.line + 1}" if mark else "no position known"


def _check_words(name: str, held: dict[str, Any]) -> None:
    known = {*SINGLE_FILTERS, "Wavelet", "LoG", "LBP3D"}
    for word in held.get("imageType") or {}:
        if word not in known:
            raise InputError(f"The preset {name} asks for the filter '{word}'. Known: {', '.join(sorted(known))}.")
    classes = _classes()
    for word, features in (held.get("featureClass") or {}).items():
        if word not in classes:
            raise InputError(f"The preset {name} asks for the class '{word}'. Known: {', '.join(classes)}.")
        for feature in features or ():
            if feature not in classes[word]:
                raise InputError(f"The preset {name} asks for {word}_{feature}, which PyRadiomics does not have.")


def _check_numbers(name: str, setting: dict[str, Any]) -> None:
    for word in ("binWidth", "binCount", "normalizeScale", "minimumROIDimensions"):
        value = setting.get(word)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or value <= 0):
            raise InputError(f"The preset {name} sets {word} to {value!r}; a number above 0 is needed.")


@cache
def _classes() -> dict[str, tuple[str, ...]]:
    """PyRadiomics' feature classes with their features, deprecated ones left out."""
    from core.features.reference import prepare_pyradiomics

    prepare_pyradiomics()
    from radiomics import getFeatureClasses

    return {
        name: tuple(sorted(f for f, deprecated in held.getFeatureNames().items() if not deprecated))
        for name, held in getFeatureClasses().items()
    }


def feature_names(name: str) -> tuple[str, ...]:
    """All names a preset must give, from PyRadiomics' own list of features, in a fixed order."""
    classes = parameters_of(name)["featureClass"]
    # Shape is PyRadiomics' own of the mask, named after the original image whether or not that is asked for.
    shapes = [("original", held) for held in classes if held.startswith("shape")]
    textures = [(image, held) for image in image_names(name) for held in classes if not held.startswith("shape")]
    return tuple(
        f"{image}_{held}_{feature}"
        for image, held in (*shapes, *textures)
        for feature in sorted(classes[held] or _classes()[held])
    )


def image_names(name: str) -> list[str]:
    """PyRadiomics' names of the images a preset's filters give, `original` first."""
    types, setting = parameters_of(name)["imageType"], parameters_of(name)["setting"]
    images: list[str] = []
    for kind, custom in types.items():
        if kind in SINGLE_FILTERS:
            images.append(SINGLE_FILTERS[kind])
        elif kind == "Wavelet":
            images += _bands(setting | custom)
        elif kind == "LoG":
            images += [f"log-sigma-{str(s).replace('.', '-')}-mm-3D" for s in custom.get("sigma", [])]
        else:
            levels = (setting | custom).get("lbp3DLevels", 2)
            images += [*(f"lbp-3D-m{i + 1}" for i in range(levels)), "lbp-3D-k"]
    return sorted(images, key=lambda image: image != "original")


def _bands(setting: dict[str, Any]) -> list[str]:
    letters = "LL" if setting.get("force2D") else "LLL"
    first = [w.removeprefix("wavelet-") for w in WAVELETS] if len(letters) == 3 else ["LL", "LH", "HL", "HH"]
    levels = setting.get("level", 1)
    named = []
    for level in range(1, levels + 1):
        kept = first if level == levels else first[1:]
        named += [f"wavelet{level if level > 1 else ''}-{band}" for band in kept]
    return named
