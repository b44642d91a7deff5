"""A whole alliance to a folder, days shared among processes: each builds the same world from the seed and makes its days."""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from lianfang.engines.world import Life, WorldConfig
from lianfang.infra.history import Written, write_day, write_outcomes, write_population
from lianfang.kernel.errors import InputError

WORKERS_MAX: Final = 64
_KIB: Final = 1 if sys.platform == "darwin" else 1_024
"""What `ru_maxrss` counts in."""


class Made(NamedTuple):
    """What was written. `files` are relative to the folder, in no order."""

    payments: int
    rows: int
    frauds: int
    outcomes: int
    files: int
    seconds: float
    peak_mb: float
    """Most memory of all processes together, as the sum of each one's most."""


def make_alliance(
    config: WorldConfig, root: Path, workers: int | None = None, progress: Callable[[int], None] | None = None
) -> Made:
    """Writes it (docs/reference/world.md). `workers`: processes, by default one a core. `progress` hears days that are done.

    The same config gives the same files whatever the number of workers. Raises `InputError` for a folder that holds another
    world, `DependencyError` where the disk refuses.
    """
    began = time.perf_counter()
    _empty(root)
    count = min(workers or os.cpu_count() or 1, config.days, WORKERS_MAX)
    done: list[Written] = []
    peaks: dict[int, int] = {}
    files = 0
    for written, process, peak in _days(config, root, count):
        done.append(written)
        files += len(written.files)
        peaks[process] = max(peak, peaks.get(process, 0))
        if progress is not None:
            progress(len(done))
    files += len(write_outcomes(done, root))
    peaks[os.getpid()] = max(_peak(), peaks.get(os.getpid(), 0))
    return Made(
        payments=sum(one.payments for one in done),
        rows=sum(one.rows for one in done),
        frauds=sum(one.frauds for one in done),
        outcomes=sum(one.outcomes.num_rows for one in done),
        files=files + 3,
        seconds=time.perf_counter() - began,
        peak_mb=sum(peaks.values()) / 1e6,
    )


def _empty(root: Path) -> None:
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise InputError("the folder is not empty: an alliance is written to a new one", str(root))


def _days(config: WorldConfig, root: Path, workers: int) -> Iterator[tuple[Written, int, int]]:
    if workers == 1:
        _start(config, root)
        yield from map(_one, range(config.days))
        _lives.clear()
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(workers, initializer=partial(_start, config, root)) as pool:
        yield from pool.imap_unordered(_one, range(config.days))


_lives: list[tuple[Life, Path]] = []
"""The world of this process."""


def _start(config: WorldConfig, root: Path) -> None:
    _lives[:] = [(Life(config), root)]


def _one(day: int) -> tuple[Written, int, int]:
    life, root = _lives[0]
    if day == 0:
        write_population(life, root)
    return write_day(life, day, root), os.getpid(), _peak()


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIB
