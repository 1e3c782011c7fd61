"""ComBat between known sites: a site's shift goes, the training rows alone teach, strangers are left alone."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.domain.errors import InputError
from core.modelling.harmonise import SiteHarmoniser
from core.services.feature_tables import harmonised, training_table
from core.services.synthetic_tables import synthetic_table
from core.services.train_command import TrainingRequest, train_from_files
from core.synthetic.feature_table import FeatureScanner
from model_registry.recipe import load_recipe


def two_sites() -> tuple[pd.DataFrame, pd.Series]:
    rng = np.random.default_rng(4)
    x = pd.DataFrame(rng.standard_normal((120, 20)), columns=[f"f{i}" for i in range(20)])
    sites = pd.Series(["a"] * 70 + ["b"] * 50)
    x.iloc[70:] = 2 * x.iloc[70:] + 3
    return x, sites


def test_a_sites_shift_and_scale_go_also_for_rows_held_out() -> None:
    x, sites = two_sites()
    x.iloc[3, 4] = np.nan
    train = x.iloc[::2]
    made = SiteHarmoniser(sites).fit(train).transform(x.iloc[1::2])
    mine = sites.loc[made.index]
    gap = made[mine == "b"].mean() - made[mine == "a"].mean()
    assert gap.abs().mean() < 0.5
    assert made[mine == "b"].std().mean() == pytest.approx(made[mine == "a"].std().mean(), rel=0.25)


def test_rows_of_an_unknown_site_stay_as_they_are() -> None:
    x, sites = two_sites()
    sites.iloc[-3:] = "c"
    fitted = SiteHarmoniser(sites).fit(x)
    assert fitted.transform(x).iloc[-3:].equals(x.iloc[-3:])
    stranger = x.iloc[:1].set_axis([999])
    assert fitted.transform(stranger).equals(stranger)


def test_training_harmonises_on_request_and_says_so(tmp_path: Path) -> None:
    recipe = load_recipe("epr_debtace_dlrrn")
    parts = [
        synthetic_table(recipe, 60, seed=s, site=FeatureScanner(shift=k, stretch=0.2), sizes=(12, 12))
        for s, k in ((1, 0.0), (2, 1.5))
    ]
    table = pd.concat([p.assign(center=name) for p, name in zip(parts, "AB", strict=True)], ignore_index=True)
    table.to_csv(tmp_path / "t.csv", index=False)
    request = TrainingRequest(
        recipe=recipe.name, features=str(tmp_path / "t.csv"), harmonise=True, out=tmp_path / "b", workers=1
    )
    made = train_from_files(request)
    assert any("ComBat" in n for n in made["notes"])
    assert 0.3 < made["nested_cv"]["auc"] < 0.95
    table.drop(columns="center").to_csv(tmp_path / "one.csv", index=False)
    with pytest.raises(InputError, match="column called site"):
        harmonised(training_table(recipe, tmp_path / "one.csv", outcome=None))
