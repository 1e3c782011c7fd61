"""Volumes and masks: an array with the geometry that places it in the patient."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
IDENTITY_DIRECTION = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """Where voxels lie: sizes and spacings along x, y, z; origin and direction in mm, LPS, as in SimpleITK."""

    size_xyz: tuple[int, int, int]
    spacing_mm_xyz: tuple[float, float, float]
    origin_mm_lps: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: tuple[float, ...] = IDENTITY_DIRECTION

    def __post_init__(self) -> None:
        if min(self.size_xyz) < 1 or min(self.spacing_mm_xyz) <= 0 or len(self.direction) != 9:
            raise ValueError(f"not a geometry: size {self.size_xyz}, spacing {self.spacing_mm_xyz} mm")

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Geometry":
        """A geometry as the database keeps it, with lists in the place of tuples."""
        return cls(**{name: tuple(values) for name, values in stored.items()})

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in mL."""
        return float(np.prod(self.spacing_mm_xyz)) / 1000.0

    def matches(self, other: "Geometry", tolerance_mm: float = 1e-3) -> bool:
        """Whether both place the same grid in the patient, corner to corner within `tolerance_mm`."""
        if self.size_xyz != other.size_xyz:
            return False
        corners = (np.zeros(3), np.asarray(self.size_xyz, float) - 1)
        gaps = [np.abs(self.to_mm_lps(c) - other.to_mm_lps(c)).max() for c in corners]
        return max(gaps) <= tolerance_mm

    def to_mm_lps(self, index_xyz: Array) -> Array:
        """Patient coordinates in mm (LPS) of a continuous voxel index (x, y, z)."""
        matrix = np.asarray(self.direction).reshape(3, 3) * np.asarray(self.spacing_mm_xyz)
        return np.asarray(self.origin_mm_lps) + matrix @ np.asarray(index_xyz, float)

    def to_index_xyz(self, point_mm_lps: Array) -> Array:
        """Continuous voxel index (x, y, z) of a patient coordinate in mm (LPS)."""
        matrix = np.asarray(self.direction).reshape(3, 3) * np.asarray(self.spacing_mm_xyz)
        return np.linalg.solve(matrix, np.asarray(point_mm_lps, float) - np.asarray(self.origin_mm_lps))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Volume:
    """An image or a mask. `array_zyx` is a read-only array in (z, y, x) order."""

    array_zyx: Array
    geometry: Geometry

    def __post_init__(self) -> None:
        if self.array_zyx.ndim != 3 or self.array_zyx.shape[::-1] != self.geometry.size_xyz:
            raise ValueError(f"array {self.array_zyx.shape} (z, y, x) is not {self.geometry.size_xyz} (x, y, z)")
        view = self.array_zyx.view()
        view.flags.writeable = False
        object.__setattr__(self, "array_zyx", view)

    def content_hash(self) -> str:
        """SHA-256 of voxels and geometry: the same volume always has the same name."""
        digest = hashlib.sha256(np.ascontiguousarray(self.array_zyx).tobytes())
        digest.update(repr((str(self.array_zyx.dtype), self.geometry)).encode())
        return digest.hexdigest()
