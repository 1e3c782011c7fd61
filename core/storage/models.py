"""The database's tables. Times are UTC; arrays live in the file store, here stand their hashes."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, MetaData, String, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {dict[str, Any]: JSON, list[Any]: JSON}  # noqa: RUF012 - SQLAlchemy's own form


class Account(Base):
    """Somebody who works with the app. A laptop has one, `local`."""

    __tablename__ = "account"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80), unique=True)
    role: Mapped[str] = mapped_column(String(20))
    created: Mapped[datetime] = mapped_column(default=_now)


class Patient(Base):
    """A pseudonym; names and birth dates are never stored."""

    __tablename__ = "patient"
    id: Mapped[int] = mapped_column(primary_key=True)
    pseudonym: Mapped[str] = mapped_column(String(80), unique=True)
    synthetic: Mapped[bool] = mapped_column(default=False)


class Case(Base):
    """One study under review."""

    __tablename__ = "case"
    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(80), unique=True)
    patient_id: Mapped[int] = mapped_column(ForeignKey("patient.id", ondelete="CASCADE"))
    modality: Mapped[str] = mapped_column(String(4))
    state: Mapped[str] = mapped_column(String(20))
    question: Mapped[str] = mapped_column(default="")
    created: Mapped[datetime] = mapped_column(default=_now)
    patient: Mapped[Patient] = relationship(lazy="joined")
    phases: Mapped[list["CasePhase"]] = relationship(order_by="CasePhase.id", cascade="all, delete-orphan")
    masks: Mapped[list["MaskRevision"]] = relationship(order_by="MaskRevision.id", cascade="all, delete-orphan")
    observations: Mapped[list["ClinicalObservation"]] = relationship(
        order_by="ClinicalObservation.id", cascade="all, delete-orphan"
    )
    proposals: Mapped[list["MaskProposal"]] = relationship(order_by="MaskProposal.id", cascade="all, delete-orphan")
    predictions: Mapped[list["StoredPrediction"]] = relationship(
        order_by="StoredPrediction.id", cascade="all, delete-orphan"
    )


class CasePhase(Base):
    """One contrast phase: where its volume is and what says that it is this phase.

    `frame` tells frames of reference apart (a hash of DICOM's identifier); empty where the file names none.
    """

    __tablename__ = "phase"
    id: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("case.id", ondelete="CASCADE"), index=True)
    phase: Mapped[str] = mapped_column(String(8))
    source: Mapped[str]
    confidence: Mapped[float]
    evidence: Mapped[list[Any]]
    file_sha256: Mapped[str] = mapped_column(String(64))
    geometry: Mapped[dict[str, Any]]
    frame: Mapped[str] = mapped_column(String(64), default="", server_default="")


class MaskRevision(Base):
    """A mask as somebody left it; a change is a new revision whose parent is the old one."""

    __tablename__ = "mask_revision"
    id: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("case.id", ondelete="CASCADE"), index=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("mask_revision.id"))
    label: Mapped[str] = mapped_column(String(20))
    lesion: Mapped[int] = mapped_column(default=1)
    phase: Mapped[str] = mapped_column(String(8))
    author: Mapped[str] = mapped_column(String(80))
    source: Mapped[str]
    created: Mapped[datetime] = mapped_column(default=_now)
    file_sha256: Mapped[str] = mapped_column(String(64))
    measures: Mapped[dict[str, Any]]


class MaskProposal(Base):
    """A mask that a segmenter found and nobody has accepted yet."""

    __tablename__ = "mask_proposal"
    id: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("case.id", ondelete="CASCADE"), index=True)
    segmenter: Mapped[str] = mapped_column(String(120))
    phase: Mapped[str] = mapped_column(String(8))
    label: Mapped[str] = mapped_column(String(20))
    lesion: Mapped[int]
    file_sha256: Mapped[str] = mapped_column(String(64))
    measures: Mapped[dict[str, Any]]
    created: Mapped[datetime] = mapped_column(default=_now)


class Preference(Base):
    """What a user likes to see: a named setting of the interface."""

    __tablename__ = "preference"
    __table_args__ = (UniqueConstraint("user", "name"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    user: Mapped[str] = mapped_column(String(80))
    name: Mapped[str] = mapped_column(String(60))
    value: Mapped[dict[str, Any]]


class ClinicalObservation(Base):
    """One dated value of one clinical variable in the unit of `core.domain.clinical`."""

    __tablename__ = "clinical_observation"
    id: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("case.id", ondelete="CASCADE"), index=True)
    code: Mapped[str] = mapped_column(String(40))
    value: Mapped[float]
    recorded: Mapped[datetime] = mapped_column(default=_now)
    author: Mapped[str] = mapped_column(String(80))


class Job(Base):
    """Long work: its state survives a restart.

    `parameters` is what was asked for; `worker` is who has it, as host:process; `beat` its last sign of life;
    `attempts` how often it was begun.
    """

    __tablename__ = "job"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    case_id: Mapped[int | None] = mapped_column(ForeignKey("case.id", ondelete="CASCADE"), index=True)
    state: Mapped[str] = mapped_column(String(12), default="queued")
    progress: Mapped[float] = mapped_column(default=0.0)
    message: Mapped[str] = mapped_column(default="")
    process: Mapped[int | None]
    created: Mapped[datetime] = mapped_column(default=_now)
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    worker: Mapped[str] = mapped_column(String(200), default="", server_default="")
    beat: Mapped[datetime | None]
    parameters: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")


class ModelVersion(Base):
    """A registered bundle. `state` is `candidate`, `active` or `retired`."""

    __tablename__ = "model_version"
    __table_args__ = (UniqueConstraint("name", "version"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    version: Mapped[str] = mapped_column(String(20))
    title: Mapped[str]
    created: Mapped[str] = mapped_column(String(10))
    synthetic: Mapped[bool]
    bundle_sha256: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(12))
    gate: Mapped[list[Any]]
    registered: Mapped[datetime] = mapped_column(default=_now)


class RegistryEvent(Base):
    """What happened to a model version, when and by whom."""

    __tablename__ = "registry_event"
    id: Mapped[int] = mapped_column(primary_key=True)
    model_version_id: Mapped[int] = mapped_column(ForeignKey("model_version.id"), index=True)
    event: Mapped[str] = mapped_column(String(20))
    author: Mapped[str] = mapped_column(String(80))
    at: Mapped[datetime] = mapped_column(default=_now)


class StoredPrediction(Base):
    """A prediction as it was made; `inputs` names what it was made from by hash."""

    __tablename__ = "prediction"
    id: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("case.id", ondelete="CASCADE"), index=True)
    model_version_id: Mapped[int] = mapped_column(ForeignKey("model_version.id"))
    content: Mapped[dict[str, Any]]
    inputs: Mapped[dict[str, Any]]
    made: Mapped[datetime] = mapped_column(default=_now)


class BoardItem(Base):
    """What the tumour board recorded for a case."""

    __tablename__ = "board_item"
    id: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("case.id", ondelete="CASCADE"), index=True)
    decision: Mapped[str]
    dissent: Mapped[str] = mapped_column(default="")
    author: Mapped[str] = mapped_column(String(80))
    at: Mapped[datetime] = mapped_column(default=_now)
