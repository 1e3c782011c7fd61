"""A recipe whose signature is made of changes between two phases trains, and predicts from the same changes."""

from pathlib import Path

import pytest

from core.domain.phase import Modality
from core.services.cohort_features import CohortCase, SyntheticCase, cohort_table
from core.services.feature_tables import image_table
from core.services.training import Run, train_bundle
from core.synthetic.patients import synthetic_patients
from model_registry.recipe import DeltaBlock, Recipe
from tests.conftest import small_recipe


def delta_recipe() -> Recipe:
    recipe = small_recipe("proliferative_ct_dlr")
    blocks = [b for b in recipe.features if b.family == "radiomics"]
    signature = recipe.signatures[0].model_copy(update={"blocks": ["washout"]})
    variant = next(v for v in recipe.variants if v.id == "ap_pvp")
    changed = recipe.model_copy(
        update={
            "features": blocks,
            "deltas": [DeltaBlock(id="washout", later="pvp_radiomics", earlier="ap_radiomics")],
            "signatures": [signature],
            "variants": [variant.model_copy(update={"signatures": [signature.id]})],
            "comparators": [],
            "clinical_model": None,
        }
    )
    return Recipe.model_validate(changed.model_dump())


def test_changes_between_phases_are_columns_and_make_a_signature(tmp_path: Path) -> None:
    recipe = delta_recipe()
    assert [b.id for b in recipe.blocks_of(recipe.variants[0])] == ["pvp_radiomics", "ap_radiomics"]
    cases: list[CohortCase] = [SyntheticCase(patient=p, modality=Modality.CT) for p in synthetic_patients(40, 3)]
    table = cohort_table(recipe, cases, weights={}, cache=tmp_path / "features", workers=2)
    name = "original_firstorder_Mean"
    change = table[f"PVP_intratumoral_{name}"] - table[f"AP_intratumoral_{name}"]
    assert table[f"delta_PVP_intratumoral_minus_AP_intratumoral_{name}"].tolist() == change.tolist()
    run = Run(cohort="40 synthetic patients", synthetic=True, shuffled_check=False)
    data = image_table(recipe, table, outcome=None, given=40)
    bundle = train_bundle(recipe, data, tmp_path / "bundle", run=run)
    assert bundle.report["selected"]
    assert all(c.startswith("delta_PVP_") for c in bundle.report["selected"])


def test_a_change_between_unknown_blocks_or_families_is_refused() -> None:
    recipe = small_recipe("proliferative_ct_dlr").model_dump()
    with pytest.raises(ValueError, match="unknown feature block"):
        Recipe.model_validate({**recipe, "deltas": [{"id": "d", "later": "pvp_radiomics", "earlier": "nothing"}]})
    with pytest.raises(ValueError, match="two families"):
        Recipe.model_validate({**recipe, "deltas": [{"id": "d", "later": "pvp_radiomics", "earlier": "pvp_deep"}]})
