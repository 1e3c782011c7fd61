"""One bad region or case is named with its reason; everything else is computed."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from core.domain.errors import InputError
from core.domain.phase import Modality, Phase
from core.domain.volume import Volume
from core.services import analyse
from core.services.analyse import analyse_case
from core.services.cohort_features import CohortCase, LoadedCase, SyntheticCase, cohort_table
from core.synthetic.patients import SyntheticPatient, synthetic_patients
from model_registry.recipe import Recipe, load_recipe
from tests.unit.services.test_analysis import ct_home  # noqa: F401 - a fixture


@dataclass(frozen=True, kw_only=True)
class WithoutTumour:
    """A case whose mask is empty."""

    inner: SyntheticCase

    @property
    def identifier(self) -> str:
        return "empty"

    @property
    def table(self) -> dict[str, float]:
        return self.inner.table

    def load(self, phases: tuple[Phase, ...]) -> LoadedCase:
        held = self.inner.load(phases)
        nothing = {
            p: Volume(array_zyx=np.zeros_like(m.array_zyx), geometry=m.geometry) for p, m in held.tumours.items()
        }
        return LoadedCase(images=held.images, tumours=nothing, livers=held.livers)


def hand_crafted_only() -> Recipe:
    recipe = load_recipe("proliferative_ct_dlr")
    return recipe.model_copy(update={"features": [b for b in recipe.features if b.family == "radiomics"]})


def cases() -> list[SyntheticPatient]:
    return synthetic_patients(2, 11)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_case_that_cannot_be_computed_is_named_and_the_others_make_the_table(
    workers: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = [SyntheticCase(patient=p, modality=Modality.CT) for p in cases()]
    mixed: list[CohortCase] = [good[0], WithoutTumour(inner=good[0]), good[1]]
    table = cohort_table(hand_crafted_only(), mixed, weights={}, cache=tmp_path, workers=workers)
    assert list(table.index) == [g.identifier for g in good]
    assert table.notna().all(axis=None)
    assert "case empty left out" in capsys.readouterr().err


def test_a_cohort_without_a_usable_case_is_an_error(tmp_path: Path) -> None:
    only: list[CohortCase] = [WithoutTumour(inner=SyntheticCase(patient=cases()[0], modality=Modality.CT))]
    with pytest.raises(InputError, match="No case of the cohort"):
        cohort_table(hand_crafted_only(), only, weights={}, cache=tmp_path, workers=1)


@pytest.mark.usefixtures("ct_home")
def test_a_region_that_cannot_be_made_refuses_the_model_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analyse, "case_region", lambda *_: InputError("The shell leaves the body."))
    (made,) = analyse_case("CT")
    assert not made.computed
    assert "AP intratumoral: The shell leaves the body." in made.reasons
