"""Simulated days to Parquet in the native layout, or to wire payments for a live stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from lianfang.engines.world import NEVER, Column, DayBatch
from lianfang.kernel.errors import DependencyError
from lianfang.kernel.instant import moment
from lianfang.wire import (
    Device,
    FieldType,
    Finding,
    Merchant,
    Network,
    Outcome,
    Party,
    Payment,
    Place,
    Session,
    catalogue,
)

_TYPES: Final[dict[FieldType, pa.DataType]] = {
    "text": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "time": pa.timestamp("us", tz="UTC"),
}
_PARTS: Final[tuple[tuple[str, type[Any]], ...]] = (
    ("payer", Party),
    ("payee", Party),
    ("device", Device),
    ("network", Network),
    ("place", Place),
    ("merchant", Merchant),
    ("session", Session),
)


def write_history(batches: Iterable[DayBatch], path: Path, progress: Callable[[int], None] | None = None) -> list[Path]:
    """Writes days as Parquet: to one file if `path` ends in `.parquet`, else one file a day in that folder.

    A file appears under its name when it is whole. Returns the files. Raises `DependencyError` where the disk refuses.
    """
    try:
        if path.suffix == ".parquet":
            return _write_one(batches, path, progress)
        return _write_daily(batches, path, progress)
    except OSError as why:
        raise DependencyError(f"writing the history failed: {why}") from why


def _write_one(batches: Iterable[DayBatch], path: Path, progress: Callable[[int], None] | None) -> list[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    writer: pq.ParquetWriter | None = None
    rows = 0
    try:
        for batch in batches:
            table = arrow_table(batch)
            writer = writer or pq.ParquetWriter(partial, table.schema, compression="zstd")
            writer.write_table(table)
            rows += batch.rows
            if progress is not None:
                progress(rows)
    finally:
        if writer is not None:
            writer.close()
    if writer is None:
        return []
    partial.replace(path)
    return [path]


def _write_daily(batches: Iterable[DayBatch], folder: Path, progress: Callable[[int], None] | None) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    rows = 0
    for batch in batches:
        file = folder / f"payments-{batch.day:04d}.parquet"
        partial = file.with_name(file.name + ".partial")
        pq.write_table(arrow_table(batch), partial, compression="zstd")
        partial.replace(file)
        written.append(file)
        rows += batch.rows
        if progress is not None:
            progress(rows)
    return written


def arrow_table(batch: DayBatch) -> pa.Table:
    """A day in the native layout: a column a path, then `label`, `label_kind`, `known_at` (null: never), `story`."""
    known = catalogue()
    arrays: dict[str, Any] = {}
    for path, column in batch.columns.items():
        arrays[path] = _arrow(column, _TYPES[known[path].type] if path in known else pa.string())
    arrays["label"] = pa.array(batch.label)
    arrays["label_kind"] = _arrow(batch.label_kind, pa.string())
    never = batch.known_at == NEVER
    arrays["known_at"] = pa.array(batch.known_at, pa.int64(), mask=never).cast(_TYPES["time"])
    arrays["story"] = _arrow(batch.story, pa.string())
    return pa.table(arrays)


def _arrow(column: Column, kind: pa.DataType) -> Any:
    if column.words is not None:
        places = pa.array(column.values, mask=column.values < 0)
        return pa.array(column.words, pa.string()).take(places)
    if column.values.dtype.kind == "S":
        return pa.array(column.values).cast(kind)
    made: Any = pa.array(column.values, mask=column.null)
    return made.cast(kind)


def payments_of(batch: DayBatch) -> Iterator[Payment]:
    """A day's payments as wire messages, in order: for a live stream, where 20 us each do not matter."""
    known = catalogue()
    columns: dict[str, list[Any]] = {
        path: [None if at is None else moment(at) for at in column.tolist()]
        if path in known and known[path].type == "time"
        else column.tolist()
        for path, column in batch.columns.items()
    }
    found = [
        tuple(Finding(code=code, source="simulator") for code in codes.split()) if codes else ()
        for codes in columns.pop("surroundings")
    ]
    parts = {name: _parts(columns, name, kind) for name, kind in _PARTS}
    plain = {path: values for path, values in columns.items() if "." not in path}
    for row in range(batch.rows):
        yield Payment(
            **{path: values[row] for path, values in plain.items()},
            **{name: made[row] for name, made in parts.items()},
            surroundings=found[row],
        )


def _parts(columns: dict[str, list[Any]], name: str, kind: type[Any]) -> list[Any]:
    prefix = name + "."
    fields = [path.removeprefix(prefix) for path in columns if path.startswith(prefix)]
    rows = zip(*(columns[prefix + field] for field in fields), strict=True)
    return [kind(**dict(zip(fields, row, strict=True))) for row in rows]


def outcomes_of(batch: DayBatch) -> Iterator[Outcome]:
    """What becomes known of the day's frauds, each with its `known_at`, in the order of the payments."""
    ids, kinds = batch.columns["id"].tolist(), batch.label_kind.tolist()
    for payment_id, label, kind, known_at in zip(
        ids, batch.label.tolist(), kinds, batch.known_at.tolist(), strict=True
    ):
        if label == 1 and known_at != NEVER:
            yield Outcome(
                payment_id=payment_id, label="fraud", known_at=moment(known_at), source="simulator", kind=kind
            )
