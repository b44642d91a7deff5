"""Alerts on record: each stopped payment once, by its seq; taken by one person, whoever else tries. Times in microseconds UTC."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Literal

import msgspec
import sqlalchemy as sa

from lianfang.infra.sql import Database, migrate, record, upsert
from lianfang.kernel import limits
from lianfang.kernel.errors import ConflictError, InputError
from lianfang.kernel.instant import DAY, Instant
from lianfang.kernel.money import exponent
from lianfang.services.cases.alerts import RING_US, VERDICTS, AlertKind, Item, Near, Place, State, Verdict, place

ROOM: Final = "cases"
PAGE_MAX: Final = 100
MET_MAX: Final = 200
"""Items of one payee looked at for a ring."""
SNOOZE_MAX_US: Final = 7 * DAY
_id: Final = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_hash: Final = sa.String(16)
metadata: Final = sa.MetaData()
alerts_table: Final = sa.Table(
    "alerts",
    metadata,
    sa.Column("id", _id, primary_key=True, autoincrement=True),
    sa.Column("kind", sa.String(10), nullable=False),
    sa.Column("about", _hash, nullable=False),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("assignee", sa.String(limits.ID_LENGTH_MAX)),
    sa.Column("snoozed_until", sa.BigInteger, nullable=False),
    sa.Column("opened_at", sa.BigInteger, nullable=False),
    sa.Column("last_at", sa.BigInteger, nullable=False),
    sa.Column("taken_at", sa.BigInteger),
    sa.Column("closed_at", sa.BigInteger),
    sa.Column("verdict", sa.String(10)),
    sa.Column("items", sa.Integer, nullable=False),
    sa.Column("risk", sa.BigInteger, nullable=False),
    sa.Column("worst", sa.String(10), nullable=False),
    sa.Index("alerts_about", "about", "state"),
    sa.Index("alerts_open", "state", "risk"),
    sqlite_autoincrement=True,
)
items_table: Final = sa.Table(
    "alert_items",
    metadata,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("alert", _id, nullable=False, index=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("payment_id", sa.String(limits.ID_LENGTH_MAX), nullable=False),
    sa.Column("payer", _hash, nullable=False),
    sa.Column("payee", _hash, nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("action", sa.String(10), nullable=False),
    sa.Column("points", sa.Integer, nullable=False),
    sa.Index("alert_items_payee", "payee", "at"),
)
state_table: Final = sa.Table(
    "alerts_state",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
)
_a, _i = alerts_table.c, items_table.c
_RANK: Final = {"challenge": 1, "hold": 2, "block": 3}
Whose = Literal["free", "mine", "all", "closed"]
Order = Literal["risk", "age"]


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert. `risk`: its payments' sum in major units, of whatever currency; `about`: the keyed hash of its account."""

    id: int
    kind: AlertKind
    about: str
    state: State
    assignee: str | None
    snoozed_until: int
    opened_at: int
    last_at: int
    taken_at: int | None
    closed_at: int | None
    verdict: Verdict | None
    items: int
    risk: int
    worst: str


def prepare(database: Database) -> None:
    """Make the tables, or bring them up to date."""
    migrate(database, ROOM, (metadata.create_all,))


def take_in(connection: sa.Connection, found: Iterable[Item], seq: int) -> int:
    """Take in the stopped payments of the journal up to `seq`; those taken in before are passed over. How many were new."""
    have = int(connection.scalar(sa.select(state_table.c.seq)) or 0)
    taken = 0
    for item in sorted(found):
        if have < item.seq <= seq:
            _put(connection, item, place(item, _near(connection, item)))
            taken += 1
    if seq > have:
        upsert(connection, state_table, [{"id": 1, "seq": seq}], ("id",))
    return taken


