"""Published scores by name, from values typed or stored."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from core.domain.clinical import VARIABLES
from core.domain.errors import InputError
from core.scores.liver_function import ScoreResult, albi, child_pugh


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A score with the clinical variables it needs."""

    name: str
    title: str
    needs: tuple[str, ...]
    compute: Callable[..., ScoreResult]


SCORES = {
    "albi": Score(name="albi", title="ALBI", needs=("bilirubin_umol_l", "albumin_g_l"), compute=albi),
    "child_pugh": Score(
        name="child_pugh",
        title="Child-Pugh",
        needs=("bilirubin_umol_l", "albumin_g_l", "inr", "ascites", "encephalopathy_grade"),
        compute=child_pugh,
    ),
}


def compute_score(name: str, values: Mapping[str, float]) -> ScoreResult:
    """A score; a missing input gives no number but a sentence.

    Raises
    ------
    InputError
        When there is no such score, or an input is missing or impossible.
    """
    score = SCORES.get(name)
    if score is None:
        raise InputError(f"There is no score '{name}'. Known: {', '.join(SCORES)}.")
    missing = [VARIABLES[n].label for n in score.needs if n not in values]
    if missing:
        raise InputError(f"{score.title} needs {', '.join(missing)}; not recorded, so no value is given.")
    return score.compute(**{n: values[n] for n in score.needs})
