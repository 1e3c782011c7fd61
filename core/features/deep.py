"""Deep features of a region by any of the networks: one interface, one loaded copy of each network."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import InputError
from core.domain.volume import Volume
from core.features.architecture import CT_WINDOW, MR_WINDOW, PUBLISHED_WIDTH, Architecture, IntensityWindow
from core.features.device import device, in_batches
from core.features.extractor import Extraction, Pair, one_by_one
from core.features.networks import REVISION, architecture
from core.features.weights import Weights, without_head

__all__ = ["CT_WINDOW", "MR_WINDOW", "DeepExtractor"]


class DeepExtractor:
    """A network's features before its classifier, averaged over its inputs. Names are `resnet34_2_5d_000` and so on."""

    def __init__(
        self,
        name: str,
        weights: Weights,
        window: IntensityWindow,
        *,
        width: int = PUBLISHED_WIDTH,
        revision: int = REVISION,
    ) -> None:
        self.architecture: Architecture = architecture(name, revision)
        self.revision = revision
        self.name = name
        self.weights, self.window, self.width = weights, window, width

    @property
    def settings(self) -> dict[str, Any]:
        limits = [self.window.low, self.window.high, self.window.percentiles]
        return {"weights": self.weights.sha256, "width": self.width, "window": limits, "engine": self.revision}

    @property
    def provenance(self) -> dict[str, Any]:
        return {"libraries": {p: version(p) for p in ("torch", "monai")}, "device": device().type}

    def feature_names(self) -> tuple[str, ...]:
        return tuple(f"{self.name}_{i:03d}" for i in range(self.architecture.features(self.width)))

    def extract_regions(self, pairs: Sequence[Pair]) -> Iterator[tuple[int, Extraction | InputError]]:
        return one_by_one(self.extract, pairs)

    def extract(self, image: Volume, mask: Volume) -> Extraction:
        """The features of one region.

        Raises
        ------
        InputError
            When the region is empty, or the network needs more than one image and mask (`resnet18_dual`).
        """
        if self.architecture.inputs is None:
            raise InputError(f"{self.name} looks at several regions and phases at once; one region cannot be given.")
        return self.extract_batch(self.architecture.inputs(image, mask, self.window).batch)

    def extract_batch(self, batch: NDArray[np.float32]) -> Extraction:
        """The features averaged over inputs made elsewhere: (n, channels, …) in 0..1, such as tiles of a slide."""
        import torch

        with torch.inference_mode():
            found = in_batches(
                lambda part: self._network(self.architecture.normalised(part)), torch.from_numpy(batch), device()
            )
        mean = found.double().mean(dim=0).numpy()
        return Extraction(values=dict(zip(self.feature_names(), map(float, mean), strict=True)))

    @property
    def _network(self) -> Any:
        return loaded(self.name, self.revision, self.weights, self.width)


@lru_cache(maxsize=4)
def loaded(name: str, revision: int, weights: Weights, width: int) -> Any:
    """The network without its classifier, ready on the device; the last few are kept for the next case."""
    import torch

    of = architecture(name, revision)
    network = of.build(2, width)
    parent, _, last = of.head.rpartition(".")
    setattr(network.get_submodule(parent), last, torch.nn.Identity())
    network.load_state_dict(without_head(weights.state(), of.head))
    return network.eval().to(device())
