"""Segmentation by a MONAI bundle: its settings read as data, its preparation of the image, its windows, its labels.

A bundle is a folder with `configs/metadata.json`, `configs/inference.json` (or `.yaml`) and `models/model.pt` or
`model.safetensors`. MONAI's own parser evaluates expressions in the configuration, which is code from outside; here
only what segmentation needs is read, by name and from a list, and an expression in it is refused with a sentence.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import InputError, OutOfScopeError, UnavailableError
from core.domain.phase import Modality
from core.domain.volume import Volume

if TYPE_CHECKING:
    import torch

NETWORKS = ("AttentionUnet", "BasicUNet", "DynUNet", "FlexibleUNet", "SegResNet", "SwinUNETR", "UNETR", "UNet", "VNet")
PREPARATIONS = (
    "CastToTyped",
    "CropForegroundd",
    "EnsureChannelFirstd",
    "EnsureTyped",
    "LoadImaged",
    "NormalizeIntensityd",
    "Orientationd",
    "ScaleIntensityd",
    "ScaleIntensityRanged",
    "ScaleIntensityRangePercentilesd",
    "Spacingd",
    "SpatialPadd",
)
# The volume is in memory already, with its channel and type: these have nothing left to do.
DONE_ALREADY = ("LoadImaged", "EnsureChannelFirstd", "EnsureTyped", "CastToTyped")
# A ball of 10 mm: what is smaller is not characterised on imaging (LI-RADS starts there).
SMALLEST_PIECE_ML = 0.5
Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmenterSettings:
    """What a bundle's files say: how to prepare, run and read its network."""

    name: str
    version: str
    description: str
    intended_use: str
    modality: Modality
    labels: dict[int, str]
    network: dict[str, Any]
    preparation: tuple[dict[str, Any], ...]
    window_xyz: tuple[int, int, int]
    overlap: float
    metrics: dict[str, Any]

    @property
    def wanted(self) -> dict[int, str]:
        """Output channels that HepaBoard keeps: liver and tumour."""
        return {channel: label for channel, name in self.labels.items() if (label := our_label(name))}


def our_label(name: str) -> str | None:
    """`tumour` or `liver` for a bundle's word for it, nothing for other structures."""
    word = name.lower()
    if any(part in word for part in ("tumor", "tumour", "lesion", "hcc", "cancer")):
        return "tumour"
    return "liver" if word.strip() == "liver" else None


