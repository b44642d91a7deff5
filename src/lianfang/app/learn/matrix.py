"""A history as a matrix: every input of every payment, counted by the engine that decides live, before the payment itself.

So what a model learns from is what it will be given: the same windows, the same edges, the same nulls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lianfang.app.learn.columns import compile_inputs, paths_of
from lianfang.app.learn.recipe import Ingredients
from lianfang.app.replay.run import CUSTOMER, LABEL_KIND, MEMORY_BYTES, REPLAY_KEY, Codes, calm
from lianfang.engines.scoring import NoModel
from lianfang.infra.history import FRAUD, NEVER, UNKNOWN, HistoryBatch, HistoryReport, Mapping, read_history
from lianfang.kernel.errors import InputError, TooLargeError
from lianfang.services.decide import LIST_SCHEMA, NOT_FRAUD, ListBook, Replayer, hot_path, rule_book
from lianfang.services.decide.facts import HINTS
from lianfang.wire import RuleSet

ROWS_MAX: Final = 20_000_000
"""Payments of one history. Memory: 8 bytes an input and 60 bytes beside them, a payment."""
IDS_REMEMBERED: Final = 2_097_152


class Matrix(NamedTuple):
    """An item a payment, in the order of the history."""

    names: tuple[str, ...]
    columns: NDArray[np.float64]
    """payments x inputs, NaN for null: doubles, as a node scores them."""
    ids: NDArray[np.uint64]
    """A hash of each payment's id; the same within a run."""
    times: NDArray[np.int64]
    amounts: NDArray[np.int64]
    labels: NDArray[np.int8]
    """As the history has them in the end: 1 fraud, 0 genuine, -1 unknown."""
    known_at: NDArray[np.int64]
    """When the label became known; `NEVER` for never."""
    customers: NDArray[np.int64]
    """-1: nobody known."""
    kinds: NDArray[np.int32]
    """Kind of fraud, an index of `kind_names`; -1: none."""
    kind_names: tuple[str, ...]
    dated: bool
    """Whether the history says when labels became known."""
    report: HistoryReport

    def __len__(self) -> int:
        return len(self.times)


def read_matrix(
    history: Path,
    mapping: Mapping,
    made: Ingredients,
    progress: Callable[[int], None] | None = None,
    *,
    label_delay: int | None = None,
    limit: int = ROWS_MAX,
    thin: int = 1,
) -> Matrix:
    """Reads and counts. `label_delay`: microseconds after which a label is known, for a history that does not say.
    `thin`: of payments that are no fraud only each so manieth is kept, and `limit` is of those kept.

    Raises `InputError` for a history that does not fit its mapping, or has no rows or too many.
    """
    report = HistoryReport()
    collector = _Collector(made, label_delay, thin)
    wanted = list(dict.fromkeys((*collector.layout, *collector.paths, "card", "id", "amount")))
    with calm():
        for batch in read_history(history, mapping, wanted, progress=progress, report=report):
            collector.add(batch)
            if collector.kept > limit:
                raise TooLargeError(f"more than {limit:,} payments; give a part of the history", str(history))
    return collector.matrix(report, history)


class _Collector:
    """Arrays of all batches."""

    def __init__(self, made: Ingredients, label_delay: int | None, thin: int = 1) -> None:
        self.made = made
        self._thin = thin
        self._seen = 0
        self.kept = 0
        self._delay = label_delay
        book = rule_book(RuleSet(features=made.features), ListBook(LIST_SCHEMA.empty_table(), REPLAY_KEY, "none"))
        self.layout = book.layout[: book.layout.index(HINTS)]
        names = book.plan.names
        self.paths = paths_of(made.inputs, names)
        self._inputs = compile_inputs(made.inputs, self.paths, names)
        hot = hot_path(book, REPLAY_KEY, memory_bytes=MEMORY_BYTES, ids_remembered=IDS_REMEMBERED)
        self._replayer = Replayer(book, hot, NoModel())
        self._customers, self._kinds = Codes(), Codes()
        self._parts: list[tuple[NDArray[Any], ...]] = []
        self.dated = False

    def add(self, batch: HistoryBatch) -> None:
        columns = batch.columns
        labels = np.full(batch.rows, UNKNOWN, np.int8) if batch.labels is None else batch.labels
        times = np.array(columns["time"], np.int64)
        known_at = self._known_at(batch, times)
        rows = list(zip(*[columns[path] for path in self.layout], [0] * batch.rows, strict=True))
        found = self._replayer.read(rows, np.where(labels == FRAUD, known_at, NOT_FRAUD))
        of_payments: Iterator[tuple[Any, ...]] = (
            zip(*[columns[path] for path in self.paths], strict=True) if self.paths else iter([()] * batch.rows)
        )
        keep = (labels == FRAUD) | ((self._seen + np.arange(batch.rows)) % self._thin == 0)
        self._seen += batch.rows
        self.kept += int(keep.sum())
        pairs = zip(of_payments, found, keep.tolist(), strict=True)
        values = np.array([self._inputs(row, values) for row, values, on in pairs if on], np.float64)
        kinds = batch.extra.get(LABEL_KIND) or [None] * batch.rows
        kinds = [
            str(kind) if kind is not None and label == 1 else None for kind, label in zip(kinds, labels, strict=True)
        ]
        customers = batch.extra.get(CUSTOMER) or columns["card"]
        whole: tuple[NDArray[Any], ...] = (
            np.array([hash(one) for one in columns["id"]], np.int64).view(np.uint64),
            times,
            np.array(columns["amount"], np.int64),
            labels,
            known_at,
            np.array(self._customers.all(customers), np.int64),
            np.array(self._kinds.all(kinds), np.int32),
        )
        inputs = values.reshape(int(keep.sum()), len(self.made.inputs))
        self._parts.append((inputs, *(one[keep] for one in whole)))

    def _known_at(self, batch: HistoryBatch, times: NDArray[np.int64]) -> NDArray[np.int64]:
        """When labels became known; where neither the history nor the caller says, never, so that no feature counts them."""
        if batch.known_at is not None:
            self.dated = True
            return batch.known_at
        if self._delay is None:
            return np.full(batch.rows, NEVER, np.int64)
        self.dated = True
        return times + self._delay

    def matrix(self, report: HistoryReport, history: Path) -> Matrix:
        if not self._parts:
            raise InputError("the history has no payments", str(history))
        arrays: list[Any] = [np.concatenate(parts) for parts in zip(*self._parts, strict=True)]
        self._parts.clear()
        names = tuple(one.name for one in self.made.inputs)
        columns, ids, times, amounts, labels, known_at, customers, kinds = arrays
        return Matrix(
            names,
            columns,
            ids,
            times,
            amounts,
            labels,
            known_at,
            customers,
            kinds,
            tuple(self._kinds),
            self.dated,
            report,
        )


def label_columns(mapping: Mapping) -> tuple[str, ...]:
    """Columns that say how a payment turned out."""
    label = mapping.label
    if label is None:
        return ()
    return tuple(one for one in (label.column, label.kind, label.known_at) if one)
