"""Local binary patterns on a sphere around each voxel (LBP-3D), in pieces that fit memory.

PyRadiomics holds 42 complex samples for every voxel of the region at once, gigabytes for a large tumour. The pattern of
a voxel depends on its own sphere only, so pieces give the same values.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.features.crops import Crop

PIECE = 20_000


def spherical_patterns(crop: Crop, settings: dict[str, Any]) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """`lbp-3D-m1`, … one for each level of spherical harmonics, and `lbp-3D-k`, the kurtosis on the sphere.

    Values outside the region are 0. Source: PyRadiomics 3.0.1, `getLBP3DImage`, after Banerjee et al., 2012.
    """
    from scipy.ndimage import map_coordinates, spline_filter
    from scipy.stats import kurtosis
    from SimpleITK import GetArrayViewFromImage

    levels = settings.get("lbp3DLevels", 2)
    vertices, degrees, harmonics = _sphere(
        settings.get("lbp3DIcosphereSubdivision", 1), settings.get("lbp3DIcosphereRadius", 1), levels
    )
    array = GetArrayViewFromImage(crop.image)
    spline = spline_filter(array, order=3, output=np.float64)
    positions = np.argwhere(crop.mask_zyx)
    result = np.empty((len(positions), levels + 1))
    for start in range(0, len(positions), PIECE):
        piece = positions[start : start + PIECE]
        around = piece[None] + vertices[:, None]
        # As in PyRadiomics, samples take the image's own type: whole numbers stay whole.
        samples = map_coordinates(spline, around.T, order=3, prefilter=False, output=array.dtype)
        above = (samples >= array[tuple(piece.T)][:, None]).astype(int)
        # Products and sums one by one as PyRadiomics does them, not by matrix multiplication: patterns take few values,
        # and percentiles fall exactly on them, so that a difference in the last bit would show.
        coefficients = (above[:, :, None] * harmonics[None]).sum(axis=1)
        patterns = [
            (coefficients[:, None, degrees == level] * harmonics[None, :, degrees == level]).sum(axis=2)
            for level in range(levels)
        ]
        norms = np.sqrt((np.stack(patterns, axis=2) ** 2).sum(axis=1))
        result[start : start + len(piece), :levels] = norms.real
        result[start : start + len(piece), levels] = kurtosis(samples, axis=1)
    inside = crop.boxed_mask
    for number, name in enumerate([*(f"lbp-3D-m{i + 1}" for i in range(levels)), "lbp-3D-k"]):
        image = np.zeros(inside.shape)
        image[inside] = result[:, number]
        yield name, image


def _sphere(
    subdivision: int, radius: float, levels: int
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.complex128]]:
    """Points on an icosphere and the spherical harmonics there, with their degrees."""
    from scipy.special import sph_harm_y
    from trimesh.creation import icosphere

    vertices = np.array(icosphere(subdivision, radius).vertices)
    polar = np.arccos(vertices[:, 2] / radius)
    azimuth = np.arctan2(vertices[:, 1], vertices[:, 0])
    numbers = [(n, m) for n in range(levels) for m in range(-n, n + 1)]
    # PyRadiomics hands its angles over in the order (polar, azimuthal) to a function that names them the other way.
    harmonics = np.stack([sph_harm_y(n, m, azimuth, polar) for n, m in numbers], axis=1)
    return vertices, np.array([n for n, _ in numbers]), harmonics
