"""Features of one case for a list of wanted blocks: the same code for training and for a single patient."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from core.domain.errors import InputError
from core.domain.phase import Phase
from core.domain.volume import Volume
from core.features.cache import FeatureCache
from core.features.extractor import Extraction, Extractor, extract_all_cached

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
    """Values by name; what to tell the reader; why a block could not be computed, by its prefix; cache keys."""

    values: dict[str, float]
    warnings: tuple[str, ...]
    failures: dict[str, str] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)


def extract_blocks(
    blocks: list[WantedBlock],
    images: Mapping[Phase, Volume],
    regions: Mapping[tuple[Phase, str], Volume | InputError],
    cache: FeatureCache | None,
    progress: Progress | None = None,
) -> CaseFeatures:
    """Run every block once. A block that fails is named in `failures`; the others are computed all the same.

    Parameters
    ----------
    images : the phases at hand.
    regions : masks by phase and region name, each on its phase's grid, or why a region could not be made.
    """
    values: dict[str, float] = {}
    warnings: list[str] = []
    failures: dict[str, str] = {}
    sources: dict[str, str] = {}
    count = _Counter(progress, len(blocks))
    for group in _groups(blocks):
        extractor = group[0].extractor
        count.starts(group)
        for block, result in zip(group, _extracted(group, images, regions, cache, count.done), strict=True):
            where = f"{block.phase.value} {block.region}"
            if isinstance(result, InputError):
                failures[block.prefix + extractor.name] = f"{where}: {result}"
                continue
            values |= {block.prefix + name: value for name, value in result.values.items()}
            warnings += [f"{where}: {w}" for w in result.warnings]
            sources[block.prefix + extractor.name] = result.key
    return CaseFeatures(values=values, warnings=tuple(warnings), failures=failures, sources=sources)


class _Counter:
    """Tells how many blocks are done."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self.progress, self.total = progress, total
        self.finished = 0
        self.text = ""

    def starts(self, group: list[WantedBlock]) -> None:
        where = ", ".join(f"{b.phase.value} {b.region}" for b in group)
        self.text = f"{group[0].extractor.name}: {where}"
        self._tell()

    def done(self) -> None:
        self.finished += 1
        self._tell()

    def _tell(self) -> None:
        if self.progress:
            self.progress(self.finished / self.total, self.text)


def delta_features(values: Mapping[str, float], *, later: str, earlier: str) -> dict[str, float]:
    """Change of every feature between two phases (or regions): `later` minus `earlier`.

    Parameters
    ----------
    values : features by name.
    later, earlier : prefixes, such as `PVP_intratumoral_` and `AP_intratumoral_`. Features without a partner are left
        out, and so are shape features: they do not change with contrast.

    Returns
    -------
    values named `delta_` + later prefix + `minus_` + earlier prefix + the feature's own name.
    """
    changes = {}
    for name, value in values.items():
        own = name.removeprefix(later)
        if name.startswith(later) and earlier + own in values and "_shape_" not in own:
            changes[delta_prefix(later=later, earlier=earlier) + own] = value - values[earlier + own]
    return changes


def delta_prefix(*, later: str, earlier: str) -> str:
    """How the names of changes begin."""
    return f"delta_{later}minus_{earlier}"


def _groups(blocks: list[WantedBlock]) -> list[list[WantedBlock]]:
    """Blocks of one extractor with the same settings together: they share images, masks and cores."""
    groups: dict[str, list[WantedBlock]] = {}
    for block in blocks:
        groups.setdefault(repr((block.extractor.name, block.extractor.settings)), []).append(block)
    return list(groups.values())


def _extracted(
    group: list[WantedBlock],
    images: Mapping[Phase, Volume],
    regions: Mapping[tuple[Phase, str], Volume | InputError],
    cache: FeatureCache | None,
    told: Callable[[], None],
) -> list[Extraction | InputError]:
    pairs = [_pair(block, images, regions) for block in group]
    ready = [p for p in pairs if not isinstance(p, InputError)]
    made = iter(extract_all_cached(group[0].extractor, ready, cache, told))
    return [p if isinstance(p, InputError) else next(made) for p in pairs]


def _pair(
    block: WantedBlock, images: Mapping[Phase, Volume], regions: Mapping[tuple[Phase, str], Volume | InputError]
) -> tuple[Volume, Volume] | InputError:
    image, mask = images.get(block.phase), regions.get((block.phase, block.region))
    if isinstance(mask, InputError):
        return mask
    if image is None or mask is None:
        return InputError(
            f"The {block.phase.label.lower()} phase with its {block.region} region is needed and missing."
        )
    return image, mask
