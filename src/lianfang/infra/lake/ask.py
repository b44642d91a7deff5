"""One question to the lake: SQL that reads the three views and can do nothing else, whoever wrote it.

Two walls: the statement's tree may only name the views, its own parts, and functions that touch no file (checked on what
DuckDB itself parsed); and the connection it runs on may open no file but the lake's, load nothing, and be set no other way.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import Any, Final, NamedTuple

import duckdb
import pyarrow as pa

from lianfang.infra.lake.manifest import reading
from lianfang.infra.lake.views import make_views
from lianfang.kernel.errors import InputError, TooLargeError
from lianfang.kernel.instant import Instant

SQL_LENGTH_MAX: Final = 20_000
MEMORY_MB: Final = 2_048
SECONDS: Final = 60
THREADS: Final = 2
BATCH_ROWS: Final = 10_000
VIEWS: Final = ("decisions", "outcomes", "known")
TABLE_FUNCTIONS: Final = frozenset({"unnest", "range", "generate_series", "repeat", "repeat_row"})
"""Functions that may stand where a table stands: they make rows of what they are given."""
REFUSED_FUNCTIONS: Final = frozenset(
    {"getvariable", "current_setting", "getenv", "nextval", "currval", "query", "query_table", "write_log"}
)
"""Beside those that are macros over the catalogue: they would show how the views are made, and so the tokens' secret."""
_CATALOGUE: Final = "SELECT view_name FROM duckdb_views()"
_MACROS: Final = """
    SELECT DISTINCT lower(function_name) FROM duckdb_functions()
    WHERE function_type = 'macro' AND regexp_matches(lower(macro_definition), '(select|from|duckdb_|pragma|pg_)')
"""
_WORD: Final = re.compile(r"[a-z_][a-z0-9_]{0,63}", re.IGNORECASE)


class Question(NamedTuple):
    """What to ask. `as_of`: of the view `known`; None: all there is. `masked`: personal fields as tokens."""

    sql: str
    as_of: Instant | None = None
    masked: bool = True
    limit: int | None = None
    memory_mb: int = MEMORY_MB
    seconds: float = SECONDS


@contextmanager
def asked(lake: Path, question: Question) -> Iterator[Any]:
    """The answer as a stream of Arrow batches (`pyarrow.RecordBatchReader`), while this lasts.

    Raises `InputError` for a statement that is wrong or does more than read the views, `TooLargeError` past memory or time.
    """
    check(question.sql)
    with reading(lake) as manifest, _ours(question):
        connection = _closed(question)
        try:
            salt = secrets.token_hex(16) if question.masked else None
            make_views(connection, lake, manifest, question.as_of, salt)
            files = [str(lake / part.name) for part in manifest.parts]
            _shut(connection, files)
            sql = question.sql.strip().rstrip(";")
            if question.limit is not None:
                sql = f"SELECT * FROM (\n{sql}\n) LIMIT {question.limit:d}"
            clock = Timer(question.seconds, connection.interrupt)
            clock.daemon = True
            clock.start()
            try:
                yield connection.sql(sql).to_arrow_reader(BATCH_ROWS)
            finally:
                clock.cancel()
        finally:
            connection.close()


def check(sql: str) -> None:
    """Raises `InputError` unless the text is one SELECT over the views."""
    if len(sql) > SQL_LENGTH_MAX:
        raise TooLargeError(f"a query has at most {SQL_LENGTH_MAX:,} characters", "sql")
    if not sql.strip():
        raise InputError("no query; for example: select action, count(*) from decisions group by all", "sql")
    connection = _closed(Question(""))
    try:
        statements = connection.extract_statements(sql)
        if len(statements) != 1:
            raise InputError(f"one statement at a time, not {len(statements)}", "sql")
        said = json.loads(connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchone()[0])
        system = {name.lower() for (name,) in connection.execute(_CATALOGUE).fetchall()}
        refused = REFUSED_FUNCTIONS | {name for (name,) in connection.execute(_MACROS).fetchall()}
    except duckdb.ParserException as why:
        raise InputError(_sentence(why), "sql") from why
    except duckdb.Error as why:
        raise InputError(f"this cannot be read as one SELECT: {_sentence(why)}", "sql") from why
    finally:
        connection.close()
    if said.get("error") or len(said.get("statements", ())) != 1:
        raise InputError(
            "only SELECT over the views decisions, outcomes and known: a query reads and changes nothing "
            "(no COPY, ATTACH, INSTALL, PRAGMA, SET, PIVOT, EXPLAIN)",
            "sql",
        )
    _check_tree(said, system, refused)


def _check_tree(said: Any, system: set[str], refused: frozenset[str]) -> None:
    own = set()
    for node in _nodes(said):
        for entry in (node.get("cte_map") or {}).get("map", ()):
            name = str(entry["key"])
            if not _WORD.fullmatch(name) or name.lower() in system | set(VIEWS):
                raise InputError(
                    f"a part of a query cannot have the name {name!r}; choose a plain word of your own", "sql"
                )
            own.add(name.lower())
    tables = own | set(VIEWS)
    for node in _nodes(said):
        kind = node.get("type")
        if kind == "BASE_TABLE":
            name = str(node.get("table_name"))
            if name.lower() not in tables or node.get("schema_name") or node.get("catalog_name"):
                raise InputError(f"there is no table {name!r}; a query reads {', '.join(VIEWS)}", "sql")
        elif kind == "TABLE_FUNCTION":
            name = str(node["function"].get("function_name"))
            if name.lower() not in TABLE_FUNCTIONS:
                raise InputError(f"{name} cannot stand as a table here; a query reads {', '.join(VIEWS)}", "sql")
        elif kind == "SHOW_REF" and node.get("query") is None:
            raise InputError("write `describe decisions` to see its columns; there is nothing else to show", "sql")
        name = str(node.get("function_name") or "").lower()
        if name in refused:
            raise InputError(f"the function {name} is not for queries of the lake", "sql")


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


def _closed(question: Question) -> Any:
    connection = duckdb.connect(
        ":memory:",
        config={
            "memory_limit": f"{question.memory_mb}MB",
            "threads": THREADS,
            "temp_directory": "",
            "python_enable_replacements": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        },
    )
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def _shut(connection: Any, files: list[str]) -> None:
    """From here on: no file but these, no extension, no network, and no way to say otherwise."""
    listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
    connection.execute(f"SET allowed_paths = [{listed}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


@contextmanager
def _ours(question: Question) -> Iterator[None]:
    try:
        yield
    except duckdb.InterruptException as why:
        raise _late(question) from why
    except duckdb.OutOfMemoryException as why:
        raise TooLargeError(
            f"the query needs more than {question.memory_mb} MB; ask for fewer days or columns, or give it more",
            "--memory-mb",
        ) from why
    except duckdb.Error as why:
        raise InputError(_sentence(why), "sql") from why
    except (pa.ArrowException, OSError) as why:  # an error in the middle of a stream arrives as Arrow's
        if "INTERRUPT" in str(why).upper():
            raise _late(question) from why
        raise InputError(_sentence(why), "sql") from why


def _late(question: Question) -> TooLargeError:
    return TooLargeError(f"the query took more than {question.seconds:g} s; ask for less, or give it more", "--seconds")


def _sentence(why: Exception) -> str:
    """DuckDB's message on one line, with the place it points at."""
    return " ".join(str(why).split())[:600]
