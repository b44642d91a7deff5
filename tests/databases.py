"""One set of contract tests for both kinds of records: `each_database` is a parameter of the fixtures that need one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lianfang.infra.sql import Database, open_database, sqlite_url
from tests.services_required import postgres_database

KINDS = ("sqlite", "postgresql")


@contextmanager
def fresh_database(kind: str, folder: Path) -> Iterator[Database]:
    """An empty database of this kind."""
    if kind == "sqlite":
        database = open_database(sqlite_url(folder / "records.sqlite"))
        yield database
        database.close()
        return
    with postgres_database() as url:
        database = open_database(url)
        yield database
        database.close()
