"""Train a small segmentation network on images prepared exactly as the bundle will prepare them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.domain.volume import Volume
from core.regions.segmenter import SegmenterSettings, build_network, prepared

if TYPE_CHECKING:
    import torch

# Half of the patches are centred on a lesion: it fills a hundredth of the body.
LESION_SHARE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmenterTraining:
    """How long and how fast; a patch is the bundle's window."""

    steps: int = 4000
    patches_a_step: int = 2
    learning_rate: float = 3e-3
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PreparedExample:
    """Image (1, x, y, z) as the network sees it, and its labels (x, y, z): 0, 1 liver, 2 tumour."""

    image: torch.Tensor
    labels: torch.Tensor


def prepare_example(settings: SegmenterSettings, image: Volume, liver: Volume, tumour: Volume) -> PreparedExample:
    """One image with its true masks through the bundle's own preparation."""
    labels_zyx = np.where(tumour.array_zyx > 0, 2, (liver.array_zyx > 0).astype(np.uint8))
    data = prepared(settings, image, labels_zyx.transpose(2, 1, 0))
    return PreparedExample(
        image=data["image"].as_tensor().float(), labels=data["label"].as_tensor()[0].round().to(_byte())
    )


def train_segmenter(
    settings: SegmenterSettings,
    examples: Sequence[PreparedExample],
    how: SegmenterTraining,
    *,
    report: Callable[[str], None] = lambda _: None,
) -> dict[str, torch.Tensor]:
    """Weights after `how.steps` steps of Dice and cross-entropy on random patches; the seed fixes everything."""
    import torch
    from monai.losses.dice import DiceCELoss

    torch.manual_seed(how.seed)
    rng = np.random.default_rng(how.seed)
    network = build_network(settings).train()
    loss_of = DiceCELoss(to_onehot_y=True, softmax=True)
    optimiser = torch.optim.AdamW(network.parameters(), lr=how.learning_rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, how.learning_rate, total_steps=how.steps)
    running = 0.0
    for step in range(1, how.steps + 1):
        chosen = [examples[i] for i in rng.integers(len(examples), size=how.patches_a_step)]
        patches = [_patch(e, settings.window_xyz, rng) for e in chosen]
        loss = loss_of(network(torch.stack([p[0] for p in patches])), torch.stack([p[1] for p in patches]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        value = float(loss.detach())
        running = 0.95 * running + 0.05 * value if step > 1 else value
        if step % 50 == 0:
            report(f"step {step} of {how.steps}, loss {running:.3f}")
    return {k: v.detach().clone() for k, v in network.state_dict().items()}


def _patch(
    example: PreparedExample, size: tuple[int, int, int], rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """A random window, padded where the image is smaller; its intensities shifted and scaled a little."""
    import torch

    labels, shape = example.labels, example.labels.shape
    if rng.random() < LESION_SHARE and bool((labels == 2).any()):
        marked = torch.nonzero(labels == 2)
        centre = marked[int(rng.integers(len(marked)))].tolist()
        low = [int(c - s // 2 + rng.integers(-s // 4, s // 4 + 1)) for c, s in zip(centre, size, strict=True)]
    else:
        low = [int(rng.integers(max(1, n - s + 1))) for n, s in zip(shape, size, strict=True)]
    low = [max(0, min(a, n - s)) for a, n, s in zip(low, shape, size, strict=True)]
    box = tuple(slice(a, a + s) for a, s in zip(low, size, strict=True))
    image, mask = example.image[(slice(None), *box)], labels[box][None]
    missing = [s - n for n, s in zip(mask.shape[1:], size, strict=True)]
    pad = [v for m in reversed(missing) for v in (m // 2, m - m // 2)]
    image = torch.nn.functional.pad(image, pad) * float(rng.uniform(0.9, 1.1)) + float(rng.normal(0, 0.05))
    return image, torch.nn.functional.pad(mask, pad)


def _byte() -> torch.dtype:
    import torch

    return torch.uint8
