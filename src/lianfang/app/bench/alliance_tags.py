"""Ten million shared tags in the decider: their size, how soon they are loaded, what a look costs, what a decision loses."""

from __future__ import annotations

import resource
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lianfang.app.bench.decide import IDS
from lianfang.app.bench.parts import SLICE, NoJournal, live_state
from lianfang.app.bench.prepare import prepare
from lianfang.app.bench.report import Figure
from lianfang.app.bench.scenario import Traffic, today, traffic_start
from lianfang.app.node.clock import ticks_ns
from lianfang.engines.lookup import Met, packed, tag_at
from lianfang.engines.scoring import NoModel
from lianfang.infra.tagfile import TagReader, TagWriter
from lianfang.kernel.instant import MINUTE
from lianfang.services.decide import Decider
from lianfang.services.decide.tags import TagBook, TagChange
from lianfang.wire import read_payment

TAGS: Final = 10_000_000
LOOKS: Final = 2_000_000


@njit(cache=True, nogil=True)
def look_at_all(table, hashes, minute):  # type: ignore[no-untyped-def]
    """How many of `hashes` uint64[n] bear a tag. A loop of its own, so that no call from Python is measured."""
    found = 0
    for i in range(hashes.shape[0]):
        found += tag_at(table, hashes[i], minute) != 0
    return found


def made_tags(count: int) -> tuple[list[tuple[str, ...]], NDArray[np.uint64], NDArray[np.int64]]:
    """Sets of contributors, hashes and packed values, as a desk would write them; none belongs to the traffic's subjects."""
    numbers = np.random.default_rng(7)
    hashes = np.unique(
        numbers.integers(1, 2**63, count + count // 1_000, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    )[:count]
    sets: list[tuple[str, ...]] = [(f"bank-{i}",) for i in range(40)] + [
        (f"bank-{i}", f"bank-{i + 1}") for i in range(39)
    ]
    until = today() // MINUTE + 60 * 24 * 90
    kinds = np.array([packed(Met(1 + i % 26, 1 + i % 5, i % len(sets), False, until)) for i in range(10_000)], np.int64)
    return sets, numbers.permutation(hashes), kinds[numbers.integers(0, len(kinds), len(hashes))]


def index_figures(folder: Path, count: int = TAGS) -> list[Figure]:
    """Loaded from the desk's file into an empty table, then looked at with hashes drawn anew: half are there, half are not."""
    sets, hashes, values = made_tags(count)
    writer = TagWriter(folder)
    writer.begin(sets, hashes, values)
    warm = TagBook()
    warm.apply(TagChange(hashes[:10], values[:10]))
    before = _resident()
    began = time.perf_counter()
    said = TagReader(folder).base()
    book = TagBook(said.sets)
    book.apply(TagChange(said.hashes, said.values))
    load_s = time.perf_counter() - began
    del said
    looked = np.concatenate(
        [hashes[: LOOKS // 2], np.random.default_rng(9).integers(1, 2**63, LOOKS // 2, dtype=np.uint64)]
    )
    looked = np.random.default_rng(11).permutation(looked)
    minute = today() // MINUTE
    look_at_all(book.table.words, looked[:100], minute)
    began = time.perf_counter()
    found = look_at_all(book.table.words, looked, minute)
    lookup_us = (time.perf_counter() - began) / len(looked) * 1e6
    assert found == LOOKS // 2
    del hashes, values, looked
    return [
        Figure("index_mb_10m", book.table.words.nbytes / 1e6, f"MB for {count:,} tags", "<= 300"),
        Figure("index_load_s_10m", load_s, "s from the file", "<= 5"),
        Figure("lookup_us", lookup_us, "us, drawn at random, one after another", "<= 0.2"),
        Figure("index_resident_mb", max(_resident() - before, 0.0), "MB more resident at the end"),
    ]


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1]) if Path("/proc/self/statm").exists() else 0
    return pages * resource.getpagesize() / 1e6


def decision_figures(accounts: int, entries: int, count: int, tags: int = TAGS) -> list[Figure]:
    """In process, JSON to decision: with no tags and with ten million, in turns, on one live state."""
    root = Path(tempfile.mkdtemp(prefix="lianfang-bench-"))
    try:
        prepared = prepare(root / "node", accounts, entries, IDS)
        book, hot = live_state(prepared.root, entries)
        decider = Decider(book, hot, NoJournal(), NoModel(), ticks_ns)
        bodies = list(Traffic(accounts, seed=99).bodies(count, traffic_start()))
        full = TagBook(made_tags(1)[0])
        _, hashes, values = made_tags(tags)
        full.apply(TagChange(hashes, values))
        empty = TagBook()
        now = today()
        for body in bodies[:2_000]:
            decider.decide(body, read_payment(body), now)
        spent: dict[bool, list[float]] = {False: [], True: []}
        for i, start in enumerate(range(2_000, count - SLICE, SLICE)):
            decider.use_tags(full if i % 2 else empty)
            spent[bool(i % 2)].append(_slice_s(decider, bodies[start : start + SLICE], now))
        plain, tagged = (1 / statistics.median(spent[with_tags]) for with_tags in (False, True))
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return [
        Figure("inprocess_without_tags_per_s", plain, "decisions/s"),
        Figure("inprocess_with_tags_per_s", tagged, f"decisions/s, {tags:,} tags loaded"),
        Figure("tags_ratio", tagged / plain, "of without them", ">= 0.9"),
    ]


def _slice_s(decider: Decider, bodies: list[bytes], now: Any) -> float:
    decide = decider.decide
    began = time.perf_counter()
    for body in bodies:
        decide(body, read_payment(body), now)
    return (time.perf_counter() - began) / len(bodies)
