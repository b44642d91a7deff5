"""A node's lake as a history: its decisions' payments by time, in the native layout, each with what was known of it.

`label` is 1 where the latest outcome says fraud, 0 where it says genuine or nobody said anything, null where it is disputed;
`known_at` is since when the label has been that, null where nobody said anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import duckdb
import pyarrow as pa

from lianfang.infra.lake import Manifest, is_lake, reading
from lianfang.infra.lake.columns import INSTANT, PATHS
from lianfang.infra.lake.views import source_sql
from lianfang.kernel.errors import InputError

MEMORY_MB: Final = 512
"""Of sorting, beside what a backtest needs itself; what does not fit waits in a temporary folder that only this user can read."""
KEYS_MAX: Final = 256
"""Attributes' keys that become columns, the most frequent first."""
_ATTRIBUTE: Final = "attributes."
_LABELS: Final[dict[str, pa.DataType]] = {"label": pa.int8(), "label_kind": pa.string(), "known_at": INSTANT}

__all__ = ["is_lake", "lake_batches", "lake_columns", "lake_rows"]


def lake_columns(lake: Path) -> dict[str, pa.DataType]:
    """Names and types of the columns. An attribute's type is what all its values are: bool, number, else text."""
    with _open(lake) as (connection, manifest):
        schema = (
            connection.sql(f"SELECT * FROM {source_sql(lake, manifest, 'decisions')} LIMIT 0").to_arrow_table().schema
        )
        found = {name: schema.field(name).type for name in (*PATHS, "surroundings")}
        keys = _attributes(connection, lake, manifest)
    return {**found, **{_ATTRIBUTE + key: kind for key, kind in keys.items()}, **_LABELS}


def lake_rows(lake: Path) -> int:
    """How many decisions it has."""
    with reading(lake) as manifest:
        return sum(part.rows for part in manifest.of("decisions"))


def lake_batches(lake: Path, columns: Sequence[str] | None, batch_rows: int) -> Iterator[pa.RecordBatch]:
    """The rows by time (ties by seq), only the columns asked for."""
    kinds = lake_columns(lake)
    wanted = list(kinds) if columns is None else list(columns)
    with _open(lake) as (connection, manifest):
        shown = ", ".join(_column(name, kinds[name]) for name in wanted) or "0 AS nothing"
        sql = f"""
            WITH d AS (SELECT * FROM {source_sql(lake, manifest, "decisions")}), {
            _OUTCOMES.format(outcomes=source_sql(lake, manifest, "outcomes"))
        }
            SELECT {shown} FROM d LEFT JOIN latest ON d.id = latest.payment_id ORDER BY d.time, d.seq
        """
        try:
            yield from connection.sql(sql).to_arrow_reader(batch_rows)
        except duckdb.Error as why:
            raise InputError(f"the lake cannot be read: {' '.join(str(why).split())[:300]}", str(lake)) from why


# The label of a payment is its latest outcome's; it has been so since the first outcome after the last one of another label.
_OUTCOMES: Final = """
    o AS (SELECT *, first_value(label) OVER (PARTITION BY payment_id ORDER BY known_at DESC, seq DESC) AS final
          FROM {outcomes}),
    other AS (SELECT payment_id, max((known_at, seq)) AS at FROM o WHERE label <> final GROUP BY payment_id),
    latest AS (SELECT o.payment_id, any_value(final) AS final, min(known_at) AS known_at,
                      arg_max(kind, (known_at, seq)) AS kind
               FROM o LEFT JOIN other USING (payment_id)
               WHERE other.at IS NULL OR (o.known_at, o.seq) > other.at
               GROUP BY o.payment_id)
"""


def _column(name: str, kind: pa.DataType) -> str:
    quoted = '"' + name.replace('"', '""') + '"'
    if name == "label":
        return "(CASE latest.final WHEN 'fraud' THEN 1 WHEN 'disputed' THEN NULL ELSE 0 END)::TINYINT AS label"
    if name == "label_kind":
        return "latest.kind AS label_kind"
    if name == "known_at":
        return "latest.known_at AS known_at"
    if name.startswith(_ATTRIBUTE):
        value = f"d.attributes['{name.removeprefix(_ATTRIBUTE).replace(chr(39), chr(39) * 2)}']"
        made = {pa.bool_(): f"TRY_CAST({value} AS BOOLEAN)", pa.float64(): f"TRY_CAST({value} AS DOUBLE)"}
        return f"{made.get(kind, f'json_extract_string({value}, {chr(39)}${chr(39)})')} AS {quoted}"
    return f"d.{quoted}"


def _attributes(connection: Any, lake: Path, manifest: Manifest) -> dict[str, pa.DataType]:
    rows = connection.sql(f"""
        SELECT a.key AS key, bool_and(a.value IN ('true', 'false')) AS flag,
               bool_and(TRY_CAST(a.value AS DOUBLE) IS NOT NULL AND a.value NOT IN ('true', 'false')) AS number
        FROM (SELECT unnest(map_entries(attributes)) AS a FROM {source_sql(lake, manifest, "decisions")})
        WHERE a.value <> 'null' GROUP BY key ORDER BY count(*) DESC, key LIMIT {KEYS_MAX}
    """).fetchall()
    return {key: pa.bool_() if flag else pa.float64() if number else pa.string() for key, flag, number in rows}


@contextmanager
def _open(lake: Path) -> Iterator[tuple[Any, Manifest]]:
    with reading(lake) as manifest, TemporaryDirectory(prefix="lianfang-") as folder:
        if not manifest.of("decisions"):
            raise InputError(
                "the lake has no decisions yet; `lianfang lake build` takes them from the journal", str(lake)
            )
        connection = duckdb.connect(config={"memory_limit": f"{MEMORY_MB}MB", "temp_directory": folder, "threads": 2})
        try:
            connection.execute("SET TimeZone = 'UTC'")
            yield connection, manifest
        finally:
            connection.close()
