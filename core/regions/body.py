"""The patient's body in an image: everything but air, table and bed."""

import numpy as np
from numpy.typing import NDArray

from core.domain.phase import Modality
from core.domain.volume import Volume

AIR_BELOW_HU = -300


def body_mask(image: Volume, modality: Modality) -> Volume:
    """The largest connected object of an image with its cavities filled slice by slice.

    CT: above -300 HU. MR: above Otsu's threshold of the smoothed image halved, since the background is dark.
    """
    from scipy import ndimage

    array = image.array_zyx.astype(np.float32)
    threshold = AIR_BELOW_HU if modality is Modality.CT else _otsu(array) / 2
    solid = ndimage.gaussian_filter(array, (0, 1, 1)) > threshold
    # Opening frees the body from a table it touches.
    solid = ndimage.binary_opening(solid, np.ones((1, 5, 5)))
    labels, count = ndimage.label(solid)
    if count == 0:
        return Volume(array_zyx=np.ones(array.shape, np.uint8), geometry=image.geometry)
    largest = int(np.bincount(labels.ravel())[1:].argmax()) + 1
    body = labels == largest
    filled = np.stack([ndimage.binary_fill_holes(s) for s in body])
    return Volume(array_zyx=filled.astype(np.uint8), geometry=image.geometry)


def _otsu(array: NDArray[np.float32]) -> float:
    counts, edges = np.histogram(array, bins=256)
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(centres[int(np.nanargmax(between[:-1]))])
