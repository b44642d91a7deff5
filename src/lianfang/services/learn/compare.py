"""What changes when one rule set takes the place of another: payments by action before and after, money, and samples."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

SAMPLES: Final = 10
"""Of each change and label."""
CHANGES: Final = ("newly_stopped", "newly_let_through", "newly_challenged", "no_longer_challenged", "otherwise")
_LOW: Final = 24


def change(before: int, after: int) -> str:
    """The name of a change between two actions by `SEVERITY` that differ."""
    if (before >= 2) != (after >= 2):
        return "newly_stopped" if after >= 2 else "newly_let_through"
    if after == 1:
        return "newly_challenged"
    return "no_longer_challenged" if before == 1 else "otherwise"  # hold to block, or back: stopped both ways


class Sample(NamedTuple):
    """A payment to open."""

    id: str
    time: int
    amount: int
    currency: int
    label: int
    before: int
    after: int
    about: Any
    """What the caller added: the reasons before and after."""


class Comparison:
    """Adds chunks up. Samples are those whose ids hash lowest: as good as drawn, and the same every time."""

    def __init__(self) -> None:
        self.counts: NDArray[np.int64] = np.zeros((3, 4, 4), np.int64)
        """labels (unknown, genuine, fraud) x before x after."""
        self._money: dict[int, NDArray[np.int64]] = {}
        self._samples: dict[tuple[str, int], list[tuple[int, int, Sample]]] = {}
        self._seen = 0

    def add(
        self,
        before: NDArray[np.int8],
        after: NDArray[np.int8],
        labels: NDArray[np.int8],
        amounts: NDArray[np.int64],
        currencies: NDArray[np.int32],
        sample: Callable[[int], Sample],
    ) -> None:
        """A chunk, an item a payment. `sample` makes the sample of the payment at a place, where it is wanted."""
        cells = (labels.astype(np.int64) + 1) * 16 + before.astype(np.int64) * 4 + after
        self.counts.reshape(-1)[:] += np.bincount(cells, minlength=48)
        for currency in np.unique(currencies).tolist():
            on = currencies == currency
            both = self._money.setdefault(currency, np.zeros((2, 48), np.int64))
            np.add.at(both[0], cells[on], amounts[on] >> _LOW)
            np.add.at(both[1], cells[on], amounts[on] & ((1 << _LOW) - 1))
        for place in np.flatnonzero(before != after).tolist():
            self._draw(sample(place))

    def _draw(self, one: Sample) -> None:
        kept = self._samples.setdefault((change(one.before, one.after), one.label), [])
        drawn = int.from_bytes(blake2b(one.id.encode(errors="surrogatepass"), digest_size=8).digest(), "big")
        self._seen += 1
        if len(kept) < SAMPLES:
            heapq.heappush(kept, (-drawn, self._seen, one))
        elif -kept[0][0] > drawn:
            heapq.heapreplace(kept, (-drawn, self._seen, one))

    def money(self, currency: int) -> Any:
        """Exact whole numbers, object[labels, before, after]."""
        both = self._money.get(currency)
        if both is None:
            return np.zeros((3, 4, 4), object)
        return (both[0].astype(object) * (1 << _LOW) + both[1].astype(object)).reshape(3, 4, 4)

    def samples(self) -> Iterator[tuple[str, Sample]]:
        """(change, payment), by change, frauds first."""
        for name in CHANGES:
            for label in (1, 0, -1):
                for _, _, one in sorted(self._samples.get((name, label), []), key=lambda item: -item[0]):
                    yield name, one
