"""Take a study in: find its series, name their phases, store volumes and rows, or leave nothing behind."""

import csv
import json
import re
import tempfile
import zipfile
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.domain.case import CaseState
from core.domain.clinical import checked_value
from core.domain.errors import InputError
from core.domain.phase import PHASE_ORDER, Modality, Phase, PhaseEvidence
from core.domain.volume import Volume
from core.imaging.archive import unpack_images
from core.imaging.dicom import read_series
from core.imaging.nifti import is_image_file, read_image_file
from core.imaging.phase_recognition import phases_named, recognise_phase
from core.services.store import LOCAL_USER, StagedFiles, open_session
from core.storage.models import Case, CasePhase, ClinicalObservation, Patient


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoundPhase:
    """A volume with the phase it was found to be and where it came from."""

    modality: Modality
    recognised: PhaseEvidence
    source: str
    volume: Volume
    frame: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestResult:
    """What `ingest` stored; `phases` are the JSON objects of the command line."""

    case_id: str
    modality: str
    phases: tuple[dict[str, Any], ...]
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def ingest(
    paths: Iterable[str], *, case: str | None = None, clinical: str | None = None, author: str = LOCAL_USER
) -> IngestResult:
    """Take in DICOM folders, files or zips, or NIfTI/NRRD files named by phase (`AP.nii.gz`, `AP=FILE`).

    Raises
    ------
    InputError
        When something given is not usable; nothing has been stored then.
    """
    with ExitStack() as stack:
        named, plain = _arguments(list(paths), stack)
        images = {**named, **{p: None for p in plain if is_image_file(p)}}
        dicom = [p for p in plain if not is_image_file(p)]
        found = [_from_file(path, phase) for path, phase in images.items()]
        warnings: list[str] = []
        if dicom or not found:
            series, warnings = read_series(dicom)
            found += [
                FoundPhase(
                    modality=Modality(s.modality),
                    recognised=recognise_phase(s.volume, Modality(s.modality), s.description),
                    source=s.source,
                    volume=s.volume,
                    frame=s.frame,
                )
                for s in series
            ]
        observations = read_clinical(Path(clinical)) if clinical else {}
        kept, doubles = _one_per_phase(found)
        return store_case(kept, case=case, observations=observations, warnings=[*warnings, *doubles], author=author)


def _arguments(arguments: list[str], stack: ExitStack) -> tuple[dict[Path, Phase | None], list[Path]]:
    """Files named `PHASE=FILE`, and all other files with folders walked and zips unpacked."""
    named: dict[Path, Phase | None] = {}
    plain: list[Path] = []
    for argument in arguments:
        head, _, tail = argument.partition("=")
        if tail and head.upper() in Phase.__members__:
            named[_existing(tail)] = Phase[head.upper()]
            continue
        path = _existing(argument)
        if path.is_dir():
            plain += sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
        elif zipfile.is_zipfile(path):
            plain += unpack_images(path, Path(stack.enter_context(tempfile.TemporaryDirectory())))
        else:
            plain.append(path)
    if not named and not plain:
        raise InputError("There are no files to take in. Give a DICOM folder or zip, or NIfTI files named by phase.")
    return named, plain


def _existing(text: str) -> Path:
    path = Path(text).expanduser()
    if not path.exists():
        raise InputError(f"'{path.name}' does not exist. Check the path.")
    return path


def _from_file(path: Path, phase: Phase | None) -> FoundPhase:
    volume = read_image_file(path)
    modality = Modality.CT if float(volume.array_zyx.min()) < -300 else Modality.MR
    stem = re.sub(r"\.(nii\.gz|nii|nrrd)$", "", path.name, flags=re.IGNORECASE)
    stem = re.sub(r"^\d{6}-", "", stem)
    if phase is not None:
        recognised = PhaseEvidence(phase=phase, confidence=1.0, evidence=("Named by the user.",))
    elif stem.upper() in Phase.__members__:
        says = f"The file name '{stem}' names the phase."
        recognised = PhaseEvidence(phase=Phase[stem.upper()], confidence=1.0, evidence=(says,))
    else:
        recognised = _recognise_file(volume, modality, stem)
    # File names often hold a patient's name, so they are not kept.
    return FoundPhase(modality=modality, recognised=recognised, source="NIfTI or NRRD file", volume=volume)


def _recognise_file(volume: Volume, modality: Modality, stem: str) -> PhaseEvidence:
    """As for a series, with the file name in the place of a description; the name itself is not quoted."""
    named = phases_named(stem)
    if len(named) != 1:
        return recognise_phase(volume, modality, "")
    found = recognise_phase(volume, modality, named[0].value)
    says = f"The file name names the {named[0].label.lower()} phase."
    return PhaseEvidence(phase=found.phase, confidence=found.confidence, evidence=(says, *found.evidence[1:]))


