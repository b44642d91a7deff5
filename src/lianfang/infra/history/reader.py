"""A file of past payments as batches of ready columns: what the replay feeds to the engine.

Refuses what it would have to guess: a column that is not there, a time without a zone, a bad row nobody counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lianfang.infra.history.convert import (
    Rule,
    convert,
    findings,
    plain,
    ready_constant,
    rule_of,
    words_of,
)
from lianfang.infra.history.mapping import (
    REQUIRED,
    SURROUNDINGS,
    LabelSource,
    Mapping,
    Scalar,
    Source,
    did_you_mean,
)
from lianfang.infra.history.table import Slice, columns_of, history_files, slices
from lianfang.infra.history.times import Flaw, instants
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import SECOND, seconds_of

BATCH_ROWS: Final = 8_192
BAD_ROWS_MAX: Final = 1_000
"""More bad rows than this and the mapping, not the data, is wrong."""
PROBLEMS_MAX: Final = 20
"""Bad rows described in words; the rest are only counted."""

FRAUD: Final = 1
GENUINE: Final = 0
UNKNOWN: Final = -1
NEVER: Final = np.iinfo(np.int64).max
"""`known_at` of a label that never became known."""

Progress = Callable[[int], None]
"""Told the number of rows read so far, after each batch."""


class HistoryBatch(NamedTuple):
    """Some rows of a history, by column. Lists have `rows` items; times are instants."""

    rows: int
    columns: dict[str, list[Any]]
    """By field path: str, int (minor units, instants), float, bool, or None. `surroundings` is a tuple of codes."""
    labels: NDArray[np.int8] | None
    """FRAUD, GENUINE or UNKNOWN; None where the mapping names no label."""
    known_at: NDArray[np.int64] | None
    """Instant at which the label became known, NEVER where it did not; None where the mapping does not say."""
    extra: dict[str, list[Any]]
    """The mapping's `evaluate` columns, and `label_kind`."""


class Problem(NamedTuple):
    """One bad value. `row` counts from 1, without the header."""

    file: Path
    row: int
    column: str
    why: str

    def __str__(self) -> str:
        return f"{self.file.name} row {self.row}: {self.column} {self.why}"


@dataclass(slots=True)
class HistoryReport:
    """What the reader met. Hand one in to have bad rows skipped and counted; without one the first bad row raises."""

    bad_rows_max: int = BAD_ROWS_MAX
    rows: int = 0
    """Rows handed on."""
    bad_rows: int = 0
    out_of_order: int = 0
    """Rows whose time is before that of the row above."""
    problems: list[Problem] = field(default_factory=list)
    """The first PROBLEMS_MAX of them."""


class _Plan(NamedTuple):
    """What to do with each batch of one file."""

    columns: list[str]
    fields: dict[str, tuple[Rule, Source, str]]
    """Its limits, its source, its column."""
    constants: dict[str, Any]
    findings: str | None
    label: LabelSource | None
    extra: dict[str, str]


def read_history(
    path: Path,
    mapping: Mapping,
    wanted: Sequence[str],
    *,
    batch_rows: int = BATCH_ROWS,
    progress: Progress | None = None,
    report: HistoryReport | None = None,
) -> Iterator[HistoryBatch]:
    """Batches of the `wanted` paths, in the order of the file (a folder: of its files by name).

    Raises `InputError` for a column that does not exist, a bad row without a `report`, or more than its limit with one.
    """
    strict = report is None
    report = report or HistoryReport(bad_rows_max=0)
    last = -(2**62)
    seen = 0
    for file in history_files(path):
        plan = _plan(file, mapping, wanted)
        shared = _SharedLists(plan.constants)
        for part in slices(file, plan.columns, batch_rows):
            batch, times = _convert(part, plan, wanted, shared, report, strict=strict)
            steps = np.diff(times, prepend=last)
            report.out_of_order += int((steps < 0).sum())
            last = int(times[-1]) if len(times) else last
            report.rows += batch.rows
            seen += part.rows.num_rows
            if batch.rows:
                yield batch
            if progress is not None:
                progress(seen)


