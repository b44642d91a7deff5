"""Proposals and what waits to be sent, in the node's records: who wanted, who approved, why, and where it stands in the log."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from lianfang.infra.sql import Database, migrate, prepare_changes, record
from lianfang.kernel import limits
from lianfang.kernel.errors import ConflictError, InputError
from lianfang.kernel.instant import Instant
from lianfang.services.share.publishing import (
    ENDED,
    Intent,
    Proposal,
    Published,
    Wanted,
    Withdrawn,
    checked_approval,
    ends_at,
    key_of,
    normal_of,
    read_intent,
)

ROOM: Final = "sharing"
PAGE_MAX: Final = 200
UNSENT: Final = ("waiting", "trying")
"""`trying`: the hub may have it, and the answer may be lost."""
_id: Final = sa.BigInteger().with_variant(sa.Integer, "sqlite")
metadata: Final = sa.MetaData()
proposals_table: Final = sa.Table(
    "share_proposals",
    metadata,
    sa.Column("id", _id, primary_key=True, autoincrement=True),
    sa.Column("tag", sa.String(32), nullable=False, unique=True),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("normal", sa.Text, nullable=False),
    sa.Column("category", sa.String(30), nullable=False),
    sa.Column("severity", sa.Integer, nullable=False),
    sa.Column("confidence", sa.Integer, nullable=False),
    sa.Column("evidence", sa.String(20), nullable=False),
    sa.Column("days", sa.Integer, nullable=False),
    sa.Column("basis", sa.String(40), nullable=False),
    sa.Column("handling", sa.String(20), nullable=False),
    sa.Column("first_seen", sa.BigInteger, nullable=False),
    sa.Column("last_seen", sa.BigInteger, nullable=False),
    sa.Column("source", sa.String(limits.ID_LENGTH_MAX), nullable=False),
    sa.Column("state", sa.String(12), nullable=False, index=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("approved_by", sa.String(limits.ID_LENGTH_MAX)),
    sa.Column("until", sa.BigInteger),
    sa.Column("place", sa.BigInteger),
    sa.Column("why", sa.Text, nullable=False),
    sa.Index("share_proposals_subject", "kind", "normal"),
    sqlite_autoincrement=True,
)
outbox_table: Final = sa.Table(
    "share_outbox",
    metadata,
    sa.Column("id", _id, primary_key=True, autoincrement=True),
    sa.Column("key", sa.String(80), nullable=False, index=True),
    sa.Column("intent", sa.Text, nullable=False),
    sa.Column("state", sa.String(10), nullable=False, index=True),
    sa.Column("by", sa.String(limits.ID_LENGTH_MAX), nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("sent_at", sa.BigInteger),
    sa.Column("place", sa.BigInteger),
    sa.Column("why", sa.Text, nullable=False),
    sqlite_autoincrement=True,
)
_p, _o = proposals_table.c, outbox_table.c


class Waiting(msgspec.Struct, frozen=True):
    """Something to be sent."""

    id: int
    key: str
    intent: Intent
    by: str


class OutboxShown(msgspec.Struct, frozen=True):
    """Something that was, or is to be, sent: waiting, trying, sent (the hub has it), logged (the log has it), or refused."""

    id: int
    key: str
    state: str
    by: str
    at: int
    place: int | None
    why: str


def prepare(database: Database) -> None:
    """Make the tables, or bring them up to date."""
    prepare_changes(database)
    migrate(database, ROOM, (metadata.create_all,))


def propose(
    connection: sa.Connection,
    wanted: Wanted,
    tag: str,
    *,
    by: str,
    at: Instant,
    reason: str,
    seen: tuple[int, int] | None = None,
) -> Proposal:
    """A new proposal. `tag`: its id, 128 random bits; `seen`: first and last, now where not known.

    Raises `InputError` for a subject that has no normal form, `ConflictError` where the same is on its way.
    """
    normal = normal_of(wanted)
    same = (_p.kind == wanted.kind) & (_p.normal == normal) & (_p.category == wanted.category) & _p.state.not_in(ENDED)
    other = connection.scalar(sa.select(_p.id).where(same & (_p.until.is_(None) | (_p.until > at))))
    if other is not None:
        raise ConflictError(f"proposal {other} says the same of this subject: approve, reject or withdraw that", "$")
    first, last = seen or (at, at)
    row = {
        "tag": tag, "kind": wanted.kind, "normal": normal, "category": wanted.category, "severity": wanted.severity,
        "confidence": wanted.confidence, "evidence": wanted.evidence, "days": wanted.days, "basis": wanted.basis,
        "handling": wanted.handling, "first_seen": first, "last_seen": last, "source": by, "state": "proposed",
        "at": at, "why": "",
    }  # fmt: skip
    number = int(connection.execute(proposals_table.insert().values(row)).inserted_primary_key[0])  # type: ignore[index]
    detail = {"kind": wanted.kind, "category": wanted.category, "severity": wanted.severity, "days": wanted.days}
    _record(connection, "share.propose", f"tag {tag}", by, at, reason, detail)
    return proposal(connection, number)


def proposal(connection: sa.Connection, number: int) -> Proposal:
    """By its number. Raises `InputError`."""
    row = connection.execute(sa.select(proposals_table).where(_p.id == number)).first()
    if row is None:
        raise InputError(f"there is no proposal {number}", "path")
    return Proposal(**row._mapping)


def proposals(connection: sa.Connection, states: Collection[str] = (), limit: int = PAGE_MAX) -> list[Proposal]:
    """The newest first."""
    query = sa.select(proposals_table).order_by(_p.id.desc()).limit(limit)
    if states:
        query = query.where(_p.state.in_(list(states)))
    return [Proposal(**row._mapping) for row in connection.execute(query)]


def of_tag(connection: sa.Connection, tag: str) -> Proposal | None:
    """The proposal of a tag of ours."""
    row = connection.execute(sa.select(proposals_table).where(_p.tag == tag)).first()
    return Proposal(**row._mapping) if row else None


def approve(connection: sa.Connection, number: int, *, by: str, at: Instant, reason: str, two_people: bool) -> Proposal:
    """Another person's word: from now on it waits to be sent. Raises `ConflictError`."""
    found = proposal(connection, number)
    checked_approval(found, found.source, by, two_people)
    values = {"state": "approved", "approved_by": by, "until": ends_at(at, found.days)}
    connection.execute(proposals_table.update().where(_p.id == number).values(values))
    _record(connection, "share.approve", f"tag {found.tag}", by, at, reason)
    _put(connection, Published(found.tag), by, at)
    return proposal(connection, number)


