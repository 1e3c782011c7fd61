"""The activation map of a case's model: on the phase's grid, kept by content, refused where there is none."""

from pathlib import Path

import numpy as np
import pytest

from core.config import settings
from core.domain.errors import InputError, OutOfScopeError
from core.domain.phase import Phase
from core.imaging.nifti import read_image_file
from core.services import explain
from core.services.explain import attention, write_attention
from core.services.figures import attention_image
from core.services.registry import promote, register_bundle
from core.services.segment import segment_from_file
from core.synthetic.render import RenderedCase
from model_registry.bundle import Bundle
from tests.unit.services.test_analysis import take_in

MODEL = "proliferative_ct_dlr"


@pytest.fixture
def explained_home(home: Path, tmp_path: Path, ct_case: RenderedCase, small_ct_bundle: Bundle) -> Path:
    take_in(tmp_path, ct_case, (Phase.AP, Phase.PVP), "CT")
    register_bundle(small_ct_bundle.root)
    promote(MODEL, "1")
    return home


def test_the_map_lies_on_the_grid_of_the_phase_and_is_made_once(
    explained_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment_from_file("CT", tmp_path / "CT" / "mask.nii.gz", phase="PVP")
    first = attention("CT", MODEL)
    assert first.map.geometry == first.image.geometry
    assert first.map.array_zyx.max() == pytest.approx(1)
    slices = first.mask.array_zyx.any(axis=(1, 2))
    assert first.map.array_zyx[~slices].max(initial=0) == 0
    assert len(list(settings().maps.iterdir())) == 1
    monkeypatch.setattr(explain, "_computed", lambda *_, **__: pytest.fail("made again"))
    told = write_attention("CT", MODEL, tmp_path / "map.nii.gz")
    assert told["network"] == "resnet34_2_5d"
    written = read_image_file(tmp_path / "map.nii.gz")
    np.testing.assert_allclose(written.array_zyx, first.map.array_zyx, atol=1e-6)
    image = attention_image("CT", MODEL)
    assert image.pixels.shape == (*first.image.array_zyx.shape[1:], 3)
    assert "Grad-CAM" in image.caption


def test_a_case_without_a_tumour_has_no_map(explained_home: Path) -> None:
    with pytest.raises(InputError, match="No tumour is marked"):
        attention("CT", MODEL)


def test_a_model_of_the_other_modality_is_not_explained(
    explained_home: Path, tmp_path: Path, mr_case: RenderedCase
) -> None:
    take_in(tmp_path, mr_case, (Phase.PVP,), "MR")
    segment_from_file("MR", tmp_path / "MR" / "mask.nii.gz", phase="PVP")
    with pytest.raises(OutOfScopeError, match="reads CT; this case is MR"):
        attention("MR", MODEL)