def _plan(file: Path, mapping: Mapping, wanted: Sequence[str]) -> _Plan:
    exists = columns_of(file)
    fields: dict[str, tuple[Rule, Source, str]] = {}
    constants: dict[str, Any] = {}
    found: str | None = None
    for path in dict.fromkeys((*REQUIRED, *wanted)):
        source = _source(path, mapping, exists, file)
        if path == SURROUNDINGS:
            found = source.column if source is not None else None
            constants[path] = ()
            continue
        rule = rule_of(path)
        if source is None:
            constants[path] = None
        elif source.column is None:
            constants[path] = ready_constant(rule, source)
        elif path in wanted or path == "time":
            _must_exist(source.column, exists, file, f"payment.{path}.column")
            fields[path] = (rule, source, source.column)
    label = mapping.label
    if label is not None and mapping.layout == "native":
        label = _native_label(label, exists)
    extra = {name: column for name, column in mapping.evaluate.items() if _optional(column, mapping, exists)}
    names: list[str | None] = [*(column for _, _, column in fields.values()), *extra.values(), found]
    if label is not None:
        names += [label.column, label.kind, label.known_at]
        for key, column in (("column", label.column), ("kind", label.kind), ("known_at", label.known_at)):
            if column is not None:
                _must_exist(column, exists, file, f"label.{key}")
    for name, column in extra.items():
        _must_exist(column, exists, file, f"evaluate.{name}")
    needed = [name for name in dict.fromkeys(names) if name is not None]
    return _Plan(needed, fields, constants, found, label, extra)


def _source(path: str, mapping: Mapping, exists: dict[str, pa.DataType], file: Path) -> Source | None:
    plain_path = path.rpartition(":")[0] if path.startswith("attributes.") else path
    source = mapping.payment.get(plain_path)
    if source is None and mapping.layout == "native" and plain_path in exists:
        source = Source(column=plain_path, unit="us")
    if source is None and path in REQUIRED:
        raise InputError(f"a native history has a column {path!r}; columns: {_listed(exists)}", str(file))
    if source is not None and source.column is not None and path == SURROUNDINGS:
        _must_exist(source.column, exists, file, "payment.surroundings.column")
    return source


def _native_label(label: LabelSource, exists: dict[str, pa.DataType]) -> LabelSource | None:
    if label.column not in exists:
        return None
    return LabelSource(
        column=label.column,
        fraud=label.fraud,
        genuine=label.genuine,
        kind=label.kind if label.kind in exists else None,
        known_at=label.known_at if label.known_at in exists else None,
        known_after=label.known_after,
        unit="us",
    )


def _optional(column: str, mapping: Mapping, exists: dict[str, pa.DataType]) -> bool:
    return mapping.layout == "mapped" or column in exists


def _must_exist(column: str, exists: dict[str, pa.DataType], file: Path, key: str) -> None:
    if column not in exists:
        raise InputError(
            f"the mapping's `{key}` names the column {column!r}, which is not in the file"
            f"{did_you_mean(column, exists)} Columns: {_listed(exists)}",
            str(file),
        )


def _listed(exists: dict[str, pa.DataType]) -> str:
    names = list(exists)
    return ", ".join(names[:40]) + (f" and {len(names) - 40} more" if len(names) > 40 else "")


class _SharedLists:
    """Constant columns. One list serves all batches of its length: callers read, never write."""

    def __init__(self, constants: dict[str, Any]) -> None:
        self._constants = constants
        self._made: dict[tuple[str, int], list[Any]] = {}

    def __call__(self, path: str, rows: int) -> list[Any]:
        made = self._made.get((path, rows))
        if made is None:
            if len(self._made) > 4 * len(self._constants) + 4:
                self._made.clear()
            made = self._made[path, rows] = [self._constants[path]] * rows
        return made


