"""MONAI bundles as the model zoo lays them out: read as data, run as MONAI runs them, code in them refused."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.domain.errors import InputError, OutOfScopeError
from core.domain.phase import Modality
from core.domain.volume import Geometry, Volume
from core.imaging.nifti import nifti_bytes
from core.regions.segmenter import build_network, propose, read_settings, read_weights, segment_channels
from core.regions.surface import surface_stl

RAS_LABELS = [["L", "R"], ["P", "A"], ["I", "S"]]
CT_RANGE = {"a_min": -57, "a_max": 164, "b_min": 0, "b_max": 1, "clip": True}
EXACT = {"nearest_interp": False, "to_tensor": True}
OBLIQUE = (0.9848, 0.1736, 0.0, -0.1736, 0.9848, 0.0, 0.0, 0.0, -1.0)


def write_bundle(folder: Path, *, channels: dict[str, str] | None = None, **changes: Any) -> Path:
    """A bundle in the layout and with the keys of the model zoo's spleen_ct_segmentation, with a small network."""
    channels = channels or {"0": "background", "1": "liver", "2": "liver tumor"}
    image = {"type": "image", "modality": "CT", "num_channels": 1, "channel_def": {"0": "image"}}
    metadata = {
        "name": "zoo_style",
        "version": "0.5.3",
        "description": "A test",
        "network_data_format": {
            "inputs": {"image": image},
            "outputs": {"pred": {"num_channels": len(channels), "channel_def": channels}},
        },
    }
    config = {
        "imports": ["$import glob", "$import os"],
        "bundle_root": ".",
        "output_dir": "$@bundle_root + '/eval'",
        "device": "$torch.device('cpu')",
        "network_def": {
            "_target_": "UNet",
            "spatial_dims": 3,
            "in_channels": 1,
            "out_channels": len(channels),
            "channels": [4, 8, 16],
            "strides": [2, 2],
            "num_res_units": 1,
            "norm": "batch",
        },
        "network": "$@network_def.to(@device)",
        "pixdim": [2.0, 2.0, 2.5],
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "LoadImaged", "keys": "image"},
                {"_target_": "EnsureChannelFirstd", "keys": "image"},
                {"_target_": "Orientationd", "keys": "image", "axcodes": "RAS", "labels": RAS_LABELS},
                {"_target_": "Spacingd", "keys": "image", "pixdim": "@pixdim", "mode": "bilinear"},
                {"_target_": "ScaleIntensityRanged", "keys": "image", **CT_RANGE},
                {"_target_": "EnsureTyped", "keys": "image"},
            ],
        },
        "inferer": {"_target_": "SlidingWindowInferer", "roi_size": [32, 32, 16], "sw_batch_size": 4, "overlap": 0.5},
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "Activationsd", "keys": "pred", "softmax": True},
                {"_target_": "Invertd", "keys": "pred", "transform": "@preprocessing", "orig_keys": "image", **EXACT},
                {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
            ],
        },
        "initialize": ["$monai.utils.set_determinism(seed=123)"],
        **changes,
    }  # fmt: skip
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    (folder / "configs" / "metadata.json").write_text(json.dumps(metadata))
    (folder / "configs" / "inference.json").write_text(json.dumps(config))
    torch.manual_seed(0)
    from monai.networks.nets import UNet

    made = UNet(**{k: v for k, v in config["network_def"].items() if k != "_target_" and not str(v).startswith("$")})
    for module in made.modules():
        if isinstance(module, torch.nn.Conv3d):
            torch.nn.init.normal_(module.weight, std=0.4)
    torch.save({"model": made.state_dict()}, folder / "models" / "model.pt")
    return folder


@pytest.fixture
def image() -> Volume:
    rng = np.random.default_rng(2)
    smooth = rng.normal(60, 60, (9, 13, 11)).repeat(3, 0).repeat(3, 1).repeat(3, 2)
    geometry = Geometry(
        size_xyz=(33, 39, 27), spacing_mm_xyz=(1.4, 1.4, 2.0), origin_mm_lps=(-20.0, 31.0, 7.0), direction=OBLIQUE
    )
    return Volume(array_zyx=smooth.astype(np.float32), geometry=geometry)


@pytest.mark.filterwarnings("ignore:NvImgCodec", "ignore::FutureWarning")
def test_the_result_is_that_of_monais_own_pipeline_on_the_same_bundle(tmp_path: Path, image: Volume) -> None:
    from monai.bundle import ConfigParser

    bundle = write_bundle(tmp_path / "zoo")
    settings = read_settings(bundle)
    ours = segment_channels(settings, read_weights(bundle), image)

    path = tmp_path / "image.nii.gz"
    path.write_bytes(nifti_bytes(image))
    parser = ConfigParser(json.loads((bundle / "configs" / "inference.json").read_text()))
    network = parser.get_parsed_content("network_def").eval()
    network.load_state_dict(torch.load(bundle / "models" / "model.pt", weights_only=True)["model"])
    data = parser.get_parsed_content("preprocessing")({"image": str(path)})
    with torch.inference_mode():
        data["pred"] = parser.get_parsed_content("inferer")(data["image"][None], network)[0]
    theirs = np.asarray(parser.get_parsed_content("postprocessing")(data)["pred"])[0].transpose(2, 1, 0)
    assert len(np.unique(theirs)) > 1
    assert (ours == theirs).mean() > 0.999  # the file rounds the affine to single precision


