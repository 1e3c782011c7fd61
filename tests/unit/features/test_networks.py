"""Every network: its count of features, its input, its published weights; one contract for all."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core.config import PROJECT
from core.domain.errors import InputError, UnavailableError
from core.domain.phase import Phase
from core.domain.volume import Geometry, Volume
from core.features.architecture import CT_WINDOW, MR_WINDOW
from core.features.deep import DeepExtractor
from core.features.device import in_batches
from core.features.inputs import cube, largest_slice, slice_triplets
from core.features.networks import NAMES, architecture
from core.features.networks.resnet18_dual import dual_inputs
from core.features.weights import Weights, published_state
from core.services.cohort_features import open_weights
from core.synthetic.render import RenderedCase
from model_registry.bundle import Bundle

PUBLISHED = {
    "resnet18_3d": 512,
    "resnet34_2_5d": 512,
    "resnet18_dual": 1024,
    "resnet50_2d": 2048,
    "densenet121_2d": 1024,
    "vit_b16_2d": 768,
    "swin_t_2d": 768,
}
WIDTHS = dict.fromkeys(NAMES, 8) | {"vit_b16_2d": 4, "densenet121_2d": 16}


def saved(folder: Path, name: str) -> Weights:
    from safetensors.torch import save_file

    torch.manual_seed(0)
    path = folder / f"{name}.safetensors"
    state = architecture(name).build(2, WIDTHS[name]).state_dict()
    save_file({k: v.contiguous() for k, v in state.items()}, path)
    return Weights(path=path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def test_every_network_has_its_papers_count() -> None:
    assert {name: architecture(name).features(64) for name in NAMES} == PUBLISHED


@pytest.mark.parametrize("name", [n for n in NAMES if n != "resnet18_dual"])
def test_a_network_gives_its_declared_features_of_a_case_the_same_each_time(
    name: str, ct_case: RenderedCase, tmp_path: Path
) -> None:
    extractor = DeepExtractor(name, saved(tmp_path, name), CT_WINDOW, width=WIDTHS[name])
    first = extractor.extract(ct_case.phases[Phase.PVP], ct_case.tumour).values
    assert tuple(first) == extractor.feature_names()
    assert len(first) == architecture(name).features(WIDTHS[name])
    assert np.isfinite(list(first.values())).all()
    assert len(set(first.values())) > 3
    assert first == extractor.extract(ct_case.phases[Phase.PVP], ct_case.tumour).values


@pytest.mark.parametrize("name", [n for n in NAMES if n != "resnet18_dual"])
def test_an_empty_region_is_refused(name: str, ct_case: RenderedCase) -> None:
    image = ct_case.phases[Phase.PVP]
    empty = Volume(array_zyx=np.zeros(image.array_zyx.shape, np.uint8), geometry=image.geometry)
    of = architecture(name)
    assert of.inputs is not None
    with pytest.raises(InputError, match="region is empty"):
        of.inputs(image, empty, CT_WINDOW)


def test_the_dual_network_sees_both_regions_in_both_phases(ct_case: RenderedCase, tmp_path: Path) -> None:
    loat = Volume(array_zyx=np.roll(ct_case.tumour.array_zyx, 9, axis=2), geometry=ct_case.tumour.geometry)
    batch = dual_inputs(ct_case.phases, ct_case.tumour, loat, CT_WINDOW)
    assert batch.shape == (1, 2, 2, 224, 224)
    assert not np.array_equal(batch[0, 0], batch[0, 1])
    assert not np.array_equal(batch[0, 0, 0], batch[0, 0, 1])
    extractor = DeepExtractor("resnet18_dual", saved(tmp_path, "resnet18_dual"), CT_WINDOW, width=8)
    values = np.array(list(extractor.extract_batch(batch).values.values()))
    changed = batch.copy()
    changed[:, 1] = 0
    other = np.array(list(extractor.extract_batch(changed).values.values()))
    assert len(values) == 128
    np.testing.assert_array_equal(values[:64], other[:64])
    assert not np.array_equal(values[64:], other[64:])
    with pytest.raises(InputError, match="arterial"):
        dual_inputs({Phase.PVP: ct_case.phases[Phase.PVP]}, ct_case.tumour, loat, CT_WINDOW)
    with pytest.raises(InputError, match="several regions"):
        extractor.extract(ct_case.phases[Phase.PVP], ct_case.tumour)


def test_the_largest_slice_is_the_one_with_most_of_the_region(ct_case: RenderedCase) -> None:
    image, mask = ct_case.phases[Phase.PVP], ct_case.tumour
    largest = int(mask.array_zyx.sum(axis=(1, 2)).argmax())
    made = largest_slice(image, mask, CT_WINDOW)
    assert made.places[0][0].tolist() == [largest]
    all_of_them = slice_triplets(image, mask, CT_WINDOW)
    number = [p[0][0] for p in all_of_them.places].index(largest)
    np.testing.assert_array_equal(made.batch[0], all_of_them.batch[number])


def test_the_cube_is_zero_outside_the_region_and_repeats_the_phase(ct_case: RenderedCase) -> None:
    made = cube(ct_case.phases[Phase.PVP], ct_case.tumour, CT_WINDOW).batch
    assert made.shape == (1, 3, 64, 64, 64)
    np.testing.assert_array_equal(made[0, 0], made[0, 2])
    assert made[0, 0, 0, 0, 0] == 0
    assert made[0, 0, 32, 32, 32] > 0


def test_mr_intensities_go_by_percentiles_of_the_whole_image() -> None:
    array = np.arange(20 * 20 * 20, dtype=np.float32).reshape(20, 20, 20)
    geometry = Geometry(size_xyz=(20, 20, 20), spacing_mm_xyz=(1, 1, 1))
    mask = np.zeros((20, 20, 20), np.uint8)
    mask[10, 5:15, 5:15] = 1
    held = Volume(array_zyx=mask, geometry=geometry)
    first = largest_slice(Volume(array_zyx=array, geometry=geometry), held, MR_WINDOW).batch
    scaled = largest_slice(Volume(array_zyx=array * 7 + 100, geometry=geometry), held, MR_WINDOW).batch
    np.testing.assert_allclose(first, scaled, atol=1e-5)


@pytest.mark.parametrize("name", [n for n in NAMES if n != "resnet18_dual"])
def test_published_weights_are_read_from_torch_hubs_cache_and_checked(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    of = architecture(name)
    assert of.published is not None
    with pytest.raises(UnavailableError, match=of.published.file):
        published_state(of)
    file = tmp_path / "hub" / "checkpoints" / of.published.file
    file.parent.mkdir(parents=True)
    kept = {"class_token": torch.zeros(1, 1, 4), "encoder.pos_embedding": torch.zeros(1, 5, 4)}
    torch.save(kept if name == "vit_b16_2d" else {"stem": torch.ones(2)}, file)
    with pytest.raises(UnavailableError, match="not the published file"):
        published_state(of)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:8]
    assert published_state(replace(of, published=replace(of.published, sha256_start=digest)))


def test_a_network_without_public_weights_says_so() -> None:
    with pytest.raises(UnavailableError, match="no public set"):
        published_state(architecture("resnet18_dual"))
    with pytest.raises(InputError, match="no network 'alexnet'"):
        architecture("alexnet")


def test_batches_are_halved_until_they_fit() -> None:
    seen: list[int] = []

    def run(part: torch.Tensor) -> torch.Tensor:
        if len(part) > 5:
            raise torch.OutOfMemoryError
        seen.append(len(part))
        return part * 2

    rows = torch.arange(20.0)[:, None]
    torch.testing.assert_close(in_batches(run, rows, torch.device("cpu")), rows * 2)
    assert seen == [4, 4, 4, 4, 4]


def test_weights_of_the_first_revision_keep_their_network() -> None:
    """The shipped demonstration bundles were trained before the stem was torchvision's."""
    assert architecture("resnet34_2_5d").build(2, 4).conv1.stride == (2, 2)
    assert architecture("resnet34_2_5d", 1).build(2, 4).conv1.stride == (1, 1)
    bundle = Bundle(PROJECT / "model_registry" / "demonstration" / "proliferative_ct_dlr")
    held = open_weights(bundle.weights_path("resnet34_2_5d"))
    assert held.revision == 1
    extractor = DeepExtractor("resnet34_2_5d", held.weights, CT_WINDOW, width=held.width, revision=held.revision)
    assert extractor._network.conv1.stride == (1, 1)
