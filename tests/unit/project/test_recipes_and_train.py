"""Contract over all recipes, and training from a manifest of image files."""

from pathlib import Path

import pandas as pd
import pytest
import yaml

from core.domain.errors import InputError, UnavailableError
from core.domain.phase import Modality, Phase
from core.imaging.nifti import nifti_bytes
from core.services.cohort_features import SyntheticCase, extractor_for
from core.services.train_command import TrainingRequest, train_from_files
from core.synthetic.patients import synthetic_patients
from model_registry.bundle import Bundle
from model_registry.recipe import SETTINGS_WITH_ORIGIN, FeatureBlock, Recipe, load_recipe, parse_recipe, shipped_recipes
from tests.conftest import small_recipe

RECIPES = list(shipped_recipes())


def deep_blocks(recipe: Recipe) -> list[FeatureBlock]:
    return [b for b in recipe.features if b.family != "radiomics" and not b.from_table]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: r.name)
def test_every_recipe_says_of_each_setting_whether_it_is_stated(recipe: Recipe) -> None:
    assert set(SETTINGS_WITH_ORIGIN) <= set(recipe.origins)
    assert all(o.note for o in recipe.origins.values())
    assert recipe.modality is None or recipe.required_phases()


@pytest.mark.parametrize("recipe", [r for r in RECIPES if deep_blocks(r)], ids=lambda r: r.name)
def test_a_recipe_without_its_weights_says_so(recipe: Recipe) -> None:
    block = deep_blocks(recipe)[0]
    with pytest.raises(UnavailableError, match=str(block.weights)):
        extractor_for(block, recipe.modality, {})


def test_a_wrong_recipe_is_refused_with_the_place() -> None:
    text = yaml.safe_dump({**yaml.safe_load(RECIPES[0].model_dump_json()), "modality": "XR"})
    with pytest.raises(InputError, match="modality"):
        parse_recipe(text, "mine.yaml")
    with pytest.raises(InputError, match="no recipe 'nothing'"):
        load_recipe("nothing")


@pytest.mark.usefixtures("home")
def test_a_recipe_trains_from_a_manifest_of_image_files(tmp_path: Path) -> None:
    """Radiomics only, as for a centre without network weights: a recipe file of its own."""
    lean = small_recipe("proliferative_ct_dlr")
    data = yaml.safe_load(lean.model_dump_json())
    data["features"] = [b for b in data["features"] if b["id"] == "pvp_radiomics"]
    data["signatures"] = [{**data["signatures"][1], "blocks": ["pvp_radiomics"], "estimators": ["naive_bayes"]}]
    data["variants"] = [{"id": "pvp", "label": "PVP", "signatures": ["dlr_portal"], "clinical": ["max_diameter_cm"]}]
    data["comparators"], data["clinical_model"] = [], None
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(yaml.safe_dump(data))
    rows = []
    for patient in synthetic_patients(36, 11):
        case = SyntheticCase(patient=patient, modality=Modality.CT)
        loaded = case.load((Phase.PVP,))
        for name, volume in (("pvp", loaded.images[Phase.PVP]), ("mask", loaded.tumours[Phase.PVP])):
            (tmp_path / f"{patient.identifier}_{name}.nii.gz").write_bytes(nifti_bytes(volume))
        rows.append(
            {
                "case": patient.identifier,
                "PVP": f"{patient.identifier}_pvp.nii.gz",
                "tumour": f"{patient.identifier}_mask.nii.gz",
                **case.table,
            }
        )
    manifest = tmp_path / "manifest.csv"
    pd.DataFrame(rows).to_csv(manifest, index=False)
    request = TrainingRequest(
        recipe=str(recipe), cohort=str(manifest), out=tmp_path / "bundle", seed=0, workers=1, version="7"
    )
    made = train_from_files(request)
    assert {"bundle", "selected", "nested_cv", "train", "external", "cutoff", "seconds"} <= set(made)
    bundle = Bundle(tmp_path / "bundle")
    assert (bundle.version, bundle.synthetic) == ("7", False)
    files = [p for p in bundle.root.rglob("*") if p.is_file()]
    assert not any(b"SYN-" in p.read_bytes() for p in files)
