"""Agreement of readings: the six intraclass correlations of Shrout and Fleiss (1979)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from core.domain.errors import InputError

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Icc:
    """Single and average (`k`) forms: 1 one-way, 2 two-way random with absolute agreement, 3 two-way mixed.

    `icc2_ci` is the 95 % interval of the form most used for features of two readers (McGraw and Wong 1996).
    """

    n: int
    readings: int
    icc1: float
    icc2: float
    icc3: float
    icc1k: float
    icc2k: float
    icc3k: float
    icc2_ci: tuple[float, float]


def intraclass_correlation(ratings: ArrayLike) -> Icc:
    """ICC of (n cases, k readings) without gaps (R's `psych::ICC(lmer=FALSE)`).

    Raises
    ------
    InputError
        For fewer than two cases or readings, gaps, or readings that do not vary at all.
    """
    x = np.asarray(ratings, float)
    if x.ndim != 2 or min(x.shape) < 2:
        raise InputError("An ICC needs at least two cases and two readings of each.")
    if not np.isfinite(x).all():
        raise InputError("An ICC needs readings without gaps.")
    n, k = x.shape
    rows, columns, error, within = (v.item() for v in _mean_squares(x[:, None, :]))
    if rows + within == 0:
        raise InputError("The readings do not vary, so that they have no ICC.")

    icc2 = _ratio(rows - error, rows + (k - 1) * error + k * (columns - error) / n)
    return Icc(
        n=n,
        readings=k,
        icc1=_ratio(rows - within, rows + (k - 1) * within),
        icc2=icc2,
        icc3=_ratio(rows - error, rows + (k - 1) * error),
        icc1k=_ratio(rows - within, rows),
        icc2k=_ratio(rows - error, rows + (columns - error) / n),
        icc3k=_ratio(rows - error, rows),
        icc2_ci=_interval(rows, columns, error, icc2, n, k),
    )


def icc2_by_feature(readings: ArrayLike) -> Vector:
    """ICC(2,1) of every feature at once from (k readings, n cases, p features); NaN where a feature is constant."""
    x = np.moveaxis(np.asarray(readings, float), 0, -1)
    n, k = x.shape[0], x.shape[2]
    rows, columns, error, within = _mean_squares(x)
    bottom = rows + (k - 1) * error + k * (columns - error) / n
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(rows + within > 0, (rows - error) / bottom, np.nan))


def _mean_squares(x: NDArray[np.float64]) -> tuple[Vector, Vector, Vector, Vector]:
    """Between cases, between readings, residual and within cases, of (n, p, k), one value a feature."""
    n, _, k = x.shape
    mean = x.mean(axis=(0, 2))
    by_case, by_reading = x.mean(axis=2), x.mean(axis=0)
    rows = k * ((by_case - mean) ** 2).sum(axis=0)
    columns = n * ((by_reading - mean[:, None]) ** 2).sum(axis=1)
    within = ((x - by_case[:, :, None]) ** 2).sum(axis=(0, 2))
    residual = x - by_case[:, :, None] - by_reading[None] + mean[None, :, None]
    error = (residual**2).sum(axis=(0, 2))
    return rows / (n - 1), columns / (k - 1), error / ((n - 1) * (k - 1)), within / (n * (k - 1))


def _ratio(top: float, bottom: float) -> float:
    return top / bottom if bottom else 0.0


def _interval(rows: float, columns: float, error: float, icc: float, n: int, k: int) -> tuple[float, float]:
    """psych's interval of ICC(2,1), which follows McGraw and Wong with Satterthwaite's degrees of freedom."""
    if error == 0:
        return (icc, icc)
    fj = columns / error
    top = (k - 1) * (n - 1) * (k * icc * fj + n * (1 + (k - 1) * icc) - k * icc) ** 2
    bottom = (n - 1) * k**2 * icc**2 * fj**2 + (n * (1 + (k - 1) * icc) - k * icc) ** 2
    v = top / bottom
    f_low, f_high = stats.f.ppf(0.975, n - 1, v), stats.f.ppf(0.975, v, n - 1)
    rest = k * columns + (k * n - k - n) * error
    low = n * (rows - f_low * error) / (f_low * rest + n * rows)
    high = n * (f_high * rows - error) / (rest + n * f_high * rows)
    return (float(low), float(high))
