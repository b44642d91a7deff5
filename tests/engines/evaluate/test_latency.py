"""The histogram: percentiles within a bucket of the truth, the same however the values came in."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lianfang.engines.evaluate import Histogram
from lianfang.kernel.errors import InputError

latencies = st.lists(st.floats(0, 3e9, allow_nan=False), min_size=1, max_size=50)


def _recorded(values: list[float]) -> Histogram:
    made = Histogram()
    for value in values:
        made.record(value)
    return made


@given(latencies, st.sampled_from([0.0, 50.0, 90.0, 99.0, 99.9, 100.0]))
def test_a_percentile_is_within_one_bucket_of_the_exact_one(values: list[float], percent: float) -> None:
    exact = sorted(values)[max(1, math.ceil(percent / 100 * len(values) - 1e-9)) - 1]
    got = _recorded(values).percentile(percent)
    assert exact - 1e-9 <= got <= exact * (1 + 1 / 64) + 0.001 + 1e-9


@given(latencies, latencies)
def test_merging_is_recording_everything_and_many_at_once_is_one_by_one(a: list[float], b: list[float]) -> None:
    merged, together, many = _recorded(a), _recorded(a + b), Histogram()
    merged.merge(_recorded(b))
    many.record_many(np.array(a + b))
    for other in (merged, many):
        assert other.count == together.count
        assert other.mean_us == pytest.approx(together.mean_us)
        assert [other.percentile(p) for p in (0, 50, 99, 100)] == [together.percentile(p) for p in (0, 50, 99, 100)]


def test_the_largest_value_is_exact_and_odd_ones_are_kept() -> None:
    made = _recorded([1.5, 1234.567, -3.0, 1e13])
    assert made.percentile(100) == 1e13
    assert made.min_us == 0.0
    assert made.count == 4


def test_an_empty_histogram_has_no_percentile() -> None:
    made = _recorded([1.0])
    made.clear()
    assert math.isnan(made.percentile(50))
    with pytest.raises(InputError):
        made.percentile(101)
