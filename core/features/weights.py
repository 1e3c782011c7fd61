"""Network weights: a safetensors file with its SHA-256, or a public set in a torch hub cache."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.domain.errors import UnavailableError
from core.features.architecture import Architecture, PublishedWeights


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A safetensors file of network weights and the SHA-256 it must have."""

    path: Path
    sha256: str

    def checked_bytes(self) -> bytes:
        """The file's content.

        Raises
        ------
        UnavailableError
            When the file is absent or is not the one named: a network is never started from noise in silence.
        """
        if not self.path.exists():
            raise UnavailableError(f"The weights {self.path.name} are not here. Put the file in place and try again.")
        content = self.path.read_bytes()
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise UnavailableError(f"The weights {self.path.name} are not the expected file (SHA-256 differs).")
        return content

    def state(self) -> dict[str, Any]:
        """Parameters by name, in single precision."""
        from safetensors.torch import load as read_safetensors

        return {k: v.float() if v.is_floating_point() else v for k, v in read_safetensors(self.checked_bytes()).items()}


def published_state(architecture: Architecture, folder: Path | None = None) -> dict[str, Any]:
    """The public weights of an architecture under our parameter names, from a file that is already here.

    Parameters
    ----------
    folder : where to look first; then torch hub's cache (TORCH_HOME).

    Raises
    ------
    UnavailableError
        When there is no public set, or its file is absent or not the one published. Nothing is downloaded, and no
        network is started from noise instead.
    """
    import torch

    wanted = architecture.published
    if wanted is None:
        raise UnavailableError(f"There is no public set of weights for {architecture.name}; train it on your cohort.")
    path = _find(wanted, folder)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if not digest.startswith(wanted.sha256_start):
        raise UnavailableError(
            f"{wanted.file} is not the published file: its SHA-256 begins with {digest[:8]}, "
            f"{wanted.sha256_start} is due. Fetch it again."
        )
    # weights_only: nothing but tensors is read from the file.
    return architecture.renamed(torch.load(path, map_location="cpu", weights_only=True))


def _find(wanted: PublishedWeights, folder: Path | None) -> Path:
    home = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "torch"
    places = [*([folder] if folder else []), Path(home) / "hub" / "checkpoints"]
    for place in places:
        if (place / wanted.file).is_file():
            return place / wanted.file
    raise UnavailableError(
        f"The weights '{wanted.name}' ({wanted.file}) are not here. Put the file into {places[0]} and try again."
    )


def without_head(state: Mapping[str, Any], head: str) -> dict[str, Any]:
    """The parameters but the classifier's."""
    return {k: v for k, v in state.items() if not k.startswith(f"{head}.")}
