"""Synthetic feature tables that fit a recipe: for trying it out, and for checking what it finds where nothing is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.domain.errors import InputError
from core.synthetic.feature_table import REFERENCE_SITE, FeatureScanner, SyntheticBlock, synthetic_feature_table
from model_registry.recipe import Recipe

if TYPE_CHECKING:
    import pandas as pd

RADIOMICS_FEATURES, DEEP_FEATURES = 90, 64
# Shells and networks carry a little less of the hidden biology than the tumour's own texture.
STRENGTH = {"intratumoral": 1.5}


def synthetic_table(
    recipe: Recipe,
    patients: int,
    *,
    seed: int,
    site: FeatureScanner = REFERENCE_SITE,
    biology: bool = True,
    sizes: tuple[int, int] = (RADIOMICS_FEATURES, DEEP_FEATURES),
) -> pd.DataFrame:
    """A synthetic cohort with all of a recipe's blocks; `sizes` are features a radiomic and a deep block.

    Raises
    ------
    InputError
        For a recipe that reads clinical values alone.
    """
    if not recipe.features:
        raise InputError(f"{recipe.name} reads clinical values alone; there is no synthetic cohort for it.")
    blocks = []
    for block in recipe.features:
        radiomic = block.family == "radiomics"
        place = "" if block.from_table else block.place[1].name
        start = f"{block.prefix}original_glcm_Synthetic" if radiomic else f"{block.prefix}{block.family}_"
        blocks.append(SyntheticBlock(prefix=start, count=sizes[not radiomic], strength=STRENGTH.get(place, 1.3)))
    return synthetic_feature_table(blocks, patients, seed=seed, site=site, biology=biology)