def _convert(
    part: Slice, plan: _Plan, wanted: Sequence[str], shared: _SharedLists, report: HistoryReport, *, strict: bool
) -> tuple[HistoryBatch, NDArray[np.int64]]:
    batch = part.rows
    rows = batch.num_rows
    ready: dict[str, list[Any]] = {}
    flaws: list[tuple[str, Flaw]] = []
    for path, (rule, source, column) in plan.fields.items():
        try:
            values, wrong = convert(batch.column(column), rule, source)
        except (pa.ArrowException, pa.ArrowKeyError) as why:  # a struct where a text belongs, bytes that are no UTF-8
            kind = batch.schema.field(column).type
            raise InputError(f"{path} cannot be made of column {column} ({kind}): {why}", str(part.file)) from why
        ready[path] = values
        flaws += [(f"{path} (column {column})", flaw) for flaw in wrong]
    if plan.findings is not None:
        wrong = []
        ready[SURROUNDINGS] = findings(batch.column(plan.findings), wrong)
        flaws += [(f"{SURROUNDINGS} (column {plan.findings})", flaw) for flaw in wrong]
    extra = {name: plain(batch.column(column)) for name, column in plan.extra.items()}
    labels, known_at = _labels(batch, plan.label, ready["time"], flaws, extra)
    if flaws:
        keep = _note(part, flaws, report, strict=strict)
        rows = int(keep.sum())
        ready = {path: list(compress(values, keep)) for path, values in ready.items()}
        extra = {name: list(compress(values, keep)) for name, values in extra.items()}
        labels = None if labels is None else labels[keep]
        known_at = None if known_at is None else known_at[keep]
    columns = {path: ready[path] if path in ready else shared(path, rows) for path in wanted}
    return HistoryBatch(rows, columns, labels, known_at, extra), np.array(ready["time"], np.int64)


def _labels(
    batch: pa.RecordBatch,
    label: LabelSource | None,
    times: list[Any],
    flaws: list[tuple[str, Flaw]],
    extra: dict[str, list[Any]],
) -> tuple[NDArray[np.int8] | None, NDArray[np.int64] | None]:
    if label is None:
        return None, None
    words, places = words_of(batch.column(label.column))
    fraud = {_word(value) for value in label.fraud}
    genuine = {_word(value) for value in label.genuine}
    table = np.full(len(words) + 1, UNKNOWN, np.int8)
    for i, word in enumerate(plain(words)):
        folded = word.casefold()
        if folded in fraud:
            table[i] = FRAUD
        elif not genuine or folded in genuine:
            table[i] = GENUINE
    if label.kind is not None:
        names, of_rows = words_of(batch.column(label.kind))
        texts = [*plain(names), None]
        extra["label_kind"] = [texts[place] for place in of_rows.tolist()]
    known_at: NDArray[np.int64] | None = None
    if label.known_after is not None:
        # A row without a time is a bad row: what stands in for it here is dropped with it.
        known_at = np.array([at or 0 for at in times], np.int64) + seconds_of(label.known_after) * SECOND
    elif label.known_at is not None:
        wrong: list[Flaw] = []
        known_at, never = instants(batch.column(label.known_at), label.timezone, label.unit, wrong)
        flaws += [(f"label (column {label.known_at})", flaw) for flaw in wrong]
        if never is not None:
            known_at = np.where(never, NEVER, known_at)
    return table[places], known_at


def _word(value: Scalar) -> str:
    if isinstance(value, bool):
        return str(value).casefold()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).casefold()


def _note(part: Slice, flaws: list[tuple[str, Flaw]], report: HistoryReport, *, strict: bool) -> NDArray[np.bool_]:
    """Counts and describes the bad rows; which rows stay. Raises `InputError` past the limit."""
    bad = np.zeros(part.rows.num_rows, np.bool_)
    for _, flaw in flaws:
        bad |= flaw.rows
    for row in np.flatnonzero(bad).tolist():
        if len(report.problems) >= PROBLEMS_MAX:
            break
        column, flaw = next((name, flaw) for name, flaw in flaws if flaw.rows[row])
        report.problems.append(Problem(part.file, part.first + row, column, flaw.why))
    report.bad_rows += int(bad.sum())
    if report.bad_rows > report.bad_rows_max:
        first = report.problems[0] if report.problems else "rows before"
        if strict:
            raise InputError(f"bad row: {first}", str(part.file))
        raise InputError(f"more than {report.bad_rows_max} bad rows, the first being {first}", str(part.file))
    return ~bad
