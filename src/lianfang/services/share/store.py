"""The log as applied, in `shared.sqlite`: sealed tags by lookup, what contests them, members, and what was refused.

All of it can be had again from the log; that is why it has a file of its own, beside the node's records, SQLite always.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import sqlalchemy as sa

from lianfang.infra.sql import Database, migrate, upsert
from lianfang.services.share.applying import Applied, Brief, Ledger, Logged, Roster
from lianfang.services.share.quick import ask, put
from lianfang.wire import TagEntry

ROOM: Final = "shared_log"
REFUSED_MAX: Final = 100_000
"""Refused entries kept; those that came after so many are only counted."""
_id: Final = sa.BigInteger().with_variant(sa.Integer, "sqlite")
metadata: Final = sa.MetaData()
position_table: Final = sa.Table(
    "log_position",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("next", sa.BigInteger, nullable=False),
    sa.Column("confirmed", sa.BigInteger, nullable=False),
    sa.Column("root", sa.LargeBinary),
    sa.Column("acknowledged", sa.BigInteger, nullable=False),
    sa.Column("refused", sa.BigInteger, nullable=False),
)
plain_table: Final = sa.Table(
    "log_plain",
    metadata,
    sa.Column("place", _id, primary_key=True, autoincrement=False),
    sa.Column("raw", sa.LargeBinary, nullable=False),
)
tags_table: Final = sa.Table(
    "log_tags",
    metadata,
    sa.Column("place", _id, primary_key=True, autoincrement=False),
    sa.Column("id", sa.LargeBinary(16), nullable=False),
    sa.Column("member", sa.String(31), nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("purpose", sa.String(20), nullable=False),
    sa.Column("epoch", sa.String(6), nullable=False),
    sa.Column("until", sa.BigInteger, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("lookup", sa.LargeBinary(16), nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Index("log_tags_id", "id", unique=True),
    sa.Index("log_tags_lookup", "lookup"),
)
tombstones_table: Final = sa.Table(
    "log_tombstones",
    metadata,
    sa.Column("tag", sa.LargeBinary(16), primary_key=True),
    sa.Column("place", sa.BigInteger, nullable=False, index=True),
    sa.Column("member", sa.String(31), nullable=False),
    sa.Column("reason", sa.String(20), nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
)
opinions_table: Final = sa.Table(
    "log_opinions",
    metadata,
    sa.Column("tag", sa.LargeBinary(16), primary_key=True),
    sa.Column("member", sa.String(31), primary_key=True),
    sa.Column("place", sa.BigInteger, nullable=False),
    sa.Column("stance", sa.String(10), nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
)
appeals_table: Final = sa.Table(
    "log_appeals",
    metadata,
    sa.Column("place", _id, primary_key=True, autoincrement=False),
    sa.Column("tag", sa.LargeBinary(16), nullable=False, index=True),
    sa.Column("member", sa.String(31), nullable=False),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
)
vetoes_table: Final = sa.Table(
    "log_vetoes",
    metadata,
    sa.Column("lookup", sa.LargeBinary(16), primary_key=True),
    sa.Column("place", sa.BigInteger, nullable=False),
    sa.Column("member", sa.String(31), nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("reason", sa.String(20), nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
)
refused_table: Final = sa.Table(
    "log_refused",
    metadata,
    sa.Column("place", _id, primary_key=True, autoincrement=False),
    sa.Column("code", sa.String(40), nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("raw", sa.LargeBinary, nullable=False),
)
unconfirmed_table: Final = sa.Table(
    "log_unconfirmed",
    metadata,
    sa.Column("place", _id, primary_key=True, autoincrement=False),
    sa.Column("hash", sa.LargeBinary(32), nullable=False),
)
_t = tags_table.c
_p = position_table.c


class Position(NamedTuple):
    """How far the log is applied, cosigned, acknowledged; how many entries were refused."""

    next: int = 0
    confirmed: int = 0
    root: bytes | None = None
    acknowledged: int = 0
    refused: int = 0


class Contested(NamedTuple):
    """What the log says of one tag besides the tag."""

    withdrawn: str = ""
    """The reason; empty while it stands."""
    disputed: tuple[str, ...] = ()
    agreed: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()
    appeal: str = ""
    """The newest state of an appeal."""


class RefusedShown(msgspec.Struct, frozen=True):
    """An entry of the log that does not count."""

    place: int
    code: str
    why: str


def prepare(database: Database) -> None:
    """Make the tables, or bring them up to date."""
    migrate(database, ROOM, (metadata.create_all,))


def position(connection: sa.Connection) -> Position:
    """Where applying stands."""
    row = connection.execute(sa.select(_p.next, _p.confirmed, _p.root, _p.acknowledged, _p.refused)).first()
    return Position(*row) if row else Position()


def put_position(connection: sa.Connection, to: Position) -> None:
    """Where applying stands now, in the transaction that brought it there."""
    put(connection, "INSERT OR REPLACE INTO log_position VALUES (1, ?, ?, ?, ?, ?)", [to])


def ledger(connection: sa.Connection, roster: Roster) -> Ledger:
    """The members and keys as kept."""
    rows = connection.execute(sa.select(plain_table.c.place, plain_table.c.raw).order_by(plain_table.c.place))
    found = Ledger(roster)
    found.restore((Logged(row.place, row.raw) for row in rows), position(connection).next)
    return found


_KNOWN: Final = "SELECT id, place, member FROM log_tags WHERE id IN (*)"


def known(connection: sa.Connection, ids: Collection[str]) -> dict[str, Brief]:
    """The tags of these ids that are on record."""
    rows = ask(connection, _KNOWN, [bytes.fromhex(one) for one in ids])
    return {row[0].hex(): Brief(row[1], row[2]) for row in rows}


def keep(connection: sa.Connection, applied: Applied, was: Position) -> Position:
    """Keep what entries change, and the place that they reach: one transaction."""
    put(connection, _PUT_TAG, (_tag_row(place, entry) for place, entry in applied.tags))
    _insert(connection, plain_table, ({"place": one.place, "raw": one.raw} for one in applied.plain))
    for place, stone in applied.tombstones:
        row = {"tag": bytes.fromhex(stone.of), "place": place, "member": stone.member, "reason": stone.reason}
        _once(connection, tombstones_table, {**row, "at": stone.at}, "tag")
    for place, opinion in applied.opinions:
        row = {"tag": bytes.fromhex(opinion.of), "member": opinion.member, "place": place, "stance": opinion.stance}
        upsert(connection, opinions_table, [{**row, "at": opinion.at}], ("tag", "member"))
    for place, appeal in applied.appeals:
        row = {"place": place, "tag": bytes.fromhex(appeal.of), "member": appeal.member, "state": appeal.state}
        _insert(connection, appeals_table, [{**row, "at": appeal.at}])
    for place, veto in applied.vetoes:
        row = {"lookup": veto.lookup, "place": place, "member": veto.member, "kind": veto.kind, "reason": veto.reason}
        _once(connection, vetoes_table, {**row, "at": veto.at}, "lookup")
    room = max(REFUSED_MAX - was.refused, 0)
    _insert(connection, refused_table, (
        {"place": one.place, "code": one.code, "why": one.why, "raw": one.raw} for one in applied.refused[:room]
    ))  # fmt: skip
    now = was._replace(next=applied.end, refused=was.refused + len(applied.refused))
    put_position(connection, now)
    return now


_PUT_TAG: Final = "INSERT INTO log_tags VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


def handed(connection: sa.Connection, begin: int) -> dict[int, bytes]:
    """Leaf hashes of entries from `begin` on that were applied before a quorum had cosigned them, by place."""
    find = "SELECT place, hash FROM log_unconfirmed WHERE place >= ?"
    return {row[0]: row[1] for row in connection.exec_driver_sql(find, (begin,))}


def put_handed(connection: sa.Connection, rows: Iterable[tuple[int, bytes]]) -> None:
    """Remember such entries."""
    put(connection, "INSERT OR REPLACE INTO log_unconfirmed VALUES (?, ?)", rows)


def forget_handed(connection: sa.Connection, size: int) -> None:
    """Entries before `size` are cosigned."""
    connection.exec_driver_sql("DELETE FROM log_unconfirmed WHERE place < ?", (size,))


def _tag_row(place: int, entry: TagEntry) -> tuple[Any, ...]:
    return (
        place, bytes.fromhex(entry.id), entry.member, entry.kind, entry.purpose, entry.epoch, entry.until, entry.at,
        entry.lookup, entry.sealed,
    )  # fmt: skip


def tag_entry(row: Sequence[Any]) -> TagEntry:
    """A row of `log_tags` without its place, as the entry it was."""
    tag, member, kind, purpose, epoch, until, at, lookup, sealed = row
    return TagEntry(
        member=member, id=tag.hex(), kind=kind, purpose=purpose, epoch=epoch, until=until, at=at, lookup=lookup,
        sealed=sealed,
    )  # fmt: skip


_OPINIONS: Final = "SELECT tag, member, stance FROM log_opinions WHERE tag IN (*) ORDER BY member"
_APPEALS: Final = "SELECT tag, state FROM log_appeals WHERE tag IN (*) ORDER BY place"
_TOMBSTONES: Final = "SELECT tag, reason FROM log_tombstones WHERE tag IN (*)"


def contested(connection: sa.Connection, ids: Collection[str]) -> dict[str, Contested]:
    """What contests tags, by id; every id is there."""
    found = dict.fromkeys(ids, Contested())
    keys = [bytes.fromhex(one) for one in found]
    for tag, member, stance in ask(connection, _OPINIONS, keys):
        found[tag.hex()] = _with(found[tag.hex()], member, stance)
    for tag, state in ask(connection, _APPEALS, keys):
        now = found[tag.hex()]
        over = "appeal_upheld" if state == "upheld" else now.withdrawn
        found[tag.hex()] = now._replace(appeal=state, withdrawn=over)
    for tag, reason in ask(connection, _TOMBSTONES, keys):
        found[tag.hex()] = found[tag.hex()]._replace(withdrawn=reason)
    return found


def _with(now: Contested, member: str, stance: str) -> Contested:
    if stance == "dispute":
        return now._replace(disputed=(*now.disputed, member))
    if stance == "agree":
        return now._replace(agreed=(*now.agreed, member))
    return now._replace(seen=(*now.seen, member))


def vetoed(connection: sa.Connection, lookups: Collection[bytes]) -> set[bytes]:
    """Those of the lookups that must never be tagged."""
    return {row[0] for row in ask(connection, "SELECT lookup FROM log_vetoes WHERE lookup IN (*)", lookups)}


def living_epochs(connection: sa.Connection, now: int) -> dict[str, tuple[str, ...]]:
    """By kind, the epochs in which tags were sealed that have not ended."""
    query = sa.select(_t.kind, _t.epoch).where((_t.until > now) & (_t.purpose == "anti_fraud")).distinct()
    found: dict[str, set[str]] = {}
    for row in connection.execute(query):
        found.setdefault(row.kind, set()).add(row.epoch)
    return {kind: tuple(sorted(epochs)) for kind, epochs in found.items()}


def refused(connection: sa.Connection, limit: int) -> list[RefusedShown]:
    """Refused entries, the newest first."""
    c = refused_table.c
    rows = connection.execute(sa.select(c.place, c.code, c.why).order_by(c.place.desc()).limit(limit))
    return [RefusedShown(row.place, row.code, row.why) for row in rows]


def counts(connection: sa.Connection) -> Mapping[str, int]:
    """How much there is of what."""
    tables = {"tags": tags_table, "tombstones": tombstones_table, "vetoes": vetoes_table, "appeals": appeals_table}
    return {name: int(connection.scalar(sa.select(sa.func.count()).select_from(t)) or 0) for name, t in tables.items()}


def _once(connection: sa.Connection, table: sa.Table, row: Mapping[str, Any], key: str) -> None:
    """The first one counts."""
    if connection.scalar(sa.select(sa.func.count()).select_from(table).where(table.c[key] == row[key])) == 0:
        connection.execute(table.insert().values(**row))


def _insert(connection: sa.Connection, table: sa.Table, rows: Iterable[Mapping[str, Any]]) -> None:
    values = list(rows)
    if values:
        connection.execute(table.insert(), values)
