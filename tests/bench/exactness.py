"""The fast engine against plain PyRadiomics on many regions: features compared, worst relative difference, where."""

import tempfile
import zipfile
from pathlib import Path

import numpy as np

from core.domain.volume import Volume
from core.features.radiomics import RadiomicsExtractor
from core.features.reference import reference_features
from core.imaging.dicom import read_series
from core.imaging.nifti import read_image_file
from core.imaging.simpleitk import to_sitk
from core.regions.shells import peritumoral_shell
from tests.conftest import SHARED
from tests.unit.features.test_radiomics_exact import blob

PRESETS = ("epr_debtace", "proliferative_ct", "epr_debtace_960", "mvi_eob_mri")


def worst_of(extractor: RadiomicsExtractor, image: Volume, mask: Volume) -> tuple[int, float, str]:
    """Features compared, largest relative difference (values below 1e-12 as they are), and its feature."""
    found = extractor.extract(image, mask).values
    plain = reference_features(to_sitk(image), to_sitk(mask), extractor.parameters)
    assert set(found) == set(plain)
    gaps = {
        name: abs(found[name] - value) / max(abs(value), 1e-12)
        for name, value in plain.items()
        if np.isfinite(value) or np.isfinite(found[name])
    }
    where = max(gaps, key=lambda name: gaps[name])
    return len(plain), gaps[where], where


def row(label: str, extractor: RadiomicsExtractor, pairs: list[tuple[Volume, Volume]]) -> None:
    results = [worst_of(extractor, *pair) for pair in pairs]
    worst = max(results, key=lambda r: r[1])
    voxels = [int((m.array_zyx > 0).sum()) for _, m in pairs]
    size = f"{min(voxels)}–{max(voxels)}" if len(pairs) > 1 else str(voxels[0])
    name = Path(extractor.preset).stem
    print(f"{label:34} {name:18} {len(pairs):4} × {results[0][0]:5} {size:>14} {worst[1]:9.1e} {worst[2]}", flush=True)


def real_ct(folder: Path) -> tuple[Volume, dict[str, Volume]]:
    """The real CT with expert masks: image and the two tumours."""
    import tarfile

    source = SHARED / "ircad17_liver_tumour"
    with tarfile.open(source / "PATIENT_DICOM.tar.xz") as held:
        held.extractall(folder / "image", filter="data")
    with zipfile.ZipFile(source / "MASKS_DICOM.zip") as held:
        held.extractall(folder / "masks")
    image = _one(folder / "image")
    masks = {}
    for name in ("livertumor01", "livertumor02", "livertumor1", "livertumor2"):
        found = [p for p in (folder / "masks").rglob(name) if p.is_dir()]
        if found:
            drawn = _one(found[0])
            masks[name] = Volume(array_zyx=(drawn.array_zyx > 0).astype(np.uint8), geometry=image.geometry)
    return image, masks


def _one(folder: Path) -> Volume:
    series, _ = read_series(sorted(p for p in folder.rglob("*") if p.is_file()))
    return series[0].volume


def main() -> None:
    print(f"{'cases':34} {'preset':18} {'regions × features':>12} {'voxels':>14} {'worst':>9} where")
    for number, preset in enumerate(PRESETS):
        pairs = [blob(seed) for seed in range(number, 30, 4)]
        row("random shapes and spacings", RadiomicsExtractor(preset), pairs)
    baseline = SHARED / "pyradiomics_baseline"
    if baseline.exists():
        pair = (read_image_file(baseline / "brain1_image.nrrd"), read_image_file(baseline / "brain1_label.nrrd"))
        for preset in PRESETS:
            row("brain1 (MR)", RadiomicsExtractor(preset), [pair])
    if (SHARED / "ircad17_liver_tumour").exists():
        with tempfile.TemporaryDirectory() as folder:
            image, masks = real_ct(Path(folder))
        for name, mask in masks.items():
            row(f"real CT, {name}", RadiomicsExtractor("proliferative_ct"), [(image, mask)])
        smallest = min(masks.values(), key=lambda m: int(m.array_zyx.sum()))
        row(
            "real CT, its 10 mm shell",
            RadiomicsExtractor("proliferative_ct"),
            [(image, peritumoral_shell(smallest, 10))],
        )


if __name__ == "__main__":
    main()
