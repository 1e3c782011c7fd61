"""ResNet34 on triplets of adjacent slices (system 4): 512 features, averaged over all triplets of a region.

The EPR paper's extractor: ImageNet weights, the classifier taken off, a 224×224 crop around the tumour, every triplet
of adjacent slices as the three channels.
"""

from dataclasses import replace
from typing import Any

from core.features.architecture import Architecture, PublishedWeights
from core.features.inputs import slice_triplets
from core.features.resnet import resnet_2d


def build(classes: int, width: int, *, stem_stride: int = 2) -> Any:
    """MONAI's 2D ResNet34 with torchvision's parameter names and stem."""
    return resnet_2d((3, 4, 6, 3), classes=classes, width=width, stem_stride=stem_stride)


ARCHITECTURE = Architecture(
    name="resnet34_2_5d",
    dimensions=2,
    features=lambda width: 8 * width,
    build=build,
    head="fc",
    inputs=slice_triplets,
    target_layer="layer4.2",
    published=PublishedWeights(name="resnet34_imagenet", file="resnet34-b627a593.pth", sha256_start="b627a593"),
)

# Weights made before revision 2 belong to a network whose stem did not halve the image. They keep it: a registered
# bundle must go on giving the numbers it was validated with.
EARLIER = replace(ARCHITECTURE, build=lambda classes, width: build(classes, width, stem_stride=1))
