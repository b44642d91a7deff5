"""`lianfang bench console`: how fast any decision is found again among many.

The index is made directly, in columns, of a quarter year of made-up decisions, in runs as builds make them; the questions
are the real ones, through `Finder`. What a build from a journal takes is measured on a journal of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec
import numpy as np

from lianfang.app.bench.console_pages import measure_pages
from lianfang.app.bench.lake import make_journal
from lianfang.app.bench.report import Figure, publish
from lianfang.engines.keyed import HashKey
from lianfang.infra.finding import Finder, Query, Sought, codes, index, keys
from lianfang.infra.finding.build import FAN, key_check
from lianfang.infra.finding.keys import hashed, word
from lianfang.infra.finding.manifest import Manifest, RunFile, write_manifest
from lianfang.infra.finding.run import COLUMNS, ROWS_MAX, Run, make_run, sizes_of, write_run
from lianfang.infra.lake.manifest import sync
from lianfang.kernel.instant import DAY, instant

ROWS: Final = 10_000_000
JOURNAL_ROWS: Final = 100_000
DAYS: Final = 90
ASKED: Final = 300
"""Questions of each kind."""
RUN_ROWS: Final = 1_000_000
KEY: Final = HashKey(0x243F6A8885A308D3, 0x13198A2E03707344)
START: Final = instant(datetime(2026, 8, 1, tzinfo=UTC))
ACCOUNTS: Final = 500_000
MERCHANTS: Final = 1_000
RULES: Final = 100
STOPPED: Final = 0.02
_POPULATIONS: Final = {
    "payer.account": ACCOUNTS, "payee.account": ACCOUNTS, "payer.phone": ACCOUNTS, "device.id": ACCOUNTS,
    "network.ip": 65_536,
}  # fmt: skip


def bench_console(json_file: Path | None, rows: int = ROWS, pages: int = 0) -> None:
    """Measures and prints. `pages`: also those of a desk over a store of so many records."""
    figures: list[Figure] = []
    about = {"decisions": f"{rows:,}", "days": DAYS, "questions of a kind": ASKED}
    if pages:
        with TemporaryDirectory(prefix="lianfang-bench-") as folder:
            figures += measure_pages(Path(folder), pages)
        about["records behind the pages"] = f"{pages:,}"
    with TemporaryDirectory(prefix="lianfang-bench-") as folder:
        figures += measure(Path(folder), rows)
    publish("console", figures, about, json_file)


def measure(folder: Path, rows: int) -> list[Figure]:
    """The figures of an index of `rows` decisions, made in `folder`."""
    figures = _building(folder, min(JOURNAL_ROWS, rows))
    made = folder / "finding"
    made.mkdir()
    begun = time.perf_counter()
    files = make_index(made, rows)
    took = time.perf_counter() - begun
    finder = Finder(made, folder / "no-journal", KEY)
    found = finder.size()
    if found != rows:
        raise AssertionError(f"{found} decisions can be found, {rows} were made")
    size = sum(path.stat().st_size for path in made.glob("*.run"))
    figures += [
        Figure("find_columns_made_per_s", rows / took, "decisions/s, made and merged as columns"),
        Figure("find_runs", files, "files"),
        Figure("find_bytes_per_decision", size / rows, "B"),
    ]
    return figures + _asking(finder, rows)


def _building(folder: Path, rows: int) -> list[Figure]:
    (folder / "j").mkdir()
    make_journal(folder / "j", rows)
    begun, worked = time.perf_counter(), time.process_time()
    index(folder / "j", folder / "small", KEY)
    return [
        Figure("find_build_per_s", rows / (time.perf_counter() - begun), "decisions/s from a journal"),
        Figure("find_build_cpu_us", 1e6 * (time.process_time() - worked) / rows, "us a decision"),
    ]


class _Population:
    """Keys of every value that a word may have, hashed once."""

    def __init__(self) -> None:
        self.keys = {
            path: hashed([word(path, f"{path}-{i}") for i in range(n)], KEY) for path, n in _POPULATIONS.items()
        }
        self.keys["merchant.id"] = hashed([word("merchant.id", f"merchant.id-{i}") for i in range(MERCHANTS)], KEY)
        self.keys["rule"] = hashed([word(keys.RULE, f"rule-{i}") for i in range(RULES)], KEY)
        self.keys["reason"] = hashed([word(keys.REASON, f"REASON-{i}") for i in range(10)], KEY)
        self.keys["action"] = hashed([word(keys.ACTION, one) for one in codes.ACTIONS], KEY)


def make_index(folder: Path, rows: int) -> int:
    """Runs of `RUN_ROWS`, merged as builds merge them; how many are left."""
    population = _Population()
    draw = np.random.default_rng(20_261_124)
    files: list[tuple[RunFile, Run]] = []
    for first in range(0, rows, RUN_ROWS):
        run = _made(population, draw, first, min(RUN_ROWS, rows - first), rows)
        files.append(_settled(folder, [run], 0))
        while len(files) >= FAN and len({one.level for one, _ in files[-FAN:]}) == 1:
            some = files[-FAN:]
            if sum(one.rows for one, _ in some) > ROWS_MAX:
                break
            files[-FAN:] = [_settled(folder, [run for _, run in some], some[0][0].level + 1)]
            for old, _ in some:
                (folder / old.name).unlink()
    runs = tuple(one for one, _ in files)
    write_manifest(folder, Manifest(next_seq=rows + 1, key_check=key_check(KEY), runs=runs))
    return len(runs)


def _settled(folder: Path, runs: list[Run], level: int) -> tuple[RunFile, Run]:
    from lianfang.infra.finding.run import open_run

    sizes = sizes_of(runs)
    made = RunFile(**sizes._asdict(), level=level, crc=())
    crc = write_run(folder / made.name, runs)
    sync(folder)
    return msgspec.structs.replace(made, crc=crc), open_run(folder / made.name, sizes)


def _made(population: _Population, draw: Any, first: int, count: int, of: int) -> Run:
    seq = np.arange(first + 1, first + count + 1, dtype=np.uint64)
    stopped = draw.random(count) < STOPPED
    action = np.where(stopped, draw.integers(2, 5, count), 1).astype(np.uint8)
    columns = {
        "seq": seq,
        "at": START + ((seq.astype(np.float64) - 1) * (DAYS * DAY / of)).astype(np.int64),
        "amount": draw.integers(100, 1_000_000, count),
        "currency": np.full(count, codes.currency_code("CNY"), np.uint16),
        "action": action,
        "kind": draw.integers(1, 4, count).astype(np.uint8),
        "channel": draw.integers(1, 4, count).astype(np.uint8),
        "flags": np.zeros(count, np.uint8),
    }
    every = np.arange(count)
    parts = [(hashed([word(keys.PAYMENT, f"pay-{n}") for n in range(first, first + count)], KEY), every)]
    for path, size in _POPULATIONS.items():
        parts.append((population.keys[path][draw.integers(0, size, count)], every))
    shops = np.flatnonzero(draw.random(count) < 0.3)
    ranks = np.minimum(draw.zipf(1.3, len(shops)) - 1, MERCHANTS - 1)
    parts.append((population.keys["merchant.id"][ranks], shops))
    hit = np.flatnonzero(stopped)
    for name, size in (("rule", RULES), ("reason", 10)):
        parts.append((population.keys[name][draw.integers(0, size, len(hit))], hit))
    parts.append((population.keys["action"][action[hit] - 1], hit))
    together = np.concatenate([one for one, _ in parts])
    owners = np.concatenate([rows for _, rows in parts])
    order = np.argsort(owners, kind="stable")
    none = np.zeros(0, np.uint32), np.zeros(0, np.uint64)
    typed = {name: columns[name].astype(kind, copy=False) for name, kind in COLUMNS}
    return make_run(typed, together[order], owners[order], none)


def _questions(rows: int) -> Iterator[tuple[str, Callable[[Any], Query]]]:
    """Kinds of question, each made anew for every asking."""
    day = DAYS * DAY

    def some_time(draw: Any) -> dict[str, Any]:
        at = int(START + draw.integers(0, day - DAY))
        return {"time_from": at, "time_to": at + DAY}

    yield "payment", lambda draw: Query(payment_id=f"pay-{draw.integers(0, rows)}")
    yield "account", lambda draw: Query(subject=Sought(f"payee.account-{draw.integers(0, ACCOUNTS)}", "account"))
    yield "any_subject", lambda draw: Query(subject=Sought(f"device.id-{draw.integers(0, ACCOUNTS)}"))
    yield "hot_merchant", lambda draw: Query(subject=Sought(f"merchant.id-{draw.integers(0, 3)}", "merchant"))
    yield "rule", lambda draw: Query(rule=f"rule-{draw.integers(0, RULES)}")
    yield (
        "rule_and_merchant",
        lambda draw: Query(rule=f"rule-{draw.integers(0, RULES)}", subject=Sought("merchant.id-0")),
    )
    yield "rule_in_a_day", lambda draw: Query(rule=f"rule-{draw.integers(0, RULES)}", **some_time(draw))
    yield "blocked", lambda draw: Query(actions=("block",), before_seq=int(draw.integers(1, rows)))
    yield "newest", lambda draw: Query(limit=200)
    yield "day", lambda draw: Query(**some_time(draw))
    yield "amount", lambda draw: Query(amount_from=int(draw.integers(100, 999_000)), channel="web", kind="card")
    yield "nothing", lambda draw: Query(amount_from=999_999, currency="USD")
    yield "rare_amount", lambda draw: Query(amount_from=999_990, kind="card", channel="web")


def _asking(finder: Finder, rows: int) -> list[Figure]:
    draw = np.random.default_rng(7)
    figures, every = [], []
    for kind, make in _questions(rows):
        took = []
        for _ in range(ASKED):
            query = make(draw)
            begun = time.perf_counter()
            finder.find(query)
            took.append((time.perf_counter() - begun) * 1_000)
        every += took
        p50, p95 = np.percentile(took, (50, 95))
        figures += [Figure(f"find_{kind}_p50_ms", float(p50), "ms"), Figure(f"find_{kind}_p95_ms", float(p95), "ms")]
    return [
        Figure("find_p50_ms", float(np.percentile(every, 50)), "ms, all kinds"),
        Figure("find_p95_ms", float(np.percentile(every, 95)), "ms, all kinds", "< 300 ms"),
        *figures,
    ]
