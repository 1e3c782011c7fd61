"""Fine-tune a network on a cohort as the papers state it, and keep its weights.

Adam, cross-entropy, flips and quarter turns, learning rate falling in steps, early stopping on a validation part split
by patient, mixed precision on a GPU. The cohort must be disjoint from the one a recipe is later trained on, so that
features carry no label of a training patient. Every epoch draws from its own seed: a run taken up from its checkpoint
ends with the same weights as one that was never broken off.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import InputError
from core.features.architecture import Architecture
from core.features.device import device, in_batches
from core.features.networks import REVISION
from core.features.weights import without_head

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """How to train. Defaults are those of the MVI on MRI paper; early stopping and the split are chosen."""

    epochs: int = 50
    batch: int = 32
    learning_rate: float = 1e-4
    weight_decay: float = 0.0
    decay_every: int = 5
    decay_factor: float = 0.1
    validation_share: float = 0.2
    patience: int = 10
    quarter_turns: bool = True
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Examples:
    """What a network learns from: inputs (n, channels, …) in 0..1, classes 0 or 1, and whose each input is."""

    inputs: NDArray[np.float32]
    labels: NDArray[np.int64]
    patients: NDArray[Any]

    def digest(self) -> str:
        text = hashlib.sha256(np.ascontiguousarray(self.inputs).tobytes())
        text.update(self.labels.astype(np.int64).tobytes())
        text.update("|".join(map(str, self.patients)).encode())
        return text.hexdigest()


@dataclass(slots=True, kw_only=True)
class _Progress:
    """Where a run stands."""

    epoch: int = 0
    best_epoch: int = 0
    best_loss: float = float("inf")
    history: list[dict[str, float]] = field(default_factory=list)


def fine_tune(
    of: Architecture,
    examples: Examples,
    out: Path,
    *,
    width: int,
    tuning: Tuning,
    description: str,
    start: Mapping[str, Any] | None = None,
    checkpoint: Path | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> list[dict[str, float]]:
    """Train and write half-precision weights as safetensors; returns the losses of each epoch.

    Parameters
    ----------
    out : safetensors file; its metadata names architecture, width, revision and `description`.
    start : parameters to begin with (`weights.published_state`), the classifier left out; none begins from noise.
    checkpoint : where the run is kept after every epoch, and taken up from when it is there.

    Raises
    ------
    InputError
        When only one class is there, or the checkpoint belongs to other examples or settings.
    """
    import torch

    if len(set(examples.labels.tolist())) < 2:
        raise InputError("All patients have the same outcome: there is nothing for the network to tell apart.")
    torch.manual_seed(tuning.seed)
    # The usual memory format on purpose: torch 2.13 on the CPU corrupts memory when it trains narrow channels-last
    # convolutions (docs/decisions/0005-plain-memory-format.md).
    network = of.build(2, width)
    if start is not None:
        network.load_state_dict(without_head(start, of.head), strict=False)
    run = _Run(of, network.to(device()), examples, tuning)
    kept = _Checkpoint(checkpoint, {"tuning": asdict(tuning), "examples": examples.digest(), "network": of.name})
    progress = kept.read(run)
    while progress.epoch < tuning.epochs and progress.epoch - progress.best_epoch < tuning.patience:
        progress.epoch += 1
        losses = run.epoch(progress.epoch)
        progress.history.append(losses)
        if losses["validation"] < progress.best_loss:
            progress.best_loss, progress.best_epoch = losses["validation"], progress.epoch
            run.remember()
        kept.write(run, progress)
        report(
            f"epoch {progress.epoch} of {tuning.epochs}: cross-entropy {losses['training']:.3f}, "
            f"validation {losses['validation']:.3f}"
        )
    metadata = {
        "architecture": of.name,
        "width": str(width),
        "revision": str(REVISION),
        "description": description,
    }
    _write_weights(run.best, out, metadata)
    return progress.history


def validation_patients(examples: Examples, share: float, seed: int) -> set[Any]:
    """Patients set aside to stop early by: `share` of each class, at least one, none when `share` is 0."""
    if share <= 0:
        return set()
    label = dict(zip(examples.patients.tolist(), examples.labels.tolist(), strict=True))
    rng = np.random.default_rng(seed)
    chosen: set[Any] = set()
    for value in sorted(set(label.values())):
        members = sorted((p for p, v in label.items() if v == value), key=str)
        count = min(max(1, round(share * len(members))), len(members) - 1)
        chosen |= {members[i] for i in rng.permutation(len(members))[:count]}
    return chosen


class _Run:
    """The network in training, with what it learns from."""

    def __init__(self, of: Architecture, network: Any, examples: Examples, tuning: Tuning) -> None:
        import torch

        self.of, self.network, self.examples, self.tuning = of, network, examples, tuning
        aside = validation_patients(examples, tuning.validation_share, tuning.seed)
        held = np.array([p in aside for p in examples.patients.tolist()])
        self.training, self.validation = np.flatnonzero(~held), np.flatnonzero(held)
        self.optimiser = torch.optim.Adam(
            network.parameters(), lr=tuning.learning_rate, weight_decay=tuning.weight_decay
        )
        self.on_gpu = device().type == "cuda"
        self.scaler = torch.amp.GradScaler("cuda", enabled=self.on_gpu)
        self.best = self.state()

    def state(self) -> dict[str, "torch.Tensor"]:
        return {k: v.detach().cpu().clone() for k, v in self.network.state_dict().items()}

    def remember(self) -> None:
        self.best = self.state()

    def epoch(self, number: int) -> dict[str, float]:
        """One pass; returns the mean losses. Without a validation part the training loss stands for it, falling."""
        import torch

        tuning = self.tuning
        torch.manual_seed(tuning.seed * 100_003 + number)
        rng = np.random.default_rng([tuning.seed, number])
        rate = tuning.learning_rate * tuning.decay_factor ** ((number - 1) // tuning.decay_every)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.network.train()
        batches = max(1, len(self.training) // tuning.batch)
        losses = [self._step(rows, rng) for rows in np.array_split(rng.permutation(self.training), batches)]
        training = float(np.mean(losses))
        validation = self._validation_loss() if len(self.validation) else -float(number)
        return {"training": training, "validation": validation, "learning_rate": rate}

    def _step(self, rows: NDArray[np.int64], rng: np.random.Generator) -> float:
        import torch

        turned = _augmented(self.examples.inputs[rows], rng, quarter_turns=self.tuning.quarter_turns)
        batch = self.of.normalised(torch.from_numpy(turned).to(device()))
        labels = torch.from_numpy(self.examples.labels[rows]).to(device())
        with torch.autocast("cuda", dtype=torch.float16, enabled=self.on_gpu):
            loss = torch.nn.functional.cross_entropy(self.network(batch), labels)
        self.optimiser.zero_grad()
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimiser)
        self.scaler.update()
        return float(loss.detach())

    def _validation_loss(self) -> float:
        import torch

        self.network.eval()
        with torch.inference_mode():
            inputs = torch.from_numpy(self.examples.inputs[self.validation])
            scores = in_batches(lambda part: self.network(self.of.normalised(part)), inputs, device())
            labels = torch.from_numpy(self.examples.labels[self.validation])
            return float(torch.nn.functional.cross_entropy(scores.float(), labels))


def _augmented(batch: NDArray[np.float32], rng: np.random.Generator, *, quarter_turns: bool) -> NDArray[np.float32]:
    """Each input mirrored along each of its last two axes with probability one half, and turned by quarters."""
    batch = batch.copy()
    across, down = rng.random(len(batch)) < 0.5, rng.random(len(batch)) < 0.5
    batch[across] = batch[across][..., ::-1]
    batch[down] = batch[down][..., ::-1, :]
    if quarter_turns:
        turns = rng.integers(0, 4, len(batch))
        for number in (1, 2, 3):
            batch[turns == number] = np.rot90(batch[turns == number], number, axes=(-2, -1))
    return batch


class _Checkpoint:
    """A run on disk: parameters and optimiser as safetensors, the rest as its metadata. Nothing is pickled."""

    def __init__(self, path: Path | None, identity: dict[str, Any]) -> None:
        self.path, self.identity = path, json.dumps(identity, sort_keys=True)

    def write(self, run: _Run, progress: _Progress) -> None:
        from safetensors.torch import save_file

        if self.path is None:
            return
        tensors = {f"network.{k}": v for k, v in run.state().items()}
        tensors |= {f"best.{k}": v for k, v in run.best.items()}
        for number, held in run.optimiser.state_dict()["state"].items():
            tensors |= {f"adam.{number}.{k}": v.detach().cpu().clone() for k, v in held.items()}
        metadata = {"identity": self.identity, "progress": json.dumps(asdict(progress))}
        metadata["scaler"] = json.dumps(run.scaler.state_dict())
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        save_file({k: v.contiguous() for k, v in tensors.items()}, part, metadata=metadata)
        os.replace(part, self.path)

    def read(self, run: _Run) -> _Progress:
        from safetensors import safe_open

        if self.path is None or not self.path.exists():
            return _Progress()
        with safe_open(self.path, framework="pt") as held:
            metadata = held.metadata() or {}
            if metadata.get("identity") != self.identity:
                raise InputError(
                    f"{self.path.name} belongs to another training run (other cases or settings). "
                    "Remove it to start anew."
                )
            tensors = {name: held.get_tensor(name) for name in held.keys()}  # noqa: SIM118 - not a mapping
        run.network.load_state_dict(_under(tensors, "network."))
        run.best = _under(tensors, "best.")
        adam: dict[int, dict[str, Any]] = {}
        for name, value in _under(tensors, "adam.").items():
            number, _, key = name.partition(".")
            adam.setdefault(int(number), {})[key] = value
        run.optimiser.load_state_dict({"state": adam, "param_groups": run.optimiser.state_dict()["param_groups"]})
        run.scaler.load_state_dict(json.loads(metadata["scaler"]))
        return _Progress(**json.loads(metadata["progress"]))


def _under(tensors: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _write_weights(state: Mapping[str, Any], out: Path, metadata: dict[str, str]) -> None:
    from safetensors.torch import save

    halved = {k: v.half().contiguous() if v.is_floating_point() else v for k, v in state.items()}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(_in_fixed_order(save(halved, metadata=metadata)))


def _in_fixed_order(content: bytes) -> bytes:
    """A safetensors file whose metadata stand in alphabetical order: the library leaves their order to chance.

    The file is 8 bytes with the header's length, the header as JSON filled up with spaces, and the tensors.
    """
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    return content[:8] + text.ljust(length) + content[8 + length :]
