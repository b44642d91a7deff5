"""Instants and durations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import DAY, HOUR, MINUTE, SECOND, instant, moment, seconds_of

ZONES = st.sampled_from([UTC, timezone(timedelta(hours=8)), timezone(timedelta(hours=-11, minutes=-30))])


@given(at=st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=ZONES))  # noqa: DTZ001
def test_a_moment_there_and_back_is_the_same_to_the_microsecond(at: datetime) -> None:
    assert moment(instant(at)) == at


@given(at=st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999))
def test_an_instant_there_and_back_is_the_same(at: int) -> None:
    assert instant(moment(at)) == at


def test_the_zone_is_needed_and_counted() -> None:
    with pytest.raises(InputError, match="zone"):
        instant(datetime(2026, 5, 1))  # noqa: DTZ001
    assert instant(datetime.fromisoformat("1970-01-01T08:00:01+08:00")) == SECOND


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1_800), ("24h", 86_400), ("7d", 604_800), ("0s", 0)]
)
def test_durations_are_read(text: str, seconds: int) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "1", "1w", "-1s", "1.5h", "1 h", "٣s", "²d", "1234567s", "1H"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        seconds_of(text)


@given(text=st.text(max_size=8))
def test_any_text_is_a_duration_or_our_error(text: str) -> None:
    try:
        assert seconds_of(text) >= 0
    except InputError as why:
        assert why.what


def test_units() -> None:
    assert (MINUTE, HOUR, DAY) == (60 * SECOND, 3_600 * SECOND, 86_400 * SECOND)
