"""What was planted in missed frauds is found again, and nothing is made of noise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.services.learn.patterns import FRAUDS_LEAST, Condition, find_patterns


def rows(seed: int, n: int = 6_000, frauds: int = 80) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    columns = rng.normal(size=(n, 5))
    missed = np.zeros(n, bool)
    missed[:frauds] = True
    return columns, missed


def test_a_planted_conjunction_is_found() -> None:
    columns, missed = rows(1)
    columns[:60, 1] = 2.5
    columns[:60, 3] = -2.0
    found = find_patterns(columns, missed, ~missed, touched_most=0.005)
    assert found[0].frauds >= 55
    assert {(c.column, c.op) for c in found[0].conditions} & {(1, ">="), (3, "<=")}
    assert found[0].touched <= 0.005


def test_noise_gives_nothing_that_touches_as_little() -> None:
    columns, missed = rows(2)
    assert find_patterns(columns, missed, ~missed, touched_most=0.002) == []


def test_the_second_pattern_is_for_what_the_first_leaves() -> None:
    columns, missed = rows(3)
    columns[:40, 0] = 4.0
    columns[40:80, 2] = -4.0
    found = find_patterns(columns, missed, ~missed, touched_most=0.002)
    assert [p.conditions[0].column for p in found[:2]] in ([0, 2], [2, 0])
    assert sum(p.frauds for p in found) <= 80


def test_null_is_not_true() -> None:
    values = np.array([[np.nan], [1.0], [3.0]])
    assert Condition(0, ">=", 2).holds(values).tolist() == [False, False, True]
    assert Condition(0, "<=", 1).holds(values).tolist() == [False, True, False]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1_000), st.sampled_from([0.001, 0.01, 0.05]))
def test_what_is_said_of_a_pattern_is_so(seed: int, most: float) -> None:
    columns, missed = rows(seed, 2_000, 40)
    columns[:25, 4] += 3
    columns[::7, 0] = np.nan
    for pattern in find_patterns(columns, missed, ~missed, touched_most=most):
        mask = np.ones(len(columns), bool)
        for one in pattern.conditions:
            mask &= one.holds(columns)
        assert (mask & missed).sum() == pattern.covered >= pattern.frauds >= FRAUDS_LEAST
        assert (mask & ~missed).sum() / (~missed).sum() == pytest.approx(pattern.touched)
        assert pattern.touched <= most


def test_too_few_frauds_say_nothing() -> None:
    columns, missed = rows(5, 500, FRAUDS_LEAST - 1)
    assert find_patterns(columns, missed, ~missed, touched_most=0.5) == []