def test_masks_lie_on_the_images_grid_and_the_liver_holds_the_tumour(tmp_path: Path, image: Volume) -> None:
    bundle = write_bundle(tmp_path / "zoo")
    seen: list[float] = []
    found = propose(
        read_settings(bundle),
        read_weights(bundle),
        image,
        modality=Modality.CT,
        progress=lambda share, _: seen.append(share),
    )
    for masks in found.values():
        for mask in masks:
            assert mask.geometry == image.geometry
    assert set(found) == {"liver", "tumour"}
    assert not (found["tumour"][0].array_zyx > found["liver"][0].array_zyx).any()
    sizes = [m.array_zyx.sum() for m in found.get("tumour", [])]
    assert sizes == sorted(sizes, reverse=True)
    assert seen == sorted(seen)
    assert sum(0.1 <= share < 0.9 for share in seen) >= 2  # a step a window


def test_a_cancelled_job_stops_between_windows(tmp_path: Path, image: Volume) -> None:
    bundle = write_bundle(tmp_path / "zoo")
    calls = []

    def stop(share: float, _: str) -> None:
        calls.append(share)
        if share > 0.3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        propose(read_settings(bundle), read_weights(bundle), image, modality=Modality.CT, progress=stop)
    assert max(calls) < 0.9


def test_the_other_modality_is_out_of_scope(tmp_path: Path, image: Volume) -> None:
    bundle = write_bundle(tmp_path / "zoo")
    with pytest.raises(OutOfScopeError, match="reads CT; this case is MR"):
        propose(read_settings(bundle), read_weights(bundle), image, modality=Modality.MR)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"network_def": {"_target_": "UNet", "channels": "$__import__('os').system('true')"}}, "Expressions are code"),
        ({"network_def": {"_target_": "os.system", "command": "true"}}, "network 'system' is not one"),
        ({"preprocessing": {"transforms": [{"_target_": "Lambdad", "keys": "image"}]}}, "step 'Lambdad' is not one"),
        ({"inferer": {"_target_": "SimpleInferer"}}, "SlidingWindowInferer is needed"),
        ({"inferer": "@nowhere"}, "points to '@nowhere'"),
    ],
)
def test_code_and_unknown_parts_are_refused(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    bundle = write_bundle(tmp_path / "zoo")
    path = bundle / "configs" / "inference.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=says):
        read_settings(bundle)


def test_neither_liver_nor_tumour_is_a_sentence(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "zoo", channels={"0": "background", "1": "spleen"})
    with pytest.raises(InputError, match="neither liver nor tumour"):
        read_settings(bundle)


class _Planted:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (os.environ["PLANTED"],)


def test_a_weights_file_that_would_run_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED", str(tmp_path / "ran"))
    bundle = write_bundle(tmp_path / "zoo")
    torch.save({"model": _Planted()}, bundle / "models" / "model.pt")
    with pytest.raises(InputError, match="more than tensors"):
        read_weights(bundle)
    assert not (tmp_path / "ran").exists()


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "zoo")
    with pytest.raises(InputError, match="do not fit the network"):
        build_network(read_settings(bundle), {"other": torch.zeros(1)})


def test_a_surface_lies_where_the_mask_lies() -> None:
    import io

    import trimesh

    z, y, x = np.indices((30, 40, 44))
    ball = ((x - 24) * 1.2) ** 2 + ((y - 18) * 1.2) ** 2 + ((z - 14) * 2.0) ** 2 < 15**2
    geometry = Geometry(
        size_xyz=(44, 40, 30), spacing_mm_xyz=(1.2, 1.2, 2.0), origin_mm_lps=(5.0, -9.0, 30.0), direction=OBLIQUE
    )
    mask = Volume(array_zyx=ball.astype(np.uint8), geometry=geometry)
    mesh = trimesh.load(io.BytesIO(surface_stl(mask)), file_type="stl")
    centre = geometry.to_mm_lps(np.array([24, 18, 14])) * (-1, -1, 1)  # STL is RAS, as the 3D engine wants it
    np.testing.assert_allclose(mesh.bounds.mean(axis=0), centre, atol=0.7)
    np.testing.assert_allclose(mesh.extents, 30, atol=2.0)
    assert mesh.volume == pytest.approx(4 / 3 * np.pi * 15**3, rel=0.08)
