"""The deep networks by name, each in a file of its own; none is imported before it is asked for."""

from importlib import import_module

from core.domain.errors import InputError
from core.features.architecture import Architecture

NAMES = (
    "resnet18_3d",
    "resnet34_2_5d",
    "resnet18_dual",
    "resnet50_2d",
    "densenet121_2d",
    "vit_b16_2d",
    "swin_t_2d",
)


def architecture(name: str) -> Architecture:
    """The architecture of that name.

    Raises
    ------
    InputError
        When there is none.
    """
    if name not in NAMES:
        raise InputError(f"There is no network '{name}'. Known: {', '.join(NAMES)}.")
    found: Architecture = import_module(f"core.features.networks.{name}").ARCHITECTURE
    return found
