"""Where tissues lie in a synthetic upper abdomen, as fractions of each voxel.

Coordinates are patient millimetres (LPS: x to the patient's left, y to the back, z to the head), the origin in
the middle of the body. Organs are smooth implicit shapes; the tumour is a sphere whose radius varies with
direction, more so when its margin is irregular.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.domain.volume import Geometry
from core.synthetic.patients import SyntheticPatient

Field = NDArray[np.float32]

RIM_MM = 2.5
SHELL_MM = 9.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Anatomy:
    """Tissue labels, tumour geometry and masks of one patient on one grid, all (z, y, x).

    `tissue_zyx` holds an index into `names`; `tumour_depth_mm_zyx` is the distance from the tumour's margin,
    positive inside.
    """

    geometry: Geometry
    names: tuple[str, ...]
    tissue_zyx: NDArray[np.uint8]
    tumour_depth_mm_zyx: Field
    liver_zyx: NDArray[np.bool_]
    tumour_zyx: NDArray[np.bool_]
    omental_fat_zyx: NDArray[np.bool_]


NAMES = (
    "air",
    "fat",
    "muscle",
    "bone",
    "marrow",
    "bowel",
    "liver",
    "spleen",
    "kidney",
    "artery",
    "portal",
    "vein",
)


def tumour_centre_mm(patient: SyntheticPatient) -> NDArray[np.float64]:
    """A centre that keeps the tumour in the right lobe, away from the big vessels where its size allows."""
    rng = np.random.default_rng([patient.seed, 1])
    centre = np.array([-78.0, -12.0, 8.0]) + rng.uniform(-1, 1, 3) * np.array([14.0, 22.0, 22.0])
    return centre


def build_anatomy(patient: SyntheticPatient, geometry: Geometry) -> Anatomy:
    """Anatomy of a patient on a grid; sub-grids of the same patient agree voxel by voxel."""
    x, y, z = _coordinates(geometry)
    rng = np.random.default_rng([patient.seed, 2])
    girth = 1.0 + 0.06 * rng.standard_normal()
    tissue = np.zeros(geometry.size_xyz[::-1], np.uint8)

    def paint(name: str, where: NDArray[np.bool_]) -> None:
        tissue[where] = NAMES.index(name)

    body = _ellipse(x, y, (0, 0), (158 * girth, 112 * girth))
    paint("fat", body < 1)
    paint("muscle", _ellipse(x, y, (0, 0), (144 * girth, 99 * girth)) < 1)
    cavity = _ellipse(x, y, (0, -10), (126 * girth, 76 * girth)) < 1
    paint("fat", cavity & (z < 95))
    liver = _liver(x, y, z) & cavity
    paint("bowel", _ellipsoid(x, y, z, (52, -42, -25), (42, 28, 52)) < 1)
    paint("spleen", _ellipsoid(x, y, z, (92, 30, 20), (27, 36, 48)) < 1)
    for side in (-1, 1):
        paint("kidney", _ellipsoid(x, y, z, (side * 60, 40, -62), (24, 26, 46)) < 1)
    omental_fat = (_ellipsoid(x, y, z, (14, -30, 0), (26, 18, 36)) < 1) & ~liver & cavity & (tissue == 1)
    paint("liver", liver)
    paint("marrow", _ellipse(x, y, (0, 58), (22, 18)) < 1)
    paint("bone", (_ellipse(x, y, (0, 58), (22, 18)) < 1) & (_ellipse(x, y, (0, 58), (19, 15)) > 1))
    _paint_ribs(paint, x, y, z, girth)
    _paint_vessels(paint, x, y, z, liver)
    depth = _tumour_depth_mm(patient, x, y, z)
    tumour = depth > 0
    return Anatomy(
        geometry=geometry,
        names=NAMES,
        tissue_zyx=tissue,
        tumour_depth_mm_zyx=depth,
        liver_zyx=liver | tumour,
        tumour_zyx=tumour,
        omental_fat_zyx=omental_fat,
    )


def _coordinates(geometry: Geometry) -> tuple[Any, Any, Any]:
    """Broadcastable x, y, z in mm; the synthetic grids are axis-aligned."""
    axes = [
        (o + s * np.arange(n)).astype(np.float32)
        for o, s, n in zip(geometry.origin_mm_lps, geometry.spacing_mm_xyz, geometry.size_xyz, strict=True)
    ]
    shape = geometry.size_xyz[::-1]
    return (
        np.broadcast_to(axes[0][None, None, :], shape),
        np.broadcast_to(axes[1][None, :, None], shape),
        np.broadcast_to(axes[2][:, None, None], shape),
    )


def _ellipse(x: Field, y: Field, centre: tuple[float, float], radii: tuple[float, float]) -> Field:
    return ((x - centre[0]) / radii[0]) ** 2 + ((y - centre[1]) / radii[1]) ** 2


def _ellipsoid(
    x: Field, y: Field, z: Field, centre: tuple[float, float, float], radii: tuple[float, float, float]
) -> Field:
    return _ellipse(x, y, centre[:2], radii[:2]) + ((z - centre[2]) / radii[2]) ** 2


def _liver(x: Field, y: Field, z: Field) -> NDArray[np.bool_]:
    """Right lobe, left lobe and the tissue between them, cut off below by a slanted lower edge."""
    right = _ellipsoid(x, y, z, (-68, -8, 5), (62, 68, 88)) < 1
    left = _ellipsoid(x, y, z, (-2, -44, 28), (68, 30, 44)) < 1
    lower_edge = z > -70 - 0.35 * (x + 60)
    return (right | left) & lower_edge


def _paint_ribs(paint: Any, x: Field, y: Field, z: Field, girth: float) -> None:
    ring = np.abs(np.sqrt(_ellipse(x, y, (0, 0), (138 * girth, 94 * girth))) - 1) < 0.035
    spaced = np.mod(z + 0.55 * y, 34.0) < 11.0
    paint("bone", ring & spaced & (y > -70))


def _tube(
    x: Field,
    y: Field,
    z: Field,
    start: tuple[float, float, float],
    end: tuple[float, float, float],
    radius: float,
) -> NDArray[np.bool_]:
    """A capsule between two points."""
    a, b = np.asarray(start), np.asarray(end)
    axis = b - a
    along = ((x - a[0]) * axis[0] + (y - a[1]) * axis[1] + (z - a[2]) * axis[2]) / float(axis @ axis)
    t = np.clip(along, 0, 1)
    gap = (x - a[0] - t * axis[0]) ** 2 + (y - a[1] - t * axis[1]) ** 2 + (z - a[2] - t * axis[2]) ** 2
    return np.asarray(gap < radius**2)


def _paint_vessels(paint: Any, x: Field, y: Field, z: Field, liver: NDArray[np.bool_]) -> None:
    paint("artery", _ellipse(x, y, (14, 29), (10.5, 10.5)) < 1)
    paint("vein", _ellipse(x, y, (-18, 25), (12, 10)) < 1)
    paint("portal", _tube(x, y, z, (12, -2, -45), (-28, -14, -4), 7.0))
    for end, radius in (
        ((-100, -8, 12), 4.2),
        ((-66, -30, -40), 3.4),
        ((-62, 22, -28), 3.2),
        ((10, -46, 22), 3.6),
    ):
        paint("portal", _tube(x, y, z, (-28, -14, -4), end, radius) & liver)
    for end, radius in (((-105, 18, 28), 3.8), ((-72, -48, 18), 3.4), ((14, -52, 44), 3.2)):
        paint("vein", _tube(x, y, z, (-18, 20, 72), end, radius) & liver)


def _tumour_depth_mm(patient: SyntheticPatient, x: Field, y: Field, z: Field) -> Field:
    """Radius in a direction minus distance from the centre: 0 on the margin, positive inside."""
    rng = np.random.default_rng([patient.seed, 3])
    cx, cy, cz = tumour_centre_mm(patient)
    dx, dy, dz = x - cx, y - cy, z - cz
    distance = np.sqrt(dx**2 + dy**2 + dz**2)
    safe = np.maximum(distance, 1e-3)
    waves = np.zeros_like(distance)
    for wavelength in (1.6, 2.2, 3.0, 4.2, 5.5, 7.0):
        k = rng.standard_normal(3)
        k *= wavelength / np.linalg.norm(k)
        waves += np.cos((k[0] * dx + k[1] * dy + k[2] * dz) / safe + rng.uniform(0, 2 * np.pi))
    amplitude = 0.015 + 0.055 * patient.signs.margin_irregularity
    radius = patient.diameter_mm / 2 * (1 + amplitude * waves)
    return np.asarray(radius - distance, np.float32)
