"""3D ResNet-18 on a 64×64×64 cube around the region (system 3): 512 features.

The architecture and Kinetics-400 weights are those of torchvision's video r3d_18; the region is resized to the cube by
linear interpolation. Chosen, where the paper is silent: the box with a margin of 10 %, zero outside the region, one
phase in all three channels, intensities by window (CT) or percentiles 1 to 99 (MR).
"""

import re
from collections.abc import Mapping
from typing import Any

from core.features.architecture import Architecture, PublishedWeights
from core.features.inputs import cube

PARTS = (
    (r"^stem\.0\.", "conv1."),
    (r"^stem\.1\.", "bn1."),
    (r"\.conv(\d)\.0\.", r".conv\1."),
    (r"\.conv(\d)\.1\.", r".bn\1."),
)


def build(classes: int, width: int) -> Any:
    """MONAI's 3D ResNet in the shape of r3d_18: a 3×7×7 stem without pooling."""
    from monai.networks.nets.resnet import ResNet, ResNetBlock

    make: Any = ResNet  # its annotations ask for one number where it takes three
    return make(
        block=ResNetBlock,
        layers=[2, 2, 2, 2],
        block_inplanes=[width, 2 * width, 4 * width, 8 * width],
        spatial_dims=3,
        n_input_channels=3,
        conv1_t_size=(3, 7, 7),
        conv1_t_stride=(1, 2, 2),
        no_max_pool=True,
        num_classes=classes,
        shortcut_type="B",
        bias_downsample=False,
    )


def renamed(published: Mapping[str, Any]) -> dict[str, Any]:
    """torchvision's parameter names as MONAI's."""

    def ours(name: str) -> str:
        for pattern, replacement in PARTS:
            name = re.sub(pattern, replacement, name)
        return name

    return {ours(name): value for name, value in published.items()}


ARCHITECTURE = Architecture(
    name="resnet18_3d",
    dimensions=3,
    features=lambda width: 8 * width,
    build=build,
    head="fc",
    inputs=cube,
    target_layer="layer4.1",
    renamed=renamed,
    published=PublishedWeights(name="r3d_18_kinetics400", file="r3d_18-b3b3357e.pth", sha256_start="b3b3357e"),
    mean=(0.43216, 0.394666, 0.37645),
    sd=(0.22803, 0.22145, 0.216989),
)
