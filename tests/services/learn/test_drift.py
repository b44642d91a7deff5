"""Drift is told where there is some, and not where chance alone made it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lianfang.services.learn.drift import LEAST, binned, critical_psi, drift, edges_of, psi


def test_psi_by_hand() -> None:
    before, now = np.array([9, 9], np.int64), np.array([4, 14], np.int64)
    p, q = (9.5 / 19, 9.5 / 19), (4.5 / 19, 14.5 / 19)
    expected = sum((b - a) * math.log(b / a) for a, b in zip(p, q, strict=True))
    assert psi(before, now) == pytest.approx(expected)
    assert psi(before, before) == 0


@settings(max_examples=200, deadline=None)
@given(hnp.arrays(np.float64, st.integers(1, 200), elements=st.floats(-1e6, 1e6) | st.just(float("nan"))))
def test_every_value_is_in_one_bin(values: np.ndarray) -> None:
    edges = edges_of(values)
    counts = binned(values, edges)
    assert counts.sum() == len(values)
    assert counts[-1] == np.isnan(values).sum()
    assert (np.diff(edges) > 0).all()
    if len(edges):
        assert counts[:-1].min() > 0  # every bin of the reference holds some of it


@pytest.mark.parametrize("n", [200, 5_000])
def test_without_a_change_alarms_are_about_as_rare_as_asked(n: int) -> None:
    rng = np.random.default_rng(3)
    alarms = 0
    for _ in range(400):
        before, now = rng.lognormal(3, 1, n), rng.lognormal(3, 1, n // 2)
        alarms += drift("x", before, now, (n, n // 2), alpha=0.05).verdict != "steady"
    assert 4 <= alarms <= 45  # 20 are expected; quantile bins make it a little conservative


def test_a_bare_threshold_would_alarm_on_chance_and_this_does_not() -> None:
    rng = np.random.default_rng(1)
    before, now = rng.normal(size=120), rng.normal(size=60)
    found = drift("x", before, now, (120, 60))
    assert found.psi > 0.1
    assert found.verdict == "steady"


def test_a_change_is_told_with_its_size() -> None:
    rng = np.random.default_rng(2)
    before = rng.normal(size=50_000)
    slight, large = (
        drift("x", before, rng.normal(0.08, 1, 50_000), (50_000, 50_000)),
        drift("x", before, rng.normal(0.8, 1, 50_000), (50_000, 50_000)),
    )
    assert (slight.verdict, large.verdict) == ("moved", "shifted")
    assert slight.chance < 1e-6
    assert large.median_now > large.median_before


def test_an_input_that_goes_missing_is_drift() -> None:
    rng = np.random.default_rng(4)
    before, now = rng.normal(size=5_000), rng.normal(size=5_000)
    now[:2_000] = np.nan
    found = drift("x", before, now, (5_000, 5_000))
    assert (found.verdict, found.missing_before, found.missing_now) == ("shifted", 0.0, 0.4)


def test_few_customers_say_nothing_and_more_numbers_ask_for_more() -> None:
    values = np.arange(10_000, dtype=np.float64)
    assert drift("x", values, values + 9_999, (LEAST - 1, 10_000)).verdict == "too few"
    assert drift("x", values, np.zeros(0), (100, 100)).verdict == "too few"
    assert (
        critical_psi(10, 500, 500, 0.01, 60) > critical_psi(10, 500, 500, 0.01) > critical_psi(10, 5_000, 5_000, 0.01)
    )
