"""All frauds, enough genuine payments, and weights that keep probabilities what they are."""

from __future__ import annotations

import numpy as np
import pytest

from lianfang.kernel.errors import InputError
from lianfang.services.learn.sampling import GENUINE_LEAST, balanced_weight, sampled


def test_every_fraud_is_kept_and_genuine_rows_weigh_what_they_stand_for() -> None:
    labels = np.zeros(400_000, np.int8)
    labels[::4_000] = 1
    labels[1] = -1
    rows, weights = sampled(labels, 1)
    assert (labels[rows] == 1).sum() == 100
    assert (labels[rows] == 0).sum() == GENUINE_LEAST
    assert 1 not in rows
    assert weights.sum() == pytest.approx(399_999)
    assert (np.diff(rows) > 0).all()
    again, _ = sampled(labels, 1)
    assert (again == rows).all(), "the same seed draws the same rows"


def test_too_few_frauds_are_refused_with_what_to_do() -> None:
    labels = np.zeros(1_000, np.int8)
    labels[:49] = 1
    with pytest.raises(InputError, match="longer history"):
        sampled(labels, 1)


def test_a_small_set_is_taken_whole() -> None:
    labels = np.repeat([1, 0], [60, 600])
    rows, weights = sampled(labels, 1, fraud_weight=3.0)
    assert len(rows) == 660
    assert set(weights.tolist()) == {1.0, 3.0}
    assert balanced_weight(labels) == pytest.approx(np.sqrt(10))
