"""Makes a node's data folder for the benchmark: rules, lists, a key, and the past of its accounts as a snapshot."""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import NamedTuple

import msgspec
import pyarrow as pa
from rich.progress import track

from lianfang.app.bench.scenario import LISTS, PAST, Traffic, list_entries, ruleset, today, traffic_start
from lianfang.app.node.files import NodeFiles
from lianfang.app.node.snapshots import write_snapshot
from lianfang.app.replay import named_lists
from lianfang.engines.hotpath import HotPath
from lianfang.infra import published
from lianfang.infra.published import write_whole
from lianfang.kernel.instant import Instant
from lianfang.services.decide import ListBook, RuleBook, hot_path, rule_book
from lianfang.services.identity import issue
from lianfang.wire import Payment, RuleSet, write


class Prepared(NamedTuple):
    """A data folder ready to be served."""

    root: Path
    key: str
    accounts: int
    state_keys: int
    state_bytes: int


def publish_benchmark(files: NodeFiles, entries: int, rules: RuleSet, model: bytes = b"") -> str:
    """Rules, list entries, a model where one is given, and an API key; returns the key's text."""
    files.make()
    write_whole(files.published / published.RULESET, write(rules))
    write_whole(files.published / published.LIST_NAMES, write([*LISTS, *named_lists(rules)]))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, (table := list_entries(entries)).schema) as writer:
        writer.write_table(table)
    write_whole(files.published / published.LISTS, sink.getvalue().to_pybytes())
    if model:
        write_whole(files.published / published.MODELS, model)
    issued = issue(["decide", "read"], Instant(today()), secrets.token_bytes, rate_per_s=1_000_000)
    write_whole(files.published / published.KEYS, write([issued.key]))
    return issued.text


def benchmark_book(files: NodeFiles, entries: int, rules: RuleSet | None = None) -> RuleBook:
    """The book the benchmark decides by: its own rules, or these."""
    rules = rules or ruleset()
    lists = ListBook(list_entries(entries), files.hash_key(), "bench")
    return rule_book(rules, lists, (*LISTS, *named_lists(rules)))


def live_past(book: RuleBook, hot: HotPath, accounts: int, extra: int) -> float:
    """`PAST`, in which every account pays once, and `extra` payments more; the seconds it took to count them."""
    traffic = Traffic(accounts)
    text = hot.text(book.layout)
    total = accounts + extra
    start, step = traffic_start() - PAST, PAST // (total + 1)
    spent = 0.0
    for i in track(range(total), description=f"a past for {accounts:,} accounts", transient=True):
        raw = traffic.payment(start + i * step, payer=(i * 7_919) % accounts if i < accounts else None)
        row = book.flatten(msgspec.convert({**raw, "id": f"past-{i}"}, Payment))
        began = time.perf_counter()
        hot.step(text(row), 0, start + i * step, book.mask(row), book.numbers(row))
        spent += time.perf_counter() - began
    return spent


def prepare(
    root: Path, accounts: int, entries: int, ids: int, rules: RuleSet | None = None, model: bytes = b""
) -> Prepared:
    """Everything, in an empty folder. `rules`: others than the benchmark's own. `model`: as the desk hands one over."""
    files = NodeFiles(root)
    rules = rules or ruleset()
    key = publish_benchmark(files, entries, rules, model)
    book = benchmark_book(files, 0, rules)
    hot = hot_path(book, files.hash_key(), memory_bytes=8 << 30, ids_remembered=ids)
    live_past(book, hot, accounts, accounts // 2)
    hot.recent.ids[:] = 0
    hot.recent.state[:] = 0
    write_snapshot(hot, files.snapshot, 0)
    files.snapshot.with_suffix(".tmp").replace(files.snapshot)
    return Prepared(root, key, accounts, hot.state.keys, hot.state.used_bytes)
