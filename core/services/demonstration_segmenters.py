"""Train the segmenters shipped for demonstration: `python -m core.services.demonstration_segmenters OUT`.

One small network for CT, one for MR, on synthetic patients; what comes out are MONAI bundles with their Dice on
synthetic patients that training never saw.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from core.domain.errors import InputError
from core.domain.phase import Modality, Phase
from core.regions.compare import dice
from core.regions.segmenter import SegmenterSettings, propose, read_settings
from core.regions.segmenter_training import PreparedExample, SegmenterTraining, prepare_example, train_segmenter
from core.synthetic.patients import synthetic_patients
from core.synthetic.render import RenderedCase, render_case

Report = Callable[[str], None]
# The network sees one phase without being told which, so it is trained on those a reader would mark a tumour on.
PHASES = {Modality.CT: (Phase.AP, Phase.PVP, Phase.DP), Modality.MR: (Phase.AP, Phase.PVP, Phase.HBP)}
TRAINING_SEED, HOLD_OUT_SEED = 31_000, 47_000
WINDOW = (64, 64, 48)
SPACING_MM = (3.0, 3.0, 3.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmenterSize:
    """How much is trained: the defaults are the shipped bundles'."""

    patients: int = 40
    hold_out: int = 8
    training: SegmenterTraining = field(default_factory=SegmenterTraining)


def build_demonstration_segmenter(modality: Modality, folder: Path, size: SegmenterSize, report: Report) -> Path:
    """Train on synthetic patients, measure on others, and write the bundle."""
    from safetensors.torch import save_file

    _write_configuration(modality, folder, size)
    settings = read_settings(folder)
    examples = [e for case in _rendered(modality, size.patients, TRAINING_SEED) for e in _examples(settings, case)]
    report(f"{modality}: {len(examples)} images prepared")
    weights = train_segmenter(settings, examples, size.training, report=report)
    (folder / "models").mkdir(exist_ok=True)
    save_file({k: v.contiguous() for k, v in weights.items()}, folder / "models" / "model.safetensors")
    scores = [s for case in _rendered(modality, size.hold_out, HOLD_OUT_SEED) for s in _dice(settings, weights, case)]
    _write_results(folder, scores, size)
    for label in ("liver", "tumour"):
        values = [s["dice"] for s in scores if s["label"] == label]
        report(f"{modality} {label}: Dice median {np.median(values):.3f}, worst {min(values):.3f} of {len(values)}")
    return folder


def _rendered(modality: Modality, count: int, seed: int) -> list[RenderedCase]:
    return [render_case(p, modality, phases=PHASES[modality]) for p in synthetic_patients(count, seed)]


def _examples(settings: SegmenterSettings, case: RenderedCase) -> list[PreparedExample]:
    return [prepare_example(settings, image, case.liver, case.tumour) for image in case.phases.values()]


def _dice(settings: SegmenterSettings, weights: Any, case: RenderedCase) -> list[dict[str, Any]]:
    rows = []
    for phase, image in case.phases.items():
        try:
            found = propose(settings, weights, image, modality=case.modality)
        except InputError:
            found = {}
        for label, truth in (("liver", case.liver), ("tumour", case.tumour)):
            # What a reader would be shown first: the largest lesion.
            score = dice(found[label][0], truth) if label in found else 0.0
            rows.append({"phase": phase.value, "label": label, "dice": score})
    return rows


