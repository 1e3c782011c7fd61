"""Dual-branch ResNet18 on tumour and lesser omental adipose tissue (system 2): 2 × 512 features.

One branch a region, the phases (AP, PVP) as its channels, the slice where the region is largest cropped around it, the
branches' features side by side before the classifier. The abstract states two branches and fusion; the rest is chosen.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import InputError
from core.domain.phase import Phase
from core.domain.volume import Volume
from core.features.architecture import Architecture, IntensityWindow
from core.features.inputs import square_slice
from core.features.resnet import resnet_2d

PHASES = (Phase.AP, Phase.PVP)


def build(classes: int, width: int) -> Any:
    """Two ResNet18 without classifiers, and one classifier on both."""
    import torch

    def branch() -> Any:
        made = resnet_2d((2, 2, 2, 2), classes=1, width=width, channels=len(PHASES))
        made.fc = torch.nn.Identity()
        return made

    class DualBranch(torch.nn.Module):
        """Takes (n, regions, phases, 224, 224)."""

        def __init__(self) -> None:
            super().__init__()
            self.tumour, self.loat = branch(), branch()
            self.fc = torch.nn.Linear(16 * width, classes)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            both = torch.cat([self.tumour(x[:, 0]), self.loat(x[:, 1])], dim=1)
            result: torch.Tensor = self.fc(both)
            return result

    return DualBranch()


def dual_inputs(
    images: Mapping[Phase, Volume], tumour: Volume, loat: Volume, window: IntensityWindow
) -> NDArray[np.float32]:
    """(1, 2, 2, 224, 224): tumour and LOAT, each in AP and PVP; masks lie on both phases' grid.

    Raises
    ------
    InputError
        When a phase is missing or a region empty.
    """
    missing = [p.label.lower() for p in PHASES if p not in images]
    if missing:
        raise InputError(f"The dual-branch network needs the {' and '.join(missing)} phase.")
    return np.stack([_channels(images, mask, window) for mask in (tumour, loat)])[None]


def _channels(images: Mapping[Phase, Volume], mask: Volume, window: IntensityWindow) -> NDArray[np.float32]:
    slices: Sequence[NDArray[np.float32]] = [square_slice(images[p], mask, window) for p in PHASES]
    return np.stack(slices)


ARCHITECTURE = Architecture(
    name="resnet18_dual",
    dimensions=2,
    features=lambda width: 16 * width,
    build=build,
    head="fc",
    inputs=None,
    target_layer="tumour.layer4.1",
    mean=(0.45, 0.45),
    sd=(0.225, 0.225),
)
