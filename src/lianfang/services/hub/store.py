"""The hub's records: what its log says, by tag and member, and what only the hub keeps (addresses, certificates, alarms).

The log is the truth. These tables follow it, remember how far they came, and catch up when the hub starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from lianfang.infra.sql import Database, migrate, prepare_changes, upsert
from lianfang.kernel.instant import DAY
from lianfang.services.hub.acknowledging import Tombstone
from lianfang.services.hub.known import Known
from lianfang.wire import (
    Acknowledgement,
    AppealEntry,
    CeremonyEntry,
    Entry,
    MemberEntry,
    OpinionEntry,
    Reader,
    TagEntry,
    TombstoneEntry,
    VetoEntry,
    write,
)

ROOM: Final = "hub"
ALARMS_SHOWN: Final = 200
metadata: Final = sa.MetaData()
_big: Final = sa.BigInteger
tags_table: Final = sa.Table(
    "tags",
    metadata,
    sa.Column("place", _big, primary_key=True, autoincrement=False),
    sa.Column("id", sa.LargeBinary(16), nullable=False, index=True),
    sa.Column("member", sa.String(32), nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("lookup", sa.LargeBinary(16), nullable=False),
    sa.Column("until", _big, nullable=False, index=True),
    sa.Column("at", _big, nullable=False),
)
tombstones_table: Final = sa.Table(
    "tombstones",
    metadata,
    sa.Column("of", sa.LargeBinary(16), primary_key=True),
    sa.Column("place", _big, nullable=False, index=True),
    sa.Column("member", sa.String(32), nullable=False),
    sa.Column("reason", sa.String(20), nullable=False),
    sa.Column("at", _big, nullable=False),
)
opinions_table: Final = sa.Table(
    "opinions",
    metadata,
    sa.Column("of", sa.LargeBinary(16), primary_key=True),
    sa.Column("member", sa.String(32), primary_key=True),
    sa.Column("place", _big, nullable=False),
    sa.Column("stance", sa.String(10), nullable=False),
    sa.Column("at", _big, nullable=False),
)
appeals_table: Final = sa.Table(
    "appeals",
    metadata,
    sa.Column("of", sa.LargeBinary(16), primary_key=True),
    sa.Column("place", _big, nullable=False),
    sa.Column("member", sa.String(32), nullable=False),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("at", _big, nullable=False),
)
entries_table: Final = sa.Table(  # few and kept whole: members, vetoes, ceremonies
    "entries",
    metadata,
    sa.Column("place", _big, primary_key=True, autoincrement=False),
    sa.Column("entry", sa.LargeBinary, nullable=False),
)
local_table: Final = sa.Table(
    "members_local",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("witness_url", sa.String(256), nullable=False),
    sa.Column("certificates", sa.Text, nullable=False),
)
acknowledged_table: Final = sa.Table(
    "acknowledged",
    metadata,
    sa.Column("member", sa.String(32), primary_key=True),
    sa.Column("size", _big, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("at", _big, nullable=False),
)
alarms_table: Final = sa.Table(
    "alarms",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", _big, nullable=False),
    sa.Column("code", sa.String(40), nullable=False),
    sa.Column("about", sa.String(64), nullable=False),
    sa.Column("zh", sa.String(300), nullable=False),
    sa.Column("en", sa.String(300), nullable=False),
    sa.Column("ended_at", _big),
)
position_table: Final = sa.Table(
    "position", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("size", _big, nullable=False)
)
read_entry: Final[Reader[Entry]] = Reader(Entry)  # type: ignore[arg-type]
_t, _d, _o = tags_table.c, tombstones_table.c, opinions_table.c


class LocalMember(msgspec.Struct, frozen=True, kw_only=True):
    """What the hub keeps of a member beside its entry: where its witness answers, which TLS certificates are its own."""

    id: str
    witness_url: str = ""
    certificates: tuple[str, ...] = ()
    """SHA-256 of each certificate in DER, hex."""


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """Something an operator is to look at. `ended_at` is None while it lasts."""

    id: int
    at: int
    code: str
    about: str
    zh: str
    en: str
    ended_at: int | None


def prepare(database: Database) -> None:
    """Make the tables, or bring them up to date."""
    prepare_changes(database)
    migrate(database, ROOM, (metadata.create_all,))


def position(connection: sa.Connection) -> int:
    """How many entries of the log stand in the tables."""
    return int(connection.scalar(sa.select(position_table.c.size)) or 0)


def follow(connection: sa.Connection, first: int, entries: Iterable[Entry]) -> int:
    """Takes the entries from place `first` on into the tables; the new position."""
    tags: list[tuple[Any, ...]] = []
    rest: list[tuple[int, Entry]] = []
    place = first - 1
    for place, entry in enumerate(entries, first):
        if isinstance(entry, TagEntry):
            tags.append((place, bytes.fromhex(entry.id), entry.member, entry.kind, entry.lookup, entry.until, entry.at))
        else:
            rest.append((place, entry))
    if tags:  # the one table that is written in bulk: half the time of SQLAlchemy's own way
        marks = ", ".join(["?" if connection.dialect.name == "sqlite" else "%s"] * 7)
        connection.exec_driver_sql(
            f"INSERT INTO tags (place, id, member, kind, lookup, until, at) VALUES ({marks})",  # noqa: S608
            tags,
        )
    for at, entry in rest:
        _follow_one(connection, at, entry)
    upsert(connection, position_table, [{"id": 1, "size": place + 1}], ("id",))
    return place + 1


def _follow_one(connection: sa.Connection, place: int, entry: Entry) -> None:
    match entry:
        case TombstoneEntry():
            row = {"of": bytes.fromhex(entry.of), "place": place, "member": entry.member, "reason": entry.reason}
            upsert(connection, tombstones_table, [{**row, "at": entry.at}], ("of",))
        case OpinionEntry():
            row = {"of": bytes.fromhex(entry.of), "member": entry.member, "place": place, "stance": entry.stance}
            upsert(connection, opinions_table, [{**row, "at": entry.at}], ("of", "member"))
        case AppealEntry():
            row = {"of": bytes.fromhex(entry.of), "place": place, "member": entry.member, "state": entry.state}
            upsert(connection, appeals_table, [{**row, "at": entry.at}], ("of",))
        case MemberEntry() | VetoEntry() | CeremonyEntry():
            connection.execute(entries_table.insert().values(place=place, entry=write(entry)))
        case _:
            pass


def load(connection: sa.Connection, now: int) -> Known:
    """What is known, from the tables."""
    known = Known()
    known.day = now // DAY
    for row in connection.execute(sa.select(entries_table).order_by(entries_table.c.place)):
        known.replay(read_entry(row.entry), row.place, now)
    withdrawn = _d.place.is_not(None).label("withdrawn")
    living = (
        sa.select(_t.id, _t.place, _t.member, _t.until, withdrawn)
        .outerjoin(tombstones_table, _d.of == _t.id)
        .where(_t.until > now)
    )
    for tag_id, place, member, until, gone in connection.execute(living.execution_options(yield_per=10_000)):
        known.keep_tag(tag_id, place, member, until, withdrawn=bool(gone))
    since = known.day * DAY
    for table in (tags_table, tombstones_table, opinions_table, appeals_table):
        today = sa.select(table.c.member, sa.func.count()).where(table.c.at >= since).group_by(table.c.member)
        known.used.update({row[0]: row[1] for row in connection.execute(today)})
    opened = sa.select(appeals_table.c.of).where(appeals_table.c.state == "opened")
    known.appealed.update(
        bytes(one) for one in connection.scalars(opened.where(appeals_table.c.of.in_(sa.select(_t.id))))
    )
    known.size = position(connection)
    return known


def locals_(connection: sa.Connection) -> dict[str, LocalMember]:
    """What is kept of each member beside the log."""
    rows = connection.execute(sa.select(local_table))
    return {
        r.id: LocalMember(id=r.id, witness_url=r.witness_url, certificates=tuple(r.certificates.split())) for r in rows
    }


def put_local(connection: sa.Connection, one: LocalMember) -> None:
    """Keep it, in the place of what was."""
    row = {"id": one.id, "witness_url": one.witness_url, "certificates": " ".join(one.certificates)}
    upsert(connection, local_table, [row], ("id",))


def acknowledgements(connection: sa.Connection) -> dict[str, int]:
    """By member: the size up to which it says it obeys."""
    return {row.member: row.size for row in connection.execute(sa.select(acknowledged_table))}


def put_acknowledgement(connection: sa.Connection, one: Acknowledgement) -> None:
    """Keep a member's word, signature and all."""
    row = {"member": one.member, "size": one.size, "body": write(one), "at": one.at}
    upsert(connection, acknowledged_table, [row], ("member",))


