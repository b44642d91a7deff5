"""What was known of outcomes at a moment. Labels: 1 fraud, 0 genuine, -1 unknown, as in `engines.evaluate`.

Nobody reports that a payment was genuine: it counts as that once it is old enough that a fraud would mostly be known.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lianfang.kernel.instant import DAY

Instants = NDArray[np.int64]
Labels = NDArray[np.integer[Any]]

FRAUD: Final = 1
GENUINE: Final = 0
UNKNOWN: Final = -1
DELAY_SHARE: Final = 0.9
"""The gap is as long as the reports of this share of the reported frauds take."""
DELAY_DAYS_MAX: Final = 30
"""A longer gap would leave nothing to learn from; what is reported later counts as genuine until then, and is said so."""


def known_labels(labels: Labels, known_at: Instants, times: Instants, as_of: int, gap: int) -> NDArray[np.int8]:
    """Labels as somebody at the instant `as_of` has them, int8[n].

    A fraud reported by then is 1. Any other payment older than `gap` (microseconds) is 0, be it a fraud not yet or never
    reported: that is what one would have thought. The rest is -1, and so is everything whose label is not recorded.
    """
    found = np.where(times <= as_of - gap, GENUINE, UNKNOWN).astype(np.int8)
    found[labels == UNKNOWN] = UNKNOWN
    found[(labels == FRAUD) & (known_at <= as_of)] = FRAUD
    return found


def label_delay(labels: Labels, known_at: Instants, times: Instants, never: int) -> int:
    """A gap, in microseconds and whole days, by which `DELAY_SHARE` of the reported frauds were known; at least a day."""
    reported = (labels == FRAUD) & (known_at < never)
    if not reported.any():
        return DAY
    late = float(np.quantile(known_at[reported] - times[reported], DELAY_SHARE))
    days = min(max(int(np.ceil(late / DAY - 1e-9)), 1), DELAY_DAYS_MAX)
    return days * DAY