def _near(connection: sa.Connection, item: Item) -> Near:
    since = item.at - RING_US
    ring = _open(connection, "ring", item.payee)
    customer = _open(connection, "customer", item.payer)
    if not item.payee or ring is not None:
        return Near(ring, customer)
    query = (
        sa.select(_i.payer, _i.alert, _a.state, _a.assignee)
        .join_from(items_table, alerts_table, _i.alert == _a.id)
        .where((_i.payee == item.payee) & (_i.at >= since))
        .order_by(_i.at.desc())
        .limit(MET_MAX)
    )
    met = [(r.payer, r.alert, r.state == "new" and r.assignee is None) for r in connection.execute(query)]
    return Near(ring, customer, met)


def _open(connection: sa.Connection, kind: AlertKind, about: str) -> int | None:
    if not about:
        return None
    where = (_a.about == about) & (_a.kind == kind) & (_a.state != "closed")
    found = connection.scalar(sa.select(sa.func.max(_a.id)).where(where))
    return None if found is None else int(found)


def _put(connection: sa.Connection, item: Item, where: Place) -> None:
    alert = where.alert
    if alert is None:
        row = {
            "kind": where.kind, "about": item.payee if where.kind == "ring" else item.payer, "state": "new", "snoozed_until": 0,
            "opened_at": item.at, "last_at": item.at, "items": 0, "risk": 0, "worst": item.action,
        }  # fmt: skip
        alert = int(connection.execute(alerts_table.insert().values(row)).inserted_primary_key[0])  # type: ignore[index]
    connection.execute(items_table.insert().values({**item._asdict(), "alert": alert}))
    if not where.from_alerts:
        _grow(connection, alert, item)
        return
    moved = (_i.payee == item.payee) & _i.alert.in_(where.from_alerts)
    connection.execute(items_table.update().where(moved).values(alert=alert))
    for number in (alert, *where.from_alerts):
        _count(connection, number)


def _grow(connection: sa.Connection, alert: int, item: Item) -> None:
    """One item more, without reading the others: a ring may have thousands."""
    have = connection.execute(sa.select(_a.worst, _a.opened_at, _a.last_at).where(_a.id == alert)).one()
    values = {
        "items": _a["items"] + 1,
        "risk": _a.risk + item.amount // 10 ** exponent(item.currency),
        "worst": max(have.worst, item.action, key=_RANK.__getitem__),
        "opened_at": min(have.opened_at, item.at),
        "last_at": max(have.last_at, item.at),
    }
    connection.execute(alerts_table.update().where(_a.id == alert).values(values))


