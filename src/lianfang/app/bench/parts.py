"""What each part of a decision costs, in process: features, rules, lists, and the whole from JSON to decision."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from lianfang.app.bench.models import benchmark_model
from lianfang.app.bench.prepare import benchmark_book
from lianfang.app.bench.report import Figure
from lianfang.app.bench.scenario import STEP_US, Traffic, ruleset_with_pack, today, traffic_start
from lianfang.app.node.ahead import TouchedAhead
from lianfang.app.node.clock import ticks_ns
from lianfang.app.node.files import NodeFiles
from lianfang.app.node.snapshots import read_snapshot
from lianfang.engines.hotpath import HotPath, journey
from lianfang.engines.lookup import EMPTY_TABLE
from lianfang.engines.scoring import NoModel, Scorer, TrainedModel
from lianfang.services.decide import Decider, RuleBook, hot_path
from lianfang.wire import Payment, RuleSet, read_payment

SLICE: Final = 4_000
"""Calls timed together."""
KEPT: Final = 2_000
"""Rows whose feature values are kept for the rules."""


class NoJournal:
    """Takes records and forgets them: the in-process figure has no disk in it."""

    next_seq = 1

    def ready(self) -> None:
        """Always."""

    def append(self, kind: int, at: int, parts: tuple[bytes, ...]) -> int:
        """Count."""
        self.next_seq += 1
        return self.next_seq - 1

    def read(self, seq: int) -> Any:
        """Never asked: every id is new."""
        raise AssertionError("a benchmark id was repeated")


def live_state(root: Path, entries: int, rules: RuleSet | None = None) -> tuple[RuleBook, HotPath]:
    """The book and the state of a folder that `prepare` made."""
    files = NodeFiles(root)
    book = benchmark_book(files, entries, rules)
    hot = hot_path(book, files.hash_key(), memory_bytes=8 << 30, ids_remembered=1_048_576)
    read_snapshot(hot, files.snapshot)
    TouchedAhead.of(hot.state).start()  # as the decider does
    return book, hot


def in_process(root: Path, entries: int, count: int, accounts: int) -> list[Figure]:
    """JSON to decision, one core, no socket and no disk."""
    per_s, fired = _decisions(root, entries, count, accounts, NoModel())
    return [
        Figure("inprocess_per_s", per_s, "decisions/s", ">= 45,000"),
        Figure("not_allowed_share", fired, "of decisions"),
    ]


def in_process_with_pack(root: Path, entries: int, count: int, accounts: int) -> list[Figure]:
    """The same with the whole starting pack beside the benchmark's rules; `root`: a folder prepared with it."""
    per_s, fired = _decisions(root, entries, count, accounts, NoModel(), ruleset_with_pack())
    return [
        Figure("inprocess_with_pack_per_s", per_s, "decisions/s"),
        Figure("not_allowed_share_with_pack", fired, "of decisions"),
    ]


def in_process_with_model(root: Path, entries: int, count: int, accounts: int) -> list[Figure]:
    """The same with a LightGBM model of 400 trees over the 60 features."""
    folder = benchmark_model()
    per_s, fired = _decisions(root, entries, count, accounts, TrainedModel(folder.manifest, folder.trees))
    return [
        Figure("inprocess_with_model_per_s", per_s, "decisions/s"),
        Figure("not_allowed_share_with_model", fired, "of decisions"),
    ]


def _decisions(
    root: Path, entries: int, count: int, accounts: int, scorer: Scorer, rules: RuleSet | None = None
) -> tuple[float, float]:
    """Decisions a second, and the share of them that were not `allow`."""
    book, hot = live_state(root, entries, rules)
    decider = Decider(book, hot, NoJournal(), scorer, ticks_ns)
    now = today()
    bodies = list(Traffic(accounts, seed=99).bodies(count, traffic_start()))
    for body in bodies[:2_000]:
        decider.decide(body, read_payment(body), now)
    decide = decider.decide
    spent = []
    for start in range(2_000, count, SLICE):
        part = bodies[start : start + SLICE]
        began = time.perf_counter()
        for body in part:
            decide(body, read_payment(body), now)
        spent.append((time.perf_counter() - began) / len(part))
    fired = 1 - decider.counters["allow"] / sum(decider.counters[a] for a in ("allow", "challenge", "hold", "block"))
    return 1 / statistics.median(spent), fired


def part_costs(root: Path, entries: int, accounts: int, count: int = 40_000) -> list[Figure]:
    """Microseconds a payment of the three engines, on the live state of all accounts."""
    book, hot = live_state(root, entries)
    begins = traffic_start()
    payments = [msgspec.convert(p, Payment) for p in _plain(accounts, count, begins)]
    rows = [book.flatten(p) for p in payments]
    text = hot.text(book.layout)
    texts = [text(row) for row in rows]
    masks = [book.mask(row) for row in rows]
    numbers = [book.numbers(row) for row in rows]
    lists, hot.lists = hot.lists, EMPTY_TABLE
    seen: list[NDArray[np.float64]] = []

    def step(i: int) -> None:
        hot.step(texts[i], i + 1, begins + i * STEP_US, masks[i], numbers[i])
        if i < KEPT:
            seen.append(hot.features.copy())

    features_us = _us(step, count)
    hot.lists = lists
    amount, nan = book.layout.index("amount"), float("nan")

    def judge(i: int) -> None:
        row, features = rows[i % KEPT], seen[i % KEPT]
        which = book.screen.candidates(features, row[amount], False, row[-1])
        if which:  # as the decider does: only then are the features made into Python's numbers
            book.evaluate_some(which, row, features.tolist(), {}, {}, nan, begins)

    rules_us = _us(judge, count)
    return [
        Figure("features_us", features_us, "us a payment", "<= 5"),
        Figure("rules_us", rules_us, "us a payment", "<= 6"),
        Figure("lists_us", _lists_us(hot, lists), "us a payment", "<= 0.5"),
    ]


def _plain(accounts: int, count: int, begins: int) -> list[dict[str, Any]]:
    traffic = Traffic(accounts, seed=5)
    return [traffic.payment(begins + i * STEP_US) for i in range(count)]


def _us(work: Callable[[int], Any], count: int) -> float:
    """Microseconds a call: the median of slices, because a shared machine takes its time now and then."""
    spent = []
    for start in range(0, count, SLICE):
        began = time.perf_counter()
        for i in range(start, min(start + SLICE, count)):
            work(i)
        spent.append((time.perf_counter() - began) / (min(start + SLICE, count) - start) * 1e6)
    return statistics.median(spent[1:])


def _lists_us(hot: HotPath, table: Any) -> float:
    """All twelve subjects of a payment looked up among all entries, cold: hashes drawn anew each time."""
    kinds = np.arange(1, 1 + len(journey.LIST_PATHS), dtype=np.int64)
    hashes = np.random.default_rng(1).integers(1, 2**63, (20_000, len(kinds))).astype(np.uint64)
    journey.look_up_many(table, kinds, hashes[:10])
    began = time.perf_counter()
    journey.look_up_many(table, kinds, hashes)
    return (time.perf_counter() - began) / len(hashes) * 1e6
