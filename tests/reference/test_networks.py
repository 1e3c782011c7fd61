"""Our networks with torchvision's parameters give torchvision's outputs."""

import csv
from functools import cache
from pathlib import Path

import pytest
import torch

from core.features.networks import architecture
from tests.reference.torchvision_networks import INPUTS, formula_input, formula_tensor

ROWS = list(csv.DictReader((Path(__file__).parent / "torchvision_networks.csv").read_text().splitlines()))
PARAMETERS = {
    "resnet34_2_5d": 21_797_672,
    "resnet50_2d": 25_557_032,
    "densenet121_2d": 7_978_856,
    "vit_b16_2d": 86_567_656,
    "swin_t_2d": 28_288_354,
    "resnet18_3d": 33_371_472,
}


def rows(network: str, kind: str) -> list[dict[str, str]]:
    return [r for r in ROWS if r["network"] == network and r["kind"] == kind]


def published(network: str) -> dict[str, torch.Tensor]:
    """A state dict with torchvision's names and shapes, filled by formula."""
    shapes = {r["name"]: tuple(int(n) for n in r["value"].split("x") if n) for r in rows(network, "shape")}
    return {name: formula_tensor(name, shape) for name, shape in shapes.items()}


@cache
def output(network: str) -> list[float]:
    of = architecture(network)
    classes = 400 if network == "resnet18_3d" else 1000
    model = of.build(classes, 64).eval()
    own = {k for k in model.state_dict() if k.endswith("relative_position_index")}
    found = model.load_state_dict(of.renamed(published(network)), strict=False)
    assert set(found.missing_keys) <= own, "a parameter got no published value"
    assert not found.unexpected_keys
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[network] - (768 if network == "vit_b16_2d" else 0)
    with torch.inference_mode():
        return [float(v) for v in model(formula_input(INPUTS[network]))[0, :6]]


@pytest.mark.parametrize("network", INPUTS)
def test_a_network_with_torchvisions_parameters_gives_torchvisions_output(network: str) -> None:
    expected = [float(r["value"]) for r in rows(network, "output")]
    scale = max(map(abs, expected))
    assert output(network) == pytest.approx(expected, rel=1e-3, abs=1e-4 * scale)
