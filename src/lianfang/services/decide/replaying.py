"""A history through the engine that decides live: rows instead of payments, nothing recorded, nothing answered.

Judging is the decider's own: `Decider.judge` on the same `HotPath.step`. Rules are not timed: a replay is repeatable.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lianfang.engines.hotpath import FRESH, HotPath
from lianfang.engines.scoring import Scorer
from lianfang.kernel.errors import EvidenceError
from lianfang.services.decide.book import RuleBook
from lianfang.services.decide.decider import Decider
from lianfang.services.decide.facts import Row
from lianfang.wire import SEVERITY, Reason

RISK_STEP: Final = 10_000_000
"""Above any sum of points (2,000 rules of 1,000 each): severity decides first, points among equals."""
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
        self._text = hot.text(book.layout)
        self._time = book.layout.index("time")
        self._seq = 0

    def count(self, rows: Iterable[Row]) -> None:
        """Count payments without judging them: the past that windows look back on."""
        hot, book, text, time = self.decider.hot, self.decider.book, self._text, self._time
        step, mask, numbers, seq = hot.step, book.mask, book.numbers, self._seq
        for row in rows:
            seq += 1
            step(text(row), seq, row[time], mask(row), numbers(row))
        self._seq = seq

    def judge(self, rows: list[Row], *, features: bool = False) -> Judged:
        """Count and judge payments, one by one, in order."""
        hot, book, text, time = self.decider.hot, self.decider.book, self._text, self._time
        step, mask, numbers, judge = hot.step, book.mask, book.numbers, self.decider.judge
        seq = self._seq
        actions, points, scores = bytearray(len(rows)), [0] * len(rows), [0.0] * len(rows)
        reasons: list[tuple[int, tuple[Reason, ...]]] = []
        shadow: list[tuple[int, tuple[str, ...]]] = []
        repeated: NDArray[np.bool_] = np.zeros(len(rows), np.bool_)
        kept: NDArray[np.float64] = np.full((len(rows), len(hot.features)), np.nan) if features else _NO_FEATURES
        out = hot.features
        for place, row in enumerate(rows):
            seq += 1
            at = row[time]
            if step(text(row), seq, at, mask(row), numbers(row)) != FRESH:
                repeated[place] = True
                scores[place] = float("nan")
                continue
            action, why, score, total, aside = judge(row, out.tolist(), at)
            scores[place] = score
            if why:
                actions[place] = SEVERITY[action]
                points[place] = total
                reasons.append((place, why))
            if aside:
                shadow.append((place, aside))
            if features:
                kept[place] = out
        self._seq = seq
        return Judged(
            np.frombuffer(actions, np.int8),
            np.array(points, np.int64),
            np.array(scores, np.float64),
            reasons,
            shadow,
            repeated,
            kept,
        )


def _no_clock() -> int:
    return 0