def read_settings(folder: Path) -> SegmenterSettings:
    """The settings of a bundle folder.

    Raises
    ------
    InputError
        When a file is missing, a part is not one of those known here, or stands as an expression.
    """
    metadata = _read(folder / "configs" / "metadata.json")
    config = _read(_first(folder / "configs", "inference.json", "inference.yaml", "inference.yml"))
    formats = _at(metadata, "network_data_format", where="metadata.json")
    image = _at(formats, "inputs", "image", where="metadata.json")
    if int(image.get("num_channels", 1)) != 1:
        raise InputError(f"{folder.name} reads {image['num_channels']} channels; one phase at a time is given to it.")
    channels = _at(formats, "outputs", "pred", "channel_def", where="metadata.json")
    inferer = _plain(_at(config, "inferer", where="inference configuration"), "inferer", config)
    if inferer.get("_target_", "").rpartition(".")[2] not in ("SlidingWindowInferer", "SlidingWindowInfererAdapt"):
        raise InputError(f"{folder.name}: the inferer is {inferer.get('_target_')}; a SlidingWindowInferer is needed.")
    network = _plain(_at(config, "network_def", where="inference configuration"), "network_def", config)
    _require_known(network, NETWORKS, "network")
    steps = _at(config, "preprocessing", "transforms", where="inference configuration")
    preparation = tuple(_plain(s, "preprocessing", config) for s in steps if not s.get("_disabled_"))
    for step in preparation:
        _require_known(step, PREPARATIONS, "preparation step")
    window = inferer["roi_size"]
    settings = SegmenterSettings(
        name=str(metadata.get("name") or folder.name),
        version=str(metadata.get("version", "")),
        description=str(metadata.get("description", "")),
        intended_use=str(metadata.get("intended_use", "")),
        modality=Modality(_modality(str(image.get("modality", "")))),
        # A network of one channel marks its only structure with 1.
        labels={int(k) + (len(channels) == 1): str(v) for k, v in channels.items()},
        network=network,
        preparation=preparation,
        window_xyz=(int(window[0]), int(window[1]), int(window[2])),
        overlap=float(inferer.get("overlap", 0.25)),
        metrics=dict(metadata.get("eval_metrics") or {}),
    )
    if not settings.wanted:
        raise InputError(f"{folder.name} marks {', '.join(channels.values())}; neither liver nor tumour is among them.")
    return settings


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """The network's parameters; `.pt` is read without its pickled code (tensors only).

    Raises
    ------
    InputError
        When there is no weights file, or it holds more than tensors.
    """
    import pickle

    import torch
    from safetensors.torch import load_file

    safe = folder / "models" / "model.safetensors"
    if safe.exists():
        return dict(load_file(safe))
    path = folder / "models" / "model.pt"
    if not path.exists():
        raise InputError(f"{folder.name} has no models/model.pt and no models/model.safetensors.")
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise InputError(
            f"{folder.name}/models/model.pt holds more than tensors, or is not complete. Save the network's state_dict."
        ) from error
    for key in ("model", "state_dict", "network"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict) or not all(isinstance(v, torch.Tensor) for v in found.values()):
        raise InputError(f"{folder.name}/models/model.pt is no state_dict.")
    return dict(found)


def build_network(settings: SegmenterSettings, weights: dict[str, torch.Tensor] | None = None) -> torch.nn.Module:
    """The bundle's network, with its weights when given.

    Raises
    ------
    InputError
        When the configuration does not make a network, or the weights are another network's.
    """
    from monai.networks import nets

    target = settings.network["_target_"].rpartition(".")[2]
    arguments = {k: v for k, v in settings.network.items() if not k.startswith("_")}
    try:
        network: torch.nn.Module = getattr(nets, target)(**arguments)
    except (TypeError, ValueError) as error:
        raise InputError(f"{settings.name}: MONAI's {target} cannot be made from network_def ({error}).") from error
    if weights is not None:
        try:
            network.load_state_dict(weights)
        except RuntimeError as error:
            raise InputError(f"{settings.name}: the weights do not fit the network in network_def.") from error
    return network.eval()


def prepared(settings: SegmenterSettings, image: Volume, mask_xyz: NDArray[Any] | None = None) -> dict[Hashable, Any]:
    """The image (and a label array) as the network sees them: MONAI tensors (1, x, y, z) after every step.

    Training and inference both come through here.
    """
    import torch
    from monai.data.meta_tensor import MetaTensor
    from monai.utils.enums import MetaKeys

    affine = torch.as_tensor(_affine_ras(image))
    array = np.ascontiguousarray(image.array_zyx.transpose(2, 1, 0), dtype=np.float32)
    data = {"image": MetaTensor(torch.from_numpy(array)[None], affine=affine)}
    if mask_xyz is not None:
        data["label"] = MetaTensor(torch.from_numpy(np.ascontiguousarray(mask_xyz, np.float32))[None], affine=affine)
    for tensor in data.values():
        tensor.meta[MetaKeys.ORIGINAL_CHANNEL_DIM] = 0
    pipeline = _pipeline(settings, with_label=mask_xyz is not None)
    return {"pipeline": pipeline, **pipeline(data)}


