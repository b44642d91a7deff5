"""Money and rules: sums that add up, past 63 bits too."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lianfang.engines.evaluate import RuleTally, money
from lianfang.kernel.errors import InputError
from lianfang.kernel.limits import AMOUNT_MAX

rows = st.lists(st.tuples(st.integers(0, 3), st.integers(0, AMOUNT_MAX), st.sampled_from([-1, 0, 1])), max_size=40)


@given(rows)
def test_money_is_split_by_action_and_label(given_rows: list[tuple[int, int, int]]) -> None:
    actions = np.array([a for a, _, _ in given_rows], np.int8)
    amounts = np.array([m for _, m, _ in given_rows], np.int64)
    labels = np.array([label for _, _, label in given_rows], np.int8)
    got = money(actions, amounts, labels)
    assert got.stopped == sum(m for a, m, label in given_rows if a >= 2 and label == 1)
    assert got.wrongly_stopped == sum(m for a, m, label in given_rows if a >= 2 and label == 0)
    assert got.challenged == sum(m for a, m, label in given_rows if a == 1 and label == 1)
    assert got.missed == sum(m for a, m, label in given_rows if a == 0 and label == 1)
    assert got.wrongly_challenged == sum(m for a, m, label in given_rows if a == 1 and label == 0)


def test_a_sum_past_63_bits_is_still_right() -> None:
    count = 20_000
    got = money(np.full(count, 3), np.full(count, AMOUNT_MAX), np.ones(count, np.int8))
    assert got.stopped == count * AMOUNT_MAX > 2**63


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(InputError):
        money(np.array([1]), np.array([1, 2]), np.array([1]))


def test_a_tally_adds_up_over_batches() -> None:
    tally = RuleTally(["a", "b", "quiet"])
    tally.add(np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([1, 0, -1]))
    tally.add(np.array([0, 1]), np.array([0, 0]), np.array([1, 1]))
    a, b, quiet = tally.figures()
    assert (a.hits, a.fraud, a.genuine, a.unknown) == (3, 2, 1, 0)
    assert a.precision == pytest.approx(2 / 3)
    assert a.recall == pytest.approx(2 / 3)
    assert (b.hits, b.precision) == (2, 0.5)
    assert quiet.hits == 0
    assert math.isnan(quiet.precision)
    assert quiet.recall == 0.0
