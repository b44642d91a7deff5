"""Judged again by the same rules, a payment has the same answer; by others, theirs. Lists are those on record."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from lianfang import wire
from lianfang.app.demo.feed import Feed
from lianfang.app.node.desk import STARTER_RULES
from lianfang.engines.keyed import HashKey
from lianfang.engines.scoring import NoModel
from lianfang.engines.world.config import demo_config
from lianfang.infra.sql import Database, open_database, prepare_changes, sqlite_url
from lianfang.kernel.instant import DAY, Instant, instant
from lianfang.services.decide import LIST_SCHEMA, ListBook, Replayer, RuleBook, hot_path, rule_book, store
from lianfang.services.decide.assemble import assemble
from lianfang.services.decide.rejudging import book_of, hits_of, rejudge
from lianfang.services.decide.rulefiles import RuleFiles
from lianfang.wire import ACTIONS, SEVERITY, ListEntry, Payment, read_payment

KEY = HashKey(1, 2)
START = 1_780_000_000_000_000
PAYMENTS = 1_500


@cache
def starter() -> RuleBook:
    ruleset = assemble(RuleFiles([STARTER_RULES]).read(), (), ())
    return rule_book(ruleset, ListBook(LIST_SCHEMA.empty_table(), KEY, "none"))


@cache
def world() -> tuple[Payment, ...]:
    feed = Feed(demo_config(3, start=START, id_prefix="t"), START)
    found = []
    for body in feed.past(START + 3 * DAY):
        found.append(read_payment(body))
        if len(found) == PAYMENTS:
            break
    return tuple(found)


def test_by_the_same_rules_every_payment_of_a_world_is_answered_the_same() -> None:
    book = starter()
    hot = hot_path(book, KEY, memory_bytes=1 << 28, ids_remembered=4_096)
    judged = Replayer(book, hot, NoModel()).judge([book.flatten(one) for one in world()], features=True)
    again = book_of(book.ruleset, ())
    reasons, shadow = dict(judged.reasons), dict(judged.shadow)
    for i, payment in enumerate(world()):
        values = judged.features[i].tolist()
        named = {
            one.name: None if math.isnan(value) else value for one, value in zip(book.features, values, strict=True)
        }
        found = rejudge(again, payment, named, None, ())
        assert found.action == ACTIONS[judged.actions[i]]
        assert found.reasons == reasons.get(i, ())
        assert found.shadow == shadow.get(i, ())
        assert found.points == judged.points[i]
    assert len(reasons) > 10
    assert judged.actions.max() >= SEVERITY["challenge"]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = open_database(sqlite_url(tmp_path / "records.sqlite"))
    prepare_changes(made)
    store.prepare(made)
    yield made
    made.close()


def test_lists_speak_by_side_and_while_they_are_in_force(database: Database) -> None:
    payment = next(one for one in world() if one.payee.account and one.payer.account)
    at = instant(payment.time)

    def entry(value: str | None, **more: object) -> ListEntry:
        assert value is not None
        return ListEntry(list="bad", effect="block", subject="account", value=value, purpose="p", source="s", **more)  # type: ignore[arg-type]

    entries = [
        entry(payment.payee.account, side="payee"),
        entry(payment.payer.account, side="payee"),
    ]
    with database.writing() as connection:
        store.add_entries(connection, "bad", entries, by="x", at=Instant(START), reason="test")
    with database.reading() as connection:
        found = hits_of(connection, payment, at)
    assert [(hit.path, hit.list) for hit in found] == [("payee.account", "bad")]
    said = rejudge(book_of(wire.RuleSet(), ["bad"]), payment, {}, None, found)
    assert said.action == "block"
    assert said.reasons[0].code == "list-block"
