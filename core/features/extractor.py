"""The one interface of all feature extractors, and the cached call that every caller uses."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Protocol

from core.domain.volume import Volume
from core.features.cache import FeatureCache


class Extractor(Protocol):
    """Turns an image and a mask into named numbers.

    `name` tells one extractor from another; `settings` holds everything that changes its numbers (parameters,
    weights' hash, engine versions) as JSON-able values.
    """

    name: str

    @property
    def settings(self) -> dict[str, Any]: ...

    def feature_names(self) -> tuple[str, ...]: ...

    def extract(self, image: Volume, mask: Volume) -> "Extraction": ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """Feature values by name, with warnings for the reader."""

    values: dict[str, float]
    warnings: tuple[str, ...] = ()


def extract_cached(extractor: Extractor, image: Volume, mask: Volume, cache: FeatureCache | None) -> Extraction:
    """Extract, or read what the same image, mask and settings gave before.

    Raises
    ------
    RuntimeError
        When the extractor does not return exactly the names it declares: libraries drop features in silence.
    """
    key = cache_key(extractor, image, mask)
    if cache is not None and (found := cache.get(key)) is not None:
        return Extraction(values=found.values, warnings=found.warnings)
    result = extractor.extract(image, mask)
    if tuple(result.values) != extractor.feature_names():
        missing = set(extractor.feature_names()) - set(result.values)
        raise RuntimeError(
            f"{extractor.name} returned {len(result.values)} features, {len(extractor.feature_names())} were due; "
            f"missing: {sorted(missing)[:5]}"
        )
    if cache is not None:
        cache.put(
            key,
            result.values,
            result.warnings,
            provenance={"extractor": extractor.name, **extractor.settings},
        )
    return result


def cache_key(extractor: Extractor, image: Volume, mask: Volume) -> str:
    """SHA-256 of image, mask, extractor and settings."""
    text = json.dumps([extractor.name, extractor.settings], sort_keys=True)
    return hashlib.sha256(f"{image.content_hash()}|{mask.content_hash()}|{text}".encode()).hexdigest()