def reject(connection: sa.Connection, number: int, *, by: str, at: Instant, reason: str) -> Proposal:
    """It is not to be said. Raises `ConflictError` once it is approved: withdraw it then."""
    found = proposal(connection, number)
    if found.state != "proposed":
        raise ConflictError(f"proposal {number} is {found.state}: withdraw its tag instead", "path")
    connection.execute(proposals_table.update().where(_p.id == number).values(state="rejected"))
    _record(connection, "share.reject", f"tag {found.tag}", by, at, reason)
    return proposal(connection, number)


def intend(connection: sa.Connection, intent: Intent, *, by: str, at: Instant, reason: str) -> str:
    """A withdrawal, an opinion or an appeal is to be sent: its key. One that waits already is not doubled."""
    key = key_of(intent)
    _record(
        connection, f"share.{key.partition(':')[0]}", f"tag {intent.of}", by, at, reason, msgspec.to_builtins(intent)
    )
    if isinstance(intent, Withdrawn):
        ours = of_tag(connection, intent.of)
        if ours is None:
            raise ConflictError(f"the tag {intent.of} is not one of this node's: dispute it, or open an appeal", "$.of")
        connection.execute(proposals_table.update().where(_p.tag == intent.of).values(state="withdrawn"))
        unsent = (_o.key == f"tag:{intent.of}") & (_o.state == "waiting")
        if connection.execute(outbox_table.update().where(unsent).values(state="refused", why="withdrawn")).rowcount:
            return key  # nobody has seen it: there is nothing to take back
    if connection.scalar(sa.select(_o.id).where((_o.key == key) & _o.state.in_(UNSENT))) is None:
        _put(connection, intent, by, at)
    return key


