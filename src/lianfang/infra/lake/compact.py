"""A day's small parts become one file, sorted by time: written beside them, then named by the manifest in their place.

Whoever reads has the old parts or the new one, never both: what a manifest names stays while somebody reads by it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import duckdb
import msgspec
import pyarrow.parquet as pq

from lianfang.infra.lake.columns import DECISIONS, OUTCOMES
from lianfang.infra.lake.manifest import (
    PARTIAL,
    SORTING,
    Kind,
    Manifest,
    Part,
    building,
    read_manifest,
    settle,
    sweep,
    write_manifest,
)
from lianfang.infra.lake.views import source_sql
from lianfang.kernel.errors import DependencyError, EvidenceError

MEMORY_MB: Final = 1_024
"""Of sorting a day; what does not fit waits in a temporary folder inside the lake."""
ROW_GROUP: Final = 122_880
_ORDER: Final[dict[Kind, str]] = {"decisions": "time, seq", "outcomes": "known_at, seq"}


class Compacted(msgspec.Struct, frozen=True):
    """What one run did. Bytes of the days it touched, before and after; `swept`: files removed, none while others read."""

    days: int
    parts_before: int
    parts_after: int
    bytes_before: int
    bytes_after: int
    swept: int


def compact(
    lake: Path, before: date | None = None, progress: Callable[[int, int], None] = lambda done, of: None
) -> Compacted:
    """Every day, or those `before` a day, that has several parts of a kind. Each day counts from when it is done.

    Raises `DependencyError` while another process changes the lake or the disk refuses, `EvidenceError` if rows do not add up.
    """
    with building(lake):
        try:
            groups = _several(read_manifest(lake), before)
            made = []
            for done, parts in enumerate(groups, 1):
                made.append(_merge(lake, parts))
                progress(done, len(groups))
            swept = sweep(lake)
        except (OSError, duckdb.Error) as why:
            raise DependencyError(
                f"the lake in {lake} cannot be compacted: {' '.join(str(why).split())}", "lake-failed"
            ) from why
    old = [part for parts in groups for part in parts]
    return Compacted(len(groups), len(old), len(made), sum(p.bytes for p in old), sum(p.bytes for p in made), swept)


def _several(manifest: Manifest, before: date | None) -> list[list[Part]]:
    days: defaultdict[tuple[Kind, date], list[Part]] = defaultdict(list)
    for part in manifest.parts:
        if before is None or part.day < before:
            days[part.kind, part.day].append(part)
    return [parts for _, parts in sorted(days.items()) if len(parts) > 1]


def _merge(lake: Path, parts: Sequence[Part]) -> Part:
    kind, day, rows = parts[0].kind, parts[0].day, sum(part.rows for part in parts)
    new = Part(kind, day, min(part.first for part in parts), max(part.last for part in parts), rows, 0)
    partial = (lake / new.name).with_suffix(PARTIAL)
    written = _write(lake, parts, partial)
    if written != rows:
        partial.unlink()
        raise EvidenceError(
            f"the parts of {kind} of {day} have {written} rows, and the manifest says {rows}; look at the disk"
        )
    new = msgspec.structs.replace(new, bytes=settle(partial, lake / new.name))
    had = read_manifest(lake)
    kept = tuple(part for part in had.parts if part not in parts)
    write_manifest(lake, msgspec.structs.replace(had, parts=(*kept, new)))
    return new


def _write(lake: Path, parts: Sequence[Part], partial: Path) -> int:
    """The sorted rows; how many. Duckdb sorts, and we write: the file keeps our schema to the letter."""
    kind = parts[0].kind
    schema: Any = DECISIONS if kind == "decisions" else OUTCOMES
    rows = 0
    with TemporaryDirectory(prefix=SORTING, dir=lake) as folder:
        connection = duckdb.connect(config={"memory_limit": f"{MEMORY_MB}MB", "temp_directory": folder, "threads": 1})
        try:
            connection.execute("SET TimeZone = 'UTC'")
            source = source_sql(lake, Manifest(parts=tuple(parts)), kind)
            reader = connection.sql(f"SELECT * FROM {source} ORDER BY {_ORDER[kind]}").to_arrow_reader(ROW_GROUP)
            with pq.ParquetWriter(partial, schema, compression="zstd") as writer:
                for batch in reader:
                    writer.write_batch(batch.cast(schema), row_group_size=ROW_GROUP)
                    rows += batch.num_rows
        finally:
            connection.close()
    return rows
