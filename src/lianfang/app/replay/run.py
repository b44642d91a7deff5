"""The replay itself: batches of a history to rows, rows to judgements, judgements to the arrays that figures need."""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Callable, Iterator
from collections.abc import Mapping as Lookup
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lianfang.app.replay.trace import Trace
from lianfang.engines.evaluate import RuleTally
from lianfang.engines.keyed import HashKey
from lianfang.engines.scoring import NoModel, Scorer
from lianfang.infra.history import FRAUD, GENUINE, UNKNOWN, HistoryBatch, HistoryReport, Mapping, read_history
from lianfang.kernel.instant import DAY
from lianfang.services.decide import NOT_FRAUD, Judged, Replayer, RuleBook, hot_path
from lianfang.services.decide.facts import HINTS
from lianfang.services.decide.policy import UNSURE_TEXTS
from lianfang.wire import SEVERITY

REPLAY_KEY: Final = HashKey(0x6C69616E66616E67, 0x7265706C6179)
"""A replay has no secrets to keep from its own input; a fixed key makes two replays the same to the bit."""
MEMORY_BYTES: Final = 8 << 30
"""Address space for feature state; used as keys come."""
FOREVER: Final = 1 << 62
CUSTOMER: Final = "customer"
"""The `evaluate` column of a mapping that says whose payments CardPrecision counts together."""
LABEL_KIND: Final = "label_kind"
"""The extra column that says which kind of fraud a payment was."""


@dataclass(frozen=True)
class Replay:
    """What to replay. Times are instants: payments before `since` only fill the windows, from `until` on are left."""

    history: Path
    mapping: Mapping
    book: RuleBook
    scorer: Scorer = field(default_factory=NoModel)
    since: int = -FOREVER
    until: int = FOREVER
    limit: int | None = None
    """Rows read, at most."""
    ids_remembered: int = 2_097_152
    truth: Lookup[str, str] | None = None
    """Payment id to the kind of fraud, where the truth is kept apart; everything else is then genuine."""
    trace: Path | None = None


@dataclass
class ReplayResult:
    """What came of it: an item a judged payment, in the order of the history; repeated ids are left out."""

    actions: NDArray[np.int8]
    risk: NDArray[np.int64]
    amounts: NDArray[np.int64]
    currencies: NDArray[np.int32]
    labels: NDArray[np.int8]
    """FRAUD, GENUINE, UNKNOWN."""
    times: NDArray[np.int64]
    customers: NDArray[np.int64]
    """-1: nobody known."""
    kinds: NDArray[np.int32]
    """Kind of fraud, an index of `kind_names`; -1: none known."""
    currency_names: list[str]
    tally: RuleTally
    labelled: bool
    kind_names: list[str]
    alarms: dict[str, tuple[int, int]]
    """Theme of the rules (what stands before the dot of their ids) to genuine payments (challenged, stopped) by them."""
    report: HistoryReport
    book: RuleBook
    counted: int = 0
    """Payments before `since`: windows only."""
    repeated: int = 0
    seconds: float = 0.0
    """Reading and judging, without the first batch's compilation."""
    timed: int = 0
    """Payments in `seconds`."""
    counters: Counter[str] = field(default_factory=Counter)
    feature_counters: dict[str, int] = field(default_factory=dict)


class Codes(dict[Any, int]):
    """Numbers for names, in the order they come."""

    def all(self, names: list[Any]) -> list[int]:
        """A number for each; None is -1."""
        return [-1 if n is None else self.setdefault(n, len(self)) for n in names]


class _Collector:
    """Arrays of all batches, and the tally of rules."""

    def __init__(self, book: RuleBook, truth: Lookup[str, str] | None) -> None:
        self._truth = truth
        rules = [rule.id if rule.mode == "live" else f"{rule.id} (shadow)" for rule in book.compiled.rules]
        lists = [f"list {name}" for name in sorted(book.lists.names)]
        names = [*rules, *lists, *(f"unsure {code}" for code in UNSURE_TEXTS)]
        self._index = {name: i for i, name in enumerate(names)}
        self.tally = RuleTally(names)
        self.parts: list[tuple[NDArray[Any], ...]] = []
        self.customers = Codes()
        self.currencies = Codes()
        self.kinds = Codes()
        self.alarms: dict[str, tuple[int, int]] = {}
        self.labelled = truth is not None

    def add(self, batch: HistoryBatch, place: slice, judged: Judged) -> NDArray[np.int8]:
        """Take in what was judged of `batch.columns[...][place]`; the labels, UNKNOWN where there are none."""
        rows = len(judged.actions)
        labels, kinds = self._true(batch, place, rows)
        customers = batch.extra.get(CUSTOMER) or batch.columns["card"]
        kept = ~judged.repeated
        part = (
            judged.actions,
            judged.risk,
            np.array(batch.columns["amount"][place], np.int64),
            np.array(self.currencies.all(batch.columns["currency"][place]), np.int32),
            labels,
            np.array(batch.columns["time"][place], np.int64),
            np.array(self.customers.all(customers[place]), np.int64),
            np.array(self.kinds.all(kinds), np.int32),
        )
        self.parts.append(part if kept.all() else tuple(array[kept] for array in part))
        hits = [(self._index[self._name(r)], row) for row, why in judged.reasons for r in why if r.name != "points"]
        hits += [(self._index[f"{name} (shadow)"], row) for row, aside in judged.shadow for name in aside]
        pairs = np.array(hits, np.int64).reshape(-1, 2)
        counted = labels if kept.all() else np.where(kept, labels, UNKNOWN).astype(np.int8)
        self.tally.add(pairs[:, 0], pairs[:, 1], counted)
        self._alarm(judged, counted)
        return labels

    def _true(self, batch: HistoryBatch, place: slice, rows: int) -> tuple[NDArray[np.int8], list[Any]]:
        """Labels and kinds of fraud: of the file kept apart where there is one, else of the history."""
        if self._truth is not None:
            kinds: list[Any] = [self._truth.get(one) for one in batch.columns["id"][place]]
            return np.array([GENUINE if kind is None else FRAUD for kind in kinds], np.int8), kinds
        labels = np.full(rows, UNKNOWN, np.int8) if batch.labels is None else batch.labels[place]
        self.labelled = self.labelled or batch.labels is not None
        said = batch.extra.get(LABEL_KIND)
        if said is None:
            return labels, [None] * rows
        return labels, [k if label == FRAUD else None for k, label in zip(said[place], labels.tolist(), strict=True)]

    def _alarm(self, judged: Judged, labels: NDArray[np.int8]) -> None:
        """Genuine payments that were stopped or challenged, by the themes of the rules that fired on them."""
        for row, why in judged.reasons:
            if labels[row] == GENUINE and judged.actions[row]:
                stopped = int(judged.actions[row] >= SEVERITY["hold"])
                for theme in {r.name.partition(".")[0] for r in why if r.source == "rule" and r.name != "points"}:
                    before = self.alarms.get(theme, (0, 0))
                    self.alarms[theme] = (before[0] + 1 - stopped, before[1] + stopped)

    def _name(self, reason: Any) -> str:
        if reason.source == "rule":
            return str(reason.name)
        return f"list {reason.name}" if reason.source == "list" else f"unsure {reason.code}"