def _count(connection: sa.Connection, alert: int) -> None:
    """Sum an alert's items anew; one that has none left is gone."""
    rows = connection.execute(sa.select(items_table).where(_i.alert == alert)).all()
    if not rows:
        connection.execute(alerts_table.delete().where(_a.id == alert))
        return
    values = {
        "items": len(rows),
        "risk": sum(row.amount // 10 ** exponent(row.currency) for row in rows),
        "worst": max((row.action for row in rows), key=_RANK.__getitem__),
        "opened_at": min(row.at for row in rows),
        "last_at": max(row.at for row in rows),
    }
    connection.execute(alerts_table.update().where(_a.id == alert).values(values))


def queue(connection: sa.Connection, whose: Whose, me: str, at: Instant, order: Order = "risk") -> list[Alert]:
    """At most `PAGE_MAX` alerts, the most money (or the oldest) first. A snooze that is over is none."""
    query = sa.select(alerts_table)
    awake = (_a.state != "closed") & ((_a.state != "snoozed") | (_a.snoozed_until <= at))
    if whose == "free":
        query = query.where(awake & _a.assignee.is_(None))
    elif whose == "mine":
        query = query.where((_a.state != "closed") & (_a.assignee == me))
    elif whose == "all":
        query = query.where(_a.state != "closed")
    else:
        query = query.where(_a.state == "closed")
    first = _a.closed_at.desc() if whose == "closed" else _a.risk.desc() if order == "risk" else _a.opened_at
    return [_alert(row, at) for row in connection.execute(query.order_by(first, _a.id).limit(PAGE_MAX))]


def counts(connection: sa.Connection, me: str, at: Instant) -> dict[str, int]:
    """How many are free, mine, and open at all."""
    awake = (_a.state != "snoozed") | (_a.snoozed_until <= at)
    opened = _a.state != "closed"
    query = sa.select(
        sa.func.count().filter(awake & _a.assignee.is_(None)),
        sa.func.count().filter(_a.assignee == me),
        sa.func.count(),
    ).where(opened)
    free, mine, everything = connection.execute(query).one()
    return {"free": int(free), "mine": int(mine), "all": int(everything)}


def one_alert(connection: sa.Connection, alert: int, at: Instant) -> Alert | None:
    """By its number."""
    row = connection.execute(sa.select(alerts_table).where(_a.id == alert)).first()
    return _alert(row, at) if row else None


def items_of(connection: sa.Connection, alert: int, limit: int) -> list[Item]:
    """An alert's payments, the newest first."""
    query = sa.select(items_table).where(_i.alert == alert).order_by(_i.seq.desc()).limit(limit)
    return [Item(*(getattr(row, name) for name in Item._fields)) for row in connection.execute(query)]


def take(connection: sa.Connection, alert: int, *, by: str, at: Instant) -> None:
    """Assign it to `by`. Raises `ConflictError` if somebody has it: of two who try at once, one does."""
    free = (_a.id == alert) & _a.assignee.is_(None) & (_a.state != "closed")
    values = {"assignee": by, "state": "assigned", "taken_at": at, "snoozed_until": 0}
    if not connection.execute(alerts_table.update().where(free).values(values)).rowcount:
        raise ConflictError("somebody has taken this alert already, or it is closed", "alert")
    _record(connection, "alert.take", alert, by, at, "taken from the queue")


def release(connection: sa.Connection, alert: int, *, by: str, at: Instant, reason: str) -> None:
    """Give it back to the queue. Only who has it does."""
    _mine(connection, alert, by, {"assignee": None, "state": "new", "snoozed_until": 0, "taken_at": None})
    _record(connection, "alert.release", alert, by, at, reason)


def snooze(connection: sa.Connection, alert: int, until: int, *, by: str, at: Instant, reason: str) -> None:
    """Let it rest until then; its owner keeps it."""
    if not at < until <= at + SNOOZE_MAX_US:
        raise InputError(f"snooze until a time within {SNOOZE_MAX_US // DAY} days from now", "until")
    _mine(connection, alert, by, {"state": "snoozed", "snoozed_until": until})
    _record(connection, "alert.snooze", alert, by, at, reason, {"until": until})


def close(connection: sa.Connection, alert: int, verdict: str, *, by: str, at: Instant, reason: str) -> None:
    """Done with it. A payment of the same customer that is stopped later opens another."""
    if verdict not in VERDICTS:
        raise InputError(f"an alert is closed as one of {', '.join(VERDICTS)}", "verdict")
    _mine(connection, alert, by, {"state": "closed", "closed_at": at, "verdict": verdict})
    _record(connection, "alert.close", alert, by, at, reason, {"verdict": verdict})


def must_be_mine(connection: sa.Connection, alert: int, by: str) -> None:
    """Raises `ConflictError` unless `by` has it and it is open."""
    where = (_a.id == alert) & (_a.assignee == by) & (_a.state != "closed")
    if connection.scalar(sa.select(_a.id).where(where)) is None:
        raise ConflictError("only who has taken an alert, and before it is closed, does this", "alert")


def _mine(connection: sa.Connection, alert: int, by: str, values: dict[str, Any]) -> None:
    where = (_a.id == alert) & (_a.assignee == by) & (_a.state != "closed")
    if not connection.execute(alerts_table.update().where(where).values(values)).rowcount:
        raise ConflictError("only who has taken an alert, and before it is closed, does this", "alert")


def _record(
    connection: sa.Connection,
    act: str,
    alert: int,
    by: str,
    at: Instant,
    reason: str,
    detail: dict[str, Any] | None = None,
) -> None:
    record(connection, who=by, act=act, what=f"alert {alert}", reason=reason, at=at, detail=detail)


def _alert(row: Any, at: int) -> Alert:
    values = dict(row._mapping)
    if values["state"] == "snoozed" and values["snoozed_until"] <= at:
        values["state"] = "assigned" if values["assignee"] else "new"
    return Alert(**values)
