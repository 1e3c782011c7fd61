"""Train a ResNet34 on slice triplets of a development cohort and keep its weights.

A thin version of the paper's fine-tuning (Adam, cross-entropy, flips, step decay); the cohort it sees must be
disjoint from the one a recipe is later trained on, so that its features carry no label of a training patient.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.features.deep import normalised, resnet34


def train_slices_network(
    triplets: NDArray[np.float32],
    labels: NDArray[np.int64],
    out: Path,
    *,
    width: int,
    epochs: int,
    seed: int,
    description: str,
    report: Callable[[str], None] = lambda _: None,
) -> None:
    """Train and write half-precision weights as safetensors.

    Parameters
    ----------
    triplets : (n, 3, 224, 224) in 0..1.
    labels : (n,) classes, 0 or 1: that of the patient a triplet belongs to.
    out : safetensors file; its metadata names architecture, width and `description`.
    """
    import torch
    from safetensors.torch import save_file

    # The usual memory format on purpose: torch 2.13 on the CPU corrupts memory when it trains narrow channels-last
    # convolutions (docs/decisions/0005-plain-memory-format.md).
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = resnet34(width)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, step_size=max(1, epochs // 2), gamma=0.1)
    for epoch in range(epochs):
        network.train()
        losses = []
        for rows in np.array_split(rng.permutation(len(triplets)), max(1, len(triplets) // 24)):
            batch = torch.from_numpy(_flipped(triplets[rows], rng))
            batch = normalised(batch)
            loss = torch.nn.functional.cross_entropy(network(batch), torch.from_numpy(labels[rows]))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(float(loss.detach()))
        schedule.step()
        report(f"epoch {epoch + 1} of {epochs}: cross-entropy {np.mean(losses):.3f}")
    state = {k: v.half().contiguous() if v.is_floating_point() else v for k, v in network.state_dict().items()}
    metadata = {"architecture": "resnet34_2_5d", "width": str(width), "description": description}
    out.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, out, metadata=metadata)


def _flipped(batch: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Each triplet mirrored left-right and up-down with probability one half."""
    batch = batch.copy()
    across, down = rng.random(len(batch)) < 0.5, rng.random(len(batch)) < 0.5
    batch[across] = batch[across][..., ::-1]
    batch[down] = batch[down][..., ::-1, :]
    return batch
