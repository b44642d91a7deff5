"""One database: opened, migrated, read and written in transactions. Its failures are ours: `DependencyError`.

SQLite: write-ahead log, `synchronous = FULL` (a change acknowledged survives a power cut), foreign keys, a busy timeout,
and `BEGIN IMMEDIATE` for writers, so that two never meet half-way. PostgreSQL: its own defaults, through psycopg 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from lianfang.kernel.errors import ConflictError, DependencyError, EvidenceError

BUSY_TIMEOUT_MS: Final = 5_000
BATCH_ROWS: Final = 10_000
"""Rows fetched or written at a time."""
_PRAGMAS: Final = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    f"busy_timeout = {BUSY_TIMEOUT_MS}",
)
Migration = Callable[[sa.Connection], None]
"""One step from a schema version to the next."""

_versions: Final = sa.Table(
    "schema_version",
    sa.MetaData(),
    sa.Column("room", sa.String(40), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
)


class Database:
    """An engine with two doors: `reading` and `writing`. Thread-safe; a connection is one thread's."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self._writer = engine.execution_options(writes=True)

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A consistent view, given up afterwards."""
        with _ours(self.engine), self.engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                connection = connection.execution_options(isolation_level="REPEATABLE READ")  # noqa: PLW2901
            yield connection
            connection.rollback()

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """All of it is durable when this returns, or nothing happened."""
        with _ours(self.engine), self._writer.begin() as connection:
            yield connection

    def close(self) -> None:
        """Give up the connections."""
        self.engine.dispose()


def sqlite_url(path: Path) -> str:
    """The address of a SQLite file."""
    return f"sqlite:///{path}"


def open_database(url: str) -> Database:
    """Opens `sqlite:///...` or `postgresql+psycopg://...`. Raises `DependencyError` when it cannot be reached."""
    try:
        engine = sa.create_engine(url, pool_pre_ping=not url.startswith("sqlite"))
    except (SQLAlchemyError, ImportError) as why:
        raise DependencyError(f"this database cannot be opened: {why}", "no-database", retryable=False) from why
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    with _ours(engine), engine.connect():
        pass
    return Database(engine)


def migrate(database: Database, room: str, steps: Sequence[Migration]) -> int:
    """Brings one room's tables to the version `len(steps)`, all steps or none. Refuses a schema newer than that."""
    with database.writing() as connection:
        _versions.create(connection, checkfirst=True)
        have = connection.scalar(sa.select(_versions.c.version).where(_versions.c.room == room)) or 0
        if have > len(steps):
            raise EvidenceError(
                f"the records of {room!r} have schema version {have}, this program knows {len(steps)}: install the newer one"
            )
        for step in steps[have:]:
            step(connection)
        if have < len(steps):
            upsert(connection, _versions, [{"room": room, "version": len(steps)}], ("room",))
    return len(steps)


def upsert(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> None:
    """Insert rows, or replace the other columns where `keys` are there already."""
    if not rows:
        return
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = make(table)
    others = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=list(keys), set_=others), [dict(r) for r in rows])


def _prepare_sqlite(raw: Any, _: Any) -> None:
    raw.isolation_level = None  # we say BEGIN ourselves
    for pragma in _PRAGMAS:
        raw.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")


@contextmanager
def _ours(engine: sa.Engine) -> Iterator[None]:
    """Strangers' errors become ours, without the statement and its values."""
    try:
        yield
    except IntegrityError as why:
        raise ConflictError("this disagrees with what is on record; read it again") from why
    except DBAPIError as why:
        said = str(why.orig).strip().splitlines()
        raise DependencyError(
            f"the records ({engine.dialect.name}) failed: {said[0] if said else 'no reason given'}", "records-failed"
        ) from why
    except SQLAlchemyError as why:
        raise DependencyError(
            f"the records ({engine.dialect.name}) failed: {type(why).__name__}", "records-failed"
        ) from why
