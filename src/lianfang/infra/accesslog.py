"""A party's access log: that something was done with shared data, and in what order, provable by all; what it was, at home.

Each entry is a salted commitment to a record: SHA-256(salt || record). Record and salt stay in this party's database;
deleting them erases what was done, and leaves how much and when. Both sides of an act log the same random reference.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec
import sqlalchemy as sa

from lianfang.infra.sql import Database, migrate
from lianfang.wire import write

ROOM: Final = "access"
SALT_BYTES: Final = 16
metadata: Final = sa.MetaData()
accesses_table: Final = sa.Table(
    "accesses",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("commitment", sa.String(64), nullable=False, unique=True),
    sa.Column("salt", sa.String(32), nullable=False),
    sa.Column("record", sa.Text, nullable=False),
    sa.Column("reference", sa.String(64), nullable=False, index=True),
    sa.Column("at", sa.BigInteger, nullable=False, index=True),
)


class Log(Protocol):
    """Where commitments go. `add` returns when the entry is durable."""

    async def add(self, entry: bytes) -> int: ...


class AccessEntry(msgspec.Struct, frozen=True, tag_field="schema", tag="access-entry/1"):
    """What everybody may see of an act."""

    commitment: str
    reference: str
    at: int


class Access(msgspec.Struct, frozen=True):
    """An act to be logged: its entry, and what only this party keeps."""

    entry: AccessEntry
    salt: str
    record: str


def access(act: str, detail: dict[str, Any], reference: str, at: int, random: Callable[[int], bytes]) -> Access:
    """An act and its commitment. `detail` holds no raw identifier and no token. `random(n)`: secret bytes."""
    record = msgspec.json.encode({"act": act, "at": at, **detail}, order="sorted").decode()
    salt = random(SALT_BYTES)
    commitment = hashlib.sha256(salt + record.encode()).hexdigest()
    return Access(AccessEntry(commitment, reference, at), salt.hex(), record)


def prepare(database: Database) -> None:
    """Make the table, or bring it up to date."""
    migrate(database, ROOM, (metadata.create_all,))


def keep(connection: sa.Connection, one: Access) -> None:
    """Keep the record and its salt. Before `publish`: an entry nobody can explain is worse than a record with no entry."""
    connection.execute(
        accesses_table.insert().values(
            commitment=one.entry.commitment,
            salt=one.salt,
            record=one.record,
            reference=one.entry.reference,
            at=one.entry.at,
        )
    )


async def publish(log: Log, one: Access) -> int:
    """The entry's place in the log, durable. Only then may data leave. Raises `DependencyError`: then it must not."""
    return await log.add(write(one.entry))


def explained(connection: sa.Connection, commitment: str) -> Access | None:
    """What a commitment stands for, if this party still keeps it."""
    row = connection.execute(sa.select(accesses_table).where(accesses_table.c.commitment == commitment)).first()
    return Access(AccessEntry(row.commitment, row.reference, row.at), row.salt, row.record) if row else None


def holds(one: Access) -> bool:
    """Whether the record is the one committed to."""
    made = hashlib.sha256(bytes.fromhex(one.salt) + one.record.encode()).hexdigest()
    return made == one.entry.commitment
