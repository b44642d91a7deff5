"""Who changed what, when and why: one append-only table, written in the same transaction as the change itself.

The database refuses to change or delete its rows; whoever owns the file can still do so, which the trail of a later room ends.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import sqlalchemy as sa

from lianfang.infra.sql.database import Database, migrate
from lianfang.kernel import limits
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import Instant

ROOM: Final = "changes"
PAGE_MAX: Final = 1_000
metadata: Final = sa.MetaData()
_id: Final = sa.BigInteger().with_variant(sa.Integer, "sqlite")
changes_table: Final = sa.Table(
    "changes",
    metadata,
    sa.Column("id", _id, primary_key=True, autoincrement=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("who", sa.String(limits.ID_LENGTH_MAX), nullable=False),
    sa.Column("act", sa.String(40), nullable=False),
    sa.Column("what", sa.String(limits.ID_LENGTH_MAX), nullable=False),
    sa.Column("reason", sa.String(limits.TEXT_LENGTH_MAX), nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sqlite_autoincrement=True,
)


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One privileged act. `at`: microseconds UTC; `who`: a key's id, or `node` for the installation itself."""

    id: int
    at: int
    who: str
    act: str
    what: str
    reason: str
    detail: dict[str, Any]


def prepare_changes(database: Database) -> None:
    """Make the table, or bring it up to date."""
    migrate(database, ROOM, (_first,))


def record(
    connection: sa.Connection,
    *,
    who: str,
    act: str,
    what: str,
    reason: str,
    at: Instant,
    detail: dict[str, Any] | None = None,
) -> int:
    """Write one act; its number. Raises `InputError` without a reason."""
    reason = reason.strip()
    if not reason or len(reason) > limits.TEXT_LENGTH_MAX or any(c < " " for c in reason):
        raise InputError(
            f"a change needs a reason of 1 to {limits.TEXT_LENGTH_MAX} characters on one line", "Lianfang-Reason"
        )
    text = msgspec.json.encode(detail or {}).decode()
    row = {"at": at, "who": who, "act": act, "what": what, "reason": reason, "detail": text}
    done = connection.execute(changes_table.insert().values(row))
    return int(done.inserted_primary_key[0])  # type: ignore[index]


def changes(
    connection: sa.Connection,
    *,
    before: int | None = None,
    limit: int = 100,
    who: str = "",
    act: str = "",
    what: str = "",
) -> list[Change]:
    """The newest first, those before the number `before`. `who`, `what`: exactly; `act`: how it begins, as `rule`."""
    query = sa.select(changes_table).order_by(changes_table.c.id.desc()).limit(min(limit, PAGE_MAX))
    if before is not None:
        query = query.where(changes_table.c.id < before)
    if who:
        query = query.where(changes_table.c.who == who)
    if what:
        query = query.where(changes_table.c.what == what)
    if act:
        query = query.where(changes_table.c.act.startswith(act, autoescape=True))
    return [
        Change(
            id=r.id, at=r.at, who=r.who, act=r.act, what=r.what, reason=r.reason, detail=msgspec.json.decode(r.detail)
        )
        for r in connection.execute(query)
    ]


_SQLITE: Final = (
    "CREATE TRIGGER changes_{0} BEFORE {0} ON changes BEGIN SELECT RAISE(ABORT, 'changes are never altered'); END"
)
_POSTGRESQL: Final = (
    """CREATE FUNCTION refuse_alteration() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'changes are never altered'; END $$""",
    "CREATE TRIGGER changes_kept BEFORE UPDATE OR DELETE ON changes FOR EACH ROW EXECUTE FUNCTION refuse_alteration()",
)


def _first(connection: sa.Connection) -> None:
    metadata.create_all(connection)
    sqlite = (_SQLITE.format("UPDATE"), _SQLITE.format("DELETE"))
    for statement in _POSTGRESQL if connection.dialect.name == "postgresql" else sqlite:
        connection.exec_driver_sql(statement)
