"""Kinds of fraud: every payment of a kind is stopped, challenged or missed, and the money adds up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lianfang.engines.evaluate import by_kind
from lianfang.kernel.errors import InputError
from lianfang.kernel.limits import AMOUNT_MAX

NAMES = ("police", "loan", "love")
rows = st.lists(st.tuples(st.integers(0, 3), st.integers(0, AMOUNT_MAX), st.integers(-1, 2)), max_size=40)


@given(rows)
def test_each_kind_is_counted_by_what_the_decision_did(given_rows: list[tuple[int, int, int]]) -> None:
    actions = np.array([a for a, _, _ in given_rows], np.int8)
    amounts = np.array([m for _, m, _ in given_rows], np.int64)
    kinds = np.array([k for _, _, k in given_rows], np.int32)
    found = {line.kind: line for line in by_kind(actions, amounts, kinds, NAMES)}
    for index, name in enumerate(NAMES):
        of = [(a, m) for a, m, k in given_rows if k == index]
        assert (name in found) == bool(of)
        if of:
            line = found[name]
            assert (line.payments, line.money) == (len(of), sum(m for _, m in of))
            assert (line.stopped, line.money_stopped) == (
                sum(a >= 2 for a, _ in of),
                sum(m for a, m in of if a >= 2),
            )
            assert (line.challenged, line.money_challenged) == (
                sum(a == 1 for a, _ in of),
                sum(m for a, m in of if a == 1),
            )


def test_the_kind_with_the_most_money_stands_first() -> None:
    zeros = np.zeros(2, np.int8)
    assert [line.kind for line in by_kind(zeros, np.array([1, 2]), np.array([0, 1]), NAMES)] == ["loan", "police"]


def test_arrays_of_different_lengths_are_refused() -> None:
    with pytest.raises(InputError, match="differ in length"):
        by_kind(np.zeros(2, np.int8), np.zeros(1, np.int64), np.zeros(2, np.int32), NAMES)
