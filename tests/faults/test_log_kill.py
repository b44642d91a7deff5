"""kill -9 of a log's process at random moments: every acknowledged entry is there once, and no checkpoint forks."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from lianfang.engines.tlog import Checkpoint, open_checkpoint, prove_consistency, verify_consistency
from lianfang.infra.tlog import LogStore, verify_log
from tests.engines.tlog.made import LOG, ORIGIN

KILLS = 12
_RUN = """
import asyncio, sys
from pathlib import Path
from lianfang.infra.tlog import Appender, LogStore
from tests.engines.tlog.made import LOG, ORIGIN

async def main():
    store, _ = LogStore.open(Path(sys.argv[1]), ORIGIN, LOG)
    appender = Appender(store, window_s=0.001)
    async def write(n):
        for i in range(1_000_000):
            entry = b"%s %d %d" % (sys.argv[2].encode(), n, i)
            index = await appender.add(entry)
            sys.stdout.write(f"{index} {entry.decode()}\\n")
            sys.stdout.flush()
    async def tick():
        while True:
            await asyncio.sleep(0.01)
            await appender.tick()
    await asyncio.gather(tick(), *(write(n) for n in range(8)))

asyncio.run(main())
"""


def killed_run(folder: Path, run: int, after_s: float) -> dict[int, str]:
    """Index and entry of what was acknowledged before the kill."""
    process = subprocess.Popen(
        [sys.executable, "-c", _RUN, str(folder), f"run{run}"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    with process.stdout as out:
        said = out.readline()
        time.sleep(after_s)
        process.send_signal(signal.SIGKILL)
        said += out.read()
    process.wait()
    lines = said.split("\n")[:-1]  # the last line may be cut
    return {int(index): entry for index, entry in (line.split(" ", 1) for line in lines)}


@pytest.mark.faults
@pytest.mark.slow
def test_kills_lose_no_acknowledged_entry_repeat_none_and_never_fork(tmp_path: Path) -> None:
    draw = random.Random(20_261_001)
    acknowledged: dict[int, str] = {}
    trees: list[Checkpoint] = []
    for run in range(KILLS):
        fresh = killed_run(tmp_path, run, draw.uniform(0, 0.15))
        assert not fresh.keys() & acknowledged.keys(), "an index was given twice"
        acknowledged |= fresh
        trees.append(open_checkpoint((tmp_path / "checkpoint").read_bytes(), [LOG.verifier], ORIGIN).checkpoint)
    store, _ = LogStore.open(tmp_path, ORIGIN, LOG)
    trees.append(store.integrate().checkpoint)
    entries = [entry.decode() for entry in store.read(0, store.size)]
    store.close()
    assert len(acknowledged) > KILLS
    assert [(i, entries[i]) for i in sorted(acknowledged)] == sorted(acknowledged.items())
    assert len(set(entries)) == len(entries), "an entry is there twice"
    verify_log(tmp_path, LOG.verifier, ORIGIN)
    reader = store.reader.hashes(trees[-1].size)
    for old, new in pairwise(trees):
        if old.size:
            verify_consistency(old.size, new.size, old.root, new.root, prove_consistency(reader, old.size, new.size))
