"""The baseline table: each characteristic by group, with the test that suits it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

FEWEST_EXPECTED = 5.0
MOST_LEVELS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineRow:
    """One line: a characteristic, or one level of it, in each group; `test` says where the p value comes from."""

    label: str
    values: tuple[str, ...]
    missing: int
    p: float | None
    test: str


def baseline_table(table: pd.DataFrame, group: pd.Series, columns: list[str]) -> list[BaselineRow]:
    """Rows for `columns` of a table, split by `group` (each label a column, in sorted order).

    Numbers with more than six different values: mean (SD) and Student's t with Welch's correction where they look
    normal in every group (Shapiro-Wilk p > 0.05), else median (quartiles) and Mann-Whitney or Kruskal-Wallis. Others:
    counts, and chi-square without correction, or Fisher's exact test in a 2 by 2 table that expects fewer than five.
    """
    labels = sorted(group.dropna().unique().tolist())
    rows: list[BaselineRow] = []
    for name in columns:
        known = table[name].notna() & group.notna()
        values, groups = table.loc[known, name], group[known]
        gaps = int((~known).sum())
        if pd.api.types.is_numeric_dtype(values) and values.nunique() > MOST_LEVELS:
            rows.append(_continuous(name, [values[groups == g].to_numpy(float) for g in labels], gaps))
        else:
            rows += _categorical(name, values, groups, labels, gaps)
    return rows


def _continuous(name: str, parts: list["np.ndarray"], gaps: int) -> BaselineRow:
    usable = all(len(p) >= 3 and np.ptp(p) > 0 for p in parts)
    normal = usable and all(stats.shapiro(p[:5000]).pvalue > 0.05 for p in parts)
    if normal:
        shown = tuple(f"{p.mean():.4g} ({p.std(ddof=1):.3g})" for p in parts)
        if len(parts) == 2:
            return BaselineRow(
                label=f"{name}, mean (SD)",
                values=shown,
                missing=gaps,
                test="Welch's t",
                p=float(stats.ttest_ind(*parts, equal_var=False).pvalue),
            )
        return BaselineRow(
            label=f"{name}, mean (SD)",
            values=shown,
            missing=gaps,
            test="one-way ANOVA",
            p=float(stats.f_oneway(*parts).pvalue) if len(parts) > 1 else None,
        )
    quartiles = [np.quantile(p, [0.25, 0.5, 0.75]) if len(p) else np.full(3, np.nan) for p in parts]
    shown = tuple(f"{q[1]:.4g} ({q[0]:.4g} to {q[2]:.4g})" for q in quartiles)
    p_value, test = None, ""
    if len(parts) == 2 and usable:
        p_value, test = float(stats.mannwhitneyu(*parts).pvalue), "Mann-Whitney"
    elif len(parts) > 2 and usable:
        p_value, test = float(stats.kruskal(*parts).pvalue), "Kruskal-Wallis"
    return BaselineRow(label=f"{name}, median (quartiles)", values=shown, missing=gaps, p=p_value, test=test)


def _categorical(name: str, values: pd.Series, groups: pd.Series, labels: list[object], gaps: int) -> list[BaselineRow]:
    counts = pd.crosstab(values, groups).reindex(columns=labels, fill_value=0)
    p, test = _association(counts.to_numpy())
    totals = counts.sum(axis=0)

    def shown(level: object) -> tuple[str, ...]:
        return tuple(f"{counts.loc[level, g]} ({counts.loc[level, g] / max(totals[g], 1):.0%})" for g in labels)

    levels = list(counts.index)
    if len(levels) == 2 and set(levels) <= {0, 1}:
        return [BaselineRow(label=f"{name}, n (%)", values=shown(levels[1]), missing=gaps, p=p, test=test)]
    return [
        BaselineRow(
            label=f"{name} = {level:g}, n (%)" if isinstance(level, int | float) else f"{name} = {level}, n (%)",
            values=shown(level),
            missing=gaps if i == 0 else 0,
            p=p if i == 0 else None,
            test=test if i == 0 else "",
        )
        for i, level in enumerate(levels)
    ]


def _association(counts: "np.ndarray") -> tuple[float | None, str]:
    if min(counts.shape) < 2 or (counts.sum(axis=0) == 0).any():
        return None, ""
    result = stats.chi2_contingency(counts, correction=False)
    if counts.shape == (2, 2) and result.expected_freq.min() < FEWEST_EXPECTED:
        return float(stats.fisher_exact(counts).pvalue), "Fisher's exact"
    return float(result.pvalue), "chi-square"
