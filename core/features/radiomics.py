"""Hand-crafted features by presets: PyRadiomics' names and values, computed several times faster.

Two engines give the same numbers. `fast` keeps PyRadiomics' filters and formulas and replaces what takes its time
(core/features/kernels.py, mesh.py, wavelet.py); `pyradiomics` is the library run plainly, the reference the fast one is
tested against, and what is used for settings the fast one does not cover.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import InputError
from core.domain.volume import Volume
from core.features.extractor import Extraction, Pair, one_by_one
from core.features.presets import feature_names, parameters_of, preset_names, preset_text
from core.imaging.simpleitk import to_sitk

__all__ = ["ENGINES", "RadiomicsExtractor", "preset_names", "preset_text"]

ENGINES = ("fast", "pyradiomics")
FEWEST_GREY_LEVELS, MOST_GREY_LEVELS = 16, 128
# Settings under which the fast engine's shortcuts would not be exact, with the value that leaves them so.
COVERED = {
    "distances": [1],
    "symmetricalGLCM": True,
    "weightingNorm": None,
    "resegmentRange": None,
    "preCrop": False,
    "correctMask": False,
}


class RadiomicsExtractor:
    """A preset's features. Names are PyRadiomics' own (`wavelet-LLH_glcm_Idn`).

    Parameters
    ----------
    preset : a shipped preset, or the path of a PyRadiomics parameter file.
    engine : `fast` or `pyradiomics`.
    workers : threads; by default as many as this process may use cores.
    """

    name = "radiomics"

    def __init__(self, preset: str, *, engine: str = "fast", workers: int | None = None) -> None:
        if engine not in ENGINES:
            raise InputError(f"There is no radiomics engine '{engine}'. Known: {', '.join(ENGINES)}.")
        self.preset = preset
        self.parameters = parameters_of(preset)
        self.engine = engine if not uncovered(self.parameters) else "pyradiomics"
        self.workers = workers or len(os.sched_getaffinity(0))

    @property
    def settings(self) -> dict[str, Any]:
        """What decides the numbers. The engine is not among it: both give the same."""
        return {
            "preset": os.path.basename(self.preset),
            "parameters": self.parameters,
            "pyradiomics": version("pyradiomics"),
            "engine": 1,
        }

    @property
    def provenance(self) -> dict[str, Any]:
        """How the numbers came about beyond the settings."""
        libraries = {p: version(p) for p in ("SimpleITK", "PyWavelets", "numpy", "scipy", "numba")}
        return {"engine_used": self.engine, "libraries": libraries}

    def feature_names(self) -> tuple[str, ...]:
        return feature_names(self.preset)

    def extract(self, image: Volume, mask: Volume) -> Extraction:
        """Features of the voxels where `mask` is above 0.

        Raises
        ------
        InputError
            When image and mask lie on different grids, the region is empty or too small, or voxels are not numbers.
        """
        result = next(iter(self.extract_regions([(image, mask)])))[1]
        if isinstance(result, InputError):
            raise result
        return result

    def extract_regions(self, pairs: Sequence[Pair]) -> Iterator[tuple[int, Extraction | InputError]]:
        """Features of several regions as they are done; one that cannot be computed gives its error, others go on.

        Images used for several regions are scaled once, masks used for several images are measured once, and the
        (region, filter) pairs run in parallel.
        """
        from threadpoolctl import threadpool_limits

        from core.features.reference import prepare_pyradiomics

        prepare_pyradiomics()
        if self.engine == "pyradiomics":
            yield from one_by_one(self._reference, pairs)
            return
        with (
            # Small linear algebra runs faster alone than when each thread starts threads of its own.
            threadpool_limits(1),
            ThreadPoolExecutor(self.workers) as regions,
            ThreadPoolExecutor(self.workers) as filters,
        ):
            run = _FastRun(self.parameters, self.preset, filters)
            places = {regions.submit(run.features, *pair): place for place, pair in enumerate(pairs)}
            for done in as_completed(places):
                error = done.exception()
                if error is not None and not isinstance(error, InputError):
                    raise error
                yield places[done], error if isinstance(error, InputError) else done.result()

    def _reference(self, image: Volume, mask: Volume) -> Extraction:
        from core.features.reference import reference_features

        region = checked_region(image, mask)
        try:
            values = reference_features(to_sitk(image), to_sitk(region), self.parameters)
        except ValueError as error:
            raise InputError(f"PyRadiomics refuses the region: {error}") from error
        ordered = _in_order(values, self.feature_names())
        return Extraction(values=ordered, warnings=_expected_levels(image, region, self.parameters))


def uncovered(parameters: dict[str, Any]) -> tuple[str, ...]:
    """Settings of a preset for which only plain PyRadiomics is right."""
    setting = {**parameters["setting"]}
    for custom in parameters["imageType"].values():
        setting |= custom
    reasons = [name for name, value in COVERED.items() if setting.get(name, value) != value]
    return (*reasons, *(["shape2D"] if "shape2D" in parameters["featureClass"] else []))


def checked_region(image: Volume, mask: Volume) -> Volume:
    """The mask as 0 and 1 on the image's grid.

    Raises
    ------
    InputError
        With what is wrong and what to do.
    """
    if not image.geometry.matches(mask.geometry):
        raise InputError("Image and mask lie on different grids; resample the mask to the image first.")
    binary = mask.array_zyx > 0
    count = int(binary.sum())
    if count == 0:
        raise InputError("The region is empty. Mark at least a few voxels, or choose another label value.")
    if count == 1:
        raise InputError("The region is a single voxel; features need more.")
    if not np.isfinite(image.array_zyx[binary]).all():
        raise InputError("The region holds voxels that are not numbers (NaN or infinite). Repair or exclude them.")
    return Volume(array_zyx=binary.astype(np.uint8), geometry=image.geometry)


def _in_order(values: dict[str, float], names: tuple[str, ...]) -> dict[str, float]:
    """The values in the declared order.

    Raises
    ------
    InputError
        When the Laplacian of Gaussian is missing: PyRadiomics leaves it out, without a word, of an image under 4 voxels
        in any direction or narrower than sigma. Anything else that is missing is for the caller to refuse.
    """
    missing = [name for name in names if name not in values]
    if missing and all(name.startswith("log-sigma-") for name in missing):
        raise InputError(
            "The image around the region is too small for the Laplacian of Gaussian (at least 4 voxels each way, more "
            "for a larger sigma). Take an image of more slices, or a preset without LoG."
        )
    return {name: values[name] for name in names if name in values}


class _Once:
    """Results by key, each made by the first thread that asks; the others wait for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[Any, Future[Any]] = {}

    def get(self, key: Any, make: Callable[[], Any]) -> Any:
        with self._lock:
            first = key not in self._made
            held = self._made.setdefault(key, Future())
        if first:
            try:
                held.set_result(make())
            except Exception as error:  # noqa: BLE001 - handed to every thread that waits for it
                held.set_exception(error)
        return held.result()


