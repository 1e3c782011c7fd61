"""The regions features are taken from, made from what is marked on a case."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import InputError
from core.domain.volume import Volume
from core.regions.shells import peritumoral_shell, tumour_plus_shell

# Adipose tissue on CT (docs/clinician.md): the range system 2's lesser omental fat is taken at.
FAT_HU = (-190, -30)


class RegionKind(StrEnum):
    INTRATUMORAL = "intratumoral"
    PERITUMORAL = "peritumoral"
    PLUS = "plus"
    LIVER = "liver"
    BACKGROUND_LIVER = "background_liver"
    LOAT = "loat"

    @property
    def needs_width(self) -> bool:
        """Whether the region has no meaning without a width in mm."""
        return self in (RegionKind.PERITUMORAL, RegionKind.PLUS)

    @property
    def takes_width(self) -> bool:
        """For the background liver a width is the margin kept from the lesions."""
        return self.needs_width or self is RegionKind.BACKGROUND_LIVER


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Marked:
    """What is marked on a case, on one phase's grid.

    `within` is what a shell is cut to (liver, or the body where no liver is marked); `image` is needed for LOAT only.
    """

    tumour: Volume | None
    others: tuple[Volume, ...] = ()
    within: Volume | None = None
    liver: Volume | None = None
    loat: Volume | None = None
    image: Volume | None = None


def make_region(kind: RegionKind, width_mm: float | None, marked: Marked) -> Volume:
    """The mask of a region.

    Raises
    ------
    InputError
        When what it is made from is not marked, or nothing of it is left.
    """
    if kind is RegionKind.LIVER:
        return _required(marked.liver, "liver")
    if kind is RegionKind.BACKGROUND_LIVER:
        return _background_liver(width_mm, marked)
    if kind is RegionKind.LOAT:
        return _lesser_omental_fat(marked)
    tumour = _required(marked.tumour, "tumour")
    if kind is RegionKind.INTRATUMORAL:
        return tumour
    if width_mm is None:
        raise InputError(f"A {kind.value} region needs a width in mm.")
    shell = peritumoral_shell(tumour, width_mm, within=marked.within, excluding=marked.others)
    return shell if kind is RegionKind.PERITUMORAL else tumour_plus_shell(tumour, shell)


def _required(mask: Volume | None, name: str) -> Volume:
    if mask is None:
        raise InputError(f"No {name} is marked on this case. Mark it or import its mask.")
    return mask


def _background_liver(margin_mm: float | None, marked: Marked) -> Volume:
    """Liver outside every lesion, and outside a margin around them where one is given."""
    liver = _required(marked.liver, "liver")
    kept = liver.array_zyx > 0
    lesions = [m for m in (marked.tumour, *marked.others) if m is not None and m.array_zyx.any()]
    for lesion in lesions:
        around = lesion if margin_mm is None else tumour_plus_shell(lesion, peritumoral_shell(lesion, margin_mm))
        kept &= around.array_zyx == 0
    if not kept.any():
        raise InputError("Nothing is left of the liver outside the lesions. Check the liver mask.")
    return Volume(array_zyx=kept.astype(np.uint8), geometry=liver.geometry)


def fat_voxels(loat: Volume, image: Volume) -> NDArray[np.bool_]:
    """Adipose tissue in a region of a CT, on the grid both share."""
    low, high = FAT_HU
    return (loat.array_zyx > 0) & (image.array_zyx >= low) & (image.array_zyx <= high)


def _lesser_omental_fat(marked: Marked) -> Volume:
    loat = _required(marked.loat, "lesser-omentum region (LOAT)")
    if marked.image is None:
        raise InputError("The lesser omental fat is told by its HU: the CT phase is needed with the region.")
    fat = fat_voxels(loat, marked.image)
    if not fat.any():
        low, high = FAT_HU
        raise InputError(f"The marked lesser-omentum region holds no fat ({low} to {high} HU). Check where it lies.")
    return Volume(array_zyx=fat.astype(np.uint8), geometry=loat.geometry)
