"""Imaging modalities and contrast phases, in the field's own abbreviations."""

from dataclasses import dataclass
from enum import StrEnum


class Modality(StrEnum):
    CT = "CT"
    MR = "MR"


class Phase(StrEnum):
    """Contrast phases, in the order in which they are acquired."""

    NC = "NC"
    AP = "AP"
    PVP = "PVP"
    DP = "DP"
    HBP = "HBP"
    UNKNOWN = "unknown"

    @property
    def label(self) -> str:
        return PHASE_LABELS[self]


PHASE_LABELS = {
    Phase.NC: "Non-contrast",
    Phase.AP: "Arterial",
    Phase.PVP: "Portal venous",
    Phase.DP: "Delayed",
    Phase.HBP: "Hepatobiliary",
    Phase.UNKNOWN: "Phase not recognised",
}

PHASE_ORDER = tuple(Phase)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseEvidence:
    """Which phase a series is, how sure that is (0 to 1) and what speaks for it, one sentence each."""

    phase: Phase
    confidence: float
    evidence: tuple[str, ...]

    def __post_init__(self) -> None:
        if not 0.0 <= self.confidence <= 1.0:
            raise ValueError(f"confidence must lie in 0 to 1, got {self.confidence}")
