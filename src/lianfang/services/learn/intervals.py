"""How sure a figure is: Wilson's interval for shares, the bootstrap by day for sums of money."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lianfang.kernel.errors import InputError

Z: Final = 1.959963984540054
"""Of the normal distribution, two-sided 95 %."""
DRAWS: Final = 1_000
LEVEL: Final = (2.5, 97.5)
"""Percentiles of the draws that the interval lies between."""


class Share(NamedTuple):
    """A share with its 95 % interval; all three NaN where there is nothing to take a share of."""

    value: float
    low: float
    high: float


def wilson(count: int, of: int) -> Share:
    """`count / of` with E. B. Wilson's score interval (JASA 22, 1927). Raises `InputError` for a count outside 0..of."""
    if not 0 <= count <= of:
        raise InputError(f"{count} of {of} is no share")
    if not of:
        return Share(float("nan"), float("nan"), float("nan"))
    p, z2 = count / of, Z * Z
    middle = (p + z2 / (2 * of)) / (1 + z2 / of)
    half = Z / (1 + z2 / of) * float(np.sqrt(p * (1 - p) / of + z2 / (4 * of * of)))
    low = 0.0 if count == 0 else max(middle - half, 0.0)  # exact at the ends, where rounding would miss them
    return Share(p, low, 1.0 if count == of else min(middle + half, 1.0))


def by_day(daily: NDArray[np.floating[Any]], seed: int, draws: int = DRAWS) -> NDArray[np.float64]:
    """95 % intervals of the sums over days, float64[2, columns]: low and high. `daily` float[days, columns].

    Whole days are drawn with replacement, all columns by the same draws: payments of one day belong together (B. Efron, R.
    Tibshirani, An Introduction to the Bootstrap, 1993, chapter 8). Fewer than two days say nothing: NaN.
    """
    days, columns = daily.shape
    if days < 2:
        return np.full((2, columns), np.nan)
    weights = np.random.default_rng(seed).multinomial(days, np.full(days, 1 / days), draws).astype(np.float64)
    return np.asarray(np.percentile(weights @ daily.astype(np.float64), LEVEL, axis=0))
