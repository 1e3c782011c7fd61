"""Segmenters: MONAI bundles that propose masks, and what becomes of a proposal: accepted or discarded."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.config import PROJECT, settings
from core.domain.errors import InputError
from core.domain.phase import Modality
from core.domain.volume import Volume
from core.imaging.resampling import resample_mask
from core.regions.measure import measure_mask
from core.regions.segmenter import SegmenterSettings, build_network, propose, read_settings, read_weights
from core.services.cases import newest_masks
from core.services.segment import SegmentResult, phase_of, store_mask
from core.services.store import LOCAL_USER, StagedFiles, file_store, find_case, open_session
from core.storage.models import Case, MaskProposal

SHIPPED = PROJECT / "model_registry" / "segmenters"
LARGEST_BUNDLE_BYTES = 2 << 30
SAME_LESION_SHARE = 0.5
Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmenterRow:
    """A segmenter that can be chosen."""

    name: str
    version: str
    modality: str
    labels: tuple[str, ...]
    description: str
    intended_use: str
    shipped: bool
    metrics: dict[str, Any]


def list_segmenters(modality: str | None = None) -> list[SegmenterRow]:
    """Shipped and registered segmenters, those of one modality when it is given."""
    return [_row(p, found) for p, found in _installed().values() if modality in (None, found.modality.value)]


def register_segmenter(folder: Path) -> SegmenterRow:
    """Check a MONAI bundle and keep a copy: its configuration as it is, its weights as safetensors.

    Raises
    ------
    InputError
        When the bundle is not one HepaBoard can run, or a segmenter of that name is there already.
    """
    from safetensors.torch import save_file

    if not folder.is_dir():
        raise InputError(f"'{folder.name}' is no folder. Give the bundle's folder, with configs/ and models/ in it.")
    if sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) > LARGEST_BUNDLE_BYTES:
        raise InputError(f"'{folder.name}' is larger than 2 GB.")
    found = read_settings(folder)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", found.name):
        raise InputError(f"The bundle's name '{found.name}' is not usable: letters, digits, '.', '_' and '-' are.")
    if found.name in _installed():
        raise InputError(f"There is a segmenter '{found.name}' already. Remove it first: segmenters remove NAME.")
    weights = read_weights(folder)
    build_network(found, weights)
    home = _home()
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home, prefix=".") as work:
        part = Path(work) / found.name
        shutil.copytree(folder / "configs", part / "configs")
        for text in ("LICENSE", "docs"):
            if (folder / text).is_file():
                shutil.copy2(folder / text, part / text)
            elif (folder / text).is_dir():
                shutil.copytree(folder / text, part / text)
        (part / "models").mkdir()
        save_file({k: v.contiguous() for k, v in weights.items()}, part / "models" / "model.safetensors")
        part.rename(home / found.name)
    return _row(home / found.name, found)


def remove_segmenter(name: str) -> None:
    """Forget a registered segmenter; shipped ones stay."""
    folder = _home() / name
    if name not in _installed() or not folder.is_dir():
        raise InputError(f"There is no registered segmenter '{name}'.")
    shutil.rmtree(folder)


def segment_by_model(
    code: str, name: str, *, phase: str | None = None, author: str = LOCAL_USER, progress: Progress = lambda *_: None
) -> list[SegmentResult]:
    """Masks of a segmenter stored as new revisions at once; the tumours come first, the largest one at the front."""
    found, settled, stored_phase = _found(code, name, phase, progress)
    source = f"proposed by {settled.name} {settled.version}"
    return [
        store_mask(code, mask, label=label, lesion=lesion, phase=stored_phase, source=source, author=author)
        for label in ("tumour", "liver")
        for lesion, mask in enumerate(found.get(label, []), start=1)
    ]


def store_proposal(code: str, name: str, *, phase: str | None, progress: Progress) -> int:
    """Masks of a segmenter, kept beside the case until somebody accepts them; returns how many."""
    found, settled, stored_phase = _found(code, name, phase, progress)
    progress(0.97, "Storing the proposal")  # and a last look whether it is still wanted
    with StagedFiles() as staged, open_session() as session:
        row = find_case(session, code)
        row.proposals = [
            MaskProposal(
                segmenter=f"{settled.name} {settled.version}",
                phase=stored_phase,
                label=label,
                lesion=lesion,
                file_sha256=staged.put_volume(mask),
                measures=asdict(measure_mask(mask)),
            )
            for label in ("tumour", "liver")
            for lesion, mask in enumerate(found.get(label, []), start=1)
        ]
        return len(row.proposals)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What came of a proposal: stored revisions, and how many lesions a reader had marked already."""

    stored: tuple[SegmentResult, ...]
    already_marked: int


