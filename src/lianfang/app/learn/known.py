"""Payments and what became known of earlier ones, in the order a node would have met them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lianfang.app.replay.run import MEMORY_BYTES, REPLAY_KEY
from lianfang.engines.hotpath import Steps
from lianfang.infra.history import FRAUD, NEVER, HistoryBatch
from lianfang.kernel.errors import InputError
from lianfang.services.decide import LIST_SCHEMA, ListBook, RuleBook, hot_path, rule_book
from lianfang.services.decide.facts import HINTS
from lianfang.wire import Feature, RuleSet

Row = tuple[Any, ...]
_FRAUDS: Final = re.compile(r"\bof\s+frauds\b|\blast\s+fraud\b")
_IDS_REMEMBERED: Final = 1 << 16
"""Ids of the second state: its rows never repeat, so none need be remembered for long."""


def of_frauds(feature: Feature) -> bool:
    """Whether a declaration counts frauds that became known, and not payments."""
    return _FRAUDS.search(feature.define) is not None


class _Event(NamedTuple):
    known_at: int
    row: Row


class Known:
    """Counts outcomes as they become known, and reads, at each payment, those features that count frauds.

    A payment itself is never counted here; an outcome is, once, at the moment it became known, under its payment's keys.
    """

    def __init__(self, features: Sequence[Feature]) -> None:
        self.book: RuleBook = rule_book(
            RuleSet(features=tuple(as_payments(one) for one in features)),
            ListBook(LIST_SCHEMA.empty_table(), REPLAY_KEY, "none"),
        )
        self.layout = self.book.layout[: self.book.layout.index(HINTS)]
        self.names = self.book.plan.names
        self._hot = hot_path(self.book, REPLAY_KEY, memory_bytes=MEMORY_BYTES, ids_remembered=_IDS_REMEMBERED)
        self._text = self._hot.text(self.layout)
        self._id = self.layout.index("id")
        self._pending: list[_Event] = []
        self._clock = -(1 << 62)
        self._seq = 0

    def read(self, batch: HistoryBatch) -> NDArray[np.float64]:
        """Features of each payment of the batch, float64[rows, features]; what became known before it is counted first."""
        rows: list[Row] = list(zip(*[batch.columns[path] for path in self.layout], strict=True))
        times = np.array(batch.columns["time"], np.int64)
        self._take(batch, rows)
        # A late payment is met when it arrives: the clock is the latest time seen.
        clock = np.maximum(np.maximum.accumulate(times), self._clock) if len(times) else times
        self._clock = int(clock[-1]) if len(clock) else self._clock
        cut = next((i for i, one in enumerate(self._pending) if one.known_at > self._clock), len(self._pending))
        due, self._pending = self._pending[:cut], self._pending[cut:]
        before = np.searchsorted(clock, np.array([one.known_at for one in due], np.int64), side="left")
        order = np.argsort(np.r_[before * 2, np.arange(len(rows)) * 2 + 1], kind="stable")
        every = [one.row for one in due] + rows
        at = np.r_[np.array([one.known_at for one in due], np.int64), times]
        masks = np.array([self.book.mask(one.row) for one in due] + [0] * len(rows), np.int64)
        steps = self._step([every[i] for i in order.tolist()], at[order], masks[order])
        found: NDArray[np.float64] = steps.features[order >= len(due)]
        return found

    def _take(self, batch: HistoryBatch, rows: list[Row]) -> None:
        if batch.labels is None or batch.known_at is None:
            return
        frauds = np.flatnonzero((batch.labels == FRAUD) & (batch.known_at < NEVER))
        # Its own id: an outcome is not the payment again.
        made = [_Event(int(batch.known_at[i]), (*rows[i][: self._id], f"outcome {rows[i][self._id]}", *rows[i][self._id + 1 :])) for i in frauds.tolist()]
        self._pending = sorted([*self._pending, *made], key=lambda one: one.known_at)

    def _step(self, rows: list[Row], at: NDArray[np.int64], masks: NDArray[np.int64]) -> Steps:
        first = self._seq + 1
        self._seq += len(rows)
        numbers = np.array([self.book.numbers(row) for row in rows], np.int64).reshape(len(rows), -1)
        texts = [self._text(row) for row in rows]
        return self._hot.step_many(texts, np.arange(first, self._seq + 1, dtype=np.int64), at, masks, numbers)


def as_payments(feature: Feature) -> Feature:
    """The same declaration over payments, always with a condition: whether it holds is what tells an outcome from a payment."""
    define = feature.define
    if "including this" in define or "distinct" in define or "since first" in define:
        raise InputError("frauds are counted, summed, averaged, and the last one timed; nothing else", feature.name)
    define = re.sub(r"\bof\s+frauds\b", "of payments", define)
    define = re.sub(r"\blast\s+fraud\b", "last payment", define)
    if re.search(r"\swhere\s", define):
        return Feature(name=feature.name, define=define)
    return Feature(name=feature.name, define=re.sub(r"\s+by\s+", " where amount >= 0 by ", define, count=1))
