"""Percentiles of an interval, out of two readings of a page."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import HistogramMetricFamily

from lianfang.engines.evaluate.latency import Histogram
from lianfang.services.overview import Latency, buckets_of, latency_between


def page(histogram: Histogram) -> str:
    """As the decider's `/metrics` shows it."""
    from lianfang.app.node.metrics import _edges

    class One:
        def collect(self) -> list[HistogramMetricFamily]:
            return [HistogramMetricFamily("lianfang_decision_seconds", "x", _edges(histogram), histogram.sum_us / 1e6)]

    registry = CollectorRegistry(auto_describe=False)
    registry.register(One())
    return generate_latest(registry).decode()


@given(st.lists(st.floats(100, 5_000_000), min_size=1, max_size=300))
def test_percentiles_are_those_of_the_last_interval(took: list[float]) -> None:
    histogram = Histogram()
    histogram.record_many(np.full(1_000, 3.0))
    before = buckets_of(page(histogram))
    histogram.record_many(np.array(took))
    found = latency_between(before, buckets_of(page(histogram)))
    assert found.count == len(took)
    for percent, said in ((50, found.p50_ms), (99, found.p99_ms), (99.9, found.p999_ms)):
        assert said is not None
        exact = np.percentile(took, percent, method="inverted_cdf") / 1_000
        assert exact / 1.13 <= said <= exact * 1.13 or exact * 1_000 < 200


def test_nothing_came_nothing_is_said() -> None:
    histogram = Histogram()
    seen = buckets_of(page(histogram))
    assert latency_between(seen, seen) == Latency(0, None, None, None)
    assert latency_between({}, {}) == Latency(0, None, None, None)


def test_after_a_restart_what_came_since_counts() -> None:
    old, new = Histogram(), Histogram()
    old.record_many(np.full(100, 1_000.0))
    new.record_many(np.full(10, 1_000.0))
    assert latency_between(buckets_of(page(old)), buckets_of(page(new))).count == 10


NO_HISTOGRAMS = (
    "",
    'x_bucket{le="1"} 3',
    'lianfang_decision_seconds_bucket{le="a"} 1',
    "lianfang_decision_seconds_bucket{le",
)


@pytest.mark.parametrize("text", NO_HISTOGRAMS)
def test_what_is_no_histogram_gives_nothing(text: str) -> None:
    assert buckets_of(text) == {}
