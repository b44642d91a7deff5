"""Outcomes stand before the first payment that arrives later than they, and after their own."""

from __future__ import annotations

import numpy as np

from lianfang.engines.features.offline.placing import NOT_FRAUD, place


def test_outcomes_find_their_place_among_payments() -> None:
    times = np.array([10, 20, 15, 30, 40])
    placed = place(times, np.array([20, 5, 31, NOT_FRAUD, 41]))
    assert (np.diff(placed.seq) > 0).all()
    gaps = np.searchsorted(placed.seq, placed.known_seq).tolist()
    of = np.searchsorted(placed.seq, placed.of).tolist()
    # The third is late: it arrives when the second does. What is known at 20 is not yet known to what arrives at 20.
    assert dict(zip(of, gaps, strict=True)) == {0: 3, 1: 2, 2: 4}
    assert placed.known_at.tolist() == [5, 20, 31]


def test_without_outcomes_only_the_order_is_left() -> None:
    placed = place(np.array([1, 1, 1]))
    assert placed.seq.tolist() == sorted(set(placed.seq.tolist()))
    assert len(placed.of) == 0
