"""`lianfang query`: SQL over the lake, read-only."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lianfang.app.commands.common import JsonFile

if TYPE_CHECKING:
    from lianfang.infra.lake import Question

ROWS_SHOWN: Final = 100
"""Rows without --limit on the screen and in JSON; files get all."""


def query(
    sql: str,
    /,
    *,
    as_of: str | None = None,
    json: JsonFile = None,
    csv: Path | None = None,
    parquet: Path | None = None,
    limit: int | None = None,
    data: Path | None = None,
    unmask: bool = False,
    reason: str = "",
    memory_mb: int | None = None,
    seconds: float | None = None,
) -> int:
    """Ask the lake in SQL (DuckDB's), over three views: decisions, outcomes, and known, which joins them.

    A query reads these views and can do nothing else. Personal fields show as tokens (docs/how-to/query.md).

    Parameters
    ----------
    sql
        One SELECT: "select action, count(*) from decisions group by all". "describe decisions" shows the columns.
    as_of
        What was known then, in the view `known`: `2026-11-01` (midnight UTC), or a time with its zone. Without: everything.
    json
        Write the rows as JSON to this file; `-` for standard output, and no table.
    csv
        Write all rows to this CSV file.
    parquet
        Write all rows to this Parquet file.
    limit
        So many rows at most. Without: 100 on the screen and in JSON, all of them in CSV and Parquet.
    data
        The node's folder. Without: that of the settings.
    unmask
        Show personal fields as they are. Needs --reason, and leaves an entry in the node's records with the query.
    reason
        Why they have to be seen.
    memory_mb
        Memory the query may take. Without: 2048.
    seconds
        Time the query may take. Without: 60.
    """
    from lianfang.app.commands.common import need_reason
    from lianfang.app.lake import entry, files_of
    from lianfang.app.node.clock import WallClock
    from lianfang.infra.lake import check
    from lianfang.kernel.instant import Instant

    shown = None if csv is not None or parquet is not None else ROWS_SHOWN
    question = _question(sql, as_of, limit, memory_mb, seconds, masked=not unmask, shown=shown)
    files = files_of(data)
    if unmask:
        check(sql)
        why = need_reason(reason)
        entry(files, "lake.unmask", "lake", why, Instant(WallClock()()), {"sql": sql, "as_of": as_of})
    _answer(files.lake, question, json, csv, parquet)
    return 0


def _question(
    sql: str,
    as_of: str | None,
    limit: int | None,
    memory_mb: int | None,
    seconds: float | None,
    *,
    masked: bool,
    shown: int | None,
) -> Question:
    from lianfang.app.commands.common import instant_of
    from lianfang.infra.lake import Question
    from lianfang.infra.lake.ask import MEMORY_MB, SECONDS
    from lianfang.kernel.errors import InputError
    from lianfang.kernel.instant import Instant

    for given, option in ((limit, "--limit"), (memory_mb, "--memory-mb"), (seconds, "--seconds")):
        if given is not None and given <= 0:
            raise InputError("more than nothing", option)
    return Question(
        sql=sql,
        as_of=Instant(instant_of(as_of, "--as-of")) if as_of else None,
        masked=masked,
        limit=limit if limit is not None else shown,
        memory_mb=memory_mb or MEMORY_MB,
        seconds=seconds or SECONDS,
    )


def _answer(lake: Path, question: Question, json: Path | None, csv: Path | None, parquet: Path | None) -> None:
    from lianfang.app.commands.common import write_json
    from lianfang.infra.lake import asked

    with asked(lake, question) as reader:
        if csv is not None or parquet is not None:
            rows = _write(reader, csv, parquet)
            print(f"{rows:,} 行 rows: {', '.join(str(path) for path in (csv, parquet) if path is not None)}")
            return
        names = reader.schema.names
        found = reader.read_all().to_pylist()
    if json is not None:
        write_json(json, [{name: _plain(value) for name, value in row.items()} for row in found])
    if str(json) != "-":
        _show(names, found, question)


def _show(names: list[str], rows: list[dict[str, Any]], question: Question) -> None:
    from lianfang.app.commands.common import table

    about = f"{len(rows):,} 行 rows" + (" (--limit)" if question.limit == len(rows) else "")
    table(about, names, [[_cell(row[name]) for name in names] for row in rows])


def _cell(value: Any) -> str:
    import json

    plain = _plain(value)
    return json.dumps(plain, ensure_ascii=False) if isinstance(plain, list | dict) else str(plain)


def _plain(value: Any) -> Any:
    """What JSON and people can read: a sum of whole numbers as one, times and bytes as text."""
    from decimal import Decimal

    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _write(reader: Any, csv: Path | None, parquet: Path | None) -> int:
    """All batches to the files; the rows. A file has its name only once it is whole."""
    import contextlib

    import pyarrow as pa
    import pyarrow.csv as pa_csv
    import pyarrow.parquet as pq

    from lianfang.kernel.errors import DependencyError, InputError

    rows = 0
    parts = [path.with_name(path.name + ".partial") for path in (csv, parquet) if path is not None]
    try:
        with contextlib.ExitStack() as stack:
            writers: list[Any] = []
            for path in (csv, parquet):
                if path is None:
                    continue
                path.parent.mkdir(parents=True, exist_ok=True)
                part = path.with_name(path.name + ".partial")
                make = pa_csv.CSVWriter if path is csv else pq.ParquetWriter
                writers.append(stack.enter_context(make(str(part), reader.schema)))
            for batch in reader:
                for writer in writers:
                    writer.write_batch(batch)
                rows += batch.num_rows
        for part in parts:
            part.replace(part.with_suffix(""))
    except pa.ArrowInvalid as why:
        raise InputError(
            f"these columns do not fit the file: {why}; lists and maps fit Parquet and JSON", "--csv"
        ) from why
    except OSError as why:
        if why.errno is None:
            raise
        raise DependencyError(f"writing the rows failed: {why.strerror}") from why
    finally:
        for part in parts:
            part.unlink(missing_ok=True)
    return rows
