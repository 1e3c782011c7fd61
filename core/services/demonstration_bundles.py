"""Rebuild the demonstration bundles: synthetic cohort, network weights, features, training."""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.domain.phase import Modality, Phase
from core.features.deep import CT_WINDOW, MR_WINDOW, slice_triplets
from core.features.finetune import train_slices_network
from core.services.cohort_features import CohortCase, SyntheticCase, WeightsFile, cohort_table, open_weights
from core.synthetic.patients import synthetic_patients
from model_registry.recipe import Recipe, load_recipe

RECIPES = ("epr_debtace_dlrrn", "proliferative_ct_dlr")
DEMONSTRATION_SEED = 20250


@dataclass(frozen=True, slots=True, kw_only=True)
class DemonstrationSize:
    """How large a demonstration is. The network learns from patients of its own, not from the training cohort."""

    patients: int = 300
    network_patients: int = 160
    network_width: int = 16
    network_epochs: int = 8


def demonstration_table(recipe: Recipe, size: DemonstrationSize, *, seed: int, work: Path, workers: int = 2):  # type: ignore[no-untyped-def]
    """The feature table of the synthetic training cohort, and the weights its deep features came from."""
    weights = demonstration_weights(recipe, size, seed=seed, work=work)
    patients = synthetic_patients(size.patients, seed)
    cases: list[CohortCase] = [SyntheticCase(patient=p, modality=recipe.modality) for p in patients]
    held = {"resnet34_2_5d": weights}
    return cohort_table(recipe, cases, weights=held, cache=work / "features", workers=workers), held


def demonstration_weights(recipe: Recipe, size: DemonstrationSize, *, seed: int, work: Path) -> WeightsFile:
    """Weights of a narrow ResNet34 trained on a separate synthetic cohort (seed + 1); kept in `work`."""
    path = work / f"{recipe.name}_resnet34.safetensors"
    if path.exists():
        return open_weights(path)
    window = CT_WINDOW if recipe.modality is Modality.CT else MR_WINDOW
    parts, labels = [], []
    for patient in synthetic_patients(size.network_patients, seed + 1):
        loaded = SyntheticCase(patient=patient, modality=recipe.modality).load((Phase.PVP,))
        triplets = slice_triplets(loaded.images[Phase.PVP], loaded.tumours[Phase.PVP], window)
        # A third of the slices is enough: neighbours look alike.
        parts.append(triplets[len(triplets) % 3 // 2 :: 3].astype(np.float32))
        labels += [int(getattr(patient, recipe.outcome.column))] * len(parts[-1])
    train_slices_network(
        np.concatenate(parts),
        np.array(labels),
        path,
        width=size.network_width,
        epochs=size.network_epochs,
        seed=seed,
        description=f"trained from scratch on {size.network_patients} synthetic patients, for demonstration",
        report=lambda line: print(f"{recipe.name} network: {line}", file=sys.stderr),  # noqa: T201
    )
    return open_weights(path)


if __name__ == "__main__":
    for name in RECIPES:
        table, _ = demonstration_table(load_recipe(name), DemonstrationSize(), seed=DEMONSTRATION_SEED, work=Path(sys.argv[1]))
        print(name, table.shape)
