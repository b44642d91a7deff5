"""Records: SQLite on one machine, PostgreSQL beyond it, one way to read, write, migrate and say who changed what."""

from lianfang.infra.sql.changes import Change, changes, prepare_changes, record
from lianfang.infra.sql.database import Database, Migration, migrate, open_database, sqlite_url, upsert

__all__ = [
    "Change",
    "Database",
    "Migration",
    "changes",
    "migrate",
    "open_database",
    "prepare_changes",
    "record",
    "sqlite_url",
    "upsert",
]
