"""Where networks run: the device, and batches that fit its memory."""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

CPU_BATCH, GPU_BATCH = 16, 128


@cache
def device() -> "torch.device":
    """The GPU where there is one, else the processor."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def in_batches(
    run: "Callable[[torch.Tensor], torch.Tensor]", inputs: "torch.Tensor", where: "torch.device"
) -> "torch.Tensor":
    """`run` over the rows of `inputs`, put together on the processor; batches are halved until they fit."""
    import torch

    size = CPU_BATCH if where.type == "cpu" else GPU_BATCH
    parts: list[torch.Tensor] = []
    start = 0
    while start < len(inputs):
        try:
            parts.append(run(inputs[start : start + size].to(where)).cpu())
        except torch.OutOfMemoryError:
            if size == 1:
                raise
            size //= 2
            torch.cuda.empty_cache()
            continue
        start += size
    return torch.cat(parts)
