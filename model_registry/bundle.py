"""A bundle: a trained model as a folder whose manifest names every file by its SHA-256. Nothing in it is unpickled."""

import hashlib
import io
import itertools
import json
import os
import shutil
import tempfile
import zipfile
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import InputError
from core.modelling.applicability import TrainingRange
from core.modelling.nomogram import Axis, BaselineSurvival, Level, Nomogram
from model_registry.recipe import Recipe, Variant, parse_recipe

MANIFEST = "manifest.json"
FORMAT = 2
# The only types a bundle's pipeline may hold beside those skops trusts by itself (numpy, scikit-learn).
TRUSTED_TYPES = [
    "core.modelling.combination.CoxRisk",
    "core.modelling.estimators.LassoLogistic",
    "core.modelling.screening.MedianFill",
    "core.modelling.screening.OutliersToMedian",
    "core.modelling.screening.ZScore",
    "core.modelling.signatures.Predictors",
    "core.modelling.signatures.SignatureModel",
    "sklearn._loss.link.LogitLink",
    "sklearn._loss.link.Interval",
    "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn._loss._loss.CyHalfBinomialLoss",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.tree._tree.Tree",
]
# Documents of the run that made a bundle: checked like every file, but no part of what the model is.
DOCUMENTS = ("run.json", "report.html", "report.pdf")
ZIP_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VariantModel:
    """What a variant's prediction needs beside its pipeline.

    `coefficients` holds bootstrap refits of the last regression, (repeats, 1 + predictors) with the intercept first;
    of a Cox model the intercept is the log cumulative hazard at the first horizon of a patient whose predictors are 0.
    """

    cutoff: float
    nomogram: Nomogram
    coefficients: NDArray[np.float64]
    known: TrainingRange

    def as_json(self) -> dict[str, Any]:
        return {
            "cutoff": self.cutoff,
            "nomogram": asdict(self.nomogram),
            "coefficients": np.round(self.coefficients, 8).tolist(),
            "training_range": asdict(self.known),
        }

    @staticmethod
    def from_json(data: dict[str, Any]) -> "VariantModel":
        known = data["training_range"]
        return VariantModel(
            cutoff=float(data["cutoff"]),
            nomogram=nomogram_from_json(data["nomogram"]),
            coefficients=np.asarray(data["coefficients"], float),
            known=TrainingRange(
                measures={k: (v[0], v[1]) for k, v in known["measures"].items()},
                features={k: (v[0], v[1]) for k, v in known["features"].items()},
                mean=tuple(known["mean"]),
                scale=tuple(known["scale"]),
                precision=tuple(map(tuple, known["precision"])),
                distance_limit=known["distance_limit"],
            ),
        )


def nomogram_from_json(data: dict[str, Any]) -> Nomogram:
    """A nomogram as `dataclasses.asdict` wrote it."""
    axes = []
    for axis in data["axes"]:
        levels = tuple(Level(**level) for level in axis.get("levels", ()))
        spline = {key: tuple(axis.get(key, ())) for key in ("knots", "spline")}
        axes.append(Axis(**{**axis, **spline, "levels": levels}))
    horizons = tuple(BaselineSurvival(**h) for h in data.get("horizons", ()))
    return Nomogram(intercept=float(data["intercept"]), axes=tuple(axes), horizons=horizons)


class Bundle:
    """A bundle on disk. Opening it reads the manifest; the rest is read when asked for."""

    def __init__(self, root: Path) -> None:
        """Raises InputError when `root` holds no readable manifest."""
        self.root = root
        try:
            self.manifest: dict[str, Any] = json.loads((root / MANIFEST).read_text())
        except (OSError, json.JSONDecodeError) as error:
            raise InputError(f"{root.name} is not a model bundle: it has no readable {MANIFEST}.") from error
        if self.manifest.get("format") != FORMAT:
            raise InputError(
                f"{root.name} has bundle format {self.manifest.get('format')}, this version reads {FORMAT}. "
                "Train it again and register the new bundle."
            )

    @property
    def name(self) -> str:
        return str(self.manifest["name"])

    @property
    def version(self) -> str:
        return str(self.manifest["version"])

    @property
    def created(self) -> str:
        """ISO date of training."""
        return str(self.manifest["created"])

    @property
    def synthetic(self) -> bool:
        return bool(self.manifest["synthetic"])

    @property
    def sha256(self) -> str:
        """The bundle's identity: of the manifest, which names every file's hash, without the run's date and documents.

        Two runs with the same data, settings and seed give the same.
        """
        lasting = {k: v for k, v in self.manifest.items() if k not in ("created", "documents")}
        return hashlib.sha256(json.dumps(lasting, sort_keys=True).encode()).hexdigest()

    @cached_property
    def recipe(self) -> Recipe:
        return parse_recipe((self.root / "recipe.yaml").read_text(), "recipe.yaml")

    @cached_property
    def report(self) -> dict[str, Any]:
        return json.loads((self.root / "report.json").read_text())

    @property
    def model_card(self) -> str:
        return (self.root / "model_card.md").read_text()

    def reference_cohort(self) -> Any:
        """DataFrame: variant, probability, group, and each endpoint's time and event; a row a training patient.

        None for a bundle that holds curves instead of patients.
        """
        import pandas as pd

        path = self.root / "reference_cohort.parquet"
        return pd.read_parquet(path) if path.exists() else None

    def reference_curves(self) -> list[dict[str, Any]]:
        """Aggregated curves of a cohort whose patients are not in the bundle: counts at each time, by group."""
        path = self.root / "reference_curves.json"
        held: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
        return held

    def document(self, name: str) -> bytes | None:
        """A document of the training run: `report.html`, `report.pdf` or `run.json`."""
        path = self.root / name
        return path.read_bytes() if name in DOCUMENTS and path.exists() else None

    def variant(self, variant: Variant) -> VariantModel:
        return VariantModel.from_json(json.loads((self.root / "variants" / f"{variant.id}.json").read_text()))

    def pipeline(self, variant: Variant) -> Any:
        """The fitted scikit-learn pipeline, read by skops with a fixed list of allowed types."""
        import skops.io

        return skops.io.load(self.root / "variants" / f"{variant.id}.skops", trusted=TRUSTED_TYPES)

    def weights_path(self, family: str) -> Path | None:
        """The network weights the deep features were made with, if the bundle has such features."""
        path = self.root / "weights" / f"{family}.safetensors"
        return path if path.exists() else None


