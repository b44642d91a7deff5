"""`lianfang bench lake`: a journal taken into the lake, compacted, and asked; every figure from one made-up month.

The journal is written first, unmeasured: payments with parties, device and network, 60 features, a score; one in fifty stopped.
"""

from __future__ import annotations

import random
import struct
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from lianfang import wire
from lianfang.app.bench.report import Figure, publish
from lianfang.infra.journal import DECISION, OUTCOME, JournalWriter
from lianfang.infra.lake import Question, asked, build, read_manifest
from lianfang.infra.lake.compact import compact
from lianfang.kernel.instant import DAY, Instant, instant, moment

ROWS: Final = 1_000_000
DAYS: Final = 30
FEATURES: Final = 60
VERSION: Final = "bench00000000000"
START: Final = instant(datetime(2026, 9, 1, tzinfo=UTC))
PARTS: Final = 300
"""Ten a day: enough that compacting has something to do."""
COMMIT_EVERY: Final = 10_000
SECONDS: Final = 600
"""For each query: here it is the figure, not the limit, that counts."""
HITS: Final = "select hit, count(*) n from (select unnest(hits) hit from decisions) group by hit order by n desc"
KNOWN: Final = "select label, action, count(*) n, sum(amount) amount from known group by all order by all"


def bench_lake(json_file: Path | None, rows: int = ROWS) -> None:
    """Measures and prints."""
    with TemporaryDirectory(prefix="lianfang-bench-") as folder:
        figures = measure(Path(folder), rows)
    publish("lake", figures, {"decisions": f"{rows:,}", "days": DAYS, "features": FEATURES}, json_file)


def measure(folder: Path, rows: int) -> list[Figure]:
    """The figures of a journal of `rows` decisions, made in `folder`."""
    journal, lake = folder / "journal", folder / "lake"
    journal.mkdir()
    payload = make_journal(journal, rows)
    names = {VERSION: tuple(f"x{i}" for i in range(FEATURES))}
    begun = time.process_time()
    built = _timed(lambda: build(journal, lake, names, part_rows=rows // PARTS))
    worked = time.process_time() - begun
    before = _megabytes(lake)
    parts = len(read_manifest(lake).parts)
    compacted = _timed(lambda: compact(lake))
    hits = _timed(lambda: _ask(lake, HITS))
    joined = _timed(lambda: _ask(lake, KNOWN, as_of=Instant(START + 20 * DAY)))
    found = _ask(lake, "select count(*) n, count(distinct payment_id) d from decisions")[0]
    if (found["n"], found["d"]) != (rows, rows):
        raise AssertionError(f"the lake has {found}, the journal {rows}")
    return [
        Figure("build_s", built, "s"),
        Figure("build_cpu_s", worked, "s"),
        Figure("build_per_s", rows / built, "decisions/s"),
        Figure("journal_mb", payload / 1e6, "MB"),
        Figure("lake_mb", before, "MB"),
        Figure("lake_bytes_per_decision", 1e6 * before / rows, "B"),
        Figure("parts", parts, "files"),
        Figure("compact_s", compacted, "s"),
        Figure("compacted_mb", _megabytes(lake), "MB"),
        Figure("hit_counts_s", hits, "s"),
        Figure("as_of_join_s", joined, "s"),
    ]


def make_journal(folder: Path, rows: int) -> int:
    """Decisions over `DAYS`, and outcomes of half of those that were stopped; the records' bytes."""
    draw = random.Random(20_260_901)  # noqa: S311 - a benchmark's payments
    writer, _ = JournalWriter.open(folder)
    size = 0
    for number in range(rows):
        at = START + number * DAYS * DAY // rows
        stopped = draw.random() < 0.02
        parts = _decision(draw, number, at, writer.next_seq, stopped=stopped)
        writer.append(DECISION, at, parts)
        size += 48 + sum(map(len, parts))
        if stopped and draw.random() < 0.5:
            outcome = wire.Outcome(
                payment_id=f"pay-{number:09d}", label="fraud", known_at=moment(at + 3 * DAY), source="customer"
            )
            writer.append(OUTCOME, at, (wire.write(outcome),))
        if number % COMMIT_EVERY == COMMIT_EVERY - 1:
            writer.commit_now()
    writer.close()
    return size


def _decision(draw: random.Random, number: int, at: int, seq: int, *, stopped: bool) -> tuple[bytes, ...]:
    payment = wire.Payment(
        id=f"pay-{number:09d}",
        time=moment(at - 1_000),
        kind="transfer",
        amount=draw.randrange(100, 10**6),
        currency="CNY",
        channel="mobile",
        payer=wire.Party(
            account=f"6222{draw.randrange(10**6):012d}", phone=f"138{draw.randrange(10**8):08d}", member="bank-a"
        ),
        payee=wire.Party(account=f"6217{draw.randrange(10**6):012d}", member="bank-b"),
        device=wire.Device(id=f"device-{draw.randrange(10**6)}", os="android"),
        network=wire.Network(ip=f"10.0.{draw.randrange(256)}.{draw.randrange(256)}"),
    )
    rule = f"rule-{draw.randrange(100)}"
    reasons = (wire.Reason(code="mule", source="rule", name=rule, zh="可疑", en="suspicious", points=50),)
    decision = wire.Decision(
        payment_id=payment.id,
        action="hold" if stopped else "allow",
        reasons=reasons if stopped else (),
        points=50 if stopped else 0,
        score=draw.random(),
        decided_at=moment(at),
        seq=seq,
        versions=wire.Versions(rules="r1", lists="l1", features=VERSION),
    )
    counted = struct.pack(f"<{FEATURES}d", *[float(draw.getrandbits(7)) for _ in range(FEATURES)])
    return wire.write(payment), wire.write(decision), counted


def _ask(lake: Path, sql: str, as_of: Instant | None = None) -> list[dict[str, Any]]:
    answer: AbstractContextManager[Any] = asked(lake, Question(sql, as_of=as_of, seconds=SECONDS))
    with answer as reader:
        rows: list[dict[str, Any]] = reader.read_all().to_pylist()
        return rows


def _timed(act: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def _megabytes(lake: Path) -> float:
    return sum(part.bytes for part in read_manifest(lake).parts) / 1e6
