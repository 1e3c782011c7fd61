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


# Written into the weights this version makes; see `resnet34_2_5d.EARLIER`.
REVISION = 2


def architecture(name: str, revision: int = REVISION) -> Architecture:
    """The architecture of that name, as weights of a revision need it.

    Raises
    ------
    InputError
        When there is none.
    """
    if name not in NAMES:
        raise InputError(f"There is no network '{name}'. Known: {', '.join(NAMES)}.")
    module = import_module(f"core.features.networks.{name}")
    found: Architecture = (
        module.ARCHITECTURE if revision >= REVISION else getattr(module, "EARLIER", module.ARCHITECTURE)
    )
    return found
