"""Hand-crafted features of one image and mask as one CSV row: the same numbers plain PyRadiomics gives."""

import csv
import time
from pathlib import Path
from typing import Any

from core.domain.errors import InputError
from core.features.extractor import extract_cached
from core.features.radiomics import RadiomicsExtractor, preset_text
from core.imaging.nifti import read_image_file
from core.imaging.resampling import resample_mask
from core.regions.shells import peritumoral_shell
from core.services.segment import chosen_label, read_mask_file

__all__ = ["preset_text", "radiomics_csv"]


def radiomics_csv(
    image_path: Path, mask_path: Path, out: Path, *, preset: str, shell_mm: float | None, organ: Path | None
) -> dict[str, Any]:
    """Extract a preset and write `out`.

    Raises
    ------
    InputError
        When a file is missing or unreadable, or image and mask lie on different grids.
    """
    started = time.perf_counter()
    for path in (image_path, mask_path, *([organ] if organ else [])):
        if not path.exists():
            raise InputError(f"'{path.name}' does not exist. Check the path.")
    image = read_image_file(image_path)
    read = read_mask_file(mask_path)
    region = type(read)(array_zyx=chosen_label(read, None), geometry=read.geometry)
    if not region.geometry.matches(image.geometry, tolerance_mm=0.1):
        raise InputError(f"{mask_path.name} lies on another grid than {image_path.name}. Resample the mask first.")
    region = type(region)(array_zyx=region.array_zyx, geometry=image.geometry)
    if shell_mm is not None:
        within = resample_mask(read_mask_file(organ), image.geometry) if organ else None
        region = peritumoral_shell(region, shell_mm, within=within)
    found = extract_cached(RadiomicsExtractor(preset), image, region, None)
    with out.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(found.values.keys())
        writer.writerow([repr(v) for v in found.values.values()])
    return {
        "features": len(found.values),
        "seconds": round(time.perf_counter() - started, 2),
        "out": str(out),
        "warnings": list(found.warnings),
    }
