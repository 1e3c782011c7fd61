"""The deep extractor's input and weights, and the cache that all extractors share."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.domain.errors import InputError, UnavailableError
from core.domain.phase import Phase
from core.domain.volume import Volume
from core.features.architecture import CT_WINDOW
from core.features.cache import FeatureCache
from core.features.deep import DeepExtractor
from core.features.extractor import Extraction, Pair, extract_cached, one_by_one
from core.features.finetune import Examples, Tuning, fine_tune
from core.features.inputs import slice_triplets
from core.features.networks import architecture
from core.features.weights import Weights
from core.services.cohort_features import open_weights
from core.synthetic.render import RenderedCase


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Weights:
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    rng = np.random.default_rng(0)
    batch = rng.random((4, 3, 224, 224), dtype=np.float32)
    examples = Examples(inputs=batch, labels=np.array([0, 1, 0, 1]), patients=np.arange(4))
    tuning = Tuning(epochs=1, validation_share=0)
    fine_tune(architecture("resnet34_2_5d"), examples, path, width=4, tuning=tuning, description="test")
    return open_weights(path).weights


def test_triplets_are_one_a_slice_with_its_neighbours(ct_case: RenderedCase) -> None:
    image, mask = ct_case.phases[Phase.PVP], ct_case.tumour
    slices = np.flatnonzero(mask.array_zyx.any(axis=(1, 2)))
    triplets = slice_triplets(image, mask, CT_WINDOW).batch
    assert triplets.shape == (len(slices), 3, 224, 224)
    assert triplets.min() >= 0
    assert triplets.max() <= 1
    np.testing.assert_array_equal(triplets[0, 2], triplets[1, 1])


def test_features_are_repeatable_and_differ_between_phases(ct_case: RenderedCase, weights: Weights) -> None:
    extractor = DeepExtractor("resnet34_2_5d", weights, CT_WINDOW, width=4)
    first = extractor.extract(ct_case.phases[Phase.PVP], ct_case.tumour).values
    again = extractor.extract(ct_case.phases[Phase.PVP], ct_case.tumour).values
    other = extractor.extract(ct_case.phases[Phase.AP], ct_case.tumour).values
    assert first == again
    assert len(first) == 32
    assert first != other


def test_absent_or_altered_weights_are_refused(tmp_path: Path, ct_case: RenderedCase, weights: Weights) -> None:
    absent = DeepExtractor("resnet34_2_5d", Weights(path=tmp_path / "no.safetensors", sha256="0" * 64), CT_WINDOW)
    with pytest.raises(UnavailableError, match="not here"):
        absent.extract(ct_case.phases[Phase.PVP], ct_case.tumour)
    altered = tmp_path / "altered.safetensors"
    altered.write_bytes(weights.path.read_bytes() + b"x")
    with pytest.raises(UnavailableError, match="SHA-256"):
        Weights(path=altered, sha256=weights.sha256).checked_bytes()


class Counting:
    """An extractor that counts how often it really works."""

    name = "counting"

    def __init__(self, setting: int = 1, returned: tuple[str, ...] = ("sum",)) -> None:
        self.setting, self.returned, self.calls = setting, returned, 0

    @property
    def settings(self) -> dict[str, Any]:
        return {"setting": self.setting}

    def feature_names(self) -> tuple[str, ...]:
        return ("sum",)

    @property
    def provenance(self) -> dict[str, Any]:
        return {"device": "abacus"}

    def extract_regions(self, pairs: Sequence[Pair]) -> Iterator[tuple[int, Extraction | InputError]]:
        return one_by_one(self._count, pairs)

    def _count(self, image: Volume, mask: Volume) -> Extraction:
        self.calls += 1
        return Extraction(values=dict.fromkeys(self.returned, 1 / 3), warnings=("careful",))


def test_the_cache_answers_for_the_same_content_only(tmp_path: Path, ct_case: RenderedCase) -> None:
    cache, extractor = FeatureCache(tmp_path), Counting()
    image, mask = ct_case.phases[Phase.PVP], ct_case.tumour
    first = extract_cached(extractor, image, mask, cache)
    second = extract_cached(extractor, image, mask, cache)
    assert extractor.calls == 1
    assert first == second == Extraction(values={"sum": 1 / 3}, warnings=("careful",), key=first.key)
    kept = cache.get(first.key)
    assert kept is not None
    assert kept.provenance["device"] == "abacus"
    assert kept.provenance["setting"] == 1
    changed = mask.array_zyx.copy()
    changed[0, 0, 0] = 1
    extract_cached(extractor, image, Volume(array_zyx=changed, geometry=mask.geometry), cache)
    assert extractor.calls == 2
    again = Counting(setting=2)
    extract_cached(again, image, mask, cache)
    assert again.calls == 1


def test_an_extractor_that_drops_a_feature_is_caught(ct_case: RenderedCase) -> None:
    with pytest.raises(RuntimeError, match="missing"):
        extract_cached(Counting(returned=()), ct_case.phases[Phase.PVP], ct_case.tumour, None)
