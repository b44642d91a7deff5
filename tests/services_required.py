"""Services that some tests need. Absent: the test is skipped loudly, or fails where services are required."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import sql

PLACES = ("", "/var/run/postgresql", "127.0.0.1")
"""Where a server may be: as the PG* variables say, the local socket, the loopback address."""


def missing(what: str) -> None:
    """Skip, or fail when LIANFANG_REQUIRE_SERVICES=1."""
    sentence = f"NOT TESTED: {what}"
    if os.environ.get("LIANFANG_REQUIRE_SERVICES") == "1":
        pytest.fail(sentence)
    pytest.skip(sentence)


def _connect() -> tuple[str, Any]:
    said = []
    for host in PLACES:
        try:
            where = f"host={host}" if host else ""
            return host, psycopg.connect(f"dbname=postgres connect_timeout=3 {where}", autocommit=True)
        except psycopg.Error as why:
            said.append(str(why).strip().splitlines()[0])
    missing(f"no PostgreSQL server answers ({'; '.join(said)})")
    raise AssertionError


@contextmanager
def postgres_database() -> Iterator[str]:
    """The address of a new, empty database, dropped afterwards."""
    host, server = _connect()
    name = f"lianfang_test_{secrets.token_hex(6)}"
    with server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield f"postgresql+psycopg:///{name}" + (f"?host={host}" if host else "")
        finally:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
    server.close()
