"""A histogram of latencies with a bounded relative error, whatever the spread: the bucket scheme of HdrHistogram.

Values are whole nanoseconds inside. Below 2**7 each has its own bucket; above, every octave is cut into 64, so a bucket
is at most 1/64 = 1.6 % wide. 2,304 counters reach 2**42 ns, over an hour.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lianfang.kernel.errors import InputError

_BITS: Final = 7
_HALF: Final = 1 << (_BITS - 1)
_LARGEST: Final = (1 << 42) - 1
_COARSE_FROM, _COARSE_TO = 16, 34
"""Octaves of nanoseconds that `cumulative` shows: 2**16 to 2**34."""
BUCKETS: Final = (42 - _BITS) * _HALF + (1 << _BITS)


class Histogram:
    """Counts of latencies in microseconds. `record` costs a few list operations and allocates nothing that stays."""

    __slots__ = ("_counts", "count", "max_us", "min_us", "sum_us")

    def __init__(self) -> None:
        self._counts = [0] * BUCKETS
        self.count = 0
        self.sum_us = 0.0
        self.min_us = float("inf")
        self.max_us = 0.0

    def record(self, us: float) -> None:
        """One latency. Negative ones (a clock stepped back) count as zero, huge ones as the largest bucket."""
        ns = int(us * 1000)
        if ns < 0:
            ns, us = 0, 0.0
        elif ns > _LARGEST:
            ns = _LARGEST
        shift = ns.bit_length() - _BITS
        if shift > 0:
            self._counts[(shift << (_BITS - 1)) + (ns >> shift)] += 1
        else:
            self._counts[ns] += 1
        self.count += 1
        self.sum_us += us
        self.max_us = max(self.max_us, us)
        self.min_us = min(self.min_us, us)

    def record_many(self, us: NDArray[np.floating[Any]]) -> None:
        """Many latencies at once, with the same buckets as `record`."""
        if not len(us):
            return
        us = np.maximum(us, 0.0)
        ns = np.minimum(us * 1000, _LARGEST).astype(np.int64)
        # frexp's exponent is the bit length, exactly: 2**42 is far inside a double.
        shift = np.maximum(np.frexp(ns.astype(np.float64))[1] - _BITS, 0)
        added = np.bincount((shift << (_BITS - 1)) + (ns >> shift), minlength=BUCKETS)
        for index in np.flatnonzero(added).tolist():
            self._counts[index] += int(added[index])
        self.count += len(us)
        self.sum_us += float(us.sum())
        self.min_us = min(self.min_us, float(us.min()))
        self.max_us = max(self.max_us, float(us.max()))

    def percentile(self, percent: float) -> float:
        """The latency (us) that `percent` of all stay at or below: the bucket's upper edge; 100 is the exact maximum.

        NaN while empty. Raises `InputError` outside 0..100.
        """
        if not 0 <= percent <= 100:
            raise InputError("a percentile lies between 0 and 100", "percent")
        if not self.count:
            return float("nan")
        if percent == 100:
            return self.max_us
        rank = max(1, int(np.ceil(percent / 100 * self.count - 1e-9)))
        seen = 0
        for index, count in enumerate(self._counts):
            seen += count
            if seen >= rank:
                return min(max(_upper_ns(index) / 1000, self.min_us), self.max_us)
        return self.max_us

    def cumulative(self) -> list[tuple[float, int]]:
        """(upper edge in us, count below it) of coarse buckets, eight an octave, from 64 us to 17 s: for Prometheus."""
        found, below, start = [], 0, 0
        for octave in range(_COARSE_FROM, _COARSE_TO):
            shift = octave - _BITS + 1
            for eighth in range(1, 9):
                end = (shift << (_BITS - 1)) + _HALF + eighth * (_HALF // 8)
                below += sum(self._counts[start:end])
                start = end
                found.append((_upper_ns(end - 1) / 1_000, below))
        return found

    def merge(self, other: Histogram) -> None:
        """Adds another histogram's counts to this one."""
        self._counts = [a + b for a, b in zip(self._counts, other._counts, strict=True)]
        self.count += other.count
        self.sum_us += other.sum_us
        self.min_us = min(self.min_us, other.min_us)
        self.max_us = max(self.max_us, other.max_us)

    def clear(self) -> None:
        """Empty again: for a view that shows the last seconds only."""
        self.__init__()  # type: ignore[misc]

    @property
    def mean_us(self) -> float:
        """Exact mean; NaN while empty."""
        return self.sum_us / self.count if self.count else float("nan")


def _upper_ns(index: int) -> int:
    """Exclusive upper edge of a bucket."""
    if index < 1 << _BITS:
        return index + 1
    shift = (index >> (_BITS - 1)) - 1
    return (index - (shift << (_BITS - 1)) + 1) << shift
