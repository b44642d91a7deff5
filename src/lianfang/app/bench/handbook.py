"""The Fraud Detection Handbook's protocol on its simulated card payments, exactly: which rows train, which are tested.

Y.-A. Le Borgne et al., "Reproducible Machine Learning for Credit Card Fraud Detection - Practical Handbook", 2022, chapters 3.4
and 5.3 (`get_train_test_set`, `prequentialSplit`).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lianfang.kernel.instant import DAY

Days = NDArray[np.int64]

DELTA: Final = 7
"""Days of training, of delay, of test."""
TRAIN_STARTS: Final = 17_737
"""2018-07-25, in days since the epoch: 07-25 to 07-31 train, 08-08 to 08-14 test."""
FOLDS: Final = 4
CHOSEN_ON: Final = tuple(TRAIN_STARTS - DELTA * back for back in range(4, 8))
"""First days of training of the weeks that choices were made on: tests end before the earliest prequential test begins."""
TESTS: Final = 58_264
FRAUDS: Final = 385
"""What the protocol must come to on the published file."""


class Rows(NamedTuple):
    """Places of the rows, rising."""

    train: NDArray[np.int64]
    history: NDArray[np.int64]
    """All rows whose labels are known when the test begins, from `WARM_DAYS` on."""
    test: NDArray[np.int64]


WARM_DAYS: Final = 37
"""Before them, windows of 30 days of known outcomes are not filled."""


def handbook_rows(times: Days, customers: NDArray[Any], labels: NDArray[Any], train_starts: int) -> Rows:
    """Rows of one fold. `times` in microseconds, sorted; `train_starts` in days since the epoch.

    Dropped from each day's test, as the handbook does: customers with a fraud in the training week, or on a day since
    whose labels have come in by then (the day that lies `DELTA + 1` days before).
    """
    days = times // DAY
    first = int(days[0])
    train = (days >= train_starts) & (days < train_starts + DELTA)
    fraud = labels == 1
    known = set(np.unique(customers[train & fraud]).tolist())
    parts = []
    for day in range(DELTA):
        known |= set(np.unique(customers[(days == train_starts + DELTA + day - 1) & fraud]).tolist())
        on = np.flatnonzero(days == train_starts + 2 * DELTA + day)
        parts.append(on[~np.isin(customers[on], np.fromiter(known, np.int64, len(known)))])
    history = (days >= first + WARM_DAYS) & (days < train_starts + DELTA)
    return Rows(np.flatnonzero(train), np.flatnonzero(history), np.concatenate(parts))
