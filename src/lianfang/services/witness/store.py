"""What a witness must never forget, in SQLite: durable before it answers, and compared before it is replaced."""

from __future__ import annotations

from typing import Final

import msgspec
import sqlalchemy as sa

from lianfang.engines.tlog.witness import Seen
from lianfang.infra.sql import Database, migrate, prepare_changes, record, upsert
from lianfang.kernel.errors import ConflictError
from lianfang.kernel.instant import Instant

ROOM: Final = "witness"
FORKS_SHOWN: Final = 100
metadata: Final = sa.MetaData()
seen_table: Final = sa.Table(
    "witness_seen",
    metadata,
    sa.Column("origin", sa.String(255), primary_key=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("root", sa.LargeBinary(32), nullable=False),
)
logs_table: Final = sa.Table(
    "witness_logs",
    metadata,
    sa.Column("origin", sa.String(255), primary_key=True),
    sa.Column("key", sa.String(400), nullable=False),
)
notes_table: Final = sa.Table(
    "witness_notes",
    metadata,
    sa.Column("origin", sa.String(255), primary_key=True),
    sa.Column("note", sa.LargeBinary, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
)
forks_table: Final = sa.Table(
    "witness_forks",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("origin", sa.String(255), nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("ours", sa.LargeBinary, nullable=False),
    sa.Column("theirs", sa.LargeBinary, nullable=False),
)
_s: Final = seen_table.c


class Watched(msgspec.Struct, frozen=True):
    """A log that this witness cosigns: its origin, and the key that signs it."""

    origin: str
    key: str


class Fork(msgspec.Struct, frozen=True):
    """Two notes of one log that cannot both be true: the proof."""

    origin: str
    at: int
    ours: bytes
    theirs: bytes


class Records:
    """A witness's records. `seen` and `replace` are the memory of `engines.tlog.Witness`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        prepare_changes(database)
        migrate(database, ROOM, (metadata.create_all,))

    def seen(self, origin: str) -> Seen | None:
        """The newest tree cosigned."""
        with self._database.reading() as connection:
            row = connection.execute(sa.select(seen_table).where(_s.origin == origin)).first()
        return Seen(row.size, bytes(row.root)) if row else None

    def replace(self, origin: str, old: Seen | None, new: Seen) -> bool:
        """Durable when it returns True; False if it no longer was `old`."""
        with self._database.writing() as connection:
            row = connection.execute(sa.select(seen_table).where(_s.origin == origin)).first()
            if (Seen(row.size, bytes(row.root)) if row else None) != old:
                return False
            upsert(connection, seen_table, [{"origin": origin, "size": new.size, "root": new.root}], ("origin",))
        return True

    def logs(self) -> list[Watched]:
        """The logs that are watched."""
        with self._database.reading() as connection:
            rows = connection.execute(sa.select(logs_table).order_by(logs_table.c.origin))
            return [Watched(row.origin, row.key) for row in rows]

    def watch(self, one: Watched, who: str, reason: str, at: int) -> None:
        """Watch a log from now on. Raises `ConflictError`: it is watched under another key."""
        with self._database.writing() as connection:
            row = connection.execute(sa.select(logs_table).where(logs_table.c.origin == one.origin)).first()
            if row and row.key != one.key:
                raise ConflictError(
                    f"{one.origin} is watched already, under another key ({row.key}): which one is right?"
                )
            upsert(connection, logs_table, [{"origin": one.origin, "key": one.key}], ("origin",))
            detail = {"key": one.key}
            record(
                connection,
                who=who,
                act="witness.watch",
                what=one.origin[:64],
                reason=reason,
                at=Instant(at),
                detail=detail,
            )

    def keep_note(self, origin: str, note: bytes, at: int) -> None:
        """The newest checkpoint seen, to be shown to who compares."""
        with self._database.writing() as connection:
            upsert(connection, notes_table, [{"origin": origin, "note": note, "at": at}], ("origin",))

    def note(self, origin: str) -> bytes | None:
        """That checkpoint."""
        with self._database.reading() as connection:
            found = connection.scalar(sa.select(notes_table.c.note).where(notes_table.c.origin == origin))
        return None if found is None else bytes(found)

    def keep_fork(self, origin: str, theirs: bytes, at: int) -> None:
        """The proof that a log signed two histories: what we had, and what came."""
        ours = self.note(origin) or b""
        with self._database.writing() as connection:
            connection.execute(forks_table.insert().values(origin=origin, at=at, ours=ours, theirs=theirs))

    def forks(self) -> list[Fork]:
        """Proofs, the newest first."""
        with self._database.reading() as connection:
            rows = connection.execute(sa.select(forks_table).order_by(forks_table.c.id.desc()).limit(FORKS_SHOWN))
            return [Fork(row.origin, row.at, bytes(row.ours), bytes(row.theirs)) for row in rows]