def replay(job: Replay, progress: Callable[[int], None] | None = None) -> ReplayResult:
    """Run it. Raises `InputError` for a history that does not fit its mapping."""
    report = HistoryReport()
    hot = hot_path(job.book, REPLAY_KEY, memory_bytes=MEMORY_BYTES, ids_remembered=job.ids_remembered)
    replayer = Replayer(job.book, hot, job.scorer)
    collector = _Collector(job.book, job.truth)
    plain = job.book.layout[: job.book.layout.index(HINTS)]  # a replay runs all rules: it needs no hints
    wanted = list(dict.fromkeys((*plain, "currency", "card")))
    counted = repeated = timed = read = 0
    began = None
    with calm(), Trace.to(job.trace, job.book.plan.names) as trace:
        for batch in read_history(job.history, job.mapping, wanted, progress=progress, report=report):
            left = batch.rows if job.limit is None else min(batch.rows, job.limit - read)
            read += left
            rows = list(zip(*[batch.columns[path] for path in plain], repeat(0), strict=False))
            times = np.array(batch.columns["time"], np.int64)[:left]
            frauds = _frauds(batch, job)
            for place, judge in _runs(times, job):
                if not judge:
                    replayer.count(rows[place], None if frauds is None else frauds[place])
                    counted += place.stop - place.start
                    continue
                judged = replayer.judge(
                    rows[place], None if frauds is None else frauds[place], features=trace is not None
                )
                repeated += int(judged.repeated.sum())
                labels = collector.add(batch, place, judged)
                if trace is not None:
                    trace.add(batch, place, judged, labels)
            if began is None:  # the first batch has compiled the engine
                began = time.perf_counter()
            else:
                timed += left
            if job.limit is not None and read >= job.limit:
                break
        seconds = time.perf_counter() - began if began is not None else 0.0
    arrays = _together(collector.parts)
    return ReplayResult(
        **arrays,
        currency_names=list(collector.currencies),
        tally=collector.tally,
        labelled=collector.labelled,
        kind_names=list(collector.kinds),
        alarms=collector.alarms,
        report=report,
        book=job.book,
        counted=counted,
        repeated=repeated,
        seconds=seconds,
        timed=timed,
        counters=replayer.decider.counters,
        feature_counters=hot.state.counters,
    )


def _frauds(batch: HistoryBatch, job: Replay) -> NDArray[np.int64] | None:
    """When each payment became known to be fraud, where features ask for it and the history says."""
    if not job.book.plan.frauds or batch.labels is None or batch.known_at is None:
        return None
    return np.where(batch.labels == FRAUD, batch.known_at, NOT_FRAUD)


def _runs(times: NDArray[np.int64], job: Replay) -> Iterator[tuple[slice, bool]]:
    """Stretches of a batch to be counted (False) or judged (True), in order; what is too late is left out."""
    what = np.where(times >= job.until, 2, np.where(times >= job.since, 1, 0))
    edges = np.flatnonzero(np.diff(what)) + 1
    for start, stop in zip([0, *edges.tolist()], [*edges.tolist(), len(times)], strict=True):
        if stop > start and what[start] != 2:
            yield slice(start, stop), bool(what[start] == 1)


_COLUMNS: Final[dict[str, type[np.generic]]] = {
    "actions": np.int8,
    "risk": np.int64,
    "amounts": np.int64,
    "currencies": np.int32,
    "labels": np.int8,
    "times": np.int64,
    "customers": np.int64,
    "kinds": np.int32,
}
"""The arrays that a batch leaves, in their order."""


def _together(parts: list[tuple[NDArray[Any], ...]]) -> dict[str, Any]:
    columns = zip(*parts, strict=True) if parts else ((np.zeros(0, kind),) for kind in _COLUMNS.values())
    return {name: np.concatenate(list(arrays)) for name, arrays in zip(_COLUMNS, columns, strict=True)}


@contextmanager
def calm() -> Iterator[None]:
    """Rows are freed by counting; looking for cycles among thousands of live tuples is wasted time."""
    before = gc.get_threshold()
    gc.collect()
    gc.set_threshold(100_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def days_of(times: NDArray[np.int64]) -> NDArray[np.int64]:
    """UTC days since the epoch."""
    return times // DAY
