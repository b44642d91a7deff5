"""A history through the engine that decides live: rows instead of payments, nothing recorded, nothing answered.

Judging is the decider's own: `Decider.judge` on the same `HotPath.step`. Rules are not timed: a replay is repeatable.
"""

from __future__ import annotations

import heapq
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lianfang.engines.hotpath import FRESH, LEARNT, HotPath, Steps
from lianfang.engines.hotpath.journey import LISTED
from lianfang.engines.scoring import Scorer
from lianfang.kernel.errors import EvidenceError
from lianfang.services.decide.book import RuleBook
from lianfang.services.decide.decider import Decider
from lianfang.services.decide.facts import Row
from lianfang.wire import SEVERITY, Reason

RISK_STEP: Final = 10_000_000
"""Above any sum of points (2,000 rules of 1,000 each): severity decides first, points among equals."""
NOT_FRAUD: Final = np.iinfo(np.int64).max
"""In place of the instant at which a payment became known to be fraud: it never did."""
NEVER_ARRIVED: Final = -(1 << 62)
_NO_FEATURES: Final = np.zeros((0, 0))


class Judged(NamedTuple):
    """What the engine made of some rows, an item a row. Rows whose id came before are `repeated`, and allowed."""

    actions: NDArray[np.int8]
    """By `SEVERITY`: allow 0, challenge 1, hold 2, block 3."""
    points: NDArray[np.int64]
    scores: NDArray[np.float64]
    """NaN: no model."""
    reasons: list[tuple[int, tuple[Reason, ...]]]
    """(place in the batch, reasons by weight) of the rows that have any."""
    shadow: list[tuple[int, tuple[str, ...]]]
    """(place in the batch, rules in shadow that fired)."""
    repeated: NDArray[np.bool_]
    features: NDArray[np.float64]
    """rows x features where asked for, else empty."""

    @property
    def risk(self) -> NDArray[np.int64]:
        """The number that payments are ranked by: severity of the action first, then points."""
        return self.actions.astype(np.int64) * RISK_STEP + self.points


class _Nowhere:
    """The journal of a replay. Nothing is written; seqs only tell payments apart."""

    next_seq = 1

    def ready(self) -> None:
        """Always."""

    def append(self, kind: int, at: int, parts: tuple[bytes, ...]) -> int:
        """Forget it."""
        raise EvidenceError("a replay records nothing")

    def read(self, seq: int) -> Any:
        """There is nothing."""
        raise EvidenceError("a replay has no journal")


