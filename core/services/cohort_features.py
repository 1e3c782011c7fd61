"""From a cohort of images to the feature table a recipe is trained on, case by case, over several processes."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from core.config import settings
from core.domain.errors import InputError, UnavailableError
from core.domain.phase import Modality, Phase
from core.domain.volume import Volume
from core.features.cache import FeatureCache
from core.features.deep import CT_WINDOW, MR_WINDOW, DeepExtractor
from core.features.extractor import Extractor
from core.features.networks import NAMES as NETWORKS
from core.features.radiomics import RadiomicsExtractor
from core.features.table import WantedBlock, delta_features, extract_blocks
from core.features.weights import Weights
from core.jobs.spread import Lost, spread
from core.regions.derived import Marked, make_region
from core.regions.measure import measure_mask
from core.synthetic.patients import SyntheticPatient
from core.synthetic.render import REFERENCE_SCANNER, Scanner, render_case, tumour_geometry
from model_registry.recipe import FeatureBlock, Recipe, Region

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LoadedCase:
    """Images and masks of a case; masks lie on each phase's own grid."""

    images: Mapping[Phase, Volume]
    tumours: Mapping[Phase, Volume]
    livers: Mapping[Phase, Volume]
    loats: Mapping[Phase, Volume] = field(default_factory=dict)


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
    scanner: Scanner = REFERENCE_SCANNER

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
        case = render_case(self.patient, self.modality, geometry=grid, phases=phases, scanner=self.scanner)
        return LoadedCase(
            images=case.phases,
            tumours=dict.fromkeys(phases, case.tumour),
            livers=dict.fromkeys(phases, case.liver),
        )


def extractor_for(
    block: FeatureBlock, modality: Modality, weights: Mapping[str, WeightsFile], *, threads: int | None = None
) -> Extractor:
    """The extractor of a recipe's block; hand-crafted features use `threads` cores, by default all.

    Raises
    ------
    UnavailableError
        When the block's network weights are not at hand.
    """
    if block.family == "radiomics":
        return RadiomicsExtractor(block.preset or "", workers=threads)
    held = weights.get(block.family)
    if held is None:
        raise UnavailableError(
            f"The recipe asks for the weights '{block.weights}', which are not here. "
            "Give a safetensors file with --weights."
        )
    if held.architecture != block.family:
        raise UnavailableError(f"The weights given are of {held.architecture}; the recipe needs {block.family}.")
    window = CT_WINDOW if modality is Modality.CT else MR_WINDOW
    return DeepExtractor(block.family, held.weights, window, width=held.width, revision=held.revision)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsFile:
    """Network weights at hand: the file with its hash, the network, its width, and how they came about."""

    weights: Weights
    architecture: str
    width: int
    revision: int
    description: str


def open_weights(path: Path) -> WeightsFile:
    """Read a safetensors file's own description.

    Raises
    ------
    InputError
        When the file does not hold weights of a network of this project.
    """
    import hashlib

    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as held:
            metadata = held.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path.name} is not a readable safetensors file.") from error
    name = metadata.get("architecture", "")
    if name not in NETWORKS:
        raise InputError(f"{path.name} does not say which network it belongs to. Known: {', '.join(NETWORKS)}.")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return WeightsFile(
        weights=Weights(path=path, sha256=digest),
        architecture=name,
        width=int(metadata.get("width", "64")),
        revision=int(metadata.get("revision", "1")),
        description=metadata.get("description", ""),
    )


def has_weights(block: FeatureBlock, weights: Mapping[str, WeightsFile]) -> bool:
    """Whether a block can be computed with the weights at hand; its models are reported as not computed otherwise."""
    return block.family == "radiomics" or block.family in weights


def image_modality(recipe: Recipe) -> Modality:
    if recipe.modality is None:
        raise InputError(f"{recipe.name} needs no images: train it from a table with --features.")
    return recipe.modality


def region_mask(region: Region, marked: Marked) -> Volume | InputError:
    """The mask of a recipe's region, or why it cannot be made."""
    try:
        return make_region(region.kind, region.width_mm, marked)
    except InputError as error:
        return error