def withdrawn(connection: sa.Connection, beyond: int, limit: int = 1_000) -> list[Tombstone]:
    """Tombstones from place `beyond` on, in the log's order."""
    query = sa.select(tombstones_table).where(_d.place >= beyond).order_by(_d.place).limit(limit)
    return [Tombstone(bytes(row.of).hex(), row.place, row.at, row.reason) for row in connection.execute(query)]


def tags_of(connection: sa.Connection, member: str, now: int) -> list[str]:
    """Ids of a member's tags that have not ended and were not withdrawn."""
    query = (
        sa.select(_t.id)
        .outerjoin(tombstones_table, _d.of == _t.id)
        .where(_t.member == member, _t.until > now, _d.of.is_(None))
        .order_by(_t.place)
    )
    return [bytes(one).hex() for one in connection.scalars(query)]


def raise_alarm(connection: sa.Connection, code: str, about: str, zh: str, en: str, at: int) -> bool:
    """An alarm that lasts until it is ended; False if the same one lasts already."""
    c = alarms_table.c
    lasting = sa.select(c.id).where(c.code == code, c.about == about, c.ended_at.is_(None))
    if connection.scalar(lasting) is not None:
        return False
    connection.execute(alarms_table.insert().values(at=at, code=code, about=about, zh=zh[:300], en=en[:300]))
    return True


