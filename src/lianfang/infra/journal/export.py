"""The journal as Parquet: one file of decisions, one of outcomes, streamed by row groups."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from lianfang import wire
from lianfang.infra.journal.files import read_mark, segment_list
from lianfang.infra.journal.format import DECISION, OUTCOME, Record
from lianfang.infra.journal.reader import OnDamage, refuse_damage, scan
from lianfang.kernel.errors import EvidenceError, InputError

_ROW_GROUP: Final = 20_000
"""Rows held in memory at once: about 40 MB of decisions."""

_INSTANT: Final[pa.DataType] = pa.timestamp("us", tz="UTC")
_DECISION_COLUMNS: Final[list[tuple[str, pa.DataType]]] = [
    ("seq", pa.int64()),
    ("at", _INSTANT),
    ("payment_id", pa.string()),
    ("time", _INSTANT),
    ("kind", pa.string()),
    ("action", pa.string()),
    ("score", pa.float64()),
    ("points", pa.int64()),
    ("unsure", pa.bool_()),
    ("reasons", pa.list_(pa.string())),
    ("payment", pa.string()),
    ("decision", pa.string()),
    ("features", pa.list_(pa.float64())),
]
"""`at`: when decided; `time`: when the customer asked; `kind`: the payment's; `reasons`: codes, heaviest first."""
_OUTCOME_COLUMNS: Final[list[tuple[str, pa.DataType]]] = [
    ("seq", pa.int64()),
    ("at", _INSTANT),
    ("payment_id", pa.string()),
    ("label", pa.string()),
    ("known_at", _INSTANT),
    ("source", pa.string()),
    ("outcome", pa.string()),
]
DECISIONS_SCHEMA: Final = pa.schema(_DECISION_COLUMNS)
OUTCOMES_SCHEMA: Final = pa.schema(_OUTCOME_COLUMNS)


class Exported(msgspec.Struct, frozen=True):
    """How many rows went into which files."""

    decisions: int
    outcomes: int
    decisions_file: Path
    outcomes_file: Path


class _PaymentHead(msgspec.Struct):
    """The payment was checked before it was journaled; the columns need only this much of it."""

    id: str
    time: datetime
    kind: str


_read_head: Final = msgspec.json.Decoder(_PaymentHead).decode


class _Sheet:
    """One Parquet file being written: rows gather, and leave as a row group."""

    def __init__(self, writer: Any, schema: Any) -> None:
        self._writer = writer
        self._schema = schema
        self._rows: list[tuple[Any, ...]] = []
        self.count = 0

    def add(self, row: tuple[Any, ...]) -> None:
        self._rows.append(row)
        self.count += 1
        if len(self._rows) >= _ROW_GROUP:
            self.flush()

    def flush(self) -> None:
        if self._rows:
            columns = zip(*self._rows, strict=True)
            arrays = [pa.array(column, field.type) for column, field in zip(columns, self._schema, strict=True)]
            self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
            self._rows.clear()


def export_parquet(
    directory: Path,
    out: Path,
    progress: Callable[[int, int], None] = lambda done, of: None,
    on_damage: OnDamage = refuse_damage,
) -> Exported:
    """Writes `decisions.parquet` and `outcomes.parquet` into the folder `out`. `progress(records done, of about)`.

    A file has its name only once it is whole. Raises `EvidenceError` for damage (unless `on_damage` bears it) and for a
    record that cannot be read; notes are left out.
    """
    out.mkdir(parents=True, exist_ok=True)
    decisions_file, outcomes_file = out / "decisions.parquet", out / "outcomes.parquet"
    firsts = segment_list(directory)
    total = max((read_mark(directory) or 0) - (firsts[0] if firsts else 1) + 1, 0)
    done = 0
    with _sheet(decisions_file, DECISIONS_SCHEMA) as decisions, _sheet(outcomes_file, OUTCOMES_SCHEMA) as outcomes:
        for done, record in enumerate(scan(directory, 0, on_damage), 1):
            if record.kind == DECISION:
                decisions.add(_row(_decision_row, record))
            elif record.kind == OUTCOME:
                outcomes.add(_row(_outcome_row, record))
            if done % _ROW_GROUP == 0:
                progress(done, max(total, done))
    progress(done, done)
    return Exported(decisions.count, outcomes.count, decisions_file, outcomes_file)


@contextmanager
def _sheet(path: Path, schema: Any) -> Iterator[_Sheet]:
    part = path.with_suffix(".part")
    try:
        with pq.ParquetWriter(part, schema, compression="zstd") as writer:
            sheet = _Sheet(writer, schema)
            yield sheet
            sheet.flush()
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _row(make: Callable[[Record], tuple[Any, ...]], record: Record) -> tuple[Any, ...]:
    try:
        return make(record)
    except (InputError, msgspec.MsgspecError, ValueError, IndexError) as why:
        raise EvidenceError(f"record {record.seq} of the journal cannot be read: {why}") from why


def _decision_row(record: Record) -> tuple[Any, ...]:
    payment, decision = record.parts[0], record.parts[1]
    head = _read_head(payment)
    answer = wire.read_decision(decision)
    return (
        record.seq,
        record.at,
        head.id,
        head.time,
        head.kind,
        answer.action,
        answer.score,
        answer.points,
        answer.unsure,
        [reason.code for reason in answer.reasons],
        payment.decode(),
        decision.decode(),
        float64s(record.parts[2]) if len(record.parts) > 2 else None,
    )


def _outcome_row(record: Record) -> tuple[Any, ...]:
    outcome = wire.read_outcome(record.parts[0])
    text = record.parts[0].decode()
    return (record.seq, record.at, outcome.payment_id, outcome.label, outcome.known_at, outcome.source, text)


def float64s(raw: bytes) -> array[float]:
    """Little-endian float64 as numbers. Raises `ValueError` for a broken length."""
    values: array[float] = array("d")
    values.frombytes(raw)
    if sys.byteorder == "big":
        values.byteswap()
    return values
