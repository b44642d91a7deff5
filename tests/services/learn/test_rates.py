"""Rates are compared by what chance makes of customers, not of payments."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binom

from lianfang.services.learn.rates import (
    NO_HITS,
    Exposure,
    Hits,
    RateDrift,
    chance_of_counts,
    design_effect,
    exposure,
    hits_of,
    rate_drift,
)

Codes = NDArray[np.int64]
Mask = NDArray[np.bool_]


def drift_of(before: Codes, now: Codes, hit_before: Mask, hit_now: Mask, alpha: float = 0.01) -> RateDrift:
    hits = hits_of(before, hit_before), hits_of(now, hit_now)
    return rate_drift("r", hits, (exposure(before), exposure(now)), alpha=alpha)


def test_counts_by_customer_are_as_counted_by_hand() -> None:
    customers = np.array([0, 0, 2, -1, -1])
    on = np.array([True, True, False, True, False])
    assert exposure(customers) == Exposure(5, 4 + 1 + 1 + 1, 4)
    assert hits_of(customers, on) == Hits(3, 4 + 1, 4 + 1)
    assert hits_of(np.zeros(0, np.int64), np.zeros(0, np.bool_)) == NO_HITS


@given(st.integers(0, 60), st.integers(0, 60), st.floats(0.05, 0.95))
def test_whole_counts_have_the_binomial_chance(before: int, now: int, share: float) -> None:
    total = before + now
    few, many = binom.cdf(now, total, share), binom.sf(now - 1, total, share)
    assert chance_of_counts(before, now, share) == pytest.approx(min(2 * min(few, many), 1.0), abs=1e-9)


def test_a_hit_that_is_always_of_one_customer_is_one_hit() -> None:
    customers = np.repeat(np.arange(100), 10)
    on = customers < 5
    assert design_effect(hits_of(customers, on), exposure(customers)) == pytest.approx(10, rel=0.01)
    alone = np.arange(1_000)
    assert design_effect(hits_of(alone, alone % 7 == 0), exposure(alone)) == pytest.approx(1)


@pytest.mark.parametrize("clustered", [False, True])
def test_where_nothing_changed_chance_raises_no_more_alarms_than_it_may(clustered: bool) -> None:
    rng = np.random.default_rng(3)
    alarms = 0
    for _ in range(400):
        customers = [np.repeat(np.arange(2_000), 4), np.repeat(np.arange(500), 4)]
        on = []
        for one in customers:
            who = rng.random(one.max() + 1) < 0.03
            on.append(who[one] if clustered else rng.random(len(one)) < 0.03)
        alarms += drift_of(customers[0], customers[1], on[0], on[1], alpha=0.05).verdict in ("moved", "shifted")
    assert alarms / 400 <= 0.08


def test_a_rate_that_doubled_is_shifted_and_one_that_rose_a_little_moved() -> None:
    rng = np.random.default_rng(4)
    before, now = np.arange(40_000), np.arange(10_000)
    double = drift_of(before, now, rng.random(40_000) < 0.02, rng.random(10_000) < 0.04)
    assert double.verdict == "shifted"
    little = drift_of(before, now, rng.random(40_000) < 0.4, rng.random(10_000) < 0.45)
    assert little.verdict == "moved"
    most = drift_of(before, now, rng.random(40_000) < 0.98, rng.random(10_000) < 0.95)
    assert most.verdict == "moved"


def test_a_rule_that_fell_silent_is_told_and_a_few_hits_are_not() -> None:
    before, now = np.arange(40_000), np.arange(10_000)
    silent = drift_of(before, now, before < 100, np.zeros(10_000, np.bool_))
    assert (silent.verdict, silent.rate_now) == ("shifted", 0)
    assert drift_of(before, now, before < 4, np.zeros(10_000, np.bool_)).verdict == "too few"
    assert drift_of(before[:40], now, before[:40] < 30, now < 100).verdict == "too few"
