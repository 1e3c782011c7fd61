"""DenseNet121 on the largest slice with its neighbours, or on H&E tiles (system 1): 1,024 features."""

import re
from collections.abc import Mapping
from typing import Any

from core.features.architecture import PUBLISHED_WIDTH, Architecture, PublishedWeights
from core.features.inputs import largest_slice

GROWTH = 32


def build(classes: int, width: int) -> Any:
    """MONAI's 2D DenseNet121."""
    from monai.networks.nets.densenet import DenseNet

    return DenseNet(
        spatial_dims=2,
        in_channels=3,
        out_channels=classes,
        init_features=width,
        growth_rate=GROWTH * width // PUBLISHED_WIDTH,
        block_config=(6, 12, 24, 16),
    )


def features(width: int) -> int:
    """Channels after the last dense block: each transition halves what its block has grown to."""
    channels, growth = width, GROWTH * width // PUBLISHED_WIDTH
    for layers in (6, 12, 24):
        channels = (channels + layers * growth) // 2
    return channels + 16 * growth


def renamed(published: Mapping[str, Any]) -> dict[str, Any]:
    """torchvision's parameter names as MONAI's."""
    inner = re.compile(r"(denselayer\d+)\.(norm|conv|relu)")
    names = {name: inner.sub(r"\1.layers.\2", name) for name in published}
    return {names[k].replace("classifier.", "class_layers.out."): v for k, v in published.items()}


ARCHITECTURE = Architecture(
    name="densenet121_2d",
    dimensions=2,
    features=features,
    build=build,
    head="class_layers.out",
    inputs=largest_slice,
    target_layer="features.norm5",
    renamed=renamed,
    published=PublishedWeights(name="densenet121_imagenet", file="densenet121-a639ec97.pth", sha256_start="a639ec97"),
)
