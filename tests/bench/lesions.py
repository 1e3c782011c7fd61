"""Made-up lesions for benchmarks: bumpy balls with texture in a noisy CT, three phases, spacing 0.8 × 0.8 × 2.5 mm."""

import numpy as np

from core.domain.volume import Geometry, Volume
from core.regions.shells import peritumoral_shell

SPACING = (0.8, 0.8, 2.5)
MARGIN_MM = 18
SHELL_MM = 10


def lesion(diameter_cm: float, phases: int, seed: int = 0) -> tuple[list[Volume], dict[str, Volume]]:
    """Images of the phases, and the masks of tumour and 10 mm shell."""
    from scipy import ndimage

    rng = np.random.default_rng(seed)
    diameter = 10 * diameter_cm
    size = tuple(int((diameter + 2 * MARGIN_MM) / s) for s in SPACING)
    geometry = Geometry(size_xyz=size, spacing_mm_xyz=SPACING)
    grids = np.meshgrid(
        *((np.arange(n) - n / 2) * s for n, s in zip(size[::-1], SPACING[::-1], strict=True)), indexing="ij"
    )
    distance = np.sqrt(sum(g**2 for g in grids))

    def field(sigma: tuple[float, float, float], spread: float) -> np.ndarray:
        smooth = ndimage.gaussian_filter(rng.normal(size=distance.shape), sigma)
        return smooth * spread / smooth.std()

    inside = distance + field((3, 8, 8), 4) < diameter / 2
    images = []
    for phase in range(phases):
        texture = field((2, 5, 5), 15) * inside + (10 * phase - 20) * inside
        images.append(100 + field((0.6, 1, 1), 18) + texture)
    tumour = Volume(array_zyx=inside.astype(np.uint8), geometry=geometry)
    regions = {"tumour": tumour, "shell": peritumoral_shell(tumour, SHELL_MM)}
    return [Volume(array_zyx=i.astype(np.int16), geometry=geometry) for i in images], regions
