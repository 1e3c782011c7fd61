"""`train` from files: a manifest of images or a feature table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.domain.errors import InputError
from core.domain.phase import Phase
from core.imaging.nifti import read_image_file
from core.imaging.resampling import resample_mask
from core.services.cohort_features import CohortCase, LoadedCase, WeightsFile, cohort_table, open_weights
from core.services.training import train_bundle
from model_registry.recipe import Recipe, load_recipe

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestCase:
    """A case of a manifest: files by column (`AP`, `PVP`, …, `tumour`, `liver`), all numbers as table values."""

    identifier: str
    files: Mapping[str, Path]
    table: dict[str, float]

    def load(self, phases: tuple[Phase, ...]) -> LoadedCase:
        images = {p: read_image_file(self.files[p.value]) for p in phases if p.value in self.files}
        if not images or "tumour" not in self.files:
            raise InputError(
                f"Case {self.identifier}: the manifest names no image of a needed phase, or no tumour mask."
            )
        tumour = read_image_file(self.files["tumour"])
        liver = read_image_file(self.files["liver"]) if "liver" in self.files else None
        loat = read_image_file(self.files["LOAT"]) if "LOAT" in self.files else None
        return LoadedCase(
            images=images,
            tumours={p: resample_mask(tumour, image.geometry) for p, image in images.items()},
            livers={p: resample_mask(liver, image.geometry) for p, image in images.items()} if liver else {},
            loats={p: resample_mask(loat, image.geometry) for p, image in images.items()} if loat else {},
        )


def train_from_files(
    recipe_name: str,
    *,
    cohort: str | None,
    features: str | None,
    outcome: str | None,
    weights: str | None,
    out: Path,
    seed: int,
    workers: int,
    version: str,
) -> dict[str, Any]:
    """Train and write a bundle; returns what the command line prints.

    Raises
    ------
    InputError
        When a file, column or case is not usable. UnavailableError when network weights are missing.
    """
    recipe = load_recipe(recipe_name)
    held: dict[str, WeightsFile] = {}
    if weights:
        opened = open_weights(_existing(weights))
        held[opened.architecture] = opened
    if cohort:
        table = _from_manifest(recipe, _existing(cohort), held, workers)
        described = f"manifest {Path(cohort).name}"
    else:
        table = _read_csv(_existing(str(features)))
        described = f"feature table {Path(str(features)).name}"
    if outcome and outcome != recipe.outcome.column:
        table = table.rename(columns={outcome: recipe.outcome.column})
    bundle = train_bundle(
        recipe, table, out, weights=held, cohort=described, synthetic=False, seed=seed, version=version
    )
    report = bundle.report
    keys = ("selected", "nested_cv", "train", "external", "cutoff", "seconds")
    return {"bundle": str(out), **{k: report[k] for k in keys}}


def _from_manifest(recipe: Recipe, path: Path, held: dict[str, WeightsFile], workers: int) -> pd.DataFrame:
    frame = _read_csv(path)
    cache = path.parent / ".hepaboard_features"
    cases = [_case(str(name), row, path.parent) for name, row in frame.iterrows()]
    return cohort_table(recipe, cases, weights=held, cache=cache, workers=workers)


def _case(identifier: str, row: pd.Series, folder: Path) -> CohortCase:
    columns = [
        *(p.value for p in Phase if p.value in row.index),
        *(c for c in ("tumour", "liver", "LOAT") if c in row.index),
    ]
    files = {c: folder / str(row[c]) for c in columns if isinstance(row[c], str) and row[c]}
    absent = [p.name for p in files.values() if not p.exists()]
    if absent:
        raise InputError(f"Case {identifier}: {absent[0]} does not exist.")
    numbers = {str(k): float(v) for k, v in row.items() if k not in columns and _is_number(v)}
    return ManifestCase(identifier=identifier, files=files, table=numbers)


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _read_csv(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_csv(path, index_col=0)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"{path.name} is not a readable CSV table.") from error


def _existing(text: str) -> Path:
    path = Path(text)
    if not path.exists():
        raise InputError(f"'{path.name}' does not exist. Check the path.")
    return path
