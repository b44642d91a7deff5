"""What the verifiable log takes: appends that each wait for the disk, alone and in batches, with a checkpoint every second."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from lianfang.app.bench.report import Figure, publish
from lianfang.engines.tlog import ED25519, SignerKey
from lianfang.infra.tlog import Appender, LogStore, verify_log

WRITERS: Final = 64
BATCH_WRITERS: Final = 4
BATCH: Final = 256
ENTRY_BYTES: Final = 300
CHECKPOINT_EVERY_S: Final = 1.0
_SIGNER: Final = SignerKey("log.example.org/bench", ED25519, bytes(32))

_Add = Callable[[Appender, int], Awaitable[int]]
"""Appends, waits until it is durable, and says how many entries that were; the number makes them differ."""


def log_speed(folder: Path, seconds: float) -> list[Figure]:
    """Appends a second into new logs in `folder`, which are verified whole and removed afterwards."""
    alone, alone_wait, alone_lag = asyncio.run(_measured(folder, seconds, WRITERS, _one))
    batched, _, batched_lag = asyncio.run(_measured(folder, seconds, BATCH_WRITERS, _many))
    return [
        Figure("log_appends_per_s", alone, "entries/s", ">= 10,000"),
        Figure("log_append_p99_ms", alone_wait, "ms"),
        Figure("log_batched_per_s", batched, "entries/s", ">= 50,000"),
        Figure("log_checkpoint_longest_s", alone_lag, "s"),
        Figure("log_batched_checkpoint_longest_s", batched_lag, "s"),
    ]


def bench_log(json_file: Path | None, seconds: float) -> list[Figure]:
    """Measures on the disk of the temporary folder, prints, and writes the figures."""
    with tempfile.TemporaryDirectory(prefix="lianfang-bench-") as folder:
        figures = log_speed(Path(folder), seconds)
    about: dict[str, Any] = {
        "entries": f"{ENTRY_BYTES} bytes",
        "alone": f"{WRITERS} tasks, each awaiting its own entry",
        "batched": f"{BATCH_WRITERS} tasks, {BATCH} entries at a time",
        "checkpoint": f"signed every {CHECKPOINT_EVERY_S:g} s",
    }
    publish("verifiable log", figures, about, json_file)
    return figures


async def _one(appender: Appender, number: int) -> int:
    await appender.add(b"%012d" % number + bytes(ENTRY_BYTES - 12))
    return 1


async def _many(appender: Appender, number: int) -> int:
    await appender.add_many([b"%012d" % (number * BATCH + n) + bytes(ENTRY_BYTES - 12) for n in range(BATCH)])
    return BATCH


async def _measured(folder: Path, seconds: float, writers: int, add: _Add) -> tuple[float, float, float]:
    """Entries a second, the 99th percentile of a wait in ms, and the longest that a checkpoint took in s."""
    log = folder / "log"
    store, _ = LogStore.open(log, _SIGNER.name, _SIGNER)
    appender = Appender(store)
    waits: list[float] = []
    counted = 0

    async def write(until: float, first: int) -> None:
        nonlocal counted
        number = first
        while (began := time.perf_counter()) < until:
            done = await add(appender, number)  # not `counted += await`: others count meanwhile
            counted += done
            waits.append(time.perf_counter() - began)
            number += writers

    ticking = asyncio.create_task(_tick(appender))
    began = time.perf_counter()
    await asyncio.gather(*(write(began + seconds, n) for n in range(writers)))
    per_s = counted / (time.perf_counter() - began)
    ticking.cancel()
    longest = await ticking
    await appender.close()
    verify_log(log, _SIGNER.verifier, _SIGNER.name)
    shutil.rmtree(log)
    return per_s, 1_000 * sorted(waits)[len(waits) * 99 // 100], longest


async def _tick(appender: Appender) -> float:
    """A checkpoint each second until it is cancelled; the longest that one took, in seconds."""
    longest = 0.0
    try:
        while True:
            began = time.perf_counter()
            await appender.tick()
            took = time.perf_counter() - began
            longest = max(longest, took)
            await asyncio.sleep(max(CHECKPOINT_EVERY_S - took, 0))
    except asyncio.CancelledError:
        return longest