class _FastRun:
    """One call of the fast engine: what regions share is kept for its duration."""

    def __init__(self, parameters: dict[str, Any], preset: str, pool: ThreadPoolExecutor) -> None:
        from radiomics import featureextractor

        extractor = featureextractor.RadiomicsFeatureExtractor(parameters)
        self.settings: dict[str, Any] = extractor.settings
        self.image_types: dict[str, dict[str, Any]] = extractor.enabledImagetypes
        self.classes: dict[str, Any] = extractor.enabledFeatures
        self.names = feature_names(preset)
        self.pool = pool
        self.images = _Once()
        self.shapes = _Once()

    def features(self, image: Volume, mask: Volume) -> Extraction:
        from core.features.crops import crop_to_region
        from core.features.filters import filtered_images
        from core.features.matrices import RegionLevels
        from core.features.texture import texture_features

        region = checked_region(image, mask)
        crop = crop_to_region(self._image(image), to_sitk(region), self.settings)
        inside, spacing = crop.boxed_mask, crop.spacing_xyz
        shape = self.pool.submit(self._shape, inside, spacing)

        def textures(name: str, array: NDArray[Any], settings: dict[str, Any]) -> tuple[dict[str, float], int]:
            if not np.isfinite(array[inside]).all():
                raise InputError(
                    f"The {name} image holds voxels that are not numbers: they come from around the region. "
                    "Repair the image, or use a preset without filters."
                )
            levels = RegionLevels(array, inside, settings)
            found = texture_features(levels, spacing, settings, self.classes)
            return {f"{name}_{key}": value for key, value in found.items()}, levels.highest

        pending = {
            name: self.pool.submit(textures, name, array, settings)
            for name, array, settings in filtered_images(crop, self.image_types, self.settings)
        }
        values = {f"original_{key}": value for key, value in shape.result().items()}
        warnings = []
        for name, task in pending.items():
            found, highest = task.result()
            values |= found
            if name == "original":
                warnings = list(_level_warnings(highest, self.settings))
        ordered = _in_order(values, self.names)
        return Extraction(values=ordered, warnings=(*warnings, *_undefined(ordered)))

    def _image(self, image: Volume) -> Any:
        from core.features.crops import normalised

        return self.images.get(id(image), lambda: normalised(to_sitk(image), self.settings))

    def _shape(self, inside: NDArray[np.bool_], spacing: tuple[float, ...]) -> Any:
        from core.features.texture import shape_features

        if "shape" not in self.classes:
            return {}
        key = np.packbits(inside).tobytes() + repr((inside.shape, spacing)).encode()
        return self.shapes.get(key, lambda: shape_features(inside, spacing, self.settings, self.classes["shape"]))


def _level_warnings(levels: int, setting: dict[str, Any]) -> tuple[str, ...]:
    binned = (
        f"bin count {setting['binCount']}" if setting.get("binCount") else f"bin width {setting.get('binWidth', 25)}"
    )
    if levels == 1:
        return (f"All voxels of the region fall into one grey level ({binned}): texture says nothing here.",)
    if levels < FEWEST_GREY_LEVELS or levels > MOST_GREY_LEVELS:
        return (
            f"The region spans {levels} grey levels ({binned}); "
            f"texture is meant for {FEWEST_GREY_LEVELS} to {MOST_GREY_LEVELS}.",
        )
    return ()


def _undefined(values: dict[str, float]) -> tuple[str, ...]:
    names = [name for name, value in values.items() if not np.isfinite(value)]
    if not names:
        return ()
    return (f"{len(names)} features have no value for this region, among them {names[0]}.",)


def _expected_levels(image: Volume, region: Volume, parameters: dict[str, Any]) -> tuple[str, ...]:
    """The same warning for the reference engine, from the voxels before resampling."""
    setting = parameters["setting"]
    if setting.get("binCount"):
        return _level_warnings(int(setting["binCount"]), setting)
    spread = float(np.ptp(image.array_zyx[region.array_zyx > 0].astype(float)))
    if setting.get("normalize"):
        deviation = float(image.array_zyx.std())
        spread *= setting.get("normalizeScale", 1) / deviation if deviation else 0.0
    return _level_warnings(int(spread // setting.get("binWidth", 25)) + 1, setting)
