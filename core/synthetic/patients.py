"""Synthetic patients: clinical variables, a hidden aggressive biology, and outcomes that it drives.

The distributions follow what the five papers report of their cohorts (age 58 ± 10 years, about 84 % men,
40 % events, AFP of 400 ng/mL or more in about a quarter). The aggressiveness is standard normal; each of its
signs carries it together with independent noise, so that a model can learn something but not everything.
"""

from dataclasses import dataclass

import numpy as np

FOLLOW_UP_MONTHS = (12.0, 72.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """How strongly each image sign of aggressive biology shows, 0 to 1."""

    margin_irregularity: float
    texture_heterogeneity: float
    rim: float
    washout: float
    shell_enhancement: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticPatient:
    """One invented patient. Times are months from treatment; `aggressiveness` is never shown to a model."""

    number: int
    seed: int
    aggressiveness: float
    signs: Signs
    diameter_mm: float
    age_years: int
    male: int
    afp_ng_ml: float
    bilirubin_umol_l: float
    albumin_g_l: float
    inr: float
    alt_u_l: float
    ast_u_l: float
    platelets_10e9_l: float
    hbsag: int
    cirrhosis: int
    ascites: int
    encephalopathy_grade: int
    tumour_number: int
    proliferative: int
    early_peritumoral_recurrence: int
    recurrence_months: float
    recurrence_event: int
    death_months: float
    death_event: int

    @property
    def identifier(self) -> str:
        return f"SYN-{self.number:04d}"


def synthetic_patients(count: int, seed: int) -> list[SyntheticPatient]:
    """`count` patients; the same seed always gives the same patients."""
    return [_patient(number, np.random.default_rng([seed, number])) for number in range(1, count + 1)]


def _sigmoid(x: float) -> float:
    return float(1.0 / (1.0 + np.exp(-x)))


def _signs(aggressiveness: float, rng: np.random.Generator) -> Signs:
    def sign() -> float:
        return _sigmoid(1.6 * (0.7 * aggressiveness + 0.7 * rng.standard_normal()))

    return Signs(
        margin_irregularity=sign(),
        texture_heterogeneity=sign(),
        rim=sign(),
        washout=sign(),
        shell_enhancement=sign(),
    )


def _weibull_months(rng: np.random.Generator, *, median_months: float, log_hazard: float) -> float:
    """A survival time with Weibull shape 1.2; `log_hazard` raises the hazard proportionally."""
    shape = 1.2
    scale = median_months / np.log(2) ** (1 / shape) * np.exp(-log_hazard / shape)
    return float(scale * rng.weibull(shape))


def _patient(number: int, rng: np.random.Generator) -> SyntheticPatient:
    a = float(rng.standard_normal())
    diameter = float(np.clip(rng.lognormal(np.log(34) + 0.12 * a, 0.38), 15, 85))
    cirrhosis = int(rng.random() < 0.62)
    bilirubin = float(np.clip(rng.lognormal(np.log(14 + 4 * cirrhosis), 0.45), 4, 120))
    albumin = float(np.clip(rng.normal(41 - 2.5 * cirrhosis, 4.5), 22, 52))
    log_hazard = 0.65 * a + 0.012 * (diameter - 34)
    censoring = float(rng.uniform(*FOLLOW_UP_MONTHS))
    recurrence = _weibull_months(rng, median_months=30, log_hazard=log_hazard)
    death = _weibull_months(rng, median_months=66, log_hazard=0.9 * log_hazard + 0.25 * cirrhosis)
    end = min(death, censoring)
    ast = float(np.clip(rng.lognormal(np.log(38), 0.5), 10, 600))
    return SyntheticPatient(
        number=number,
        seed=int(rng.integers(2**31)),
        aggressiveness=a,
        signs=_signs(a, rng),
        diameter_mm=round(diameter, 1),
        age_years=int(np.clip(rng.normal(58, 10), 22, 88)),
        male=int(rng.random() < 0.84),
        afp_ng_ml=round(float(np.clip(10 ** (1.75 + 0.45 * a + 0.85 * rng.standard_normal()), 1, 2e5)), 1),
        bilirubin_umol_l=round(bilirubin, 1),
        albumin_g_l=round(albumin, 1),
        inr=round(float(np.clip(rng.normal(1.08 + 0.05 * cirrhosis, 0.09), 0.85, 2.4)), 2),
        alt_u_l=round(float(np.clip(rng.lognormal(np.log(36), 0.55), 8, 700))),
        ast_u_l=round(ast),
        platelets_10e9_l=round(float(np.clip(rng.normal(170 - 40 * cirrhosis, 55), 35, 450))),
        hbsag=int(rng.random() < 0.74),
        cirrhosis=cirrhosis,
        ascites=int(rng.random() < 0.06 + 0.06 * cirrhosis),
        encephalopathy_grade=0,
        tumour_number=1 + int(rng.random() < 0.2) + int(rng.random() < 0.06),
        proliferative=int(rng.random() < _sigmoid(-0.75 + 1.7 * a)),
        early_peritumoral_recurrence=int(rng.random() < _sigmoid(-0.55 + 1.5 * a + 0.02 * (diameter - 34))),
        recurrence_months=round(min(recurrence, end), 2),
        recurrence_event=int(recurrence <= end),
        death_months=round(end, 2),
        death_event=int(death <= censoring),
    )
