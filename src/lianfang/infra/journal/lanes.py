"""The lane a batch takes to the disk: one thread that writes, syncs and, for a new segment, gives it its name.

Two lanes keep one promise. `ThreadLane` is a Python thread over `Files`: portable, and it can be made to fail.
`NativeLane` (`native.py`, Linux) never takes the interpreter's lock between two batches.
"""

from __future__ import annotations

import queue
import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from lianfang.infra.journal.files import Files, write_all

Done = Callable[[OSError | None], None]


class Job(NamedTuple):
    """Write `data` at `offset` of `fd` and sync it; then, if `name` is given, rename the file.

    The folder is not synced: that would make every rotation wait for the file system's own journal. The old name is
    durable since the blank was made, and recovery gives a segment that has lost its new name the name again.
    A lane that can may write whole pages through `direct`, past the page cache, if it is not -1.
    """

    fd: int
    data: bytes
    offset: int
    name: tuple[Path, Path] | None
    direct: int = -1


class Lane(Protocol):
    """One job at a time. `done` is called in the loop, with the error that stopped the job or None."""

    def submit(self, job: Job) -> None: ...
    def poll(self) -> None:
        """Calls `done` here and now if the job under way has ended."""

    def wait(self) -> OSError | None:
        """Blocks until the job under way has ended and returns its result; `done` is then not called for it."""

    def close(self) -> None: ...


def execute(files: Files, job: Job) -> OSError | None:
    """The job, here and now."""
    try:
        write_all(files, job.fd, job.data, job.offset)
        files.sync(job.fd)
        if job.name is not None:
            files.rename(*job.name)
    except OSError as why:
        return why
    return None


class ThreadLane:
    """A Python thread over `Files`."""

    def __init__(self, files: Files, loop: AbstractEventLoop, done: Done) -> None:
        self._files = files
        self._loop = loop
        self._done = done
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[OSError | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="journal-commit", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        self._jobs.put(job)

    def wait(self) -> OSError | None:
        return self._results.get()

    def close(self) -> None:
        self._jobs.put(None)
        self._thread.join()

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._results.put(execute(self._files, job))
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._deliver)

    def poll(self) -> None:
        self._deliver()

    def _deliver(self) -> None:
        try:
            result = self._results.get_nowait()
        except queue.Empty:
            return  # somebody waited for it
        self._done(result)
