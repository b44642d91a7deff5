"""Intervals are those of the books, and say nothing where nothing can be said."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lianfang.kernel.errors import InputError
from lianfang.services.learn import by_day, wilson


def test_wilson_gives_the_published_numbers() -> None:
    # R. Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
    published = ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718))
    for count, of, low, high in published:
        found = wilson(count, of)
        assert [found.low, found.high] == pytest.approx([low, high], abs=6e-5)


@given(st.integers(0, 500), st.integers(0, 500))
def test_the_share_lies_in_its_interval(count: int, more: int) -> None:
    found = wilson(count, count + more)
    if count + more:
        assert 0 <= found.low <= found.value <= found.high <= 1
    else:
        assert all(math.isnan(one) for one in found)


def test_a_count_above_the_whole_is_refused() -> None:
    with pytest.raises(InputError):
        wilson(3, 2)


def test_days_that_are_all_the_same_leave_no_doubt() -> None:
    low, high = by_day(np.full((10, 1), 7.0), seed=1)
    assert low[0] == high[0] == 70.0


def test_one_day_says_nothing() -> None:
    assert np.isnan(by_day(np.ones((1, 2)), seed=1)).all()


def test_the_interval_is_about_as_wide_as_theory_says_and_the_same_each_time() -> None:
    daily = np.random.default_rng(3).normal(100, 10, (400, 1))
    low, high = by_day(daily, seed=5)
    assert (high[0] - low[0]) == pytest.approx(2 * 1.96 * 10 * math.sqrt(400), rel=0.15)
    assert np.array_equal(by_day(daily, seed=5), np.array([low, high]))
