"""Features of one case for a list of wanted blocks: the same code for training and for a single patient."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from core.domain.errors import InputError
from core.domain.phase import Phase
from core.domain.volume import Volume
from core.features.cache import FeatureCache
from core.features.extractor import Extractor, extract_cached

Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedBlock:
    """Which extractor to run on which phase and region. Names become `prefix` + the extractor's own."""

    phase: Phase
    region: str
    extractor: Extractor

    @property
    def prefix(self) -> str:
        return f"{self.phase.value}_{self.region}_"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFeatures:
    values: dict[str, float]
    warnings: tuple[str, ...]


def extract_blocks(
    blocks: list[WantedBlock],
    images: Mapping[Phase, Volume],
    regions: Mapping[tuple[Phase, str], Volume],
    cache: FeatureCache | None,
    progress: Progress | None = None,
) -> CaseFeatures:
    """Run every block once.

    Parameters
    ----------
    images : the phases at hand.
    regions : masks by phase and region name, each on its phase's grid.

    Raises
    ------
    InputError
        When a block's phase or region is not there.
    """
    values: dict[str, float] = {}
    warnings: list[str] = []
    for done, block in enumerate(blocks):
        if progress:
            progress(done / len(blocks), f"{block.extractor.name}: {block.phase.value} {block.region}")
        image, mask = images.get(block.phase), regions.get((block.phase, block.region))
        if image is None or mask is None:
            raise InputError(
                f"The {block.phase.label.lower()} phase with its {block.region} region is needed and missing."
            )
        result = extract_cached(block.extractor, image, mask, cache)
        values |= {block.prefix + name: value for name, value in result.values.items()}
        warnings += [f"{block.phase.value} {block.region}: {w}" for w in result.warnings]
    return CaseFeatures(values=values, warnings=tuple(warnings))