def end_alarm(connection: sa.Connection, code: str, about: str, at: int) -> bool:
    """It is over; False if there was none."""
    c = alarms_table.c
    done = connection.execute(
        alarms_table.update().where(c.code == code, c.about == about, c.ended_at.is_(None)).values(ended_at=at)
    )
    return bool(done.rowcount)


def alarms(connection: sa.Connection, *, lasting: bool = False) -> list[Alarm]:
    """The newest first."""
    query = sa.select(alarms_table).order_by(alarms_table.c.id.desc()).limit(ALARMS_SHOWN)
    if lasting:
        query = query.where(alarms_table.c.ended_at.is_(None))
    return [Alarm(**row._mapping) for row in connection.execute(query)]


def stances(connection: sa.Connection, months: Sequence[tuple[str, int, int]]) -> list[tuple[Any, ...]]:
    """For each month (name, begin, end), by contributor, what `precision.precision` counts with."""
    found: list[tuple[Any, ...]] = []
    disputed = sa.select(_o.of).where(_o.stance == "dispute")
    agreed = sa.select(_o.of).where(_o.stance == "agree")
    rejected = sa.select(appeals_table.c.of).where(appeals_table.c.state == "rejected")

    def counted(condition: Any) -> Any:
        return sa.func.sum(sa.case((condition, 1), else_=0))

    for name, begin, end in months:
        query = (
            sa.select(
                _t.member,
                sa.func.count(),
                counted(_t.id.in_(disputed)),
                counted(_t.id.in_(agreed) & _t.id.not_in(disputed)),
                counted(_d.reason == "mistaken"),
                counted(_d.reason == "appeal_upheld"),
                counted(_t.id.in_(rejected)),
            )
            .outerjoin(tombstones_table, _d.of == _t.id)
            .where(_t.at >= begin, _t.at < end)
            .group_by(_t.member)
            .order_by(_t.member)
        )
        found += [(name, *row) for row in connection.execute(query)]
    return found
