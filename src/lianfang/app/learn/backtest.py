"""A backtest: a history through the engine that decides live, what each rule did added up as it passes.

Features, rules and policy are the decider's own (`services.decide.Replayer`), so an action here is the one that a node would
have given. Payments are never kept: memory does not grow with the history.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from collections.abc import Mapping as Lookup
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lianfang.app.learn.foresight import Glance, look_ahead
from lianfang.app.learn.sides import Side, sides_of
from lianfang.app.replay.run import FOREVER, Codes, calm
from lianfang.engines.scoring import NoModel, Scorer
from lianfang.infra.history import FRAUD, NEVER, UNKNOWN, HistoryBatch, HistoryReport, Mapping, read_history
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import DAY
from lianfang.services.decide import NOT_FRAUD, Judged, ListBook
from lianfang.services.learn import Chunk, Comparison, HistoryChecks, Sample, Tally, known_labels
from lianfang.wire import RuleSet

WARM_SHARE: Final = 0.1
"""Without --from, the first share of a history only fills the windows ..."""
WARM_MAX: Final = 30 * DAY
"""... but no more than this."""
MINUTES_PER_ALERT: Final = 6.0
"""What an analyst takes for one payment held or blocked, where nobody says otherwise."""
CURRENCIES_MAX: Final = 32
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Backtest:
    """What to run. Times are instants; `label_delay` in microseconds."""

    rules: RuleSet
    history: Path
    mapping: Mapping
    lists: ListBook
    now: int
    known_lists: tuple[str, ...] = ()
    current: RuleSet | None = None
    scorer: Scorer = field(default_factory=NoModel)
    label_delay: int | None = None
    since: int | None = None
    """None: after the first tenth of the history, at most 30 days."""
    until: int = FOREVER
    minutes: float = MINUTES_PER_ALERT
    seed: int = 1
    watch: Callable[[Chunk, NDArray[np.float64]], None] | None = None
    """Told every chunk that is judged by `rules`, and its scores."""


class Outcome(NamedTuple):
    """What came of it."""

    job: Backtest
    begins: int
    ends: int
    as_of: int
    """Labels are those known at this moment."""
    delay: int
    """Microseconds after which a payment nobody reported counts as genuine."""
    sides: tuple[Side, ...]
    tallies: tuple[Tally, ...]
    """Of `rules`, then of `current` where there is one."""
    comparison: Comparison | None
    currencies: tuple[str, ...]
    rows: int
    """Payments read, those that only fill the windows among them."""
    repeated: int
    report: HistoryReport
    seconds: float


def backtest(job: Backtest, progress: Progress | None = None) -> Outcome:
    """Runs it. Raises `InputError` for a history that does not fit its mapping or must not be judged by, with rows and why."""
    glance = look_ahead(job.history, job.mapping, job.label_delay)
    run = _Run(job, glance)
    wanted = list(dict.fromkeys((*(path for side in run.sides for path in side.plain), "currency", "id", "amount")))
    report = HistoryReport()
    began = time.perf_counter()
    with calm():
        for batch in read_history(job.history, job.mapping, wanted, progress=progress, report=report):
            run.add(batch)
    run.checks.refuse(str(job.history))
    return run.outcome(report, time.perf_counter() - began)


class _Run:
    """Everything that grows while the history passes."""

    def __init__(self, job: Backtest, glance: Glance) -> None:
        self.job = job
        self.begins, self.ends = _period(job, glance)
        self.as_of = self.ends - 1
        self.delay = glance.delay
        self.sides = sides_of(job.rules, job.current, job.lists, job.known_lists, job.scorer)
        self.tallies = tuple(Tally(self.begins, self.ends, len(side.items)) for side in self.sides)
        self.comparison = Comparison() if job.current is not None else None
        self.checks = HistoryChecks(job.now)
        self._currencies = Codes()
        self.rows = self.repeated = 0

    def add(self, batch: HistoryBatch) -> None:
        columns = batch.columns
        times = np.array(columns["time"], np.int64)
        amounts = np.array(columns["amount"], np.int64)
        labels = np.full(batch.rows, UNKNOWN, np.int8) if batch.labels is None else batch.labels
        known_at = batch.known_at
        if known_at is None:
            known_at = np.full(batch.rows, NEVER) if self.job.label_delay is None else times + self.job.label_delay
        self.checks.add(times, amounts, labels, known_at, self.rows)
        self.rows += batch.rows
        frauds = np.where(labels == FRAUD, known_at, NOT_FRAUD)
        judged = self._judged(columns, batch.rows, frauds)
        kept = (times >= self.begins) & (times < self.ends) & ~judged[0].repeated
        self.repeated += int(judged[0].repeated.sum())
        if not kept.any():
            return
        known = known_labels(labels, known_at, times, self.as_of, self.delay)
        known[(labels == FRAUD) & (known_at > self.as_of)] = (
            UNKNOWN  # a fraud not reported yet is no false alarm either
        )
        currencies = np.array(self._currencies.all(columns["currency"]), np.int32)
        if len(self._currencies) > CURRENCIES_MAX:
            raise InputError(f"more than {CURRENCIES_MAX} currencies in one history", str(self.job.history))
        chunk = (times, known, amounts, currencies)
        for side, tally, found in zip(self.sides, self.tallies, judged, strict=True):
            tally.add(part := _chunk(side, found, kept, *chunk))
            if self.job.watch is not None and side is self.sides[0]:
                self.job.watch(part, found.scores[kept])
        if self.comparison is not None:
            self._compare(judged, np.flatnonzero(kept), columns, *chunk)

    def _judged(self, columns: dict[str, list[Any]], rows: int, frauds: NDArray[np.int64]) -> list[Judged]:
        found = []
        steps = None
        for side in self.sides:
            of = side.rows(columns, rows)
            if not side.shares or steps is None:
                steps = side.replayer.step(of, frauds)
                side.replayer.reclaim()  # a history out of order is refused, so no payment misses what this gives back
            found.append(side.replayer.judge_steps(of, steps, side.hints(columns, rows)))
        return found

    def _compare(
        self,
        judged: list[Judged],
        kept: NDArray[np.int64],
        columns: Lookup[str, list[Any]],
        times: NDArray[np.int64],
        labels: NDArray[np.int8],
        amounts: NDArray[np.int64],
        currencies: NDArray[np.int32],
    ) -> None:
        after, before = judged
        why = [
            {place: names(side, r) for place, r in one.reasons} for side, one in zip(self.sides, judged, strict=True)
        ]

        def sample(i: int) -> Sample:
            row = int(kept[i])
            return Sample(
                columns["id"][row],
                int(times[row]),
                int(amounts[row]),
                int(currencies[row]),
                int(labels[row]),
                int(before.actions[row]),
                int(after.actions[row]),
                (why[1].get(row, ()), why[0].get(row, ())),
            )

        assert self.comparison is not None
        self.comparison.add(
            before.actions[kept], after.actions[kept], labels[kept], amounts[kept], currencies[kept], sample
        )

    def outcome(self, report: HistoryReport, seconds: float) -> Outcome:
        if not self.tallies[0].counts.any():
            raise InputError("no payment of the history lies in the period to be judged", str(self.job.history))
        return Outcome(
            self.job,
            self.begins,
            self.ends,
            self.as_of,
            self.delay,
            self.sides,
            self.tallies,
            self.comparison,
            tuple(self._currencies),
            self.rows,
            self.repeated,
            report,
            seconds,
        )


def names(side: Side, reasons: Any) -> tuple[str, ...]:
    """What fired, by name."""
    return tuple(side.items[item - 1] for item in side.items_of(reasons))


def _period(job: Backtest, glance: Glance) -> tuple[int, int]:
    """What is judged: from an instant until before another."""
    begins, ends = glance.begins, min(glance.ends, job.until)
    if job.since is None:
        begins += min(int((ends - begins) * WARM_SHARE), WARM_MAX)
    else:
        begins = max(begins, job.since)
    if begins >= ends:
        raise InputError("no payment of the history lies between --from and --to", str(job.history))
    return begins, ends


def _chunk(side: Side, judged: Judged, kept: NDArray[np.bool_], *columns: NDArray[Any]) -> Chunk:
    times, labels, amounts, currencies = columns
    sets, reasons = side.sets(judged)
    return Chunk(times[kept], judged.actions[kept], labels[kept], amounts[kept], currencies[kept], sets[kept], reasons)
