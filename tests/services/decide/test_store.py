"""Rules and lists on record, on both kinds of database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lianfang.infra.sql import Database, changes
from lianfang.kernel.errors import ConflictError, InputError
from lianfang.kernel.instant import Instant
from lianfang.services.decide import list_table, store
from lianfang.services.decide.store import Added, ListInfo, Subject
from lianfang.wire import ListEntry, Rule
from tests.databases import KINDS, fresh_database

NOW = Instant(1_700_000_000_000_000)


def entry(value: str, name: str = "mules", effect: str = "block", **more: object) -> ListEntry:
    known = {"list": name, "effect": effect, "subject": "account", "value": value, "purpose": "p", "source": "s"}
    return ListEntry(**{**known, **more})  # type: ignore[arg-type]


def rule(points: int = 5) -> Rule:
    return Rule(id="r.one", zh="一", en="one", when='amount > 5\nand memo == "a\\tb"', points=points, code="R")


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with fresh_database(request.param, tmp_path) as made:
        store.prepare(made)
        yield made


def add(database: Database, entries: list[ListEntry], name: str = "mules", at: Instant = NOW) -> Added:
    with database.writing() as connection:
        return store.add_entries(connection, name, entries, by="k", at=at, reason="why")


def test_a_rule_is_kept_with_its_version_author_and_time(database: Database) -> None:
    with database.writing() as connection:
        store.put_rule(connection, rule(), by="a", at=NOW, reason="first")
        store.put_rule(connection, rule(), by="b", at=NOW, reason="the same again")
        made = store.put_rule(connection, rule(9), by="c", at=NOW, reason="second")
    with database.reading() as connection:
        assert store.all_rules(connection) == [made]
        assert (made.rule, made.version, made.changed_by, made.changed_at) == (rule(9), 2, "c", NOW)
        assert [(c.act, c.what, c.who, c.reason) for c in changes(connection)] == [
            ("rule.put", "r.one", "c", "second"),
            ("rule.put", "r.one", "a", "first"),
        ]


def test_a_dropped_rule_is_gone_and_on_record(database: Database) -> None:
    with database.writing() as connection:
        store.put_rule(connection, rule(), by="a", at=NOW, reason="r")
        assert store.drop_rule(connection, "r.one", by="b", at=NOW, reason="obsolete")
        assert not store.drop_rule(connection, "r.one", by="b", at=NOW, reason="again")
        assert store.one_rule(connection, "r.one") is None
        assert [c.act for c in changes(connection)] == ["rule.delete", "rule.put"]


def test_a_change_without_reason_changes_nothing(database: Database) -> None:
    with pytest.raises(InputError), database.writing() as connection:
        store.put_rule(connection, rule(), by="a", at=NOW, reason="")
    with database.reading() as connection:
        assert store.all_rules(connection) == []


def test_entries_are_idempotent_by_subject_and_value(database: Database) -> None:
    assert add(database, [entry("1"), entry("2"), entry("2")]) == Added(2, 0, 0)
    mark = _mark(database)
    assert add(database, [entry("1"), entry("2")]) == Added(0, 0, 2)
    assert _mark(database) == mark
    assert add(database, [entry("1", source="other"), entry("3"), entry("1", subject="phone")]) == Added(2, 1, 0)
    assert _mark(database) != mark
    with database.reading() as connection:
        assert store.all_lists(connection) == [ListInfo("mules", "block", 4)]


def _mark(database: Database) -> str:
    with database.reading() as connection:
        return store.lists_mark(connection)


def test_entries_of_one_list_have_one_effect_and_its_name(database: Database) -> None:
    add(database, [entry("1")])
    with pytest.raises(ConflictError, match="has the effect block"):
        add(database, [entry("2", effect="allow")])
    with pytest.raises(InputError, match="same effect") as mixed:
        add(database, [entry("2"), entry("3", effect="watch")])
    assert mixed.value.where == "$[1].effect"
    with pytest.raises(InputError, match="is for the list other"):
        add(database, [entry("2", name="other")])
    backwards: dict[str, Any] = {
        "valid_from": datetime(2026, 2, 1, tzinfo=UTC),
        "valid_until": datetime(2026, 1, 1, tzinfo=UTC),
    }
    with pytest.raises(InputError, match="ends before it begins"):
        add(database, [entry("2", **backwards)])


def test_removed_entries_leave_the_list_standing(database: Database) -> None:
    add(database, [entry("1"), entry("2")])
    with database.writing() as connection:
        assert (
            store.remove_entries(
                connection, "mules", [Subject("account", "1"), Subject("phone", "2")], by="k", at=NOW, reason="r"
            )
            == 1
        )
        assert store.remove_entries(connection, "mules", [Subject("account", "2")], by="k", at=NOW, reason="r") == 1
        assert store.list_names(connection) == ("mules",)
        assert store.all_lists(connection) == [ListInfo("mules", "block", 0)]


def test_pages_show_every_entry_once_in_the_order_added(database: Database) -> None:
    added = [entry(str(i), valid_until=datetime(2030, 1, 1, tzinfo=UTC)) for i in range(7)]
    add(database, added)
    seen: list[ListEntry] = []
    cursor: int | None = 0
    while cursor is not None:
        with database.reading() as connection:
            page, cursor = store.entries_page(connection, "mules", after=cursor, limit=3)
        seen += page
    assert seen == added


def test_the_published_table_holds_every_entry_across_batches(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "SCAN_ROWS", 4)
    first = [entry(str(i), source=f"s{i}", valid_from=datetime(2026, 1, 1 + i, tzinfo=UTC)) for i in range(9)]
    second = [entry("x", name="vips", effect="allow", subject="phone")]
    add(database, first)
    add(database, second, "vips")
    with database.reading() as connection:
        table = store.all_entries(connection)
    assert table.to_pylist() == list_table([*first, *second]).to_pylist()


def test_many_entries_are_matched_in_several_statements(database: Database) -> None:
    many = [entry(str(i)) for i in range(store.LOOKUP_VALUES * 2 + 1)]
    assert add(database, many).added == len(many)
    assert add(database, many).unchanged == len(many)


def test_a_list_made_empty_is_named(database: Database) -> None:
    with database.writing() as connection:
        assert store.make_list(connection, "suspects", "watch", by="k", at=NOW, reason="r")
        assert not store.make_list(connection, "suspects", "watch", by="k", at=NOW, reason="r")
    with database.reading() as connection:
        assert store.all_lists(connection) == [ListInfo("suspects", "watch", 0)]
        assert store.all_entries(connection).num_rows == 0
