"""Grad-CAM: where in the image a network saw what speaks for a class, as a volume on the image's grid.

Selvaraju et al., ICCV 2017: the target layer's activations, each channel weighted by the mean gradient of the class
score, summed, negative parts cut off. The layer is fixed for each architecture (`Architecture.target_layer`); for
transformers the tokens are put back into their grid, the class token left out. A map that says nothing is refused.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import UnavailableError
from core.domain.volume import Geometry, Volume
from core.features.architecture import Architecture, Inputs
from core.features.device import device
from core.features.weights import Weights

if TYPE_CHECKING:
    import torch

FLAT_BELOW = 0.05
BORDER = 0.1
MOST_AT_BORDER = 0.9

Floats = NDArray[np.float32]


def with_classifier(of: Architecture, weights: Weights, width: int) -> Any:
    """The whole network, ready on the device."""
    network = of.build(2, width)
    network.load_state_dict(weights.state())
    return network.eval().to(device())


def activation_map(of: Architecture, network: Any, inputs: Inputs, geometry: Geometry, *, target: int = 1) -> Volume:
    """The map of one region, 0 to 1, on the image's grid; 0 where the network did not look.

    Parameters
    ----------
    network : with its classifier, in evaluation mode.
    inputs : from the architecture's own recipe.
    geometry : of the image the inputs were cut from.
    target : class whose score is explained.

    Raises
    ------
    UnavailableError
        When the map is flat or lies at the border of what the network saw.
    """
    maps = input_maps(of, network, inputs.batch, target=target)
    require_meaning(maps)
    return placed(maps, inputs, geometry)


def input_maps(of: Architecture, network: Any, batch: Floats, *, target: int = 1) -> Floats:
    """The map of each input at the input's size: (n, rows, columns) or (n, slices, rows, columns), not negative."""
    import torch

    layer = submodule(network, of.target_layer)
    size = batch.shape[-of.dimensions :]
    made = []
    for part in torch.from_numpy(batch).split(8):
        activations, gradients = _activations(of, network, layer, part.to(device()), target)
        importance = gradients.mean(dim=tuple(range(2, gradients.ndim)), keepdim=True)
        raw = torch.relu((importance * activations).sum(dim=1, keepdim=True))
        mode = "trilinear" if of.dimensions == 3 else "bilinear"
        made.append(torch.nn.functional.interpolate(raw, size=size, mode=mode, align_corners=False)[:, 0].cpu())
    maps: Floats = torch.cat(made).numpy()
    return maps


def submodule(network: Any, path: str) -> Any:
    """A part of a network by its path; numbers may count from the end."""
    for name in path.split("."):
        network = list(network)[int(name)] if name.lstrip("-").isdigit() else getattr(network, name)
    return network


def _activations(
    of: Architecture, network: Any, layer: Any, batch: "torch.Tensor", target: int
) -> tuple["torch.Tensor", "torch.Tensor"]:
    """The layer's output for a batch and the gradient of the class score there: (n, channels, …)."""
    import torch

    held: list[torch.Tensor] = []
    hook = layer.register_forward_hook(lambda module, given, output: held.append(output))
    try:
        with torch.enable_grad():
            scores = network(of.normalised(batch.requires_grad_()))
            others = [c for c in range(scores.shape[1]) if c != target]
            # Only differences of scores matter to a probability: what lifts all classes alike explains none.
            score = (scores[:, target] - scores[:, others].mean(dim=1)).sum()
            (gradient,) = torch.autograd.grad(score, held[0])
    finally:
        hook.remove()
    found = held[0].detach(), gradient
    return (of.tokens(found[0]), of.tokens(found[1])) if of.tokens else found


def require_meaning(maps: Floats) -> None:
    """Refuse maps that would mislead.

    Raises
    ------
    UnavailableError
        With what is wrong with them.
    """
    highest = float(maps.max())
    if not np.isfinite(highest) or highest <= 0 or (highest - float(maps.min())) < FLAT_BELOW * highest:
        raise UnavailableError("The activation map is flat: it does not show where the network looked.")
    inner = maps[(slice(None), *(slice(round(BORDER * n), n - round(BORDER * n)) for n in maps.shape[1:]))]
    if 1 - float(inner.sum()) / float(maps.sum()) > MOST_AT_BORDER:
        raise UnavailableError(
            "The activation map lies at the border of what the network saw: it shows padding, not tissue."
        )


def placed(maps: Floats, inputs: Inputs, geometry: Geometry) -> Volume:
    """Maps put back where their inputs were cut from, scaled so that the largest value is 1."""
    import torch

    volume = np.zeros(geometry.size_xyz[::-1], np.float32)
    for held, place in zip(maps, inputs.places, strict=True):
        size = tuple(len(numbers) for numbers in place)
        flat = held.ndim == 2
        tensor = torch.from_numpy(held[None, None])
        mode, wanted = ("bilinear", size[1:]) if flat else ("trilinear", size)
        block = torch.nn.functional.interpolate(tensor, size=wanted, mode=mode, align_corners=False)[0, 0].numpy()
        block = block[None] if flat else block
        # What lay beyond the image, where its border was repeated, has no place to go.
        kept = [(n >= 0) & (n < limit) for n, limit in zip(place, volume.shape, strict=True)]
        where = np.ix_(*(n[k] for n, k in zip(place, kept, strict=True)))
        volume[where] = np.maximum(volume[where], block[np.ix_(*kept)])
    return Volume(array_zyx=volume / volume.max(), geometry=geometry)
