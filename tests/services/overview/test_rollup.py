"""Counts are those of a plain look at every record, whatever the order, and once each."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lianfang.infra.sql import open_database, sqlite_url
from lianfang.kernel.errors import EvidenceError
from lianfang.kernel.instant import DAY, HOUR, MINUTE, Instant, instant, moment
from lianfang.services.overview import Glance, OutcomeGlance, Rollup, local_midnight, store, top
from lianfang.services.overview.rollup import NAMES_MAX, OTHER
from lianfang.wire import ACTIONS

START = instant(datetime(2026, 9, 1, tzinfo=UTC))


def seen(seq: int, at: int, action: str = "allow", amount: int = 100, reasons: tuple[str, ...] = ()) -> Glance:
    said = tuple((one, f"rule-{one}", "可疑", "suspicious") for one in reasons)
    return Glance(seq, at, f"p{seq}", "transfer", "mobile", amount, "CNY", action, action == "hold", 0.5, said)


MOMENTS = st.integers(0, 3 * 60).map(lambda m: START + m * MINUTE + 17)
ROWS = st.lists(
    st.tuples(MOMENTS, st.sampled_from(ACTIONS), st.sets(st.sampled_from("ab")), st.integers(0, 999)), max_size=60
)


@given(ROWS, st.integers(1, 10))
def test_counts_and_money_are_those_of_the_records(rows: list[tuple[int, str, set[str], int]], size: int) -> None:
    glances = [seen(i + 1, at, action, amount, tuple(names)) for i, (at, action, names, amount) in enumerate(rows)]
    rollup = Rollup()
    for i in range(0, len(glances), size):
        rollup.add(glances[i : i + size], glances[min(i + size, len(glances)) - 1].seq)
    rollup.add(glances, len(glances))  # met again: counted once
    for grain in ("minute", "hour"):
        whole = rollup.range(START, Instant(START + DAY), grain)
        assert sum(bucket.decisions for _, bucket in whole) == len(rows)
    total = rollup.total(START, Instant(START + DAY))
    assert total.actions == dict(Counter(one.action for one in glances))
    assert total.unsure == sum(one.action == "hold" for one in glances)
    assert total.reasons == dict(Counter(name for _, _, names, _ in rows for name in names))
    assert sum(total.amounts.values()) == sum(one.amount for one in glances)
    half = Instant(START + 90 * MINUTE)
    assert rollup.total(START, half).decisions == sum(one.at < half for one in glances)


def test_frauds_are_counted_by_scam_with_their_money_and_what_had_been_answered() -> None:
    rollup = Rollup()
    rollup.add(
        [
            OutcomeGlance(1, START, "fraud", "romance", 500, "CNY", "allow"),
            OutcomeGlance(2, START, "fraud", None),
            OutcomeGlance(3, START, "genuine", None, 7, "CNY", "hold"),
        ],
        3,
    )
    total = rollup.total(START, Instant(START + HOUR))
    assert total.outcomes == {"fraud": 2, "genuine": 1}
    assert total.frauds == {"romance": 1, "(none)": 1}
    assert total.fraud_amounts == {"romance CNY": 500}
    assert total.fraud_actions == {"allow": 1, "(none)": 1}


def test_names_are_bounded_and_nothing_is_lost_of_the_count() -> None:
    rollup = Rollup()
    rollup.add([seen(i, START, "hold", 1, (f"c{i}",)) for i in range(1, NAMES_MAX + 51)], NAMES_MAX + 50)
    total = rollup.total(START, Instant(START + HOUR))
    assert total.reasons[OTHER] == 50
    assert len(total.reasons) == NAMES_MAX + 1
    assert top(total.reasons, 1) == [(OTHER, 50)]


def test_minutes_go_after_two_days_and_hours_after_ninety() -> None:
    rollup = Rollup()
    for i, at in enumerate((START, START + 3 * DAY, START + 89 * DAY)):
        rollup.add([seen(i + 1, at)], i + 1)
    rollup.changed()
    end = Instant(START + 100 * DAY)
    assert len(rollup.range(START, end, "minute")) == 1
    assert len(rollup.range(START, end, "hour")) == 3
    assert rollup.total(START, end).decisions == 3
    rollup.add([seen(4, START + 95 * DAY)], 4)
    rollup.changed()
    assert len(rollup.range(START, end, "hour")) == 2


def test_what_was_kept_comes_back_with_its_seq(tmp_path: Path) -> None:
    database = open_database(sqlite_url(tmp_path / "r.sqlite"))
    store.prepare(database)
    rollup = Rollup()
    for round_ in range(3):
        rollup.add([seen(round_ * 2 + i, START + round_ * HOUR, "hold", 5, ("a",)) for i in (1, 2)], round_ * 2 + 2)
        with database.writing() as connection:
            store.save(connection, rollup, rollup.changed())
    assert rollup.changed() == []
    with database.reading() as connection:
        again = store.load(connection)
    assert again.seq == 6
    end = Instant(START + DAY)
    assert again.range(START, end) == rollup.range(START, end)
    assert again.range(START, end, "hour") == rollup.range(START, end, "hour")
    again.add([seen(7, START + 90 * DAY + 4 * HOUR)], 7)
    with database.writing() as connection:
        store.save(connection, again, again.changed())
        assert len(store.load(connection).range(START, Instant(START + 200 * DAY), "minute")) == 1
        connection.execute(store.buckets_table.update().values(body="{"))
    with database.reading() as connection, pytest.raises(EvidenceError, match="cannot be read"):
        store.load(connection)
    database.close()


def test_midnight_is_that_of_the_zone() -> None:
    at = instant(datetime(2026, 9, 1, 17, tzinfo=UTC))
    assert moment(local_midnight(at, ZoneInfo("Asia/Shanghai"))) == datetime(2026, 9, 1, 16, tzinfo=UTC)
    assert moment(local_midnight(at, UTC)) == datetime(2026, 9, 1, tzinfo=UTC)
