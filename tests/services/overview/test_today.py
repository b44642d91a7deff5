"""The day so far and the last 24 hours say the same as the counts that they are read from."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lianfang.kernel.instant import DAY, MINUTE, Instant
from lianfang.services.overview import Rollup, local_midnight, money_of, slots, today
from lianfang.services.overview.today import SLOT, SLOTS
from tests.services.overview.test_rollup import START, seen


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "Asia/Kathmandu", "Europe/London"])
@given(ats=st.lists(st.integers(0, 2 * DAY), max_size=60))
def test_today_is_everything_since_midnight_of_the_zone(zone: str, ats: list[int]) -> None:
    rollup, at = Rollup(), Instant(START + 2 * DAY)
    rollup.add([seen(i + 1, START + one) for i, one in enumerate(sorted(ats))], len(ats))
    begin = local_midnight(at, ZoneInfo(zone))
    wanted = sum(begin <= START + one < at + MINUTE for one in ats)
    assert today(rollup, at, ZoneInfo(zone)).decisions == wanted


@given(ats=st.lists(st.integers(0, 2 * DAY), max_size=60))
def test_slots_hold_each_decision_of_the_last_day_once(ats: list[int]) -> None:
    rollup, at = Rollup(), Instant(START + 2 * DAY)
    rollup.add([seen(i + 1, START + one, "hold") for i, one in enumerate(sorted(ats))], len(ats))
    found = slots(rollup, at)
    assert len(found.starts) == SLOTS == len(found.actions["hold"])
    for start, n in zip(found.starts, found.actions["hold"], strict=True):
        assert n == sum(start <= START + one < start + SLOT for one in ats)
    assert found.actions["allow"] == [0] * SLOTS


def test_money_is_by_currency_of_the_actions_asked_for() -> None:
    amounts = {"hold CNY": 5, "block CNY": 7, "block USD": 20, "allow CNY": 1_000, "broken": 9}
    assert money_of(amounts, ("hold", "block")) == [("USD", 20), ("CNY", 12)]
