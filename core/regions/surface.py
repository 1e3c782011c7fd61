"""A mask's surface as triangles, for looking at."""

from __future__ import annotations

import numpy as np

from core.domain.errors import InputError
from core.domain.volume import Volume

# Coarser for large organs: some ten thousand triangles turn smoothly without a graphics card.
FINE_MM, COARSE_MM, COARSE_FROM_ML = 1.2, 3.0, 300.0


def surface_stl(mask: Volume) -> bytes:
    """The smoothed surface as binary STL, in mm, RAS (the coordinates of NIfTI and of the viewer's 3D engine).

    Raises
    ------
    InputError
        When nothing is marked.
    """
    import trimesh
    from scipy import ndimage
    from skimage.measure import marching_cubes

    marked = np.argwhere(mask.array_zyx > 0)
    if not len(marked):
        raise InputError("The mask is empty: there is no surface.")
    spacing_zyx = np.asarray(mask.geometry.spacing_mm_xyz[::-1])
    step = COARSE_MM if len(marked) * mask.geometry.voxel_ml > COARSE_FROM_ML else FINE_MM
    pad = np.ceil(2 * step / spacing_zyx).astype(int) + 2
    low, high = marked.min(axis=0) - pad, marked.max(axis=0) + pad + 1
    box = np.zeros(tuple(high - low), np.float32)
    box[tuple((marked - low).T)] = 1.0
    # Thick slices make steps; half of their thickness rounds them.
    soft = ndimage.gaussian_filter(box, max(step * 0.6, spacing_zyx.max() / 2) / spacing_zyx)
    shrink = np.minimum(1.0, spacing_zyx / step)
    coarse = ndimage.zoom(soft, shrink, order=1, grid_mode=False)
    # With grid_mode off the first and last voxel keep their place: the step follows from the numbers of voxels.
    factor = (np.array(soft.shape) - 1) / np.maximum(np.array(coarse.shape) - 1, 1)
    level = min(0.5, float(coarse.max()) / 2)
    vertices, faces, _, _ = marching_cubes(coarse, level)
    index_zyx = vertices * factor + low
    matrix = np.asarray(mask.geometry.direction).reshape(3, 3) * np.asarray(mask.geometry.spacing_mm_xyz)
    lps = np.asarray(mask.geometry.origin_mm_lps) + index_zyx[:, ::-1] @ matrix.T
    mesh = trimesh.Trimesh(vertices=lps * (-1, -1, 1), faces=faces, process=False)
    if mesh.volume < 0:
        mesh.invert()
    made = mesh.export(file_type="stl")
    if not isinstance(made, bytes):
        raise TypeError("binary STL is bytes")
    return made
