"""The worklist and a single case: what is stored of it, its phases, clinical values and state."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.domain.case import NEXT_STEP, STATE_ORDER, CaseState
from core.domain.clinical import checked_value
from core.domain.errors import InputError
from core.domain.phase import PHASE_ORDER, Phase
from core.services.intake import phase_json
from core.services.store import LOCAL_USER, DerivedFiles, file_store, find_case, open_session
from core.storage.models import BoardItem, Case, CasePhase, ClinicalObservation, MaskProposal, MaskRevision


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRow:
    """A line of the worklist."""

    code: str
    modality: str
    phases: tuple[str, ...]
    state: CaseState
    next_step: str
    synthetic: bool
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskView:
    """The newest revision of one mask."""

    revision: int
    label: str
    lesion: int
    phase: str
    author: str
    source: str
    created: datetime
    sha256: str
    measures: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """All that is stored of a case, without arrays."""

    code: str
    modality: str
    synthetic: bool
    state: CaseState
    question: str
    created: datetime
    phases: tuple[dict[str, Any], ...]
    masks: tuple[MaskView, ...]
    proposals: tuple[MaskView, ...]
    clinical: dict[str, float]
    clinical_dates: dict[str, datetime]
    predictions: tuple[dict[str, Any], ...]
    board: tuple[dict[str, Any], ...]

    @property
    def tumours(self) -> tuple[MaskView, ...]:
        return tuple(m for m in self.masks if m.label == "tumour")

    @property
    def index_lesion(self) -> MaskView | None:
        """The largest tumour by volume: the one that models look at."""
        return max(self.tumours, key=lambda m: m.measures["volume_ml"], default=None)

    def as_json(self) -> dict[str, Any]:
        data = asdict(self)
        data["next_step"] = NEXT_STEP[self.state]
        return data


def list_cases() -> list[CaseRow]:
    """All cases, newest first."""
    with open_session() as session:
        rows = session.scalars(select(Case).order_by(Case.id.desc())).all()
        return [
            CaseRow(
                code=r.code,
                modality=r.modality,
                phases=tuple(p.phase for p in sorted(r.phases, key=lambda p: PHASE_ORDER.index(Phase(p.phase)))),
                state=CaseState(r.state),
                next_step=NEXT_STEP[CaseState(r.state)],
                synthetic=r.patient.synthetic,
                created=r.created,
            )
            for r in rows
        ]


def show_case(code: str) -> CaseView:
    """One case.

    Raises
    ------
    StoreError
        When there is no such case.
    """
    with open_session() as session:
        row = find_case(session, code)
        board = session.scalars(select(BoardItem).where(BoardItem.case_id == row.id).order_by(BoardItem.id)).all()
        newest = _newest_observations(row)
        return CaseView(
            code=row.code,
            modality=row.modality,
            synthetic=row.patient.synthetic,
            state=CaseState(row.state),
            question=row.question,
            created=row.created,
            phases=tuple(
                {**phase_json(p), "sha256": p.file_sha256, "geometry": p.geometry, "frame": p.frame}
                for p in sorted(row.phases, key=lambda p: PHASE_ORDER.index(Phase(p.phase)))
            ),
            masks=tuple(_mask_view(m) for m in newest_masks(row)),
            proposals=tuple(_proposal_view(p) for p in row.proposals),
            clinical={c: o.value for c, o in newest.items()},
            clinical_dates={c: o.recorded for c, o in newest.items()},
            predictions=newest_predictions(row),
            board=tuple({"decision": b.decision, "dissent": b.dissent, "author": b.author, "at": b.at} for b in board),
        )


def newest_masks(row: Case) -> list[MaskRevision]:
    """The newest revision of each label and lesion."""
    newest: dict[tuple[str, int], MaskRevision] = {}
    for mask in row.masks:
        newest[(mask.label, mask.lesion)] = mask
    return list(newest.values())


def newest_predictions(row: Case) -> tuple[dict[str, Any], ...]:
    """The newest stored prediction of each model, when it was made, and whether it still describes the case.

    `outdated` is true once a tumour mask, a phase or a clinical value has changed since.
    """
    inputs = prediction_inputs(row)
    newest: dict[str, dict[str, Any]] = {}
    for stored in row.predictions:
        outdated = stored.inputs != inputs
        newest[stored.content["model"]] = {**stored.content, "made": stored.made, "outdated": outdated}
    return tuple(newest.values())


def prediction_inputs(row: Case) -> dict[str, Any]:
    """What a prediction is made from: masks and phases by hash, clinical values."""
    masks = {f"{m.label} {m.lesion}": m.file_sha256 for m in newest_masks(row)}
    return {
        "masks": dict(sorted(masks.items())),
        "phases": {p.phase: p.file_sha256 for p in sorted(row.phases, key=lambda p: p.phase)},
        "clinical": dict(sorted(clinical_values(row).items())),
    }


def _newest_observations(row: Case) -> dict[str, ClinicalObservation]:
    return {o.code: o for o in row.observations}


def clinical_values(row: Case) -> dict[str, float]:
    """The newest value of each clinical variable."""
    return {c: o.value for c, o in _newest_observations(row).items()}


def _mask_view(m: MaskRevision) -> MaskView:
    return MaskView(
        revision=m.id,
        label=m.label,
        lesion=m.lesion,
        phase=m.phase,
        author=m.author,
        source=m.source,
        created=m.created,
        sha256=m.file_sha256,
        measures=m.measures,
    )


def _proposal_view(p: MaskProposal) -> MaskView:
    return MaskView(
        revision=p.id,
        label=p.label,
        lesion=p.lesion,
        phase=p.phase,
        author=p.segmenter,
        source="proposed",
        created=p.created,
        sha256=p.file_sha256,
        measures=p.measures,
    )


def mask_history(code: str, label: str, lesion: int) -> list[MaskView]:
    """All revisions of one mask, newest first."""
    with open_session() as session:
        row = find_case(session, code)
        return [_mask_view(m) for m in reversed(row.masks) if (m.label, m.lesion) == (label, lesion)]


def confirm_phases(code: str, phases: dict[int, str], *, question: str = "") -> None:
    """Record what the reader says each stored series is, in the order of `CaseView.phases`, and move the case on.

    Raises
    ------
    InputError
        When two series get the same phase, or one is left unnamed.
    """
    with open_session() as session:
        row = find_case(session, code)
        ordered = sorted(row.phases, key=lambda p: PHASE_ORDER.index(Phase(p.phase)))
        names = [Phase(phases.get(i, p.phase)) for i, p in enumerate(ordered)]
        if Phase.UNKNOWN in names:
            raise InputError("A phase is not named yet. Choose what it is, then confirm.")
        if len(set(names)) < len(names):
            raise InputError("Two series carry the same phase. Choose a different one for each.")
        for stored, name in zip(ordered, names, strict=True):
            if stored.phase != name:
                stored.evidence = [*stored.evidence, f"Changed from {stored.phase} to {name.value} by the reader."]
                stored.phase, stored.confidence = name.value, 1.0
        if question:
            row.question = question
        advance(row, CaseState.PHASES_CONFIRMED)


def record_clinical(code: str, values: dict[str, float], *, author: str = LOCAL_USER) -> None:
    """Add dated observations; an unchanged value is not recorded again.

    Raises
    ------
    InputError
        When a code is unknown or a value impossible.
    """
    checked = {c: checked_value(c, v) for c, v in values.items()}
    with open_session() as session:
        row = find_case(session, code)
        known = clinical_values(row)
        changed = {c: v for c, v in checked.items() if known.get(c) != v}
        row.observations += [ClinicalObservation(code=c, value=v, author=author) for c, v in changed.items()]
        if changed and STATE_ORDER.index(CaseState(row.state)) > STATE_ORDER.index(CaseState.SEGMENTED):
            fall_back(row, CaseState.SEGMENTED)


def set_state(code: str, state: CaseState) -> None:
    """Move a case on; a case that is already further stays there."""
    with open_session() as session:
        advance(find_case(session, code), state)


def advance(row: Case, state: CaseState) -> None:
    if STATE_ORDER.index(state) > STATE_ORDER.index(CaseState(row.state)):
        row.state = state.value


def fall_back(row: Case, state: CaseState) -> None:
    """Back to `state` because something before it changed: later results no longer describe the case."""
    row.state = state.value


def delete_case(code: str) -> None:
    """Remove a case with its rows and the files that no other case uses."""
    with open_session() as session:
        row = find_case(session, code)
        files = {p.file_sha256 for p in row.phases} | {m.file_sha256 for m in row.masks}
        files |= {p.file_sha256 for p in row.proposals}
        patient = row.patient
        session.delete(row)
        session.flush()
        if not session.scalar(select(Case.id).where(Case.patient_id == patient.id)):
            session.delete(patient)
        session.flush()
        used = _files_in_use(session)
    for sha256 in files - used:
        file_store().discard(sha256)
    DerivedFiles(code).remove()


def _files_in_use(session: Session) -> set[str]:
    phases = session.scalars(select(CasePhase.file_sha256))
    masks = session.scalars(select(MaskRevision.file_sha256))
    return {*phases, *masks, *session.scalars(select(MaskProposal.file_sha256))}