def _write_configuration(modality: Modality, folder: Path, size: SegmenterSize) -> None:
    ct = modality is Modality.CT
    scale = (
        {"_target_": "ScaleIntensityRanged", "keys": "image", "a_min": -100, "a_max": 250, "b_min": 0, "b_max": 1}
        if ct
        else {
            "_target_": "ScaleIntensityRangePercentilesd",
            "keys": "image",
            "lower": 1,
            "upper": 99.5,
            "b_min": 0,
            "b_max": 1,
        }
    )
    channels = {"0": "background", "1": "liver", "2": "tumour"}
    shape = list(WINDOW)
    inference = {
        "network_def": {
            "_target_": "UNet",
            "spatial_dims": 3,
            "in_channels": 1,
            "out_channels": 3,
            "channels": [12, 24, 48, 96],
            "strides": [2, 2, 2],
            "num_res_units": 1,
            "norm": "instance",
        },
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "LoadImaged", "keys": "image"},
                {"_target_": "EnsureChannelFirstd", "keys": "image"},
                {"_target_": "Orientationd", "keys": "image", "axcodes": "RAS"},
                {"_target_": "Spacingd", "keys": "image", "pixdim": list(SPACING_MM), "mode": "bilinear"},
                {**scale, "clip": True},
                {"_target_": "EnsureTyped", "keys": "image"},
            ],
        },
        "inferer": {"_target_": "SlidingWindowInferer", "roi_size": shape, "sw_batch_size": 1, "overlap": 0.25},
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "Activationsd", "keys": "pred", "softmax": True},
                {"_target_": "Invertd", "keys": "pred", "transform": "@preprocessing", "orig_keys": "image"},
                {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
            ],
        },
    }
    metadata = {
        "name": f"demonstration_{modality.value.lower()}",
        "version": "1.0.0",
        "task": "Liver and tumour on one contrast phase of a synthetic study",
        "description": f"Small UNet trained on {size.patients} synthetic patients. For demonstration only.",
        "intended_use": "Shows how a proposal is made, accepted and corrected. Not trained on any patient.",
        "data_source": "HepaBoard's synthetic cohort",
        "copyright": "HepaBoard contributors, Apache-2.0",
        "monai_version": "1.6.1",
        "network_data_format": {
            "inputs": {
                "image": {
                    "type": "image",
                    "format": "hounsfield" if ct else "magnitude",
                    "modality": modality.value,
                    "num_channels": 1,
                    "spatial_shape": shape,
                    "dtype": "float32",
                    "value_range": [0, 1],
                    "is_patch_data": True,
                    "channel_def": {"0": "image"},
                }
            },
            "outputs": {
                "pred": {
                    "type": "image",
                    "format": "segmentation",
                    "num_channels": 3,
                    "spatial_shape": shape,
                    "dtype": "float32",
                    "value_range": [0, 1],
                    "is_patch_data": True,
                    "channel_def": channels,
                }
            },
        },
    }
    (folder / "configs").mkdir(parents=True, exist_ok=True)
    (folder / "configs" / "inference.json").write_text(json.dumps(inference, indent=1) + "\n")
    (folder / "configs" / "metadata.json").write_text(json.dumps(metadata, indent=1) + "\n")


def _write_results(folder: Path, scores: list[dict[str, Any]], size: SegmenterSize) -> None:
    """The Dice of every hold-out image by phase, into the metadata, as model-zoo bundles carry theirs."""
    path = folder / "configs" / "metadata.json"
    metadata = json.loads(path.read_text())
    found: dict[str, Any] = {"hold_out": f"{size.hold_out} synthetic patients that training did not see"}
    for label in ("liver", "tumour"):
        values = [s["dice"] for s in scores if s["label"] == label]
        found[f"{label}_dice_median"] = round(float(np.median(values)), 3)
        found[f"{label}_dice_range"] = [round(min(values), 3), round(max(values), 3)]
        for phase in sorted({s["phase"] for s in scores}):
            of = [s["dice"] for s in scores if s["label"] == label and s["phase"] == phase]
            found[f"{label}_dice_median_{phase}"] = round(float(np.median(of)), 3)
    metadata["eval_metrics"] = found
    path.write_text(json.dumps(metadata, indent=1) + "\n")


def main(out: Path, report: Report) -> None:
    for modality in Modality:
        folder = out / f"demonstration_{modality.value.lower()}"
        build_demonstration_segmenter(modality, folder, SegmenterSize(), report)


if __name__ == "__main__":
    main(Path(sys.argv[1]), lambda text: print(text, flush=True))  # noqa: T201 - a command of its own
