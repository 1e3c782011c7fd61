"""Swin-T on the largest slice with its neighbours, or on H&E tiles (system 1): 768 features.

Put together from MONAI's Swin blocks in the shape of torchvision's swin_t: MONAI's own assembly merges once more
after the last stage and has no final norm.
"""

import re
from collections.abc import Mapping
from typing import Any

from core.features.architecture import PUBLISHED_WIDTH, Architecture, PublishedWeights
from core.features.inputs import largest_slice

EMBEDDING = 96
DEPTHS, HEADS, WINDOW = (2, 2, 6, 2), (3, 6, 12, 24), (7, 7)


def build(classes: int, width: int) -> Any:
    """Patches, four stages with merging between them, norm, mean over the grid, classifier."""
    import torch
    from monai.networks.blocks.patchembedding import PatchEmbed
    from monai.networks.nets.swin_unetr import BasicLayer, PatchMergingV2

    layer: Any = BasicLayer  # its annotation asks for a module where it takes a class
    full = width == PUBLISHED_WIDTH
    embedding = EMBEDDING * width // PUBLISHED_WIDTH
    heads, depths = (HEADS, DEPTHS) if full else ((2, 2, 2, 2), (2, 2, 2, 2))

    class SwinT(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patch_embed = PatchEmbed(
                patch_size=4, in_chans=3, embed_dim=embedding, norm_layer=torch.nn.LayerNorm, spatial_dims=2
            )
            self.stages = torch.nn.ModuleList(
                layer(
                    dim=embedding * 2**stage,
                    depth=depths[stage],
                    num_heads=heads[stage],
                    window_size=WINDOW,
                    drop_path=[0.0] * depths[stage],
                    qkv_bias=True,
                    downsample=PatchMergingV2 if stage < 3 else None,
                )
                for stage in range(4)
            )
            self.norm = torch.nn.LayerNorm(8 * embedding)
            self.head = torch.nn.Linear(8 * embedding, classes)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.patch_embed(x)
            for stage in self.stages:
                x = stage(x)
            x = self.norm(x.permute(0, 2, 3, 1))
            result: torch.Tensor = self.head(x.mean(dim=(1, 2)))
            return result

    return SwinT()


def features(width: int) -> int:
    return 8 * (EMBEDDING * width // PUBLISHED_WIDTH)


def renamed(published: Mapping[str, Any]) -> dict[str, Any]:
    """torchvision's parameter names as ours: features 0 patches; 1, 3, 5, 7 stages; 2, 4, 6 merging."""

    def ours(name: str) -> str:
        name = name.replace("features.0.0.", "patch_embed.proj.").replace("features.0.2.", "patch_embed.norm.")
        name = re.sub(r"^features\.([1357])\.(\d)\.", lambda m: f"stages.{int(m[1]) // 2}.blocks.{m[2]}.", name)
        name = re.sub(r"^features\.([246])\.", lambda m: f"stages.{int(m[1]) // 2 - 1}.downsample.", name)
        return name.replace(".mlp.0.", ".mlp.linear1.").replace(".mlp.3.", ".mlp.linear2.")

    held = {ours(name): value for name, value in published.items()}
    index = "relative_position_index"
    return {k: v.reshape(WINDOW[0] ** 2, -1) if k.endswith(index) else v for k, v in held.items()}


def tokens(activations: Any) -> Any:
    """(n, rows, columns, channels) as (n, channels, rows, columns)."""
    return activations.permute(0, 3, 1, 2)


ARCHITECTURE = Architecture(
    name="swin_t_2d",
    dimensions=2,
    features=features,
    build=build,
    head="head",
    inputs=largest_slice,
    # What enters the last stage, on its 7 × 7 grid. Within that stage every token attends to all others: on a planted
    # sign the maps of its later layers (norm2, and norm1 of the last block) missed it where this one lay on it.
    target_layer="stages.-1.blocks.0.norm1",
    tokens=tokens,
    renamed=renamed,
    published=PublishedWeights(name="swin_t_imagenet", file="swin_t-704ceda3.pth", sha256_start="704ceda3"),
)
