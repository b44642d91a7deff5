"""Statements between a log's entry and the decider, in SQLite's own words: to build them costs more than to run them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

import sqlalchemy as sa

AT_ONCE: Final = 2_000
"""Values in one statement; SQLite takes 32,766."""


def ask(connection: sa.Connection, statement: str, values: Collection[Any], *after: Any) -> list[Any]:
    """Rows of a statement with `IN (*)`, for all the values, in parts; `after`: parameters behind the list."""
    every = list(values)
    found: list[Any] = []
    for start in range(0, len(every), AT_ONCE):
        part = every[start : start + AT_ONCE]
        said = statement.replace("(*)", f"({','.join('?' * len(part))})")
        found += connection.exec_driver_sql(said, (*part, *after)).fetchall()
    return found


def put(connection: sa.Connection, statement: str, rows: Iterable[Sequence[Any]]) -> None:
    """One statement for each row."""
    values = [tuple(row) for row in rows]
    if values:
        connection.exec_driver_sql(statement, values)
