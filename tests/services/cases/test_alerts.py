"""Which alert a stopped payment belongs to; and the records: each once, taken by one."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lianfang import wire
from lianfang.infra.sql import Database, changes, prepare_changes
from lianfang.kernel.errors import ConflictError, InputError
from lianfang.kernel.instant import DAY, HOUR, MINUTE, Instant, moment
from lianfang.services.cases import store
from lianfang.services.cases.alerts import CHALLENGE_POINTS, RING_PAYERS, Item, Near, alerts, place
from tests.databases import KINDS, fresh_database

AT = Instant(1_780_000_000_000_000)


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with fresh_database(request.param, tmp_path) as made:
        prepare_changes(made)
        store.prepare(made)
        yield made


def item(seq: int, payer: str = "a", payee: str = "b", at: int = AT, **more: object) -> Item:
    made = Item(seq, at, f"p{seq}", payer, payee, 12_345, "CNY", "hold", 0)
    return made._replace(**more)  # type: ignore[arg-type]


def take_in(database: Database, *items: Item) -> int:
    with database.writing() as connection:
        return store.take_in(connection, items, max(one.seq for one in items))


def open_alerts(database: Database, at: int = AT) -> list[store.Alert]:
    with database.reading() as connection:
        return store.queue(connection, "all", "", Instant(at))


def decided(action: wire.Action, points: int) -> tuple[wire.Payment, wire.Decision]:
    payment = wire.Payment(id="p", time=moment(AT), kind="transfer", amount=1, currency="CNY")
    versions = wire.Versions(rules="r", lists="l", features="f")
    return payment, wire.Decision(
        payment_id="p", action=action, points=points, decided_at=moment(AT), seq=1, versions=versions
    )


def test_what_is_stopped_alerts_and_a_challenge_only_with_enough_points() -> None:
    assert alerts(*decided("block", 0))
    assert alerts(*decided("hold", 0))
    assert alerts(*decided("challenge", CHALLENGE_POINTS))
    assert not alerts(*decided("challenge", CHALLENGE_POINTS - 1))
    assert not alerts(*decided("allow", 1_000))


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 9), st.booleans()), max_size=8))
def test_a_ring_has_its_payers_and_takes_only_what_nobody_took(met: list[tuple[str, int, bool]]) -> None:
    found = place(item(1), Near(None, 7, met))
    if len({payer for payer, _, _ in met} | {"a"}) >= RING_PAYERS:
        assert found.kind == "ring"
        assert set(found.from_alerts) == {alert for _, alert, untaken in met if untaken}
    else:
        assert (found.kind, found.alert, found.from_alerts) == ("customer", 7, ())


def test_a_customers_payments_are_one_alert_that_grows_while_it_is_open(database: Database) -> None:
    take_in(database, item(1), item(2, payee="c", action="block"))
    [alert] = open_alerts(database)
    assert (alert.kind, alert.items, alert.risk, alert.worst) == ("customer", 2, 246, "block")
    with database.writing() as connection:
        store.take(connection, alert.id, by="person:x", at=AT)
        store.close(connection, alert.id, "genuine", by="person:x", at=AT, reason="called")
    take_in(database, item(3))
    [again] = open_alerts(database)
    assert (again.id != alert.id, again.items) == (True, 1)


def test_a_ring_begins_with_its_third_payer_and_gathers_what_came_before(database: Database) -> None:
    take_in(database, item(1, "a"), item(2, "c"))
    assert [one.kind for one in open_alerts(database)] == ["customer", "customer"]
    take_in(database, item(3, "d", at=AT + MINUTE))
    [ring] = open_alerts(database)
    assert (ring.kind, ring.about, ring.items) == ("ring", "b", 3)
    take_in(database, item(4, "e", at=AT + 2 * MINUTE))
    assert open_alerts(database)[0].items == 4


def test_payers_more_than_a_day_apart_are_no_ring(database: Database) -> None:
    take_in(database, item(1, "a"), item(2, "c"), item(3, "d", at=AT + DAY + 1))
    assert {one.kind for one in open_alerts(database)} == {"customer"}


def test_the_same_records_again_change_nothing(database: Database) -> None:
    assert take_in(database, item(1), item(2)) == 2
    assert take_in(database, item(1), item(2)) == 0
    assert take_in(database, item(2), item(3)) == 1
    assert open_alerts(database)[0].items == 3


def test_of_many_who_take_an_alert_at_once_one_gets_it(database: Database) -> None:
    take_in(database, item(1))
    alert = open_alerts(database)[0].id

    def attempt(who: int) -> bool:
        try:
            with database.writing() as connection:
                store.take(connection, alert, by=f"person:{who}", at=AT)
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(attempt, range(8)))
    assert sum(won) == 1
    assert open_alerts(database)[0].assignee == f"person:{won.index(True)}"


def test_only_who_has_it_gives_it_back_snoozes_or_closes_it_and_all_is_on_record(database: Database) -> None:
    take_in(database, item(1))
    alert = open_alerts(database)[0].id
    with database.writing() as connection:
        store.take(connection, alert, by="person:x", at=AT)
    for act in (store.release, lambda c, a, **k: store.close(c, a, "fraud", **k)):
        with database.writing() as connection, pytest.raises(ConflictError):
            act(connection, alert, by="person:y", at=AT, reason="mine?")
    with database.writing() as connection:
        with pytest.raises(InputError):
            store.snooze(connection, alert, AT, by="person:x", at=AT, reason="later")
        store.snooze(connection, alert, AT + HOUR, by="person:x", at=AT, reason="later")
    assert open_alerts(database)[0].state == "snoozed"
    assert open_alerts(database, AT + HOUR)[0].state == "assigned"
    with database.writing() as connection:
        store.release(connection, alert, by="person:x", at=AT, reason="end of shift")
    with database.reading() as connection:
        assert [one.id for one in store.queue(connection, "free", "", AT)] == [alert]
        acts = [one.act for one in changes(connection, what=f"alert {alert}")]
        counted = store.counts(connection, "person:x", AT)
    assert acts == ["alert.release", "alert.snooze", "alert.take"]
    assert counted == {"free": 1, "mine": 0, "all": 1}


def test_the_queue_has_the_most_money_first_or_the_oldest(database: Database) -> None:
    take_in(database, item(1, "a", "", amount=100), item(2, "c", "", at=AT + 1, amount=90_000))
    with database.reading() as connection:
        assert [one.about for one in store.queue(connection, "free", "", AT)] == ["c", "a"]
        assert [one.about for one in store.queue(connection, "free", "", AT, "age")] == ["a", "c"]
