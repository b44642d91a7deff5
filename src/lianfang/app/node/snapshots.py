"""Snapshots of the decider's state: written by a forked child, so that payments go on; believed only once durable.

The child sees the memory as it was at the fork (copy on write) and does nothing but write it. The file takes its final
name when the journal has made durable every payment it counts: a snapshot never knows more than the journal.
"""

from __future__ import annotations

import io
import os
import time
from pathlib import Path
from typing import Final

from isal.isal_zlib import crc32

from lianfang.engines.hotpath import HotPath
from lianfang.kernel.errors import EvidenceError

_CHUNK: Final = 1 << 22


GENTLE_BYTES_PER_S: Final = 192 << 20
"""How fast a snapshot is written beside live payments: the journal's syncs must not wait behind it."""


def write_snapshot(hot: HotPath, path: Path, seq: int, *, gentle: bool = False) -> None:
    """Write the state after journal record `seq`, synced, under a temporary name beside `path`. Its end is its CRC-32."""
    with path.with_suffix(".tmp").open("wb", buffering=0) as out:
        crc = 0

        def write_all(data: bytes | memoryview) -> None:
            nonlocal crc
            view = memoryview(data)
            while view.nbytes:
                chunk, view = view[:_CHUNK], view[_CHUNK:]
                crc = crc32(chunk, crc)
                began, size = time.monotonic(), chunk.nbytes
                while chunk.nbytes:
                    chunk = chunk[out.write(chunk) :]
                if gentle:
                    os.fsync(out.fileno())
                    time.sleep(max(0.0, size / GENTLE_BYTES_PER_S - (time.monotonic() - began)))

        hot.state.snapshot(write_all, {"seq": seq})
        hot.recent.snapshot(write_all)
        out.write(crc.to_bytes(4, "little"))
        os.fsync(out.fileno())


def read_snapshot(hot: HotPath, path: Path) -> int:
    """Restore the state; the seq it stands at. Raises `EvidenceError` (or `FileNotFoundError`).

    The checksum is read first: the kernel follows the addresses in the state without looking.
    """
    with path.open("rb", buffering=0) as file:
        _check(file)
        file.seek(0)

        def read(size: int) -> bytes:
            data = bytearray(size)
            view = memoryview(data)
            while view.nbytes:
                got = file.readinto(view)
                if not got:
                    raise EvidenceError("the snapshot ends too early")
                view = view[got:]
            return bytes(data)

        note = hot.restore(file.readinto, read)
    return int(note["seq"])


def _check(file: io.FileIO) -> None:
    left = os.fstat(file.fileno()).st_size - 4
    crc = 0
    while left > 0 and (chunk := file.read(min(left, _CHUNK))):
        crc = crc32(chunk, crc)
        left -= len(chunk)
    if left != 0 or file.read(4) != crc.to_bytes(4, "little"):
        raise EvidenceError("the snapshot's bytes do not match its checksum")


class Snapshots:
    """Takes one at a time. `poll` now and then finishes it."""

    def __init__(self, hot: HotPath, path: Path) -> None:
        self._hot = hot
        self._path = path
        self._child = 0
        self.seq = 0
        """Where the newest finished snapshot stands."""
        self._taking = 0
        self._written = False
        self.pause_ms = 0.0
        """How long the last fork stopped the decider."""
        self.failures = 0

    @property
    def busy(self) -> bool:
        """Whether one is being taken."""
        return self._child != 0 or self._written

    def begin(self, seq: int) -> None:
        """Fork, and let the child write the state after record `seq`."""
        start = time.perf_counter()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.nice(10)
                if hasattr(os, "sched_setaffinity"):  # not on the decider's own processor
                    os.sched_setaffinity(0, range(os.cpu_count() or 1))
                write_snapshot(self._hot, self._path, seq, gentle=True)
                status = 0
            finally:
                os._exit(status)
        self.pause_ms = (time.perf_counter() - start) * 1_000
        self._child, self._taking = child, seq

    def poll(self, durable_seq: int) -> None:
        """Give the finished file its name once the journal is durable up to it."""
        if self._child:
            pid, status = os.waitpid(self._child, os.WNOHANG)
            if pid:
                self._child = 0
                self._written = status == 0
                self.failures += status != 0
        if self._written and durable_seq >= self._taking:
            self._path.with_suffix(".tmp").replace(self._path)
            self._written = False
            self.seq = self._taking

    def finish(self, seq: int) -> None:
        """Write one here and now: at a clean stop."""
        if self._child:
            os.waitpid(self._child, 0)
            self._child = 0
        write_snapshot(self._hot, self._path, seq)
        self._path.with_suffix(".tmp").replace(self._path)
        self._written = False
        self.seq = seq
