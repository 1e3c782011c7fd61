"""ComBat between the known sites of a training cohort, by combatlearn. No single new patient is ever harmonised."""

from typing import Any

import numpy as np
import pandas as pd

FEWEST_OF_SITE = 5


class SiteHarmoniser:
    """Shifts and scales features of each site towards all sites' common ones (Johnson 2007, empirical Bayes).

    What is learnt comes from the training rows alone. Rows of a site that the training rows hold fewer than five of
    stay as they are, and so does everything outside the cohort: a model cannot know a new patient's site effect.

    Parameters
    ----------
    sites : site by case, of the whole training cohort.
    """

    def __init__(self, sites: "pd.Series[str]") -> None:
        self.sites = sites
        self.model: Any = None
        self.known: set[str] = set()
        # ComBat takes no gaps.
        self.median = pd.Series(dtype=float)

    def fit(self, X: pd.DataFrame) -> "SiteHarmoniser":
        from combatlearn import ComBat

        self.median = X.median()
        X = X.fillna(self.median)
        mine = self.sites.loc[X.index]
        counts = mine.value_counts()
        self.known = set(counts[counts >= FEWEST_OF_SITE].index)
        rows = X[mine.isin(self.known).to_numpy()]
        # A column without variance inside a site has nothing that could be scaled.
        spread = rows.groupby(mine.loc[rows.index]).std().min() > 0
        self.columns = list(X.columns[spread.to_numpy()])
        if len(self.known) > 1 and self.columns:
            held = rows[self.columns]
            self.model = ComBat(batch=self.sites.loc[self.sites.isin(self.known)], method="johnson").fit(held)
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        if self.model is None:
            return X
        known = self.sites.reindex(X.index).isin(self.known).to_numpy()
        made = X.fillna(self.median)
        if known.any():
            changed = self.model.transform(made.loc[known, self.columns])
            made.loc[known, self.columns] = np.asarray(changed, float)
        return made