def propose(
    settings: SegmenterSettings,
    weights: dict[str, torch.Tensor],
    image: Volume,
    *,
    modality: Modality,
    progress: Progress = lambda *_: None,
) -> dict[str, list[Volume]]:
    """Masks on the image's own grid: `liver` (one) and `tumour` (one a lesion, largest first).

    Raises
    ------
    OutOfScopeError
        When the bundle reads the other modality. InputError when nothing was found.
    """
    if modality is not settings.modality:
        raise OutOfScopeError(f"{settings.name} reads {settings.modality}; this case is {modality}.")
    return _labelled(settings, segment_channels(settings, weights, image, progress=progress), image)


def segment_channels(
    settings: SegmenterSettings,
    weights: dict[str, torch.Tensor],
    image: Volume,
    *,
    progress: Progress = lambda *_: None,
) -> NDArray[np.intp]:
    """The network's output channel at each voxel of the image (z, y, x); of a one-channel network 0 or 1.

    On a GPU where there is one. `progress` is called before every window and may raise to stop.
    """
    import torch
    from monai.inferers.inferer import SlidingWindowInferer
    from monai.transforms.post.dictionary import Invertd

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = build_network(settings, weights).to(device)
    progress(0.05, "Preparing the image")
    data = prepared(settings, image)
    total = _window_count(tuple(data["image"].shape[1:]), settings)
    seen = 0

    def run(windows: torch.Tensor) -> torch.Tensor:
        nonlocal seen
        # Between windows the job learns whether it is still wanted.
        progress(0.1 + 0.8 * min(1.0, seen / total), f"Window {min(seen + 1, total)} of {total}")
        seen += 1
        out = network(windows)
        return torch.as_tensor(out[0] if isinstance(out, (tuple, list)) else out)

    inferer = SlidingWindowInferer(roi_size=settings.window_xyz, sw_batch_size=1, overlap=settings.overlap)
    with torch.inference_mode():
        logits = inferer(data["image"][None].to(device), run)[0].cpu()
    progress(0.92, "Bringing the result back to the image's grid")
    data["pred"] = torch.softmax(logits, dim=0) if logits.shape[0] > 1 else torch.sigmoid(logits)
    back = Invertd("pred", data["pipeline"], orig_keys="image", nearest_interp=False)(data)["pred"]
    channels_zyx = np.asarray(back).transpose(0, 3, 2, 1)
    if channels_zyx.shape[1:] != image.array_zyx.shape:
        raise UnavailableError(f"{settings.name}: its preparation cannot be undone to the image's grid.")
    if len(channels_zyx) > 1:
        return np.asarray(channels_zyx.argmax(axis=0))
    return np.asarray(channels_zyx[0] > 0.5, np.intp)


def _labelled(settings: SegmenterSettings, chosen: NDArray[Any], image: Volume) -> dict[str, list[Volume]]:
    def volume(array: NDArray[np.bool_]) -> Volume:
        return Volume(array_zyx=array.astype(np.uint8), geometry=image.geometry)

    found: dict[str, list[Volume]] = {}
    tumour = np.isin(chosen, [c for c, label in settings.wanted.items() if label == "tumour"])
    pieces = _pieces(tumour, image.geometry.voxel_ml)
    if pieces:
        found["tumour"] = [volume(p) for p in pieces]
    if "liver" in settings.wanted.values():
        # A tumour lies in the liver: the organ mask includes it, as readers draw it.
        organ = np.isin(chosen, [c for c, label in settings.wanted.items() if label == "liver"]) | tumour
        largest = _pieces(organ, image.geometry.voxel_ml)[:1]
        if largest:
            found["liver"] = [volume(largest[0])]
    if not found:
        raise InputError(f"{settings.name} found neither liver nor tumour on this phase. Try another phase, or draw.")
    return found


def _pieces(mask: NDArray[np.bool_], voxel_ml: float) -> list[NDArray[np.bool_]]:
    """Connected pieces of at least `SMALLEST_PIECE_ML`, largest first, at most eight."""
    from scipy import ndimage

    labels, count = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:] * voxel_ml
    order = [i for i in np.argsort(-sizes) if sizes[i] >= SMALLEST_PIECE_ML]
    return [labels == i + 1 for i in order[:8]]


