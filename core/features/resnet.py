"""MONAI's ResNets in the shape of torchvision's: the same parameter names, the same strides."""

from typing import Any


def resnet_2d(
    layers: tuple[int, int, int, int],
    *,
    classes: int,
    width: int,
    channels: int = 3,
    bottleneck: bool = False,
    stem_stride: int = 2,
) -> Any:
    """A 2D ResNet of `width` first channels. MONAI's own stem does not halve the image; torchvision's does."""
    from monai.networks.nets.resnet import ResNet, ResNetBlock, ResNetBottleneck

    return ResNet(
        block=ResNetBottleneck if bottleneck else ResNetBlock,
        layers=list(layers),
        block_inplanes=[width, 2 * width, 4 * width, 8 * width],
        spatial_dims=2,
        n_input_channels=channels,
        conv1_t_stride=stem_stride,
        num_classes=classes,
        shortcut_type="B",
        bias_downsample=False,
    )
