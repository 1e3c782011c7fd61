"""What a deep feature extractor is made of: the network, what it looks at, and where its attention is read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.domain.volume import Volume

if TYPE_CHECKING:
    import torch

IMAGENET_MEAN, IMAGENET_SD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PUBLISHED_WIDTH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class IntensityWindow:
    """How voxel values become 0..1: fixed limits (CT, HU) or percentiles of the image (MR)."""

    low: float
    high: float
    percentiles: bool


CT_WINDOW = IntensityWindow(low=-60, high=220, percentiles=False)
MR_WINDOW = IntensityWindow(low=1, high=99, percentiles=True)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inputs:
    """What a network sees of one region.

    `batch` is (n, channels, …) in 0..1. `places` says for each of the n where its map belongs in the volume: numbers of
    slices, rows and columns, which may reach beyond the image where its border was repeated.
    """

    batch: NDArray[np.float32]
    places: tuple[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedWeights:
    """A public set of weights: its name in recipes, torch hub's file name, the SHA-256 digits that name carries."""

    name: str
    file: str
    sha256_start: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """One network with the recipe for its input.

    `width` 64 is the published network; smaller widths have the same layers and proportionally fewer channels, for
    demonstration and tests. `head` is the classifier's attribute; without it the network gives `features(width)`
    numbers. `renamed` turns published parameter names into ours. `target_layer` is what Grad-CAM reads; `tokens` turns
    its activations into (n, channels, rows, columns) where they are not so already.
    """

    name: str
    dimensions: int
    features: Callable[[int], int]
    build: Callable[[int, int], "torch.nn.Module"]
    head: str
    inputs: Callable[[Volume, Volume, IntensityWindow], Inputs] | None
    target_layer: str
    renamed: Callable[[Mapping[str, Any]], dict[str, Any]] = dict
    tokens: Callable[["torch.Tensor"], "torch.Tensor"] | None = None
    published: PublishedWeights | None = None
    mean: tuple[float, ...] = IMAGENET_MEAN
    sd: tuple[float, ...] = IMAGENET_SD

    def normalised(self, batch: "torch.Tensor") -> "torch.Tensor":
        """Mean and standard deviation taken out of a batch in 0..1, along its channels (the axis before space)."""
        import torch

        shape = (-1, *(1,) * self.dimensions)
        mean = torch.tensor(self.mean, device=batch.device).view(shape)
        return (batch - mean) / torch.tensor(self.sd, device=batch.device).view(shape)
