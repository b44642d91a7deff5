"""What the machine itself can do, beside the figures: how long its disk takes to sync, how much of its time is taken away."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

import numpy as np

from lianfang.app.bench.report import Figure

SYNC_BYTES: Final = 64 << 10
"""About what a commit of 32 payments writes."""
SYNC_S: Final = 3.0
_AREA: Final = 64 << 20


def disk_syncs(folder: Path) -> list[Figure]:
    """How long a write of 64 KiB and its fdatasync take on the journal's disk, with nothing else going on."""
    path = folder / "sync.bin"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    try:
        os.write(handle, bytes(_AREA))
        os.fsync(handle)
        took, offset, until = [], 0, time.perf_counter() + SYNC_S
        while (began := time.perf_counter()) < until:
            os.pwrite(handle, bytes(SYNC_BYTES), offset)
            getattr(os, "fdatasync", os.fsync)(handle)
            took.append((time.perf_counter() - began) * 1_000)
            offset = (offset + SYNC_BYTES) % (_AREA - SYNC_BYTES)
    finally:
        os.close(handle)
        path.unlink()
    p50, p99 = np.percentile(took, (50, 99))
    figures = (("disk_sync_p50_ms", p50), ("disk_sync_p99_ms", p99), ("disk_sync_max_ms", max(took)))
    return [Figure(name, float(value), "ms, the bare disk") for name, value in figures]


def cpu_times() -> list[int]:
    """The first line of /proc/stat, in ticks; empty where there is none."""
    stat = Path("/proc/stat")
    return [int(x) for x in stat.read_text().split("\n", 1)[0].split()[1:]] if stat.exists() else []


def stolen_share(before: list[int], after: list[int]) -> list[Figure]:
    """How much processor time the host gave to others while it was wanted here."""
    if len(before) < 8:
        return []
    spent = [b - a for a, b in zip(before, after, strict=True)]
    wanted = sum(spent[:3]) + sum(
        spent[5:8]
    )  # user, nice, system, irq, softirq, steal: idle and waiting are not wanted
    return [Figure("stolen_share", spent[7] / max(wanted, 1), "of the time wanted, by the host")]
