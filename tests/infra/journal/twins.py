"""Files that fail on cue, and journals to try them on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from lianfang.infra.journal import DECISION, JournalWriter, OsFiles, Record, scan
from lianfang.infra.journal.format import Damage

SMALL = 4096
Mode = Literal["refuse", "torn", "short"]


class FaultyFiles(OsFiles):
    """Counts its calls. Call number `at` fails with `error`: at once, or after half of the write was done (`torn`).

    `short` only writes half and says so, which is no failure.
    """

    def __init__(self, at: int = -1, error: int = 0, mode: Mode = "refuse") -> None:
        self.at, self.error, self.mode = at, error, mode
        self.calls: list[str] = []

    def _step(self, name: str) -> bool:
        self.calls.append(name)
        hit = len(self.calls) - 1 == self.at
        if hit and self.mode == "refuse":
            raise OSError(self.error, os.strerror(self.error))
        return hit

    def create(self, path: Path) -> int:
        self._step("create")
        return super().create(path)

    def open(self, path: Path) -> int:
        self._step("open")
        return super().open(path)

    def pwrite(self, fd: int, data: bytes | memoryview, offset: int) -> int:
        if not self._step("pwrite"):
            return super().pwrite(fd, data, offset)
        done = super().pwrite(fd, memoryview(data)[: max(len(data) // 2, 1)], offset)
        if self.mode == "torn":
            raise OSError(self.error, os.strerror(self.error))
        return done

    def sync(self, fd: int) -> None:
        hit = self._step("sync")
        super().sync(fd)
        if hit and self.mode == "torn":
            raise OSError(self.error, os.strerror(self.error))

    def rename(self, source: Path, target: Path) -> None:
        self._step("rename")
        super().rename(source, target)

    def sync_folder(self, path: Path) -> None:
        self._step("sync_folder")
        super().sync_folder(path)


def body(seq: int) -> tuple[bytes, ...]:
    """Parts that tell records apart; none ends in a zero byte."""
    return (b'{"id":"p%d"}' % seq + b" " * 300, b'{"seq":%d}' % seq, b"\x01" * 8 * (seq % 5))


def fill(directory: Path, count: int, *, group: int = 3) -> list[Record]:
    """A closed journal of `count` records, `group` a commit, in the smallest segments."""
    writer, _ = JournalWriter.open(directory, segment_bytes=SMALL, ahead=0)
    for seq in range(1, count + 1):
        writer.append(DECISION, 1_000 + seq, body(seq))
        if seq % group == 0:
            writer.commit_now()
    writer.close()
    return [Record(DECISION, seq, 1_000 + seq, body(seq)) for seq in range(1, count + 1)]


def read_all(directory: Path) -> tuple[list[Record], list[Damage]]:
    """What `scan` finds, and what it complains about."""
    damaged: list[Damage] = []
    return list(scan(directory, 0, damaged.append)), damaged
