"""From a cohort of images to the feature table a recipe is trained on, case by case, over several processes."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from core.domain.errors import InputError, UnavailableError
from core.domain.phase import Modality, Phase
from core.domain.volume import Volume
from core.features.cache import FeatureCache
from core.features.deep import CT_WINDOW, MR_WINDOW, ResNet34Slices, Weights
from core.features.extractor import Extractor
from core.features.radiomics import RadiomicsExtractor
from core.features.table import WantedBlock, extract_blocks
from core.regions.measure import measure_mask
from core.regions.shells import RegionKind, peritumoral_shell, tumour_plus_shell
from core.synthetic.patients import SyntheticPatient
from core.synthetic.render import render_case, tumour_geometry
from model_registry.recipe import FeatureBlock, Recipe, Region

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LoadedCase:
    """Images and masks of a case; masks lie on each phase's own grid."""

    images: Mapping[Phase, Volume]
    tumours: Mapping[Phase, Volume]
    livers: Mapping[Phase, Volume]


class CohortCase(Protocol):
    """A case of a training cohort: where its images come from, and its table values."""

    @property
    def identifier(self) -> str: ...

    @property
    def table(self) -> dict[str, float]: ...

    def load(self, phases: tuple[Phase, ...]) -> LoadedCase: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticCase:
    """A synthetic patient's study; CT is rendered around the tumour only, MR whole (its scaling needs the image)."""

    patient: SyntheticPatient
    modality: Modality

    @property
    def identifier(self) -> str:
        return self.patient.identifier

    @property
    def table(self) -> dict[str, float]:
        names = ("afp_ng_ml", "age_years", "male", "proliferative", "early_peritumoral_recurrence")
        times = ("recurrence_months", "recurrence_event", "death_months", "death_event")
        return {name: float(getattr(self.patient, name)) for name in (*names, *times)}

    def load(self, phases: tuple[Phase, ...]) -> LoadedCase:
        grid = tumour_geometry(self.patient, self.modality) if self.modality is Modality.CT else None
        case = render_case(self.patient, self.modality, geometry=grid, phases=phases)
        return LoadedCase(
            images=case.phases,
            tumours=dict.fromkeys(phases, case.tumour),
            livers=dict.fromkeys(phases, case.liver),
        )


def extractor_for(block: FeatureBlock, modality: Modality, weights: Mapping[str, WeightsFile]) -> Extractor:
    """The extractor of a recipe's block.

    Raises
    ------
    UnavailableError
        When the block's network weights are not at hand.
    """
    if block.family == "radiomics":
        return RadiomicsExtractor(block.preset or "")
    held = weights.get(block.family)
    if held is None:
        raise UnavailableError(
            f"The recipe asks for the weights '{block.weights}', which are not here. "
            "Give a safetensors file with --weights."
        )
    window = CT_WINDOW if modality is Modality.CT else MR_WINDOW
    return ResNet34Slices(held.weights, window, width=held.width)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsFile:
    """Network weights at hand: the file with its hash, the network's width, and how they came about."""

    weights: Weights
    width: int
    description: str


def open_weights(path: Path) -> WeightsFile:
    """Read a safetensors file's own description.

    Raises
    ------
    InputError
        When the file is not a ResNet34 of this project's making.
    """
    import hashlib

    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as held:
            metadata = held.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path.name} is not a readable safetensors file.") from error
    if metadata.get("architecture") != "resnet34_2_5d":
        raise InputError(f"{path.name} does not hold weights of resnet34_2_5d.")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return WeightsFile(
        weights=Weights(path=path, sha256=digest),
        width=int(metadata.get("width", "64")),
        description=metadata.get("description", ""),
    )


def region_mask(region: Region, tumour: Volume, within: Volume | None, others: tuple[Volume, ...] = ()) -> Volume:
    """The mask of a recipe's region, made from the tumour."""
    if region.kind is RegionKind.INTRATUMORAL or region.width_mm is None:
        return tumour
    shell = peritumoral_shell(tumour, region.width_mm, within=within, excluding=others)
    return shell if region.kind is RegionKind.PERITUMORAL else tumour_plus_shell(tumour, shell)


def wanted_blocks(
    blocks: Iterable[FeatureBlock], modality: Modality, weights: Mapping[str, WeightsFile]
) -> list[WantedBlock]:
    return [
        WantedBlock(phase=b.phase, region=b.region.name, extractor=extractor_for(b, modality, weights)) for b in blocks
    ]


def cohort_table(
    recipe: Recipe,
    cases: list[CohortCase],
    *,
    weights: Mapping[str, WeightsFile],
    cache: Path,
    workers: int = 2,
) -> pd.DataFrame:
    """One row a case: every feature of the recipe, clinical and outcome columns, tumour size and voxel spacing."""
    import pandas as pd

    tasks = [(recipe, case, weights, cache) for case in cases]
    if workers <= 1:
        rows = [_case_row(task) for task in tasks]
    else:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_one_thread) as pool:
            rows = []
            for row in pool.map(_case_row, tasks, chunksize=2):
                rows.append(row)
                if len(rows) % 20 == 0:
                    print(f"{recipe.name}: {len(rows)} of {len(cases)} cases", file=sys.stderr)  # noqa: T201
    return pd.DataFrame(rows, index=[c.identifier for c in cases])


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _case_row(task: tuple[Recipe, CohortCase, Mapping[str, WeightsFile], Path]) -> dict[str, float]:
    recipe, case, weights, cache = task
    phases = tuple(dict.fromkeys(b.phase for b in recipe.features))
    loaded = case.load(phases)
    present = [b for b in recipe.features if b.phase in loaded.images]
    regions = {
        (b.phase, b.region.name): region_mask(b.region, loaded.tumours[b.phase], loaded.livers.get(b.phase))
        for b in present
    }
    features = extract_blocks(
        wanted_blocks(present, recipe.modality, weights), loaded.images, regions, FeatureCache(cache)
    )
    return {**case.table, **case_measures(loaded, phases), **features.values}


def case_measures(loaded: LoadedCase, phases: tuple[Phase, ...]) -> dict[str, float]:
    """Size of the tumour and the voxel spacing, from the first phase at hand."""
    phase = next(p for p in phases if p in loaded.tumours)
    tumour = loaded.tumours[phase]
    spacing = tumour.geometry.spacing_mm_xyz
    return {
        "max_diameter_cm": measure_mask(tumour).max_diameter_mm / 10.0,
        "in_plane_spacing_mm": max(spacing[:2]),
        "slice_spacing_mm": spacing[2],
    }
