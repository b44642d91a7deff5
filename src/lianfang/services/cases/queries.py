"""Searches kept on this side: what an address carries is a random name, never what was looked for.

A search without a name is forgotten after a day; one with a name stays until its owner removes it. Times in microseconds UTC.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from lianfang.infra.finding import Query
from lianfang.infra.sql import Database, migrate
from lianfang.kernel import limits
from lianfang.kernel.errors import ConflictError, InputError
from lianfang.kernel.instant import DAY, Instant

ROOM: Final = "searches"
UNNAMED_US: Final = DAY
NAMED_MAX: Final = 50
"""Named searches a person."""
NAME_MAX: Final = 60
metadata: Final = sa.MetaData()
saved_table: Final = sa.Table(
    "saved_queries",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("person", sa.String(limits.ID_LENGTH_MAX), nullable=False, index=True),
    sa.Column("name", sa.String(NAME_MAX), nullable=False),
    sa.Column("query", sa.Text, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False, index=True),
)
_s = saved_table.c
_read: Final = msgspec.json.Decoder(Query).decode


class SavedQuery(msgspec.Struct, frozen=True):
    """One search of one person. `name`: empty while it has none."""

    id: str
    person: str
    name: str
    query: Query
    at: int


def prepare(database: Database) -> None:
    """Make the table, or bring it up to date."""
    migrate(database, ROOM, (metadata.create_all,))


def keep(connection: sa.Connection, made: SavedQuery) -> None:
    """Keep a new search; old ones without a name are swept."""
    connection.execute(saved_table.delete().where((_s.name == "") & (_s.at < made.at - UNNAMED_US)))
    row = {"id": made.id, "person": made.person, "name": made.name, "query": _text(made.query), "at": made.at}
    connection.execute(saved_table.insert().values(row))


def one(connection: sa.Connection, query_id: str, person: str) -> SavedQuery | None:
    """A person's own search; nobody else's."""
    found = connection.execute(sa.select(saved_table).where((_s.id == query_id) & (_s.person == person))).first()
    return _saved(found) if found else None


def named(connection: sa.Connection, person: str) -> list[SavedQuery]:
    """A person's named searches, by name."""
    query = sa.select(saved_table).where((_s.person == person) & (_s.name != "")).order_by(_s.name, _s.id)
    return [_saved(row) for row in connection.execute(query)]


def name(connection: sa.Connection, query_id: str, person: str, called: str, at: Instant) -> None:
    """Give a search a name. Raises `InputError` for a name that is none, `ConflictError` beyond `NAMED_MAX`."""
    if not 0 < len(called) <= NAME_MAX or not called.isprintable():
        raise InputError(f"a search's name has 1 to {NAME_MAX} characters on one line", "name")
    have = named(connection, person)
    if len(have) >= NAMED_MAX:
        raise ConflictError(f"a person keeps at most {NAMED_MAX} searches; remove one first", "name")
    if any(other.name == called and other.id != query_id for other in have):
        raise ConflictError("another search of yours has this name", "name")
    where = (_s.id == query_id) & (_s.person == person)
    if not connection.execute(saved_table.update().where(where).values(name=called, at=at)).rowcount:
        raise InputError("this search is gone; search again, then keep it", "id")


def forget(connection: sa.Connection, query_id: str, person: str) -> bool:
    """Whether there was one."""
    return bool(connection.execute(saved_table.delete().where((_s.id == query_id) & (_s.person == person))).rowcount)


def query_hash(query: Query) -> str:
    """What an audit entry knows a search by: the same for the same conditions, telling nothing of them by itself."""
    plain = msgspec.structs.replace(query, before_seq=None)
    return hashlib.sha256(_text(plain).encode()).hexdigest()[:16]


def _text(query: Query) -> str:
    return msgspec.json.encode(query).decode()


def _saved(row: Any) -> SavedQuery:
    return SavedQuery(row.id, row.person, row.name, _read(row.query), row.at)
