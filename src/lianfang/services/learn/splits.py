"""Periods of a history in the order of time: what is learned from, chosen on, calibrated on, and judged on, once.

    fit ......... | choose ... | calibrate ... |  gap  | held-out ...
                                               ^ labels as known here, where the model is made ... ^ here it starts to work

The model is made at the moment the held-out period begins, from labels known at that moment: payments of the gap before
are too young to have one, and are left out. After A. Dal Pozzolo et al., "Credit Card Fraud Detection: A Realistic Modeling
and a Novel Learning Strategy", IEEE TNNLS 29(8), 2018.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import DAY, moment

HELD_OUT: Final = 0.2
"""Share of a history's length that is held out; of the rest before the gap:"""
CHOOSE: Final = 0.15
CALIBRATE: Final = 0.15
SHORTEST: Final = DAY
"""Of a period."""


class Span(NamedTuple):
    """From an instant until before another."""

    begins: int
    ends: int

    def rows(self, times: NDArray[np.int64]) -> NDArray[np.int64]:
        """Places of the payments in it. `times` need not be sorted."""
        return np.flatnonzero((times >= self.begins) & (times < self.ends))


class Split(NamedTuple):
    """The periods; none overlaps another."""

    fit: Span
    choose: Span
    calibrate: Span
    held_out: Span
    gap: int
    """Microseconds between `calibrate` and `held_out`."""

    @property
    def made_at(self) -> int:
        """The moment the model is made: no label that became known later is learned from."""
        return self.held_out.begins


def split_history(begins: int, ends: int, gap: int, held_out: float = HELD_OUT) -> Split:
    """Periods of the payments from `begins` to before `ends` (instants). `gap` in microseconds, not negative.

    Raises `InputError` where the history is too short for them, saying how long it would have to be.
    """
    if gap < 0 or not 0 < held_out < 1:
        raise InputError("a gap is not negative, and the held-out share lies between 0 and 1")
    length = ends - begins
    last = ends - int(length * held_out)
    left = last - gap - begins
    shortest = min(left * min(CHOOSE, CALIBRATE), length * held_out)
    if shortest < SHORTEST:
        need = max(SHORTEST / held_out, (SHORTEST / min(CHOOSE, CALIBRATE) + gap) / (1 - held_out)) / DAY
        raise InputError(
            f"the history from {moment(begins):%Y-%m-%d} to {moment(ends):%Y-%m-%d} is too short: with a gap of "
            f"{gap / DAY:.0f} days for late labels it needs at least {np.ceil(need):.0f} days; give more history, or a "
            "shorter --gap if labels come sooner"
        )
    first, second = begins + int(left * (1 - CHOOSE - CALIBRATE)), begins + int(left * (1 - CALIBRATE))
    return Split(Span(begins, first), Span(first, second), Span(second, last - gap), Span(last, ends), gap)


class Fold(NamedTuple):
    """One step of a prequential test: trained on one span, tested on a later one, a gap between."""

    train: Span
    test: Span


def prequential(train_begins: int, train: int, gap: int, test: int, folds: int) -> tuple[Fold, ...]:
    """Folds, the latest first, each one `test` earlier than the one before. All lengths in microseconds.

    Fraud Detection Handbook, 5.3: the block that is tested moves back in time by its own length.
    """
    if min(train, test, folds) <= 0 or gap < 0:
        raise InputError("lengths and the number of folds are positive, the gap not negative")
    made = []
    for k in range(folds):
        begins = train_begins - k * test
        starts = begins + train + gap
        made.append(Fold(Span(begins, begins + train), Span(starts, starts + test)))
    return tuple(made)
