"""The log as applied, in `shared.sqlite`: sealed tags by lookup, what contests them, members, and what was refused.

All of it can be had again from the log; that is why it has a file of its own, beside the node's records.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import sqlalchemy as sa

from lianfang.infra.sql import Database, migrate, upsert
from lianfang.services.share.applying import Applied, Brief, Ledger, Logged, Roster
from lianfang.wire import TagEntry

ROOM: Final = "shared_log"
ASKED_AT_ONCE: Final = 500
"""Ids in one question."""
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
    upsert(connection, position_table, [{"id": 1, **to._asdict()}], ("id",))


def ledger(connection: sa.Connection, roster: Roster) -> Ledger:
    """The members and keys as kept."""
    rows = connection.execute(sa.select(plain_table.c.place, plain_table.c.raw).order_by(plain_table.c.place))
    found = Ledger(roster)
    found.restore((Logged(row.place, row.raw) for row in rows), position(connection).next)
    return found


def known(connection: sa.Connection, ids: Collection[str]) -> dict[str, Brief]:
    """The tags of these ids that are on record."""
    found: dict[str, Brief] = {}
    for part in _parts([bytes.fromhex(one) for one in ids]):
        rows = connection.execute(sa.select(_t.id, _t.place, _t.member).where(_t.id.in_(part)))
        found.update((row.id.hex(), Brief(row.place, row.member)) for row in rows)
    return found


def keep(connection: sa.Connection, applied: Applied, was: Position) -> Position:
    """Keep what entries change, and the place that they reach: one transaction."""
    _insert(connection, tags_table, (_tag_row(place, entry) for place, entry in applied.tags))
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


def _tag_row(place: int, entry: TagEntry) -> dict[str, Any]:
    return {
        "place": place, "id": bytes.fromhex(entry.id), "member": entry.member, "kind": entry.kind,
        "purpose": entry.purpose, "epoch": entry.epoch, "until": entry.until, "at": entry.at, "lookup": entry.lookup,
        "sealed": entry.sealed,
    }  # fmt: skip


def tag_entry(row: Any) -> TagEntry:
    """A row of `log_tags` as the entry it was."""
    return TagEntry(
        member=row.member,
        id=row.id.hex(),
        kind=row.kind,
        purpose=row.purpose,
        epoch=row.epoch,
        until=row.until,
        at=row.at,
        lookup=row.lookup,
        sealed=row.sealed,
    )


def contested(connection: sa.Connection, ids: Collection[str]) -> dict[str, Contested]:
    """What contests tags, by id; every id is there."""
    found = dict.fromkeys(ids, Contested())
    o, a, s = opinions_table.c, appeals_table.c, tombstones_table.c
    for part in _parts([bytes.fromhex(one) for one in found]):
        opinions = sa.select(o.tag, o.member, o.stance).where(o.tag.in_(part)).order_by(o.member)
        for tag, member, stance in connection.execute(opinions):
            found[tag.hex()] = _with(found[tag.hex()], member, stance)
        appeals = sa.select(a.tag, a.state).where(a.tag.in_(part)).order_by(a.place)
        for tag, state in connection.execute(appeals):
            now = found[tag.hex()]
            over = "appeal_upheld" if state == "upheld" else now.withdrawn
            found[tag.hex()] = now._replace(appeal=state, withdrawn=over)
        for tag, reason in connection.execute(sa.select(s.tag, s.reason).where(s.tag.in_(part))):
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
    found: set[bytes] = set()
    for part in _parts(list(lookups)):
        found |= set(connection.scalars(sa.select(vetoes_table.c.lookup).where(vetoes_table.c.lookup.in_(part))))
    return found


def tags_by_id(connection: sa.Connection, ids: Collection[str]) -> Iterator[tuple[int, TagEntry]]:
    """Sealed tags by their ids, each with its place."""
    for part in _parts([bytes.fromhex(one) for one in ids]):
        for row in connection.execute(sa.select(tags_table).where(_t.id.in_(part))):
            yield row.place, tag_entry(row)


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


def _parts(values: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(values), ASKED_AT_ONCE):
        yield values[start : start + ASKED_AT_ONCE]
