"""What a mask measures: volume, diameters, and whether it looks like a lesion at all."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import InputError
from core.domain.volume import Geometry, Volume

SMALLEST_LESION_MM = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskMeasures:
    """Size of a mask. `max_diameter_mm` is the longest distance in 3D, `max_axial_diameter_mm` within one slice."""

    voxels: int
    volume_ml: float
    max_diameter_mm: float
    max_axial_diameter_mm: float
    centre_mm_lps: tuple[float, float, float]
    checks: tuple[str, ...]


def measure_mask(mask: Volume) -> MaskMeasures:
    """Measure a binary mask.

    Diameters run between outer voxel borders' centres, as on a ruler laid over the voxels: the longest distance of
    voxel centres plus one in-plane voxel.

    Raises
    ------
    InputError
        When the mask is empty.
    """
    index_zyx = np.argwhere(mask.array_zyx > 0)
    if not len(index_zyx):
        raise InputError("The tumour mask is empty. Mark at least one voxel, or choose another label value.")
    geometry = mask.geometry
    points = index_zyx[:, ::-1].astype(float) * np.asarray(geometry.spacing_mm_xyz)
    in_plane = max(geometry.spacing_mm_xyz[:2])
    axial = max(_longest_distance(points[index_zyx[:, 0] == z]) for z in np.unique(index_zyx[:, 0]))
    diameter = _longest_distance(points) + in_plane
    centre = geometry.to_mm_lps(index_zyx[:, ::-1].mean(axis=0))
    return MaskMeasures(
        voxels=len(index_zyx),
        volume_ml=len(index_zyx) * geometry.voxel_ml,
        max_diameter_mm=diameter,
        max_axial_diameter_mm=axial + in_plane,
        centre_mm_lps=(float(centre[0]), float(centre[1]), float(centre[2])),
        checks=_checks(index_zyx, geometry, diameter),
    )


def _longest_distance(points_mm: NDArray[np.float64]) -> float:
    """Exact largest distance between points: it lies between vertices of the convex hull."""
    from scipy.spatial import ConvexHull, QhullError
    from scipy.spatial.distance import pdist

    varying = points_mm[:, np.ptp(points_mm, axis=0) > 0]
    if varying.shape[1] == 0:
        return 0.0
    if varying.shape[1] == 1:
        return float(np.ptp(varying))
    if len(varying) > 50:
        try:
            varying = varying[ConvexHull(varying).vertices]
        except QhullError:  # points on one line or plane: few enough extremes to compare all
            varying = varying[np.unique(np.r_[varying.argmin(axis=0), varying.argmax(axis=0)])]
    return float(pdist(varying).max())


def _checks(index_zyx: NDArray[np.int64], geometry: Geometry, diameter_mm: float) -> tuple[str, ...]:
    from scipy import ndimage

    checks = []
    size_zyx = np.asarray(geometry.size_xyz[::-1])
    if (index_zyx.min(axis=0) == 0).any() or (index_zyx.max(axis=0) == size_zyx - 1).any():
        checks.append("The mask touches the edge of the image: the lesion may be cut off.")
    if diameter_mm < SMALLEST_LESION_MM:
        checks.append(f"The lesion measures {diameter_mm:.1f} mm; texture of lesions under 10 mm is not reliable.")
    low = index_zyx.min(axis=0)
    box = np.zeros(index_zyx.max(axis=0) - low + 1, bool)
    box[tuple((index_zyx - low).T)] = True
    pieces = ndimage.label(box, np.ones((3, 3, 3)))[1]
    if pieces > 1:
        checks.append(f"The mask consists of {pieces} separate pieces.")
    if box.shape[0] == 1:
        checks.append("The mask lies in a single slice.")
    return tuple(checks)
