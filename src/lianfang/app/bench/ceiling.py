"""What somebody could reach on the handbook's data who knew how it was made, but no outcome before it was known.

The generator (handbook, chapter 3.2): a customer pays amounts N(m, m/2), those below 0 drawn again from 0 to 2m. (1) Above 220 is
fraud. (2) Each day 2 of 10,000 terminals are compromised for 28 days: every payment there is fraud. (3) Each day 3 of 5,000
customers are compromised for 14 days: a third of their amounts are multiplied by 5 and are fraud. The score is the
probability of fraud that follows by Bayes' rule from past amounts and from outcomes known `delay` after their payment. What it
leaves out: m is taken as the median so far with a spread, not integrated over. It is an estimate of the ceiling, not a proof.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

ABOVE: Final = 22_000
"""Cents: scenario 1."""
_TERMINAL_A_DAY: Final = 2 / 10_000
_CUSTOMER_A_DAY: Final = 3 / 5_000
_TERMINAL_DAYS: Final = 28
_CUSTOMER_DAYS: Final = 14
_BACK_DAYS: Final = 80
"""A terminal's past further back says nothing about today."""
_PRIOR_MEAN: Final = 5_250.0
"""Cents: the middle of the means that customers are given."""
_RATIO_MAX: Final = 1e4
_TELLS: Final = 0.0078
"""Odds that a known fraud at a terminal is the customer's and not the terminal's, before its amount is looked at: three times
scenario 3's share of payments."""


@njit(cache=True)
def _density(x, mean):
    d = np.exp(-0.5 * ((x - mean) / (mean / 2)) ** 2) / (mean / 2 * 2.5066282746)
    return d + 0.02275 / (2 * mean) if x < 2 * mean else d


@njit(cache=True)
def _spread(x, mean, w):
    return (_density(x, mean * (1 - w)) + 2 * _density(x, mean) + _density(x, mean * (1 + w))) / 4


@njit(cache=True)
def _customers(order, starts, times, days, amounts, labels, delay, chance, ratio):
    for c in range(len(starts) - 1):
        rows = order[starts[c] : starts[c + 1]]
        past = np.zeros(len(rows))
        for k in range(len(rows)):
            i = rows[k]
            amount = float(amounts[i])
            if k == 0:
                mean = _PRIOR_MEAN
            elif k < 8:
                mean = (0.5 * _PRIOR_MEAN + past[:k].sum()) / (k + 0.5)
            else:
                mean = np.median(past[:k])
            mean = max(mean, 100.0)
            w = min(0.6 / np.sqrt(k + 1.0) + 0.005, 0.6)
            usual = max(_spread(amount, mean, w), 1e-12)
            ratio[i] = min(max(_spread(amount / 5, mean, w) / 5, 1e-12) / usual, _RATIO_MAX)
            past[k] = min(amount, 3 * mean)
            total, hit = 1 - _CUSTOMER_DAYS * _CUSTOMER_A_DAY, 0.0
            for start in range(days[i] - _CUSTOMER_DAYS + 1, days[i] + 1):
                likely, here = _CUSTOMER_A_DAY, 0.0
                j = k
                while j >= 0 and days[rows[j]] >= start:
                    other, r = rows[j], ratio[rows[j]] / 3
                    if j == k:
                        here = r / (2 / 3 + r)
                        likely *= 2 / 3 + r
                    elif times[other] > times[i] - delay:
                        likely *= 2 / 3 + r
                    elif labels[other] != 1:
                        likely *= 2 / 3
                    elif amounts[other] <= ABOVE:
                        likely *= max(r, 1e-9) / 0.002
                    else:
                        likely *= max(1.0, r)
                    j -= 1
                total += likely
                hit += likely * here
            chance[i] = hit / total


@njit(cache=True)
def _terminals(order, starts, times, days, amounts, labels, delay, ratio, chance):
    for c in range(len(starts) - 1):
        rows = order[starts[c] : starts[c + 1]]
        for k in range(len(rows)):
            i = rows[k]
            total, active = 1.0, 0.0
            for start in range(max(days[i] - _BACK_DAYS, 0), days[i] + 1):
                likely = _TERMINAL_A_DAY
                for j in range(k - 1, -1, -1):
                    other = rows[j]
                    if days[other] < start:
                        break
                    if days[other] >= start + _TERMINAL_DAYS or times[other] > times[i] - delay:
                        continue
                    if labels[other] != 1:
                        likely = 0.0
                        break
                    if amounts[other] <= ABOVE:
                        likely /= min(max(_TELLS * ratio[other], 1e-6), 1.0)
                    likely = min(likely, 1e30)
                total += likely
                if start + _TERMINAL_DAYS > days[i]:
                    active += likely
            chance[i] = active / total


def _groups(keys: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    order = np.argsort(keys, kind="stable")
    edges = np.flatnonzero(np.diff(keys[order])) + 1
    return order.astype(np.int64), np.r_[0, edges, len(keys)].astype(np.int64)


def ceiling_scores(
    times: NDArray[np.int64],
    days: NDArray[np.int64],
    customers: NDArray[Any],
    terminals: NDArray[Any],
    amounts: NDArray[np.int64],
    labels: NDArray[Any],
    delay: int,
) -> NDArray[np.float64]:
    """Scores float64[n] of payments in the order of time: probabilities; those above `ABOVE`, which are certain, above 1.

    `times` and `delay` in one unit, `days` counted from 0 where the data begins, amounts in cents.
    A payment's own label is never read.
    """
    customer, ratio, terminal = (np.zeros(len(times)) for _ in range(3))
    _customers(*_groups(customers), times, days, amounts, labels, delay, customer, ratio)
    _terminals(*_groups(terminals), times, days, amounts, labels, delay, ratio, terminal)
    chance = 1 - (1 - customer) * (1 - terminal)
    return np.where(amounts > ABOVE, 1 + chance, chance)
