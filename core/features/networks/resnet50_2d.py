"""ResNet50 on the largest slice with its neighbours, or on H&E tiles (system 1): 2,048 features."""

from typing import Any

from core.features.architecture import Architecture, PublishedWeights
from core.features.inputs import largest_slice
from core.features.resnet import resnet_2d


def build(classes: int, width: int) -> Any:
    """MONAI's 2D ResNet50 with torchvision's parameter names."""
    return resnet_2d((3, 4, 6, 3), classes=classes, width=width, bottleneck=True)


ARCHITECTURE = Architecture(
    name="resnet50_2d",
    dimensions=2,
    features=lambda width: 32 * width,
    build=build,
    head="fc",
    inputs=largest_slice,
    target_layer="layer4.2",
    published=PublishedWeights(name="resnet50_imagenet", file="resnet50-0676ba61.pth", sha256_start="0676ba61"),
)
