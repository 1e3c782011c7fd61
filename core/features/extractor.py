"""The one interface of all feature extractors, and the cached call that every caller uses."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from core.domain.errors import InputError
from core.domain.volume import Volume
from core.features.cache import FeatureCache

Pair = tuple[Volume, Volume]


class Extractor(Protocol):
    """Turns an image and a mask into named numbers.

    `name` tells one extractor from another; `settings` holds everything that changes its numbers (parameters,
    weights' hash, engine versions) as JSON-able values; `provenance` what else is worth keeping (libraries, device).
    """

    name: str

    @property
    def settings(self) -> dict[str, Any]: ...

    @property
    def provenance(self) -> dict[str, Any]: ...

    def feature_names(self) -> tuple[str, ...]: ...

    def extract_regions(self, pairs: Sequence[Pair]) -> Iterator[tuple[int, "Extraction | InputError"]]:
        """Features of several (image, mask) pairs as they are done, each with its place in `pairs`.

        A pair that cannot be computed gives its error; the others go on.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """Feature values by name, with warnings for the reader. `key` names the set in the cache, where there is one."""

    values: dict[str, float]
    warnings: tuple[str, ...] = ()
    key: str = ""


def one_by_one(
    extract: Callable[[Volume, Volume], Extraction], pairs: Sequence[Pair]
) -> Iterator[tuple[int, Extraction | InputError]]:
    """`extract_regions` for an extractor that gains nothing from seeing several regions at once."""
    for number, pair in enumerate(pairs):
        try:
            yield number, extract(*pair)
        except InputError as error:
            yield number, error


def extract_cached(extractor: Extractor, image: Volume, mask: Volume, cache: FeatureCache | None) -> Extraction:
    """Extract one region, or read what the same image, mask and settings gave before.

    Raises
    ------
    InputError
        When the region cannot be computed.
    """
    result = extract_all_cached(extractor, [(image, mask)], cache)[0]
    if isinstance(result, InputError):
        raise result
    return result


def extract_all_cached(
    extractor: Extractor,
    pairs: Sequence[Pair],
    cache: FeatureCache | None,
    told: Callable[[], None] = lambda: None,
) -> list[Extraction | InputError]:
    """Extract several regions, reading those that the same image, mask and settings gave before.

    Each is kept the moment it is done, so that work broken off is not done again; `told` is called after each.

    Raises
    ------
    RuntimeError
        When the extractor does not return exactly the names it declares: libraries drop features in silence.
    """
    keys = cache_keys(extractor, pairs)
    results: dict[int, Extraction | InputError] = {}
    for place, key in enumerate(keys):
        found = cache.get(key) if cache is not None else None
        if found is not None:
            results[place] = Extraction(values=found.values, warnings=found.warnings, key=key)
            told()
    missing = [place for place in range(len(pairs)) if place not in results]
    for number, made in extractor.extract_regions([pairs[place] for place in missing]) if missing else ():
        place = missing[number]
        results[place] = made if isinstance(made, InputError) else _kept(extractor, made, keys[place], cache)
        told()
    return [results[place] for place in range(len(pairs))]


def _kept(extractor: Extractor, made: Extraction, key: str, cache: FeatureCache | None) -> Extraction:
    due = extractor.feature_names()
    if tuple(made.values) != due:
        missing = set(due) - set(made.values)
        raise RuntimeError(
            f"{extractor.name} returned {len(made.values)} features, {len(due)} were due; missing: "
            f"{sorted(missing)[:5]}"
        )
    if cache is not None:
        provenance = {"extractor": extractor.name, **extractor.settings, **extractor.provenance}
        cache.put(key, made.values, made.warnings, provenance=provenance)
    return Extraction(values=made.values, warnings=made.warnings, key=key)


def cache_keys(extractor: Extractor, pairs: Sequence[Pair]) -> list[str]:
    """SHA-256 of image, mask, extractor and settings for each pair; a volume is hashed once."""
    text = json.dumps([extractor.name, extractor.settings], sort_keys=True)
    hashes = {id(v): v.content_hash() for v in {id(v): v for pair in pairs for v in pair}.values()}
    return [hashlib.sha256(f"{hashes[id(i)]}|{hashes[id(m)]}|{text}".encode()).hexdigest() for i, m in pairs]