def _one_per_phase(found: list[FoundPhase]) -> tuple[list[FoundPhase], list[str]]:
    """Of several series of one phase the surest (then the thinnest) is kept; the user hears of the others."""
    ranked = sorted(found, key=lambda f: (-f.recognised.confidence, f.volume.geometry.spacing_mm_xyz[2]))
    kept: dict[Phase, FoundPhase] = {}
    warnings = []
    for candidate in ranked:
        phase = candidate.recognised.phase
        if phase in kept:
            other = kept[phase].source
            warnings.append(
                f"{candidate.source} also looks {phase.label.lower()}; {other} was kept. Name it to keep both."
            )
        else:
            kept[phase] = candidate
    return sorted(kept.values(), key=lambda f: PHASE_ORDER.index(f.recognised.phase)), warnings


def read_clinical(path: Path) -> dict[str, float]:
    """Clinical variables from a JSON object or a CSV with the columns code and value.

    Raises
    ------
    InputError
        When the file is not readable, a code is unknown or a value impossible.
    """
    try:
        if path.suffix.lower() == ".json":
            pairs = list(json.loads(path.read_text()).items())
        else:
            with path.open(newline="") as handle:
                pairs = [(row["code"], row["value"]) for row in csv.DictReader(handle)]
        values = {str(code): float(value) for code, value in pairs}
    except (OSError, KeyError, ValueError, AttributeError, TypeError) as error:
        raise InputError(f"{path.name}: give a JSON object, or a CSV with the columns code and value.") from error
    return {code: checked_value(code, value) for code, value in values.items()}


def store_case(
    found: list[FoundPhase],
    *,
    case: str | None,
    observations: dict[str, float],
    warnings: list[str],
    author: str,
    synthetic: bool = False,
) -> IngestResult:
    """Write volumes and rows of a case in one piece.

    Raises
    ------
    InputError
        When modalities mix, the code is not usable, or the case already has one of the phases.
    """
    modalities = {f.modality for f in found}
    if len(modalities) != 1:
        raise InputError("The files mix CT and MR. A case is one study: take them in separately.")
    modality = modalities.pop()
    with StagedFiles() as staged, open_session() as session:
        row = _case_row(session, case, modality, synthetic=synthetic)
        present = {p.phase for p in row.phases}
        for item in found:
            if item.recognised.phase in present:
                raise InputError(
                    f"Case {row.code} already has a {item.recognised.phase.label.lower()} phase. Use a new case."
                )
            row.phases.append(
                CasePhase(
                    phase=item.recognised.phase.value,
                    source=item.source,
                    confidence=item.recognised.confidence,
                    evidence=list(item.recognised.evidence),
                    file_sha256=staged.put_volume(item.volume),
                    geometry=asdict(item.volume.geometry),
                    frame=item.frame,
                )
            )
        row.observations += [ClinicalObservation(code=c, value=v, author=author) for c, v in observations.items()]
        session.flush()
        return IngestResult(
            case_id=row.code,
            modality=row.modality,
            phases=tuple(phase_json(p) for p in row.phases),
            warnings=tuple(warnings),
        )


def phase_json(row: CasePhase) -> dict[str, Any]:
    """A phase as the command line prints it."""
    return {
        "phase": row.phase,
        "source": row.source,
        "confidence": row.confidence,
        "evidence": row.evidence,
        "size_xyz": list(row.geometry["size_xyz"]),
        "spacing_mm": list(row.geometry["spacing_mm_xyz"]),
    }


def _case_row(session: Session, code: str | None, modality: Modality, *, synthetic: bool) -> Case:
    if code is None:
        newest = session.scalar(select(func.max(Case.id))) or 0
        code = f"CASE-{newest + 1:04d}"
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", code):
        raise InputError(
            f"'{code}' cannot be a case name: use letters, digits, '.', '_' and '-', without a patient's name."
        )
    row = session.scalar(select(Case).where(Case.code == code))
    if row is not None:
        if row.modality != modality:
            raise InputError(f"Case {code} is {row.modality}, the files are {modality}. Take them in as a new case.")
        row.state = CaseState.RECEIVED.value
        return row
    patient = session.scalar(select(Patient).where(Patient.pseudonym == code))
    if patient is None:
        patient = Patient(pseudonym=code, synthetic=synthetic)
    row = Case(code=code, patient=patient, modality=modality.value, state=CaseState.RECEIVED.value)
    session.add(row)
    return row
