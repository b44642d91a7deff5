"""What somebody could know at a moment, and no more."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lianfang.kernel.instant import DAY
from lianfang.services.learn.labels import DELAY_DAYS_MAX, known_labels, label_delay

NEVER = 1 << 62


def test_a_fraud_counts_from_the_moment_it_is_known() -> None:
    labels, times = np.array([1, 1]), np.array([0, 0])
    known_at = np.array([3 * DAY, 9 * DAY])
    assert known_labels(labels, known_at, times, 3 * DAY, 7 * DAY).tolist() == [1, -1]
    assert known_labels(labels, known_at, times, 7 * DAY, 7 * DAY).tolist() == [1, 0], (
        "old enough, and nobody complained"
    )
    assert known_labels(labels, known_at, times, 9 * DAY, 7 * DAY).tolist() == [1, 1]


def test_an_unrecorded_label_stays_unknown() -> None:
    assert known_labels(np.array([-1]), np.array([NEVER]), np.array([0]), 90 * DAY, DAY).tolist() == [-1]


@given(
    arrays(np.int8, 30, elements=st.integers(-1, 1)),
    arrays(np.int64, 30, elements=st.integers(0, 50 * DAY)),
    arrays(np.int64, 30, elements=st.integers(0, 40 * DAY)),
    st.integers(0, 100 * DAY),
)
def test_what_becomes_known_later_changes_nothing_now(labels, times, delays, as_of) -> None:  # type: ignore[no-untyped-def]
    known_at = times + delays
    later = np.where(known_at > as_of, NEVER, known_at)
    seen = known_labels(labels, known_at, times, as_of, 7 * DAY)
    assert (seen == known_labels(labels, later, times, as_of, 7 * DAY)).all()
    assert not ((seen == 1) & (known_at > as_of)).any()


def test_the_gap_covers_nine_tenths_of_the_reports() -> None:
    times = np.zeros(10, np.int64)
    known_at = np.array([*range(1, 10), 25]) * DAY
    assert label_delay(np.ones(10, np.int8), known_at, times, NEVER) == 11 * DAY
    assert label_delay(np.zeros(10, np.int8), known_at, times, NEVER) == DAY
    assert label_delay(np.ones(10, np.int8), known_at * 100, times, NEVER) == DELAY_DAYS_MAX * DAY
