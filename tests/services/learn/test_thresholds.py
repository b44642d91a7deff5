"""Thresholds keep their promise about genuine payments, ties and all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lianfang.kernel.errors import InputError
from lianfang.services.learn.thresholds import money_curve, reached, threshold_for


@given(st.integers(0, 9_999), st.integers(2, 400), st.floats(0, 1))
def test_no_more_genuine_payments_are_touched_than_allowed(seed: int, rows: int, share: float) -> None:
    random = np.random.default_rng(seed)
    scores = random.integers(0, 20, rows) / 20
    labels = (random.random(rows) < 0.3).astype(np.int8)
    labels[0] = 0
    found = threshold_for(scores, labels, share)
    genuine = labels == 0
    assert (scores[genuine] >= found.score).mean() <= share + 1e-9
    lower = np.unique(scores[scores < found.score])
    if len(lower):
        assert (scores[genuine] >= lower[-1]).mean() > share, "no lower threshold would do"


def test_a_tie_of_fraud_and_genuine_stands_or_falls_together() -> None:
    scores, labels = np.array([0.9, 0.9, 0.1]), np.array([1, 0, 0])
    assert threshold_for(scores, labels, 0.0).recall == 0
    assert threshold_for(scores, labels, 0.5).recall == 1
    with pytest.raises(InputError):
        threshold_for(scores, np.ones(3, np.int8), 0.1)
    assert np.isnan(reached(scores, np.zeros(3, np.int8), 0.5).recall)


def test_the_money_curve_ends_with_all_of_it() -> None:
    curve = money_curve(np.array([3.0, 2, 2, 1, 5]), np.array([1, 0, 1, 0, -1]), np.array([10, 20, 30, 40, 99]))
    assert curve.stopped.tolist() == [0.25, 1.0, 1.0]
    assert curve.false_alarms.tolist() == [0.0, 0.5, 1.0]
    assert curve.wrongly.tolist() == pytest.approx([0, 1 / 3, 1])