def dump_pipeline(pipeline: Any) -> bytes:
    """A pipeline as skops, the same bytes for the same pipeline; refused when it holds a type loading would refuse."""
    import skops.io

    content: bytes = skops.io.dumps(pipeline)
    unknown = set(skops.io.get_untrusted_types(data=content)) - set(TRUSTED_TYPES)
    if unknown:
        raise TypeError(f"the pipeline holds types that bundles may not: {sorted(unknown)}")
    return _canonical(content)


def _canonical(content: bytes) -> bytes:
    """A skops archive that depends on the objects' contents alone.

    Addresses in memory become numbers in order, arrays of the same content one file, the files' date a fixed one.
    Whether two places shared one object or held equal ones makes no difference then.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as held:
        schema = json.loads(held.read("schema.json"))
        arrays = {name: held.read(name) for name in held.namelist() if name != "schema.json"}
    numbers = itertools.count()
    files: dict[bytes, str] = {}

    def walk(node: Any) -> Any:
        if isinstance(node, list):
            return [walk(item) for item in node]
        if isinstance(node, dict):
            return {key: renamed(key, value) for key, value in node.items()}
        return node

    def renamed(key: str, value: Any) -> Any:
        if key == "__id__":
            return next(numbers)
        if key == "file" and value in arrays:
            return files.setdefault(arrays[value], f"{len(files):06d}{Path(value).suffix}")
        return walk(value)

    ordered = walk(schema)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as made:
        made.writestr(_entry("schema.json"), json.dumps(ordered))
        for array, name in files.items():
            made.writestr(_entry(name), array)
    return out.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name, ZIP_DATE)
    made.compress_type = zipfile.ZIP_DEFLATED
    return made


def write_bundle(
    out: Path, files: dict[str, bytes], manifest: dict[str, Any], *, documents: dict[str, bytes] | None = None
) -> Bundle:
    """Write files, documents of the run and manifest to a new folder, complete or not at all.

    Raises
    ------
    InputError
        When the folder exists and is not empty.
    """
    if out.exists() and any(out.iterdir()):
        raise InputError(f"The folder {out.name} exists and is not empty. Name a new one.")
    out.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}-"))
    try:
        for name, content in {**files, **(documents or {})}.items():
            path = part / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        full = {"format": FORMAT, **manifest, "files": _hashes(files), "documents": _hashes(documents or {})}
        (part / MANIFEST).write_text(json.dumps(full, indent=1) + "\n")
        part.chmod(0o755)
        if out.exists():
            out.rmdir()
        os.replace(part, out)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return Bundle(out)


def _hashes(files: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}


def unpack_bundle(archive: Path, into: Path) -> Path:
    """Unpack a zipped bundle; members that would leave the folder are refused.

    Raises
    ------
    InputError
        When the file is no zip, holds unsafe names or no manifest.
    """
    if not zipfile.is_zipfile(archive):
        raise InputError(f"{archive.name} is not a zip file. Give a bundle folder or its zip.")
    with zipfile.ZipFile(archive) as held:
        for name in held.namelist():
            if Path(name).is_absolute() or ".." in Path(name).parts:
                raise InputError(f"{archive.name} holds an unsafe file name and was not unpacked.")
        held.extractall(into)
    found = sorted(into.rglob(MANIFEST), key=lambda p: len(p.parts))
    if not found:
        raise InputError(f"{archive.name} holds no {MANIFEST}: it is not a model bundle.")
    return found[0].parent
