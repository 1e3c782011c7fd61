"""The filtered images of a crop, each cut to the region's box: PyRadiomics' own filters, two of them faster."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.features.crops import Crop
from core.features.local_binary_pattern import spherical_patterns
from core.features.wavelet import wavelet_bands

Settings = dict[str, Any]
Filtered = tuple[str, NDArray[Any], Settings]
SHORTEST_WAVELET_SIDE = 6


def filtered_images(crop: Crop, image_types: dict[str, Settings], settings: Settings) -> Iterator[Filtered]:
    """(name, array in the region's box, settings with the filter's own) for every image a preset asks for."""
    from radiomics import imageoperations
    from SimpleITK import GetArrayViewFromImage

    for kind, custom in image_types.items():
        merged = settings | custom
        if kind == "Wavelet" and _wavelet_covered(crop, merged):
            yield from _wavelets(crop, merged)
        elif kind == "LBP3D":
            yield from ((name, array, merged) for name, array in spherical_patterns(crop, merged))
        else:
            for image, name, _ in getattr(imageoperations, f"get{kind}Image")(crop.image, crop.mask, **merged):
                yield name, np.ascontiguousarray(GetArrayViewFromImage(image)[crop.box]), merged


def _wavelet_covered(crop: Crop, settings: Settings) -> bool:
    """One level, from the image itself, and no side shorter than the filter (PyWavelets then wraps more than once)."""
    one_level = settings.get("level", 1) == 1 and settings.get("start_level", 0) == 0
    return (
        one_level and settings.get("wavelet", "coif1") == "coif1" and min(crop.mask_zyx.shape) >= SHORTEST_WAVELET_SIDE
    )


def _wavelets(crop: Crop, settings: Settings) -> Iterator[Filtered]:
    from SimpleITK import GetArrayViewFromImage

    axes = [2, 1, 0]
    if settings.get("force2D", False):
        axes.remove(settings.get("force2Ddimension", 0))
    array = GetArrayViewFromImage(crop.image)
    for name, band in wavelet_bands(array, crop.box, axes=tuple(axes)).items():
        yield f"wavelet-{name}", band, settings
