"""Which items fire together, and what each catches alone: from the sets that fired, not payment by payment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

LABELS: Final = 3


class Together(NamedTuple):
    """How often another item fired with this one."""

    item: int
    hits: int
    share: float
    """Of this item's hits."""
    frauds: int


class Overlap:
    """Counts of pairs. Memory: 48 bytes a pair of items at most, which with 2,000 rules is 190 MB."""

    def __init__(self, items: int) -> None:
        self._hits: NDArray[np.int64] = np.zeros((items, items), np.int64)
        self._frauds: NDArray[np.int64] = np.zeros((items, items), np.int64)
        self.alone: NDArray[np.int64] = np.zeros((items, LABELS), np.int64)
        """items x labels (unknown, genuine, fraud): payments on which only this fired."""

    def add(self, sets: NDArray[np.int64], labels: NDArray[np.int64], reasons: Sequence[tuple[int, ...]]) -> None:
        """Payments on which something fired: the set, an index of `reasons`, and the label's place, each int64[n]."""
        seen, counts = np.unique(sets * LABELS + labels, return_counts=True)
        for cell, count in zip(seen.tolist(), counts.tolist(), strict=True):
            items, label = reasons[cell // LABELS], cell % LABELS
            if len(items) == 1:
                self.alone[items[0], label] += count
            pairs = np.ix_(items, items)
            self._hits[pairs] += count
            if label == LABELS - 1:
                self._frauds[pairs] += count

    def beside(self, item: int, most: int = 3) -> list[Together]:
        """The items that fired with this one most often, the most frequent first."""
        own = int(self._hits[item, item])
        with_it = self._hits[item].copy()
        with_it[item] = 0
        order = np.argsort(-with_it, kind="stable")[:most].tolist()
        return [
            Together(other, int(with_it[other]), with_it[other] / own, int(self._frauds[item, other]))
            for other in order
            if with_it[other]
        ]
