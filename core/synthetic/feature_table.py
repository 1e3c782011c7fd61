"""A synthetic cohort as a feature table: what a centre would extract, without images, for any recipe's blocks.

Each patient's hidden aggressiveness shows in five signs (see `patients`); some features of every block carry a sign,
most are noise, and features of a block hang together as radiomic features do. Another scanner shifts, stretches and
blurs them. With `biology` off the outcomes are those of other patients: no model may find anything then.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.synthetic.patients import SyntheticPatient, synthetic_patients

CARRIERS = 0.15
FACTORS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticBlock:
    """`count` features whose names begin with `prefix`; `strength` is how strongly carriers show a sign."""

    prefix: str
    count: int
    strength: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureScanner:
    """A site's effect on features: a shift and a stretch of each (in its standard deviations), and extra noise."""

    shift: float = 0.0
    stretch: float = 0.0
    noise: float = 0.0


REFERENCE_SITE = FeatureScanner()
SHIFTED_SITE = FeatureScanner(shift=0.4, stretch=0.15, noise=0.35)


def synthetic_feature_table(
    blocks: Sequence[SyntheticBlock],
    patients: int,
    *,
    seed: int,
    site: FeatureScanner = REFERENCE_SITE,
    biology: bool = True,
) -> pd.DataFrame:
    """One row a synthetic patient: features, clinical variables, every outcome, and follow-up in months."""
    people = synthetic_patients(patients, seed)
    others = people if biology else synthetic_patients(patients, seed + 900_001)
    signs = np.array([astuple(p.signs) for p in people])
    signs = (signs - 0.5) / 0.29
    columns: dict[str, NDArray[np.float64]] = {}
    for number, block in enumerate(blocks):
        values = _block(block, number, signs, np.random.default_rng([seed, 31, number]))
        values = _on_site(values, site, number, np.random.default_rng([seed, 32, number]))
        columns |= {f"{block.prefix}{i:04d}": values[:, i] for i in range(block.count)}
    features = pd.DataFrame(columns)
    clinical = pd.DataFrame([_clinical(p) | _outcomes(o) for p, o in zip(people, others, strict=True)])
    table = pd.concat([features, clinical], axis=1)
    table.index = pd.Index([p.identifier for p in people], name="synthetic_patient")
    return table


def _block(
    block: SyntheticBlock, number: int, signs: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """What a feature means is the same in every cohort: loadings depend on the block alone, not on the seed."""
    fixed = np.random.default_rng([77, number, block.count])
    factors = rng.standard_normal((len(signs), FACTORS))
    mixed = factors @ fixed.normal(0, 0.6 / np.sqrt(FACTORS), (FACTORS, block.count)) * 2
    noise = rng.standard_normal((len(signs), block.count)) * fixed.uniform(0.4, 1.0, block.count)
    carrier = fixed.random(block.count) < CARRIERS
    which = fixed.integers(0, signs.shape[1], block.count)
    return np.asarray(mixed + noise + np.where(carrier, block.strength * signs[:, which], 0.0))


def _on_site(
    values: NDArray[np.float64], site: FeatureScanner, number: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    fixed = np.random.default_rng([78, number, values.shape[1]])
    shift = site.shift * fixed.standard_normal(values.shape[1])
    stretch = 1 + site.stretch * fixed.standard_normal(values.shape[1])
    return np.asarray(values * stretch + shift + site.noise * rng.standard_normal(values.shape))


def _clinical(p: SyntheticPatient) -> dict[str, float]:
    area = 900 + 250 * float(np.random.default_rng([p.seed, 41]).standard_normal())
    return {
        "age_years": float(p.age_years),
        "male": float(p.male),
        "afp_ng_ml": p.afp_ng_ml,
        "max_diameter_cm": p.diameter_mm / 10,
        "alt_u_l": p.alt_u_l,
        "ast_u_l": p.ast_u_l,
        "loat_area_mm2": max(100.0, area),
    }


def _outcomes(p: SyntheticPatient) -> dict[str, float]:
    rng = np.random.default_rng([p.seed, 42])
    mvi, vetc = (rng.random() < 1 / (1 + np.exp(-(b + 1.6 * p.aggressiveness))) for b in (-0.4, -0.6))
    return {
        "mvi": float(mvi),
        "vetc": float(vetc),
        "proliferative": float(p.proliferative),
        "early_peritumoral_recurrence": float(p.early_peritumoral_recurrence),
        "recurrence_months": p.recurrence_months,
        "recurrence_event": float(p.recurrence_event),
        "death_months": p.death_months,
        "death_event": float(p.death_event),
    }
