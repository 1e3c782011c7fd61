"""What a new score changes against a baseline: net reclassification and integrated discrimination improvement."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from core.domain.errors import InputError
from core.stats.calibration import checked_probability

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reclassification:
    """Continuous NRI with its parts in events and non-events, and IDI (Hmisc `improveProb`).

    The continuous NRI counts every change, however small: it is no ground for a decision by itself.
    """

    nri: float
    nri_events: float
    nri_nonevents: float
    nri_se: float
    nri_z: float
    nri_p: float
    idi: float
    idi_se: float
    idi_z: float
    idi_p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoricalNri:
    """NRI over risk categories (Pencina 2008): who moved up and down among events and non-events."""

    cuts: tuple[float, ...]
    nri: float
    se: float
    z: float
    p: float
    up_events: int
    down_events: int
    up_nonevents: int
    down_nonevents: int


def reclassification(outcome: ArrayLike, probability: ArrayLike, baseline: ArrayLike) -> Reclassification:
    """`probability` against `baseline`, both for the same patients."""
    y, new = checked_probability(outcome, probability)
    _, old = checked_probability(outcome, baseline)
    events = y == 1
    m, n = int(events.sum()), int((~events).sum())
    up, down = new > old, new < old
    share = {
        (who, way): float(moved[mask].mean())
        for who, mask in ((1, events), (0, ~events))
        for way, moved in (("up", up), ("down", down))
    }
    in_events, in_others = share[1, "up"] - share[1, "down"], share[0, "down"] - share[0, "up"]
    # Hmisc's multinomial variance of a difference of shares.
    var_events = (share[1, "up"] + share[1, "down"] - in_events**2) / m
    var_others = (share[0, "up"] + share[0, "down"] - in_others**2) / n
    gain = new - old
    idi = float(gain[events].mean() - gain[~events].mean())
    idi_se = _root(gain[events].var(ddof=1) / m + gain[~events].var(ddof=1) / n)
    nri, nri_se = in_events + in_others, _root(var_events + var_others)
    nri_z, idi_z = _ratio(nri, nri_se), _ratio(idi, idi_se)
    return Reclassification(
        nri=nri,
        nri_events=in_events,
        nri_nonevents=in_others,
        nri_se=nri_se,
        nri_z=nri_z,
        nri_p=_two_sided(nri_z),
        idi=idi,
        idi_se=idi_se,
        idi_z=idi_z,
        idi_p=_two_sided(idi_z),
    )


def categorical_nri(
    outcome: ArrayLike, probability: ArrayLike, baseline: ArrayLike, cuts: tuple[float, ...]
) -> CategoricalNri:
    """NRI over the categories between `cuts`; a probability equal to a cut belongs below it (R's `cut`)."""
    y, new = checked_probability(outcome, probability)
    _, old = checked_probability(outcome, baseline)
    if not cuts or list(cuts) != sorted(set(cuts)):
        raise InputError("Risk categories need cuts in rising order, such as 0.1,0.3.")
    change = np.searchsorted(cuts, new, side="left") - np.searchsorted(cuts, old, side="left")
    moves = [int(((change * way > 0) & (y == who)).sum()) for who in (1, 0) for way in (1, -1)]
    up_events, down_events, up_others, down_others = moves
    m, n = int(y.sum()), int((1 - y).sum())
    nri = (up_events - down_events) / m + (down_others - up_others) / n
    se = _root((up_events + down_events) / m**2 + (up_others + down_others) / n**2)
    z = _ratio(nri, se)
    return CategoricalNri(
        cuts=tuple(cuts),
        nri=nri,
        se=se,
        z=z,
        p=_two_sided(z),
        up_events=up_events,
        down_events=down_events,
        up_nonevents=up_others,
        down_nonevents=down_others,
    )


def _root(variance: float) -> float:
    return float(np.sqrt(variance))


def _ratio(value: float, se: float) -> float:
    return value / se if se > 0 else 0.0


def _two_sided(z: float) -> float:
    return float(2 * stats.norm.sf(abs(z)))
