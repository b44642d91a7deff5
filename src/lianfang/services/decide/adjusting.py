"""Packs switched off and parameters given other values, on record: what an installation changes without its files.

Rows of `store`'s tables; the caller owns the transaction. Times are microseconds UTC.
"""

from __future__ import annotations

import msgspec
import sqlalchemy as sa

from lianfang.infra.sql import record, upsert
from lianfang.kernel.errors import ConflictError, InputError
from lianfang.kernel.instant import Instant
from lianfang.services.decide.assemble import Adjustments
from lianfang.services.decide.store import packs_table, parameters_table
from lianfang.wire import Parameter


class Changed(msgspec.Struct, frozen=True):
    """Who changed something, and when (microseconds UTC)."""

    by: str
    at: int


def adjustments(connection: sa.Connection) -> Adjustments:
    """All of them, as the rule files are adjusted by."""
    off = connection.scalars(sa.select(packs_table.c.name))
    values = connection.execute(sa.select(parameters_table.c.name, parameters_table.c.value))
    return Adjustments(frozenset(off), {name: msgspec.json.decode(text) for name, text in values})


def changes_of(connection: sa.Connection, table: sa.Table) -> dict[str, Changed]:
    """Of `packs_table` or `parameters_table`: name to who and when."""
    rows = connection.execute(sa.select(table.c.name, table.c.changed_by, table.c.changed_at))
    return {name: Changed(by, at) for name, by, at in rows}


def switch_pack(connection: sa.Connection, name: str, *, on: bool, by: str, at: Instant, reason: str) -> bool:
    """Whether the pack was the other way before."""
    have = connection.scalar(sa.select(packs_table.c.name).where(packs_table.c.name == name))
    if (have is None) == on:
        return False
    if on:
        connection.execute(packs_table.delete().where(packs_table.c.name == name))
    else:
        upsert(connection, packs_table, [{"name": name, "changed_by": by, "changed_at": at}], ("name",))
    record(connection, who=by, act="pack.on" if on else "pack.off", what=name, reason=reason, at=at)
    return True


def check_value(have: Parameter, value: int | float, where: str) -> None:
    """Raises `ConflictError` for a number of the law, `InputError` for a fraction in the place of a whole number."""
    if have.law is not None:
        raise ConflictError(
            f"{have.name} is a number of the law ({have.law.en}): change it in its dated file, or switch its pack off",
            where,
        )
    if isinstance(have.value, int) and not isinstance(value, int):
        raise InputError(f"{have.name} is a whole number", where)


def set_parameter(
    connection: sa.Connection, name: str, value: int | float | None, *, by: str, at: Instant, reason: str
) -> bool:
    """Whether anything changed. `None`: back to the value of the files."""
    text = None if value is None else msgspec.json.encode(value).decode()
    have = connection.scalar(sa.select(parameters_table.c.value).where(parameters_table.c.name == name))
    if have == text:
        return False
    if text is None:
        connection.execute(parameters_table.delete().where(parameters_table.c.name == name))
    else:
        row = {"name": name, "value": text, "changed_by": by, "changed_at": at}
        upsert(connection, parameters_table, [row], ("name",))
    act = "parameter.reset" if value is None else "parameter.set"
    record(connection, who=by, act=act, what=name, reason=reason, at=at, detail={"value": value})
    return True
