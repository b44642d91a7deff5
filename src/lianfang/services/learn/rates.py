"""Whether something still happens as often as before: hits of a rule, an action, a missing value; and how much chance makes.

Payments of one customer resemble each other, so counts are first divided by their design effect, how much more they vary
than those of independent payments would (J. N. K. Rao, A. J. Scott, A Simple Method for the Analysis of Clustered Binary
Data, Biometrics 48, 1992). What is left is compared exactly: of k hits, the recent period has about its share of payments
(the conditional binomial test of two Poisson rates, J. Przyborowski, H. Wilenski, Biometrika 31, 1940).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

from lianfang.services.learn.drift import LEAST, Verdict

HITS_LEAST: Final = 10
"""Of both periods together, design effect taken off: of fewer nothing is said."""
TIMES_SMALL: Final = 1.5
"""A change surer than chance, but of less than so many times either way, is told as `moved`."""


class Exposure(NamedTuple):
    """A period's payments."""

    payments: int
    squares: int
    """Sum over customers of their payments, squared."""
    customers: int


class Hits(NamedTuple):
    """What happened in a period."""

    total: int
    squares: int
    """Sum over customers of their hits, squared."""
    cross: int
    """Sum over customers of their hits times their payments."""


NO_HITS: Final = Hits(0, 0, 0)


class RateDrift(NamedTuple):
    """One rate's change between two periods."""

    name: str
    hits_before: int
    hits_now: int
    rate_before: float
    rate_now: float
    effect: float
    """Design effect: 1 where customers do not matter."""
    chance: float
    """How often chance alone would make so great a difference (p-value, two-sided, not corrected)."""
    verdict: Verdict


def exposure(customers: NDArray[np.int64]) -> Exposure:
    """Of payments by customer, int64[payments]; codes from 0, -1 for nobody known, who is a customer each time."""
    per = np.bincount(customers[customers >= 0]) if len(customers) else np.zeros(0, np.int64)
    per = per[per > 0].astype(np.int64)
    strangers = int((customers < 0).sum())
    return Exposure(len(customers), int((per * per).sum()) + strangers, len(per) + strangers)


def hits_of(customers: NDArray[np.int64], on: NDArray[np.bool_]) -> Hits:
    """Of payments by customer as in `exposure`, and on which of them it happened."""
    known = customers >= 0
    size = int(customers.max(initial=-1)) + 1
    hits = np.bincount(customers[known & on], minlength=size).astype(np.int64)
    all_ = np.bincount(customers[known], minlength=size).astype(np.int64)
    strangers = int((on & ~known).sum())
    return Hits(int(on.sum()), int((hits * hits).sum()) + strangers, int((hits * all_).sum()) + strangers)


def design_effect(hits: Hits, of: Exposure) -> float:
    """How many times more the count varies than independent payments would let it; at least 1."""
    if not 0 < hits.total < of.payments:
        return 1.0
    rate = hits.total / of.payments
    spread = hits.squares - 2 * rate * hits.cross + rate * rate * of.squares
    return max(spread / (rate * (1 - rate) * of.payments), 1.0)


def chance_of_counts(before: float, now: float, share: float) -> float:
    """How often of `before + now` hits, `share` of them expected now, chance puts so few or so many there. Two-sided."""
    total = before + now
    if total <= 0:
        return 1.0
    few = 1.0 if before <= 0 else 1.0 - float(betainc(now + 1, before, share))
    many = 1.0 if now <= 0 else float(betainc(now, before + 1, share))
    return min(2 * min(few, many), 1.0)


def rate_drift(
    name: str, hits: tuple[Hits, Hits], of: tuple[Exposure, Exposure], *, alpha: float = 0.01, looked_at: int = 1
) -> RateDrift:
    """One rate in two periods, the earlier first. `alpha` over all `looked_at` rates together (Bonferroni)."""
    counts = hits[0].total, hits[1].total
    rates = [count / one.payments if one.payments else float("nan") for count, one in zip(counts, of, strict=True)]
    effect = _pooled_effect(hits, of)
    rare = [_rarer(count, one, counts, of) for count, one in zip(counts, of, strict=True)]
    left = rare[0] / effect, rare[1] / effect
    both = of[0].payments + of[1].payments
    if min(one.customers for one in of) < LEAST or not both or sum(left) < HITS_LEAST:
        return RateDrift(name, *counts, rates[0], rates[1], effect, 1.0, "too few")
    chance = chance_of_counts(*left, of[1].payments / both)
    verdict: Verdict = "steady"
    if chance <= alpha / looked_at:
        low, high = sorted(rates)
        verdict = "shifted" if high >= TIMES_SMALL * low else "moved"
    return RateDrift(name, *counts, rates[0], rates[1], effect, chance, verdict)


def _pooled_effect(hits: tuple[Hits, Hits], of: tuple[Exposure, Exposure]) -> float:
    """Of each period around its own rate, weighted by its hits: a change is not to be taken for variation."""
    weights = [one.total for one in hits]
    if not sum(weights):
        return 1.0
    effects = [design_effect(one, e) for one, e in zip(hits, of, strict=True)]
    return sum(w * e for w, e in zip(weights, effects, strict=True)) / sum(weights)


def _rarer(count: int, one: Exposure, counts: tuple[int, int], of: tuple[Exposure, Exposure]) -> int:
    """Hits, or where most payments are hits, those that are not: the test is for what is rare."""
    common = 2 * sum(counts) > of[0].payments + of[1].payments
    return one.payments - count if common else count
