"""Simulated days to Parquet in the native layout, or to wire payments for a live stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

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

TYPES: Final[dict[FieldType, pa.DataType]] = {
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
        arrays[path] = arrow_column(column, TYPES[known[path].type] if path in known else pa.string())
    arrays["label"] = pa.array(batch.label)
    arrays["label_kind"] = arrow_column(batch.label_kind, pa.string())
    never = batch.known_at == NEVER
    arrays["known_at"] = pa.array(batch.known_at, pa.int64(), mask=never).cast(TYPES["time"])
    arrays["story"] = arrow_column(batch.story, pa.string())
    return pa.table(arrays)


def arrow_column(column: Column, kind: pa.DataType) -> Any:
    """A column as Arrow has it."""
    if column.words is not None:
        places = pa.array(column.values, mask=column.values < 0)
        return _words(column.words).take(places)
    if column.values.dtype.kind == "S":
        return pa.array(column.values).cast(kind)
    made: Any = pa.array(column.values, mask=column.null)
    return made.cast(kind)


_KEPT: Final = 24
_kept: dict[int, tuple[NDArray[np.object_], Any]] = {}


def _words(words: NDArray[np.object_]) -> Any:
    """Texts as Arrow has them; a world's long tables are turned once, not once a day."""
    if len(words) < 1_000:
        return pa.array(words, pa.string())
    found = _kept.get(id(words))
    if found is None:
        while len(_kept) >= _KEPT:
            _kept.pop(next(iter(_kept)))
        found = _kept[id(words)] = (
            words,
            pa.array(words, pa.string()),
        )  # kept with its source: an id is not used twice
    return found[1]


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


class StoryStep(NamedTuple):
    """Where a payment stands in its story: the truth, which no institution has."""

    story: str
    crime: str
    """The kind of the story, or `mule` for the money on its run."""
    role: str
    step: int
    """From 1."""
    steps: int


def stories_of(batch: DayBatch) -> list[StoryStep | None]:
    """For each payment of a day its place in a story of crime, None for honest ones."""
    names = ("role", "step", "steps")
    role, step, steps = (batch.truth[name].tolist() for name in names)
    told = zip(batch.story.tolist(), batch.label_kind.tolist(), role, step, steps, strict=True)
    return [StoryStep(*one) if one[2] is not None else None for one in told]


def outcomes_of(batch: DayBatch) -> Iterator[Outcome]:
    """What is reported of the day's payments, late, sometimes of the wrong kind, sometimes wrongly, in their order."""
    ids, kinds = batch.columns["id"].tolist(), batch.truth["reported_kind"].tolist()
    for payment_id, kind, known_at in zip(ids, kinds, batch.known_at.tolist(), strict=True):
        if kind is not None and known_at != NEVER:
            yield Outcome(
                payment_id=payment_id, label="fraud", known_at=moment(known_at), source="simulator", kind=kind
            )