def ever_intended(connection: sa.Connection, key: str) -> bool:
    """Whether it was ever to be sent."""
    return connection.scalar(sa.select(_o.id).where(_o.key.startswith(key, autoescape=True)).limit(1)) is not None


def waiting(connection: sa.Connection, limit: int) -> list[Waiting]:
    """What is to be sent, the oldest first."""
    query = sa.select(outbox_table).where(_o.state.in_(UNSENT)).order_by(_o.id).limit(limit)
    return [Waiting(row.id, row.key, read_intent(row.intent), row.by) for row in connection.execute(query)]


def outbox(connection: sa.Connection, limit: int = PAGE_MAX) -> list[OutboxShown]:
    """The newest first."""
    query = sa.select(outbox_table).order_by(_o.id.desc()).limit(limit)
    return [
        OutboxShown(row.id, row.key, row.state, row.by, row.at, row.place, row.why) for row in connection.execute(query)
    ]


def trying(connection: sa.Connection, one: Waiting) -> bool:
    """It is about to be sent: from here on it cannot be taken back unseen. False: it was."""
    unsent = (_o.id == one.id) & _o.state.in_(UNSENT)
    return bool(connection.execute(outbox_table.update().where(unsent).values(state="trying")).rowcount)


def sent(connection: sa.Connection, one: Waiting, at: int) -> None:
    """The hub has taken it."""
    unsent = (_o.id == one.id) & _o.state.in_(UNSENT)
    connection.execute(outbox_table.update().where(unsent).values(state="sent", sent_at=at, why=""))


def held_up(connection: sa.Connection, one: Waiting, why: str) -> None:
    """It waits on, and why."""
    connection.execute(outbox_table.update().where(_o.id == one.id).values(why=why))


def refused(connection: sa.Connection, one: Waiting, why: str, state: str = "refused") -> None:
    """It will not be sent."""
    connection.execute(outbox_table.update().where(_o.id == one.id).values(state="refused", why=why))
    if isinstance(one.intent, Published):
        connection.execute(proposals_table.update().where(_p.tag == one.intent.of).values(state=state, why=why))


def logged(connection: sa.Connection, key: str, place: int) -> None:
    """An entry of ours stands in the log."""
    pending = sa.select(sa.func.min(_o.id)).where((_o.key == key) & _o.state.in_((*UNSENT, "sent"))).scalar_subquery()
    connection.execute(outbox_table.update().where(_o.id == pending).values(state="logged", place=place, why=""))
    act, _, tag = key.partition(":")
    if act == "tag":
        fresh = (_p.tag == tag) & (_p.state == "approved")
        connection.execute(proposals_table.update().where(fresh).values(state="published"))
        connection.execute(proposals_table.update().where(_p.tag == tag).values(place=place))


def counts(connection: sa.Connection) -> dict[str, int]:
    """How many proposals are in which state."""
    return {
        str(row[0]): int(row[1]) for row in connection.execute(sa.select(_p.state, sa.func.count()).group_by(_p.state))
    }


def _put(connection: sa.Connection, intent: Intent, by: str, at: int) -> None:
    text = msgspec.json.encode(intent).decode()
    row = {"key": key_of(intent), "intent": text, "state": "waiting", "by": by, "at": at, "why": ""}
    connection.execute(outbox_table.insert().values(row))


def _record(
    connection: sa.Connection,
    act: str,
    what: str,
    by: str,
    at: Instant,
    reason: str,
    detail: dict[str, Any] | None = None,
) -> None:
    record(connection, who=by, act=act, what=what, reason=reason, at=at, detail=detail)
