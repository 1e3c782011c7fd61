"""A bundle: a trained model as a folder whose manifest names every file by its SHA-256. Nothing in it is unpickled."""

import hashlib
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
from core.modelling.nomogram import Axis, Nomogram
from model_registry.recipe import Recipe, Variant, parse_recipe

MANIFEST = "manifest.json"
FORMAT = 1
# The only types a bundle's pipeline may hold beside those skops trusts by itself (numpy, scikit-learn).
TRUSTED_TYPES = [
    "core.modelling.screening.MaxRelevanceMinRedundancy",
    "core.modelling.screening.OutliersToMedian",
    "core.modelling.signatures.BestByCrossValidation",
    "core.modelling.signatures.CrossFittedSignatures",
    "core.modelling.signatures.LassoLogistic",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.model_selection._split.StratifiedKFold",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn._loss.link.LogitLink",
    "sklearn._loss.link.Interval",
    "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn._loss._loss.CyHalfBinomialLoss",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.tree._tree.Tree",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VariantModel:
    """What a variant's prediction needs beside its pipeline."""

    cutoff: float
    nomogram: Nomogram
    covariance: NDArray[np.float64]
    known: TrainingRange

    def as_json(self) -> dict[str, Any]:
        return {
            "cutoff": self.cutoff,
            "nomogram": asdict(self.nomogram),
            "covariance": self.covariance.tolist(),
            "training_range": asdict(self.known),
        }

    @staticmethod
    def from_json(data: dict[str, Any]) -> "VariantModel":
        nomogram = data["nomogram"]
        known = data["training_range"]
        return VariantModel(
            cutoff=float(data["cutoff"]),
            nomogram=Nomogram(intercept=nomogram["intercept"], axes=tuple(Axis(**a) for a in nomogram["axes"])),
            covariance=np.asarray(data["covariance"], float),
            known=TrainingRange(
                measures={k: (v[0], v[1]) for k, v in known["measures"].items()},
                features={k: (v[0], v[1]) for k, v in known["features"].items()},
                mean=tuple(known["mean"]),
                scale=tuple(known["scale"]),
                precision=tuple(map(tuple, known["precision"])),
                distance_limit=known["distance_limit"],
            ),
        )


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
                f"{root.name} has bundle format {self.manifest.get('format')}, this version reads {FORMAT}."
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
        """Of the manifest, which names every other file's hash: the bundle's identity."""
        return hashlib.sha256((self.root / MANIFEST).read_bytes()).hexdigest()

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
        """DataFrame: variant, probability, group, and each endpoint's time and event; a row a training patient."""
        import pandas as pd

        return pd.read_parquet(self.root / "reference_cohort.parquet")

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
    """A pipeline as skops, refused at once when it holds a type that loading would not allow."""
    import skops.io

    content: bytes = skops.io.dumps(pipeline, compression=zipfile.ZIP_DEFLATED, compresslevel=9)
    unknown = set(skops.io.get_untrusted_types(data=content)) - set(TRUSTED_TYPES)
    if unknown:
        raise TypeError(f"the pipeline holds types that bundles may not: {sorted(unknown)}")
    return content


def write_bundle(out: Path, files: dict[str, bytes], manifest: dict[str, Any]) -> Bundle:
    """Write files and manifest to a new folder, complete or not at all.

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
        for name, content in files.items():
            path = part / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        hashes = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
        full = {"format": FORMAT, **manifest, "files": hashes}
        (part / MANIFEST).write_text(json.dumps(full, indent=1) + "\n")
        part.chmod(0o755)
        if out.exists():
            out.rmdir()
        os.replace(part, out)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return Bundle(out)


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
