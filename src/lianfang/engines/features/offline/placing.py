"""Where outcomes stand among the payments of a history: an outcome is known to those that arrive later than its instant."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

NOT_FRAUD = np.iinfo(np.int64).max
"""In place of the instant at which a payment became known to be fraud: it never did."""


class Placed(NamedTuple):
    """`seq` int64[payments]; of the frauds known before the last payment: their payment's seq, own seq, instant (us)."""

    seq: NDArray[np.int64]
    of: NDArray[np.int64]
    known_seq: NDArray[np.int64]
    known_at: NDArray[np.int64]


def place(times: NDArray[np.int64], known_at: NDArray[np.int64] | None = None) -> Placed:
    """The order of arrival of payments (`times` us, in order of arrival) and of what became known of them.

    A history's payment arrives at its own time or, if it is late, at that of the latest before it. `known_at` int64[n],
    NOT_FRAUD where a payment never became known to be fraud. An outcome comes before the first payment that arrives later
    than it, and never before its own payment; outcomes between the same two payments come in the order of their instants.
    """
    n = len(times)
    which = np.flatnonzero(known_at != NOT_FRAUD) if known_at is not None else np.zeros(0, np.int64)
    step = len(which) + 2
    seq = np.arange(1, n + 1, dtype=np.int64) * step
    if not len(which) or known_at is None:
        none = np.zeros(0, np.int64)
        return Placed(seq, none, none, none)
    at = known_at[which]
    before = np.maximum(np.searchsorted(np.maximum.accumulate(times), at, side="right"), which + 1)
    order = np.lexsort((which, at, before))
    order = order[before[order] < n]
    before, which, at = before[order], which[order], at[order]
    first = np.searchsorted(before, before, side="left")
    return Placed(seq, seq[which], before * step + 1 + np.arange(len(before)) - first, at)
