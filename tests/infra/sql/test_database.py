"""Records: what both kinds of database promise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from lianfang.infra.sql import (
    Database,
    changes,
    migrate,
    open_database,
    prepare_changes,
    record,
    sqlite_url,
    upsert,
)
from lianfang.kernel.errors import ConflictError, DependencyError, EvidenceError, InputError, LianfangError
from lianfang.kernel.instant import Instant
from tests.databases import KINDS, fresh_database

TABLE = sa.Table(
    "things", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(9), unique=True)
)
NOW = Instant(1_000)


def make_things(connection: sa.Connection) -> None:
    TABLE.create(connection)


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with fresh_database(request.param, tmp_path) as made:
        yield made


def names(database: Database) -> list[str]:
    with database.reading() as connection:
        return list(connection.scalars(sa.select(TABLE.c.name).order_by(TABLE.c.id)))


def test_migrations_run_once_each_in_their_order(database: Database) -> None:
    ran: list[int] = []
    steps = [lambda c, i=i: ran.append(i) for i in range(3)]
    assert migrate(database, "room", steps[:2]) == 2
    assert migrate(database, "room", steps) == 3
    assert migrate(database, "room", steps) == 3
    assert ran == [0, 1, 2]


def test_a_failed_migration_leaves_nothing_behind(database: Database) -> None:
    def fail(connection: sa.Connection) -> None:
        connection.exec_driver_sql("SELECT nonsense FROM nowhere")

    with pytest.raises(DependencyError):
        migrate(database, "room", [make_things, fail])
    migrate(database, "room", [make_things])
    assert names(database) == []


def test_a_newer_schema_is_refused(database: Database) -> None:
    migrate(database, "room", [lambda _: None, lambda _: None])
    with pytest.raises(EvidenceError, match="schema version 2, this program knows 1"):
        migrate(database, "room", [lambda _: None])


def test_a_transaction_that_raises_changes_nothing(database: Database) -> None:
    migrate(database, "room", [make_things])

    def half(connection: sa.Connection) -> None:
        connection.execute(TABLE.insert().values(id=1, name="a"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), database.writing() as connection:
        half(connection)
    assert names(database) == []


def test_upsert_replaces_by_its_keys(database: Database) -> None:
    migrate(database, "room", [make_things])
    for rows in ([{"id": 1, "name": "a"}, {"id": 2, "name": "b"}], [{"id": 2, "name": "c"}], []):
        with database.writing() as connection:
            upsert(connection, TABLE, rows, ("id",))
    assert names(database) == ["a", "c"]


def test_a_broken_promise_of_the_schema_is_a_conflict_and_names_no_values(database: Database) -> None:
    migrate(database, "room", [make_things])
    with pytest.raises(ConflictError) as caught, database.writing() as connection:
        connection.execute(TABLE.insert(), [{"id": 1, "name": "secret"}, {"id": 2, "name": "secret"}])
    assert "secret" not in str(caught.value)


def test_changes_are_read_newest_first_and_page_by_page(database: Database) -> None:
    prepare_changes(database)
    with database.writing() as connection:
        numbers = [
            record(connection, who="k", act="a", what=str(i), reason="原因", at=NOW, detail={"i": i}) for i in range(3)
        ]
    with database.reading() as connection:
        page = changes(connection, limit=2)
        rest = changes(connection, before=page[-1].id)
    assert [c.id for c in page + rest] == numbers[::-1]
    assert (page[0].what, page[0].reason, page[0].detail, page[0].at) == ("2", "原因", {"i": 2}, NOW)


@pytest.mark.parametrize("statement", ["DELETE FROM changes", "UPDATE changes SET who = 'me'"])
def test_a_change_on_record_is_never_altered(database: Database, statement: str) -> None:
    prepare_changes(database)
    with database.writing() as connection:
        record(connection, who="k", act="a", what="w", reason="r", at=NOW)
    with pytest.raises(LianfangError), database.writing() as connection:
        connection.exec_driver_sql(statement)
    with database.reading() as connection:
        assert [c.who for c in changes(connection)] == ["k"]


@pytest.mark.parametrize("reason", ["", "  ", "x" * 257, "two\nlines"])
def test_a_change_needs_a_reason(database: Database, reason: str) -> None:
    prepare_changes(database)
    with pytest.raises(InputError, match="needs a reason"), database.writing() as connection:
        record(connection, who="k", act="a", what="w", reason=reason, at=NOW)


def test_a_database_that_cannot_be_opened_is_our_error(tmp_path: Path) -> None:
    for url in (
        sqlite_url(tmp_path / "nowhere" / "x.sqlite"),
        "nonsense://",
        "postgresql+psycopg://127.0.0.1:1/x?connect_timeout=1",
    ):
        with pytest.raises(DependencyError):
            open_database(url)


def test_sqlite_promises_durability(tmp_path: Path) -> None:
    with fresh_database("sqlite", tmp_path) as database, database.reading() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
