"""Rebuild the demonstration bundles: synthetic cohort, network weights, features, training.

`python -m core.services.demonstration_bundles OUT` writes the two bundles that come with the project; it takes about an
hour on two cores. Tests build smaller ones by the same functions.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.domain.phase import Modality, Phase
from core.features.architecture import CT_WINDOW, MR_WINDOW
from core.features.finetune import Examples, Tuning, fine_tune
from core.features.inputs import slice_triplets
from core.features.networks import architecture
from core.services.cohort_features import (
    CohortCase,
    SyntheticCase,
    WeightsFile,
    cohort_table,
    image_modality,
    open_weights,
)
from core.services.feature_tables import ExternalTable, image_table
from core.services.training import Run, train_bundle
from core.synthetic.patients import synthetic_patients
from core.synthetic.render import REFERENCE_SCANNER, SHIFTED_SCANNER, Scanner
from model_registry.bundle import Bundle
from model_registry.recipe import Recipe, load_recipe

if TYPE_CHECKING:
    import pandas as pd

RECIPES = ("epr_debtace_dlrrn", "proliferative_ct_dlr")
DEMONSTRATION_SEED = 20250
# Other patients than those trained on.
EXTERNAL_SEED_SHIFT = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class DemonstrationSize:
    """How large a demonstration is. The network learns from patients of its own, not from the training cohort."""

    patients: int = 200
    external_patients: int = 100
    network_patients: int = 160
    network_width: int = 16
    network_epochs: int = 8
    workers: int = 2
    shuffled_check: bool = True


def build_bundle(name: str, out: Path, *, size: DemonstrationSize, seed: int, work: Path) -> Bundle:
    """Make one demonstration bundle in the new folder `out`; features are kept in `work` and reused."""
    return build_from_recipe(load_recipe(name), out, size=size, seed=seed, work=work)


def build_from_recipe(recipe: Recipe, out: Path, *, size: DemonstrationSize, seed: int, work: Path) -> Bundle:
    """As `build_bundle`, for a recipe of one's own; an external site with another scanner is looked at as well."""
    held = {"resnet34_2_5d": demonstration_weights(recipe, size, seed=seed, work=work)}
    table = demonstration_table(recipe, held, size.patients, seed=seed, work=work, workers=size.workers)
    data = image_table(recipe, table, outcome=None, given=size.patients)
    external = []
    if size.external_patients:
        other = demonstration_table(
            recipe,
            held,
            size.external_patients,
            seed=seed + EXTERNAL_SEED_SHIFT,
            work=work,
            workers=size.workers,
            scanner=SHIFTED_SCANNER,
        )
        external = [
            ExternalTable(name="synthetic site with another scanner", table=other, outcome=other[recipe.outcome.column])
        ]
    run = Run(
        seed=seed,
        workers=size.workers,
        cohort=f"{size.patients} synthetic patients (seed {seed})",
        synthetic=True,
        shuffled_check=size.shuffled_check,
    )
    return train_bundle(recipe, data, out, run=run, weights=held, external=external)


def demonstration_table(
    recipe: Recipe,
    weights: dict[str, WeightsFile],
    patients: int,
    *,
    seed: int,
    work: Path,
    workers: int = 2,
    scanner: Scanner = REFERENCE_SCANNER,
) -> pd.DataFrame:
    """The feature table of a synthetic cohort, imaged on a scanner."""
    modality = image_modality(recipe)
    cases: list[CohortCase] = [
        SyntheticCase(patient=p, modality=modality, scanner=scanner) for p in synthetic_patients(patients, seed)
    ]
    return cohort_table(recipe, cases, weights=weights, cache=work / "features", workers=workers)


def demonstration_weights(recipe: Recipe, size: DemonstrationSize, *, seed: int, work: Path) -> WeightsFile:
    """Weights of a narrow ResNet34 trained on a separate synthetic cohort (seed + 1); kept in `work`."""
    path = work / f"{recipe.name}_resnet34.safetensors"
    if path.exists():
        return open_weights(path)
    window = CT_WINDOW if recipe.modality is Modality.CT else MR_WINDOW
    parts: list[np.ndarray] = []
    labels: list[int] = []
    owners: list[str] = []
    for patient in synthetic_patients(size.network_patients, seed + 1):
        loaded = SyntheticCase(patient=patient, modality=image_modality(recipe)).load((Phase.PVP,))
        triplets = slice_triplets(loaded.images[Phase.PVP], loaded.tumours[Phase.PVP], window).batch
        # A third of the slices is enough: neighbours look alike.
        parts.append(triplets[len(triplets) % 3 // 2 :: 3].astype(np.float32))
        labels += [int(getattr(patient, recipe.outcome.column))] * len(parts[-1])
        owners += [patient.identifier] * len(parts[-1])
    fine_tune(
        architecture("resnet34_2_5d"),
        Examples(inputs=np.concatenate(parts), labels=np.array(labels), patients=np.array(owners)),
        path,
        width=size.network_width,
        # From noise, and too few epochs to stop early: no validation part, a larger rate than for published weights.
        tuning=Tuning(
            epochs=size.network_epochs,
            batch=24,
            learning_rate=1e-3,
            weight_decay=1e-4,
            decay_every=max(1, size.network_epochs // 2),
            validation_share=0,
            quarter_turns=False,
            seed=seed,
        ),
        description=f"trained from scratch on {size.network_patients} synthetic patients, for demonstration",
        report=lambda line: print(f"{recipe.name} network: {line}", file=sys.stderr),  # noqa: T201
    )
    return open_weights(path)


if __name__ == "__main__":
    import argparse

    parser = argparse.ArgumentParser(description="Rebuild the demonstration bundles that come with the project.")
    parser.add_argument("out", type=Path, help="folder the bundles are written to")
    parser.add_argument("--work", type=Path, default=Path("build/demonstration"), help="features and weights, reused")
    parser.add_argument("--recipe", choices=RECIPES, action="append", help="only this one")
    given = parser.parse_args()
    for recipe_name in given.recipe or RECIPES:
        build_bundle(
            recipe_name,
            given.out / recipe_name,
            size=DemonstrationSize(),
            seed=DEMONSTRATION_SEED,
            work=given.work,
        )