def _pipeline(settings: SegmenterSettings, *, with_label: bool) -> Any:
    from monai import transforms
    from monai.transforms.compose import Compose

    steps = []
    for step in settings.preparation:
        name = step["_target_"].rpartition(".")[2]
        if name in DONE_ALREADY:
            continue
        arguments = {k: v for k, v in step.items() if not k.startswith("_") and k != "keys"}
        both = with_label and name in ("Orientationd", "Spacingd", "SpatialPadd", "CropForegroundd")
        if name == "Orientationd":
            # Named, because MONAI's default depends on its version; the affine given to it is RAS+.
            arguments.setdefault("labels", (("L", "R"), ("P", "A"), ("I", "S")))
        if name == "Spacingd" and both:
            arguments["mode"] = ("bilinear", "nearest")
        keys = ["image", "label"] if both else ["image"]
        try:
            steps.append(getattr(transforms, name)(keys=keys, **arguments))
        except (TypeError, ValueError) as error:
            raise InputError(f"{settings.name}: the preparation step {name} cannot be made ({error}).") from error
    return Compose(steps)


def _window_count(shape: tuple[int, ...], settings: SegmenterSettings) -> int:
    counts = 1
    for length, window in zip(shape, settings.window_xyz, strict=True):
        step = max(1, int(window * (1 - settings.overlap)))
        counts *= 1 + max(0, -(-(length - window) // step))
    return counts


def _affine_ras(image: Volume) -> NDArray[np.float64]:
    """MONAI's world is RAS+, ours LPS: the first two axes change sign."""
    g = image.geometry
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(g.direction).reshape(3, 3) * np.asarray(g.spacing_mm_xyz)
    affine[:3, 3] = g.origin_mm_lps
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def _modality(word: str) -> str:
    word = word.upper()
    if word == "CT":
        return "CT"
    if word in ("MR", "MRI"):
        return "MR"
    raise InputError(f"metadata.json names the modality '{word}'; CT or MR is needed.")


def _plain(value: Any, where: str, config: dict[str, Any]) -> Any:
    """A part of the configuration as data, with `@name` put in from its top level; expressions are refused."""
    if isinstance(value, dict):
        return {k: _plain(v, where, config) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v, where, config) for v in value]
    if isinstance(value, str) and value.startswith("@"):
        name = value[1:]
        if name not in config:
            raise InputError(f"The inference configuration points to '{value}' in {where}, which is not there.")
        return _plain(config[name], where, {k: v for k, v in config.items() if k != name})
    if isinstance(value, str) and value.startswith("$"):
        raise InputError(
            f"The inference configuration holds the expression '{value[:60]}' in {where}. Expressions are code and are "
            "not run here: put the value in its place."
        )
    return value


def _require_known(part: dict[str, Any], known: tuple[str, ...], what: str) -> None:
    target = str(part.get("_target_", "")).rpartition(".")[2]
    if target not in known:
        raise InputError(f"The {what} '{target}' is not one HepaBoard runs. Known: {', '.join(known)}.")


def _read(path: Path) -> dict[str, Any]:
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        found = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except FileNotFoundError as error:
        raise InputError(f"{path.parent.parent.name} is no MONAI bundle: configs/{path.name} is missing.") from error
    except (ValueError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path.name} cannot be read as {path.suffix[1:].upper()}.") from error
    if not isinstance(found, dict):
        raise InputError(f"{path.name} holds no settings.")
    return found


def _first(folder: Path, *names: str) -> Path:
    return next((folder / n for n in names if (folder / n).exists()), folder / names[0])


def _at(config: dict[str, Any], *keys: str, where: str) -> Any:
    found: Any = config
    for key in keys:
        if not isinstance(found, dict) or key not in found:
            raise InputError(f"The {where} of this bundle does not say '{'.'.join(keys)}'.")
        found = found[key]
    return found
