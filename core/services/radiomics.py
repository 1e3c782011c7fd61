"""Hand-crafted features of one image and mask as one CSV row: the same numbers plain PyRadiomics gives."""

import csv
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.domain.errors import InputError
from core.domain.volume import Volume
from core.features.extractor import extract_cached
from core.features.radiomics import RadiomicsExtractor, preset_text
from core.imaging.nifti import read_image_file
from core.imaging.resampling import resample_mask
from core.regions.shells import peritumoral_shell
from core.services.segment import chosen_label, read_mask_file

__all__ = ["RadiomicsRequest", "preset_text", "radiomics_csv"]

# What rounding to single precision in file headers can shift a corner by; more is another grid.
GRID_TOLERANCE_MM = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class RadiomicsRequest:
    """What to compute on which files.

    `value` chooses among several label values, `resample` accepts a mask of another grid, `shell_mm` asks for the
    peritumoral shell instead of the mask, cut to `organ`.
    """

    image: Path
    mask: Path
    preset: str = "epr_debtace"
    value: int | None = None
    resample: bool = False
    shell_mm: float | None = None
    organ: Path | None = None
    engine: str = "fast"
    workers: int | None = None


def radiomics_csv(request: RadiomicsRequest, out: Path) -> dict[str, Any]:
    """Extract a preset and write `out`.

    Raises
    ------
    InputError
        When a file is missing or unreadable, image and mask lie on different grids, the mask holds several values and
        none was chosen, or the region cannot carry features.
    """
    started = time.perf_counter()
    extractor = RadiomicsExtractor(request.preset, engine=request.engine, workers=request.workers)
    for path in (request.image, request.mask, *([request.organ] if request.organ else [])):
        if not path.exists():
            raise InputError(f"'{path.name}' does not exist. Check the path.")
    image = read_image_file(request.image)
    found = extract_cached(extractor, image, _region(request, image), None)
    with out.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(found.values.keys())
        writer.writerow([repr(v) for v in found.values.values()])
    return {
        "features": len(found.values),
        "seconds": round(time.perf_counter() - started, 2),
        "out": str(out),
        "engine": extractor.engine,
        "warnings": list(found.warnings),
    }


def _region(request: RadiomicsRequest, image: Volume) -> Volume:
    read = read_mask_file(request.mask)
    region = Volume(array_zyx=chosen_label(read, request.value), geometry=read.geometry)
    if region.geometry.matches(image.geometry, tolerance_mm=GRID_TOLERANCE_MM):
        region = Volume(array_zyx=region.array_zyx, geometry=image.geometry)
    elif request.resample:
        region = resample_mask(region, image.geometry)
    else:
        raise InputError(
            f"{request.mask.name} lies on another grid than {request.image.name}. Give --resample to bring the mask to "
            "the image's grid by nearest neighbour, after checking that both belong together."
        )
    if request.shell_mm is None:
        return region
    within = resample_mask(read_mask_file(request.organ), image.geometry) if request.organ else None
    return peritumoral_shell(region, request.shell_mm, within=within)