class Replayer:
    """Feeds rows in the order of `book.layout`. One is one run: windows and seen ids grow with it."""

    def __init__(self, book: RuleBook, hot: HotPath, scorer: Scorer) -> None:
        self.decider = Decider(book, hot, _Nowhere(), scorer, _no_clock)
        self._time = book.layout.index("time")
        self._amount = book.layout.index("amount") if "amount" in book.plan.integers else None
        self._seq = 0
        self._arrived = NEVER_ARRIVED
        self._pending: list[tuple[int, int, Row]] = []
        """(when it becomes known, seq, row) of the frauds that did not yet, as a heap."""

    def count(self, rows: list[Row], frauds: NDArray[np.int64] | None = None) -> None:
        """Count payments without judging them: the past that windows look back on. `frauds` as in `judge`."""
        self._step(rows, frauds)

    def read(self, rows: list[Row], frauds: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        """Count payments without judging them; their features, float64[rows, features], null NaN, as they stood before each.

        `frauds` as in `judge`.
        """
        return self._step(rows, frauds).features

    def judge(
        self,
        rows: list[Row],
        frauds: NDArray[np.int64] | None = None,
        *,
        features: bool = False,
        hints: NDArray[np.int64] | None = None,
    ) -> Judged:
        """Count payments, then judge each by what was known before it, in order.

        `hints` int64[rows]: of the book's screen (`column_hints`); without them every hint counts as given, which runs more
        rules and changes nothing.

        `frauds` int64[rows]: the instant at which a payment became known to be fraud, `NOT_FRAUD` for all others. It is
        counted before the first payment that arrives later than that; a history's payment arrives at its own time or,
        if it is late, at that of the latest before it.
        """
        return self.judge_steps(rows, self._step(rows, frauds), hints, features=features)

    def step(self, rows: list[Row], frauds: NDArray[np.int64] | None = None) -> Steps:
        """Count payments; what was known before each, for `judge_steps`. `frauds` as in `judge`."""
        return self._step(rows, frauds)

    def judge_steps(
        self, rows: list[Row], steps: Steps, hints: NDArray[np.int64] | None = None, *, features: bool = False
    ) -> Judged:
        """Judge payments already stepped, here or by a replayer that counts the same features over the same lists."""
        hot, time, judge = self.decider.hot, self._time, self.decider.judge
        actions, points, scores = bytearray(len(rows)), [0] * len(rows), np.full(len(rows), np.nan)
        reasons: list[tuple[int, tuple[Reason, ...]]] = []
        shadow: list[tuple[int, tuple[str, ...]]] = []
        repeated = steps.before != FRESH
        special = repeated | (steps.flags != 0)
        ends, candidates = self._candidates(rows, steps, hints)
        counts = np.diff(ends, prepend=0)
        asked = special | (counts > 0)
        if self.decider.speaks_always:
            asked[:] = True
        asked &= ~repeated  # of all others, nothing is to be said: `Decider.judge` would allow them
        hot.listed = hot.full = False
        for place in np.flatnonzero(asked).tolist():
            if special[place]:
                hot.take(steps, place)
            hot.candidates = candidates[ends[place] - counts[place] : ends[place]].tolist()
            row = rows[place]
            action, why, score, total, aside = judge(row, steps.features[place], row[time])
            scores[place] = score
            if why:
                actions[place] = SEVERITY[action]
                points[place] = total
                reasons.append((place, why))
            if aside:
                shadow.append((place, aside))
            if special[place]:
                hot.listed = hot.full = False
        kept = np.where(repeated[:, None], np.nan, steps.features) if features else _NO_FEATURES
        return Judged(
            np.frombuffer(actions, np.int8),
            np.array(points, np.int64),
            scores,
            reasons,
            shadow,
            repeated,
            kept,
        )

    def reclaim(self) -> None:
        """Give back, now and then, memory of what no window reads any more.

        Only for a history whose payments are in the order of time: one more than an hour late would find less.
        """
        self.decider.hot.reclaim()

    def _candidates(
        self, rows: list[Row], steps: Steps, hints: NDArray[np.int64] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The rules that may be true of each payment, as `HotPath.step` would have told them."""
        book, amount = self.decider.book, self._amount
        amounts = np.full(len(rows), np.nan) if amount is None else np.array([row[amount] for row in rows], np.float64)
        told = np.full(len(rows), -1, np.int64) if hints is None else hints
        return book.screen.rows(steps.features, amounts, (steps.flags & LISTED) != 0, told)

    def _step(self, rows: list[Row], frauds: NDArray[np.int64] | None) -> Steps:
        first = self._seq + 1
        self._seq += len(rows)
        seqs = np.arange(first, self._seq + 1, dtype=np.int64)
        if not rows or not self.decider.book.plan.frauds or (frauds is None and not self._pending):
            return self.decider.step_rows(rows, seqs)
        times = np.array([row[self._time] for row in rows], np.int64)
        arrived = np.maximum(np.maximum.accumulate(times), self._arrived)
        self._arrived = int(arrived[-1])
        if frauds is not None:
            for i in np.flatnonzero(frauds != NOT_FRAUD).tolist():
                heapq.heappush(self._pending, (int(frauds[i]), int(seqs[i]), rows[i]))
        return self._interleaved(rows, seqs, times, arrived)

    def _interleaved(
        self, rows: list[Row], seqs: NDArray[np.int64], times: NDArray[np.int64], arrived: NDArray[np.int64]
    ) -> Steps:
        """Payments, and among them the frauds that became known meanwhile; the steps of the payments alone."""
        places: list[int] = []
        known: list[tuple[int, Row]] = []
        for at, seq, row in _take(self._pending, int(arrived[-1])):
            # Before the first payment that arrives after it was known, but never before the payment that it is about.
            place = max(int(np.searchsorted(arrived, at, side="right")), seq - int(seqs[0]) + 1)
            if place >= len(rows):
                heapq.heappush(self._pending, (at, seq, row))
            else:
                places.append(place)
                known.append((at, row))
        order = np.argsort(np.array(places, np.int64), kind="stable")
        where = np.array(places, np.int64)[order]
        joined: list[Row] = []
        start = 0
        for place, one in zip(where.tolist(), order.tolist(), strict=True):
            joined += rows[start:place]
            joined.append(known[one][1])
            start = place
        joined += rows[start:]
        instants = np.array([known[one][0] for one in order.tolist()], np.int64)
        steps = self.decider.step_rows(joined, np.insert(seqs, where, -1), np.insert(times, where, instants))
        kept = steps.before != LEARNT
        return Steps(*(array[kept] for array in steps))


def _take(pending: list[tuple[int, int, Row]], until: int) -> list[tuple[int, int, Row]]:
    """Take from the heap what is known before `until`, in order."""
    taken = []
    while pending and pending[0][0] < until:
        taken.append(heapq.heappop(pending))
    return taken


def _no_clock() -> int:
    return 0
