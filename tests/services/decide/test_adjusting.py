"""Packs and parameters on record, and records that older versions wrote, on both kinds of database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from lianfang.infra.sql import Database, changes, migrate
from lianfang.kernel.errors import ConflictError, InputError
from lianfang.kernel.instant import Instant
from lianfang.services.decide import store
from lianfang.services.decide.adjusting import adjustments, changes_of, set_parameter, switch_pack
from lianfang.services.decide.store import Added, Subject
from tests.databases import KINDS, fresh_database
from tests.services.decide.test_store import entry

NOW = Instant(1_700_000_000_000_000)


@pytest.fixture(params=KINDS)
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with fresh_database(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def database(empty: Database) -> Database:
    store.prepare(empty)
    return empty


def test_a_pack_is_off_until_it_is_switched_on_again(database: Database) -> None:
    with database.writing() as connection:
        assert switch_pack(connection, "law", on=False, by="k", at=NOW, reason="not here")
        assert not switch_pack(connection, "law", on=False, by="k", at=NOW, reason="again")
        assert adjustments(connection).off == {"law"}
        assert changes_of(connection, store.packs_table)["law"].by == "k"
        assert switch_pack(connection, "law", on=True, by="k", at=NOW, reason="back")
        assert not switch_pack(connection, "law", on=True, by="k", at=NOW, reason="again")
        assert adjustments(connection).off == frozenset()
    with database.reading() as connection:
        assert [(c.act, c.what, c.reason) for c in changes(connection)] == [
            ("pack.on", "law", "back"),
            ("pack.off", "law", "not here"),
        ]


@pytest.mark.parametrize("value", [7, -3, 0.5, 2**62, 1e-9])
def test_a_parameter_has_its_value_to_the_bit_until_it_is_reset(database: Database, value: float) -> None:
    with database.writing() as connection:
        assert set_parameter(connection, "x", value, by="k", at=NOW, reason="r")
        assert not set_parameter(connection, "x", value, by="k", at=NOW, reason="r")
        kept = adjustments(connection).values["x"]
        assert (kept, type(kept)) == (value, type(value))
        assert set_parameter(connection, "x", None, by="k", at=NOW, reason="r")
        assert adjustments(connection).values == {}
        assert [c.act for c in changes(connection)] == ["parameter.reset", "parameter.set"]


def test_without_a_reason_nothing_is_switched_or_set(database: Database) -> None:
    with pytest.raises(InputError, match="needs a reason"), database.writing() as connection:
        switch_pack(connection, "law", on=False, by="k", at=NOW, reason=" ")
    with pytest.raises(InputError, match="needs a reason"), database.writing() as connection:
        set_parameter(connection, "x", 5, by="k", at=NOW, reason="")
    with database.reading() as connection:
        assert adjustments(connection) == (frozenset(), {})


def test_trying_entries_counts_and_writes_nothing(database: Database) -> None:
    with database.writing() as connection:
        store.add_entries(connection, "mules", [entry("1"), entry("2")], by="k", at=NOW, reason="r")
    tried = [entry("1"), entry("2", source="other"), entry("3"), entry("4", side="payee")]
    with database.writing() as connection:
        mark = store.lists_mark(connection)
        added = store.add_entries(connection, "mules", tried, by="k", at=NOW, reason="", dry_run=True)
        assert added == Added(added=2, changed=1, unchanged=1)
        assert store.lists_mark(connection) == mark
        assert store.count_entries(connection, "mules", [Subject("account", "1"), Subject("account", "9")]) == 1
        with pytest.raises(ConflictError, match="has the effect block"):
            store.add_entries(connection, "mules", [entry("5", effect="veto")], by="k", at=NOW, reason="", dry_run=True)
        assert store.add_entries(
            connection, "new", [entry("1", name="new")], by="k", at=NOW, reason="", dry_run=True
        ) == Added(1, 0, 0)
        assert store.list_names(connection) == ("mules",)
        assert len(changes(connection)) == 2


def test_an_entry_says_its_purpose_and_its_source(database: Database) -> None:
    for change, where in (({"purpose": " "}, "$[0].purpose"), ({"source": ""}, "$[0].source")):
        with pytest.raises(InputError, match="every hit repeats it") as why, database.writing() as connection:
            store.add_entries(connection, "mules", [entry("1", **change)], by="k", at=NOW, reason="r")
        assert why.value.where == where


def test_a_side_is_part_of_an_entry(database: Database) -> None:
    made = [entry("1", side="payer"), entry("2")]
    with database.writing() as connection:
        store.add_entries(connection, "mules", made, by="k", at=NOW, reason="r")
        assert store.entries_page(connection, "mules")[0] == made
        assert store.all_entries(connection)["side"].to_pylist() == ["payer", "both"]
        changed = store.add_entries(connection, "mules", [entry("1", side="both")], by="k", at=NOW, reason="r")
        assert changed == Added(0, 1, 0)


def _first_version(connection: sa.Connection) -> None:
    """The tables as the first version made them: without sides, without adjustments, with short names of effects."""
    store.metadata.create_all(connection)
    statements = ["ALTER TABLE list_entries DROP COLUMN side", "DROP TABLE packs_off", "DROP TABLE parameter_values"]
    if connection.dialect.name == "postgresql":
        statements.append("ALTER TABLE lists ALTER COLUMN effect TYPE VARCHAR(10)")
    for statement in statements:
        connection.execute(sa.text(statement))


def test_records_of_the_first_version_are_read_as_entries_on_both_sides(empty: Database) -> None:
    migrate(empty, store.ROOM, (_first_version,))
    with empty.writing() as connection:
        connection.execute(sa.text("INSERT INTO lists VALUES ('friends', 'allow', '1.1')"))
        connection.execute(
            sa.text(
                "INSERT INTO list_entries (list, subject, value, purpose, source) "
                "VALUES ('friends', 'account', 'a', 'p', 's')"
            )
        )
    store.prepare(empty)
    with empty.writing() as connection:
        assert store.entries_page(connection, "friends")[0] == [entry("a", name="friends", effect="allow")]
        stopped = [entry("b", name="stopped", effect="overridable_block", side="payee")]
        store.add_entries(connection, "stopped", stopped, by="k", at=NOW, reason="r")
        assert store.entries_page(connection, "stopped")[0] == stopped
        assert adjustments(connection) == (frozenset(), {})
    store.prepare(empty)
