"""What a rule set did to a history: counts and money by day, reason, label and action, added up a chunk at a time.

An *item* is what may be the reason of an action: a rule, a list, the score, a doubt. Item `WHOLE` is the set itself. Memory
is bounded by days and items, never by payments (`CELLS_MAX`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lianfang.kernel.errors import TooLargeError
from lianfang.kernel.instant import DAY
from lianfang.services.learn.overlap import Overlap

WHOLE: Final = 0
"""The item of all payments, whatever fired."""
CELLS_MAX: Final = 2_000_000
"""Days times items. Memory: 96 bytes each, and 192 for each currency."""
LABELS: Final = (-1, 0, 1)
UNKNOWN, GENUINE, FRAUD = 0, 1, 2
"""Places of `LABELS` in the arrays here."""
ACTIONS: Final = 4
CHALLENGED: Final = 1
STOPPED: Final = slice(2, 4)
"""Actions `hold` and `block`: the money stays where it is."""
TOUCHED: Final = slice(1, 4)
_LOW: Final = 24
"""Money is added in two halves: a few thousand amounts of 10**15 would run out of 63 bits."""
_WEEK: Final = 7
_MONDAY: Final = 3
"""1970-01-01 was a Thursday: so many days after a Monday."""


class Chunk(NamedTuple):
    """Some judged payments, an item each; and what was the reason of what."""

    times: NDArray[np.int64]
    actions: NDArray[np.int8]
    """By `SEVERITY`."""
    labels: NDArray[np.int8]
    """As known at the end of the period: 1 fraud, 0 genuine, -1 unknown."""
    amounts: NDArray[np.int64]
    currencies: NDArray[np.int32]
    """Index of a currency, from 0 without gaps."""
    sets: NDArray[np.int64]
    """Index into `reasons` of what fired; -1: nothing."""
    reasons: Sequence[tuple[int, ...]]
    """Items, each set once."""


class Tally:
    """Adds chunks up. `begins`, `ends`: instants; `items` besides the whole. Raises `TooLargeError` past `CELLS_MAX`."""

    def __init__(self, begins: int, ends: int, items: int) -> None:
        self.first_day = begins // DAY
        self.days = max((ends - 1) // DAY - self.first_day + 1, 1)
        self.items = items + 1
        if self.days * self.items > CELLS_MAX:
            raise TooLargeError(
                f"{self.days:,} days and {self.items:,} rules and lists are too much for one backtest (their product is at "
                f"most {CELLS_MAX:,}); choose a shorter period with --from and --to, or fewer rules"
            )
        self.counts: NDArray[np.int64] = np.zeros((self.days, self.items, 3, ACTIONS), np.int64)
        """days x items x labels x actions."""
        self._money: list[NDArray[np.int64]] = []
        self.overlap = Overlap(self.items)

    def add(self, chunk: Chunk) -> None:
        """Take in a chunk. Payments outside the period are the caller's to leave out."""
        day = chunk.times // DAY - self.first_day
        label = chunk.labels.astype(np.int64) + 1
        cell = ((day * self.items + WHOLE) * 3 + label) * ACTIONS + chunk.actions
        fired = np.flatnonzero(chunk.sets >= 0)
        places, items = _expanded(chunk.sets[fired], chunk.reasons)
        rows = fired[places]
        cells = np.concatenate([cell, cell[rows] + items * 3 * ACTIONS])
        who = np.concatenate([np.arange(len(cell)), rows])
        np.add.at(self.counts.reshape(-1), cells, 1)
        for currency in np.unique(chunk.currencies).tolist():
            on = chunk.currencies[who] == currency
            self._pay(currency, cells[on], chunk.amounts[who[on]])
        self.overlap.add(chunk.sets[fired], label[fired], chunk.reasons)

    def _pay(self, currency: int, cells: NDArray[np.int64], amounts: NDArray[np.int64]) -> None:
        while len(self._money) <= currency:
            self._money.append(np.zeros((2, self.counts.size), np.int64))
        both = self._money[currency]
        np.add.at(both[0], cells, amounts >> _LOW)
        np.add.at(both[1], cells, amounts & ((1 << _LOW) - 1))

    @property
    def currencies(self) -> int:
        """How many currencies were met."""
        return len(self._money)

    def money(self, currency: int) -> Any:
        """Sums over the period, exact whole numbers of any size: object[items, labels, actions]."""
        high, low = (half.reshape(self.counts.shape).sum(axis=0).astype(object) for half in self._money[currency])
        return high * (1 << _LOW) + low

    def money_by_day(self, currency: int, item: slice | int) -> NDArray[np.float64]:
        """float64[days, items, labels, actions] of some items: for intervals and weeks, not to the last unit."""
        high, low = (half.reshape(self.counts.shape)[:, item].astype(np.float64) for half in self._money[currency])
        return np.asarray(high * float(1 << _LOW) + low, np.float64)

    def weeks(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First days of the weeks (since the epoch, Mondays), and the week of each day."""
        of = (self.first_day + np.arange(self.days) + _MONDAY) // _WEEK
        return np.unique(of) * _WEEK - _MONDAY, of - of[0]


def _expanded(
    sets: NDArray[np.int64], reasons: Sequence[tuple[int, ...]]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every item of every set: (place in `sets`, item)."""
    if not len(sets):
        return sets, sets
    sizes = np.array([len(one) for one in reasons], np.int64)
    joined = np.array([item for one in reasons for item in one], np.int64)
    starts, many = (np.cumsum(sizes) - sizes)[sets], sizes[sets]
    places = np.repeat(np.arange(len(sets)), many)
    within = np.arange(len(places)) - np.repeat(np.cumsum(many) - many, many)
    return places, joined[np.repeat(starts, many) + within]
