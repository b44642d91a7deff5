"""Whether numbers are still spread as they were: the population stability index, and how much of it chance alone makes.

PSI is the sum over bins of (q - p) ln(q / p). The customary 0.1 and 0.25 take no account of how many payments were looked
at. Where nothing has changed, PSI / (1/n + 1/m) is about chi-square with bins - 1 degrees of freedom (B. Yurdakul,
Statistical Properties of the Population Stability Index, Western Michigan University, 2018, dissertation 3208). Payments of
one customer resemble each other, so n and m are customers, not payments.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, chdtri

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Verdict = Literal["steady", "moved", "shifted", "too few"]

BINS: Final = 10
"""By the reference's deciles; and one for null."""
SMOOTHED: Final = 0.5
"""Added to every bin, so that an empty one has a logarithm."""
LEAST: Final = 50
"""Customers in each period, for anything to be said."""
SIZE_SMALL: Final = 0.1
"""A change surer than chance but smaller than this is told as `moved`: the customary bound keeps its use as a size."""


class Drift(NamedTuple):
    """One number's change between two periods."""

    name: str
    psi: float
    chance: float
    """How often chance alone would make a PSI as large as this (p-value, not corrected)."""
    critical: float
    """PSI that chance alone passes as seldom as allowed, corrected for how many numbers are looked at."""
    verdict: Verdict
    missing_before: float
    missing_now: float
    median_before: float
    median_now: float


def edges_of(reference: Floats, bins: int = BINS) -> Floats:
    """Inner edges of the reference's quantile bins, ascending, each once. Empty where there is one value or none."""
    known = reference[~np.isnan(reference)]
    if not len(known):
        return np.zeros(0)
    inner = np.quantile(known, np.arange(1, bins) / bins, method="lower")
    edges: Floats = np.unique(inner)
    below: Floats = edges[edges < known.max()]
    return below


def binned(values: Floats, edges: Floats) -> Counts:
    """How many values lie in each bin, int64[edges + 2]; the last counts nulls. A value on an edge is in the lower bin."""
    null = np.isnan(values)
    counts = np.bincount(np.searchsorted(edges, values[~null], side="left"), minlength=len(edges) + 1)
    return np.append(counts, np.count_nonzero(null)).astype(np.int64)


def psi(before: Counts, now: Counts) -> float:
    """Population stability index of two rows of counts, each bin smoothed by `SMOOTHED`."""
    p = (before + SMOOTHED) / (before.sum() + SMOOTHED * len(before))
    q = (now + SMOOTHED) / (now.sum() + SMOOTHED * len(now))
    return float(((q - p) * np.log(q / p)).sum())


def critical_psi(bins: int, n: int, m: int, alpha: float, looked_at: int = 1) -> float:
    """The PSI that chance passes with probability `alpha` among `looked_at` numbers (Bonferroni). `n`, `m`: customers."""
    return float(chdtri(max(bins - 1, 1), alpha / looked_at) * (1 / n + 1 / m))


def chance_of(value: float, bins: int, n: int, m: int) -> float:
    """How often chance alone makes a PSI of at least `value`."""
    return float(chdtrc(max(bins - 1, 1), value / (1 / n + 1 / m)))


def drift(
    name: str, before: Floats, now: Floats, customers: tuple[int, int], *, alpha: float = 0.01, looked_at: int = 1
) -> Drift:
    """One number in two periods; NaN is null. `customers`: how many different ones each period has."""
    edges = edges_of(before)
    counted = binned(before, edges), binned(now, edges)
    used = (counted[0] + counted[1]) > 0
    value = psi(counted[0][used], counted[1][used])
    bins = int(used.sum())
    n, m = customers
    if min(n, m) < LEAST or not len(before) or not len(now):
        return Drift(name, value, 1.0, np.inf, "too few", _missing(before), _missing(now), _mid(before), _mid(now))
    critical = critical_psi(bins, n, m, alpha, looked_at)
    verdict: Verdict = "steady" if value <= critical else ("moved" if value < SIZE_SMALL else "shifted")
    chance = chance_of(value, bins, n, m)
    return Drift(name, value, chance, critical, verdict, _missing(before), _missing(now), _mid(before), _mid(now))


def _missing(values: Floats) -> float:
    return float(np.isnan(values).mean()) if len(values) else float("nan")


def _mid(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else float("nan")
