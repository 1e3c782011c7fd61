"""Vision Transformer B/16 on the largest slice with its neighbours, or on H&E tiles (system 1): 768 features."""

import re
from collections.abc import Mapping
from typing import Any

from core.features.architecture import PUBLISHED_WIDTH, Architecture, PublishedWeights
from core.features.inputs import SLICE_SIZE, largest_slice

PATCH = 16
SIDE = SLICE_SIZE // PATCH
HIDDEN, LAYERS, HEADS = 768, 12, 12
NAMES = (
    (r"^conv_proj\.", "patch_embedding.patch_embeddings."),
    (r"^encoder\.layers\.encoder_layer_(\d+)\.", r"blocks.\1."),
    (r"\.ln_(\d)\.", r".norm\1."),
    (r"\.self_attention\.in_proj_(weight|bias)", r".attn.qkv.\1"),
    (r"\.self_attention\.out_proj\.", ".attn.out_proj."),
    (r"\.mlp\.(0|linear_1)\.", ".mlp.linear1."),
    (r"\.mlp\.(3|linear_2)\.", ".mlp.linear2."),
    (r"^encoder\.ln\.", "norm."),
    (r"^heads\.head\.", "classification_head."),
)


def build(classes: int, width: int) -> Any:
    """MONAI's ViT with a plain classifier and torchvision's epsilon."""
    import torch
    from monai.networks.nets.vit import ViT

    class VisionTransformer(ViT):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x)[0]

    hidden = features(width)
    network = VisionTransformer(
        in_channels=3,
        img_size=SLICE_SIZE,
        patch_size=PATCH,
        hidden_size=hidden,
        mlp_dim=4 * hidden,
        num_layers=LAYERS if width == PUBLISHED_WIDTH else 4,
        num_heads=HEADS if width == PUBLISHED_WIDTH else 2,
        classification=True,
        num_classes=classes,
        post_activation="none",
        qkv_bias=True,
        spatial_dims=2,
    )
    for block in network.blocks:
        # MONAI's block carries a norm for cross-attention that nothing uses.
        block.norm_cross_attn = torch.nn.Identity()
    for module in network.modules():
        if isinstance(module, torch.nn.LayerNorm):
            module.eps = 1e-6
    return network


def features(width: int) -> int:
    return HIDDEN * width // PUBLISHED_WIDTH


def renamed(published: Mapping[str, Any]) -> dict[str, Any]:
    """torchvision's parameter names as MONAI's; the class token takes its own position in."""
    ours = {}
    for name, value in published.items():
        for pattern, replacement in NAMES:
            name = re.sub(pattern, replacement, name)  # noqa: PLW2901
        ours[name] = value
    positions = ours.pop("encoder.pos_embedding")
    ours["patch_embedding.position_embeddings"] = positions[:, 1:]
    ours["cls_token"] = ours.pop("class_token") + positions[:, :1]
    return ours


def tokens(activations: Any) -> Any:
    """(n, 1 + 14 × 14, channels) without the class token as (n, channels, 14, 14)."""
    patches = activations[:, 1:]
    return patches.transpose(1, 2).reshape(len(patches), -1, SIDE, SIDE)


ARCHITECTURE = Architecture(
    name="vit_b16_2d",
    dimensions=2,
    features=features,
    build=build,
    head="classification_head",
    inputs=largest_slice,
    target_layer="blocks.-1.norm1",
    tokens=tokens,
    renamed=renamed,
    published=PublishedWeights(name="vit_b16_imagenet", file="vit_b_16-c867db91.pth", sha256_start="c867db91"),
)
