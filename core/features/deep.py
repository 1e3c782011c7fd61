"""Deep features: a 2.5D ResNet34 that sees three adjacent slices as three channels.

The EPR paper's extractor: ResNet34 without its classifier, a 224×224 crop around the tumour, every triplet of
adjacent slices, features averaged over triplets. `width` 64 is the published network (512 features); smaller widths
have the same 34 layers and proportionally fewer channels, for demonstration bundles that must stay small.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import InputError, UnavailableError
from core.domain.volume import Volume
from core.features.extractor import Extraction, Pair, one_by_one

if TYPE_CHECKING:
    import torch

INPUT_SIZE = 224
PUBLISHED_WIDTH = 64
CROP_MARGIN = 1.1
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_SD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntensityWindow:
    """How voxel values become 0..1: fixed limits (CT, HU) or percentiles of the image (MR)."""

    low: float
    high: float
    percentiles: bool


CT_WINDOW = IntensityWindow(low=-60, high=220, percentiles=False)
MR_WINDOW = IntensityWindow(low=1, high=99, percentiles=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A safetensors file of network weights and the SHA-256 it must have."""

    path: Path
    sha256: str

    def checked_bytes(self) -> bytes:
        """The file's content.

        Raises
        ------
        UnavailableError
            When the file is absent or is not the one named: a network is never started from noise in silence.
        """
        if not self.path.exists():
            raise UnavailableError(f"The weights {self.path.name} are not here. Put the file in place and try again.")
        content = self.path.read_bytes()
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise UnavailableError(f"The weights {self.path.name} are not the expected file (SHA-256 differs).")
        return content


class ResNet34Slices:
    """The extractor. Names are `resnet34_2_5d_000` and so on."""

    name = "resnet34_2_5d"

    def __init__(self, weights: Weights, window: IntensityWindow, *, width: int = PUBLISHED_WIDTH) -> None:
        self.weights, self.window, self.width = weights, window, width

    @property
    def settings(self) -> dict[str, Any]:
        limits = [self.window.low, self.window.high, self.window.percentiles]
        return {"weights": self.weights.sha256, "width": self.width, "window": limits, "engine": 1}

    @property
    def provenance(self) -> dict[str, Any]:
        return {"libraries": {p: version(p) for p in ("torch", "monai")}, "device": "cpu"}

    def feature_names(self) -> tuple[str, ...]:
        return tuple(f"{self.name}_{i:03d}" for i in range(8 * self.width))

    def extract_regions(self, pairs: Sequence[Pair]) -> Iterator[tuple[int, Extraction | InputError]]:
        return one_by_one(self.extract, pairs)

    def extract(self, image: Volume, mask: Volume) -> Extraction:
        """The network's features averaged over all triplets of adjacent slices that hold the region."""
        import torch

        batch = torch.from_numpy(slice_triplets(image, mask, self.window))
        with torch.inference_mode():
            parts = [self._network(normalised(part)) for part in batch.split(16)]
        mean = torch.cat(parts).double().mean(dim=0).numpy()
        return Extraction(values=dict(zip(self.feature_names(), map(float, mean), strict=True)))

    @cached_property
    def _network(self) -> Any:
        import torch
        from safetensors.torch import load as read_safetensors

        network = resnet34(self.width)
        network.fc = torch.nn.Identity()
        state = {k: v.float() for k, v in read_safetensors(self.weights.checked_bytes()).items()}
        network.load_state_dict({k: v for k, v in state.items() if not k.startswith("fc.")})
        return network.eval()


def resnet34(width: int = PUBLISHED_WIDTH, classes: int = 2) -> Any:
    """MONAI's 2D ResNet34 with torchvision's parameter names and 8 × `width` features."""
    from monai.networks.nets.resnet import ResNet, ResNetBlock

    return ResNet(
        block=ResNetBlock,
        layers=[3, 4, 6, 3],
        block_inplanes=[width, 2 * width, 4 * width, 8 * width],
        spatial_dims=2,
        n_input_channels=3,
        num_classes=classes,
        shortcut_type="B",
        bias_downsample=False,
    )


def normalised(batch: "torch.Tensor") -> "torch.Tensor":
    """ImageNet's mean and standard deviation taken out of a (n, 3, h, w) batch in 0..1."""
    import torch

    mean = torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1)
    return (batch - mean) / torch.tensor(IMAGENET_SD).view(1, 3, 1, 1)


def slice_triplets(image: Volume, mask: Volume, window: IntensityWindow) -> NDArray[np.float32]:
    """Square crops around a region as (triplets, 3, 224, 224) in 0..1, one triplet a slice that holds the region.

    Raises
    ------
    InputError
        When the region is empty.
    """
    import torch

    index = np.argwhere(mask.array_zyx > 0)
    if not len(index):
        raise InputError("The region is empty: there is nothing for the network to look at.")
    array = _windowed(image.array_zyx, window)
    rows, columns = _square(index, image)
    depth = array.shape[0]
    slices = np.arange(index[:, 0].min(), index[:, 0].max() + 1)
    neighbours = np.clip(slices[:, None] + np.array([-1, 0, 1]), 0, depth - 1)
    crop = array[:, _clipped(rows, array.shape[1])][:, :, _clipped(columns, array.shape[2])]
    tensor = torch.from_numpy(np.ascontiguousarray(crop[neighbours]))
    size = (INPUT_SIZE, INPUT_SIZE)
    resized: NDArray[np.float32] = torch.nn.functional.interpolate(
        tensor, size=size, mode="bilinear", align_corners=False
    ).numpy()
    return resized


def _windowed(array_zyx: NDArray[Any], window: IntensityWindow) -> NDArray[np.float32]:
    low, high = window.low, window.high
    if window.percentiles:
        low, high = (float(v) for v in np.percentile(array_zyx, [low, high]))
    scaled = (array_zyx.astype(np.float32) - low) / max(high - low, 1e-6)
    return np.clip(scaled, 0, 1)


def _square(index_zyx: NDArray[np.int64], image: Volume) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column numbers of a square in mm around the region, 10 % wider than its longer side."""
    spacing_yx = np.asarray(image.geometry.spacing_mm_xyz[1::-1])
    low, high = index_zyx.min(axis=0)[1:], index_zyx.max(axis=0)[1:]
    half_mm = CROP_MARGIN * float(((high - low + 1) * spacing_yx).max()) / 2
    centre, half = (low + high) / 2, half_mm / spacing_yx
    return tuple(  # type: ignore[return-value]
        np.arange(int(np.floor(c - h)), int(np.ceil(c + h)) + 1) for c, h in zip(centre, half, strict=True)
    )


def _clipped(numbers: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Beyond the image its border is repeated."""
    return np.clip(numbers, 0, size - 1)