def wanted_blocks(
    blocks: Iterable[FeatureBlock],
    modality: Modality,
    weights: Mapping[str, WeightsFile],
    *,
    threads: int | None = None,
) -> list[WantedBlock]:
    return [
        WantedBlock(
            phase=b.place[0], region=b.place[1].name, extractor=extractor_for(b, modality, weights, threads=threads)
        )
        for b in blocks
        if not b.from_table
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRow:
    """One case's row of the table, or why it has none; `failures` holds a sentence for each region that failed."""

    identifier: str
    values: dict[str, float]
    failures: tuple[str, ...] = ()


def cohort_table(
    recipe: Recipe,
    cases: list[CohortCase],
    *,
    weights: Mapping[str, WeightsFile],
    cache: Path,
    workers: int = 2,
) -> pd.DataFrame:
    """One row a case: every feature of the recipe, clinical and outcome columns, tumour size and voxel spacing.

    A case that cannot be computed is left out and named on standard error with the reason; the others go on.

    Raises
    ------
    InputError
        When no case at all could be computed.
    """
    import pandas as pd

    rows = []
    for number, row in enumerate(_rows(recipe, cases, weights, cache, workers), start=1):
        if row.failures:
            print(f"{recipe.name}: case {row.identifier} left out: {'; '.join(row.failures)}", file=sys.stderr)  # noqa: T201
        else:
            rows.append(row)
        if number % 20 == 0:
            print(f"{recipe.name}: {number} of {len(cases)} cases", file=sys.stderr)  # noqa: T201
    if not rows:
        raise InputError("No case of the cohort could be computed; the lines above say why for each.")
    place = {case.identifier: i for i, case in enumerate(cases)}
    rows.sort(key=lambda row: place[row.identifier])
    return pd.DataFrame([r.values for r in rows], index=[r.identifier for r in rows])


def _rows(
    recipe: Recipe, cases: list[CohortCase], weights: Mapping[str, WeightsFile], cache: Path, workers: int
) -> Iterator[CaseRow]:
    """Rows as they are done, in any order."""
    scheduler = settings().dask_scheduler
    threads = 1 if workers > 1 or scheduler else None
    tasks = [(recipe, case, weights, cache, threads) for case in cases]
    for place, row in spread(case_row, tasks, workers=workers, scheduler=scheduler, initializer=_one_thread):
        lost = isinstance(row, Lost)
        yield CaseRow(identifier=cases[place].identifier, values={}, failures=(row.reason,)) if lost else row


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def case_row(
    recipe: Recipe, case: CohortCase, weights: Mapping[str, WeightsFile], cache: Path, threads: int | None = None
) -> CaseRow:
    """Features and table values of one case; features already in `cache` are read."""
    phases = tuple(dict.fromkeys(b.phase for b in recipe.features if b.phase is not None))
    try:
        loaded = case.load(phases)
        present = [b for b in recipe.features if b.phase in loaded.images and has_weights(b, weights)]
        wanted = wanted_blocks(present, image_modality(recipe), weights, threads=threads)
        features = extract_blocks(wanted, loaded.images, _regions(present, loaded), FeatureCache(cache))
        if features.failures:
            return CaseRow(identifier=case.identifier, values={}, failures=tuple(features.failures.values()))
        deltas = recipe_deltas(recipe, features.values)
        values = {**case.table, **case_measures(loaded, phases), **features.values, **deltas}
    except InputError as error:
        return CaseRow(identifier=case.identifier, values={}, failures=(str(error),))
    return CaseRow(identifier=case.identifier, values=values)


def recipe_deltas(recipe: Recipe, values: Mapping[str, float]) -> dict[str, float]:
    """The changes a recipe asks for, from the features of its blocks that are there."""
    changes: dict[str, float] = {}
    for delta in recipe.deltas:
        later, earlier = recipe.delta_prefixes(delta)
        changes |= delta_features(values, later=later, earlier=earlier)
    return changes


def _regions(blocks: list[FeatureBlock], loaded: LoadedCase) -> dict[tuple[Phase, str], Volume | InputError]:
    made: dict[tuple[Phase, str], Volume | InputError] = {}
    for phase, region in (b.place for b in blocks):
        liver = loaded.livers.get(phase)
        marked = Marked(
            tumour=loaded.tumours[phase],
            within=liver,
            liver=liver,
            loat=loaded.loats.get(phase),
            image=loaded.images[phase],
        )
        made[(phase, region.name)] = region_mask(region, marked)
    return made


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