def accept_proposals(code: str, *, author: str = LOCAL_USER) -> Accepted:
    """Proposed masks become revisions: the liver a new one of the liver, each lesion a new lesion of the case.

    A proposed lesion that lies on one of the case's (more than half of the smaller) is that lesion: it is left out.
    """
    with open_session() as session:
        row = find_case(session, code)
        proposed = [(p.label, p.phase, p.segmenter, p.file_sha256) for p in row.proposals]
        marked = {m.lesion: m.file_sha256 for m in newest_masks(row) if m.label == "tumour"}
    if not proposed:
        raise InputError("There is no proposal to accept.")
    store, made, left_out = file_store(), [], 0
    lesions = [store.volume(sha256) for sha256 in marked.values()]
    lesion = max(marked, default=0)
    for label, phase, segmenter, sha256 in proposed:
        mask = store.volume(sha256)
        if label == "tumour" and any(_same_lesion(mask, other) for other in lesions):
            left_out += 1
            continue
        lesion += label == "tumour"
        number = lesion if label == "tumour" else 1
        source = f"proposed by {segmenter}, accepted"
        made.append(store_mask(code, mask, label=label, lesion=number, phase=phase, source=source, author=author))
    discard_proposals(code)
    return Accepted(stored=tuple(made), already_marked=left_out)


def _same_lesion(proposed: Volume, marked: Volume) -> bool:
    try:
        other = resample_mask(marked, proposed.geometry).array_zyx > 0
    except InputError:
        return False  # outside the phase the segmenter looked at
    mine = proposed.array_zyx > 0
    return bool((mine & other).sum() > SAME_LESION_SHARE * min(mine.sum(), other.sum()))


def discard_proposals(code: str) -> None:
    """Drop what a segmenter proposed."""
    with open_session() as session:
        find_case(session, code).proposals = []


def _found(
    code: str, name: str, phase: str | None, progress: Progress
) -> tuple[dict[str, list[Volume]], SegmenterSettings, str]:
    installed = _installed()
    if name not in installed:
        raise InputError(f"There is no segmenter '{name}'. There are {', '.join(installed) or 'none'}.")
    folder, settled = installed[name]
    with open_session() as session:
        row: Case = find_case(session, code)
        stored = phase_of(row, phase)
        sha256, modality, stored_phase = stored.file_sha256, Modality(row.modality), stored.phase
    image = file_store().volume(sha256)
    found = propose(settled, read_weights(folder), image, modality=modality, progress=progress)
    return found, settled, stored_phase


def _row(folder: Path, found: SegmenterSettings) -> SegmenterRow:
    return SegmenterRow(
        name=found.name,
        version=found.version,
        modality=found.modality.value,
        labels=tuple(sorted(set(found.wanted.values()))),
        description=found.description,
        intended_use=found.intended_use,
        shipped=folder.parent == SHIPPED,
        metrics=found.metrics,
    )


def _home() -> Path:
    return settings().home / "segmenters"


def _installed() -> dict[str, tuple[Path, SegmenterSettings]]:
    """Each segmenter's folder and settings by its name."""
    folders = [p for root in (SHIPPED, _home()) for p in sorted(root.glob("*")) if (p / "configs").is_dir()]
    read = [(p, read_settings(p)) for p in folders if not p.name.startswith(".")]
    return {found.name: (p, found) for p, found in read}
