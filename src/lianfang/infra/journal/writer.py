"""The one writer of a journal: buffers records, commits them in groups, rotates, and survives a failing disk.

Used from one thread (the loop's). `append` does no I/O; a lane (`lanes.py`) writes and syncs one batch at a time, and
the next begins when it has ended: the slower the disk, the larger the groups. After a failed write or sync the segment
is never touched again: the journal goes on in a new one, whose header says where the old one ends.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from lianfang.infra.journal.ahead import Ahead, Blank, discard
from lianfang.infra.journal.files import (
    DURABLE_FILE,
    PAGE_BYTES,
    UNAVAILABLE,
    Files,
    OsFiles,
    close,
    lock,
    pack_mark,
    segment_list,
    segment_path,
    unavailable,
)
from lianfang.infra.journal.format import (
    RECORD_BYTES_MAX,
    SEGMENT_HEADER_BYTES,
    Record,
    SegmentHeader,
    pack_segment_header,
    pieces,
    record_of,
)
from lianfang.infra.journal.lanes import Job, Lane, ThreadLane, execute
from lianfang.infra.journal.lookup import Lookup
from lianfang.infra.journal.recovery import Recovery, Tail, recover
from lianfang.kernel.errors import DependencyError, InputError, TooLargeError

SEGMENT_BYTES: Final = 64 << 20
ENOUGH: Final = 64
"""Records that make a commit worth its cost: about a millisecond's."""
SEGMENT_BYTES_MIN: Final = 4 << 10
SEGMENT_BYTES_MAX: Final = 256 << 20
"""Readers take a segment into memory whole."""
BATCH_BYTES_MAX: Final = 4 << 20
"""One commit. More waits for the next, so that one slow sync does not become a slower one."""
WAITING_BYTES_MAX: Final = 64 << 20
"""Not yet durable. Past it the disk is too slow for the load and `append` refuses."""
WINDOW_US_MAX: Final = 1_000
_CHECKED_BYTES: Final = 12
_ZEROS: Final = bytes(PAGE_BYTES)

OnDurable = Callable[[int], None]
OnFailed = Callable[[DependencyError, int, int], None]


class _Living:
    """The segment being written; `end` is its durable end, `tail` what stands before it in its last page."""

    def __init__(self, fd: int, direct: int, first_seq: int, size: int) -> None:
        self.fd = fd
        self.direct = direct
        self.first_seq = first_seq
        self.size = size
        self.end = 0
        self.tail = b""
        self.sealed = False

    def close(self) -> None:
        close(self.fd, self.direct)


class _Batch(NamedTuple):
    """Records `from_seq` to `up_to_seq` on their way: into the living segment, or into `blank` as a new one.

    `end` is where they end in it; the job's data begins with what their first page holds already, and goes on with zeros
    to the end of their last.
    """

    job: Job
    end: int
    from_seq: int
    up_to_seq: int
    pieces: list[bytes]
    blank: Blank | None


class JournalWriter:
    """See the module. `failure` is None while the journal can be written; `append` raises it otherwise."""

    def __init__(self, directory: Path, segment_bytes: int, ahead: int, files: Files) -> None:
        """Not for callers: `open` recovers first."""
        self._directory = directory
        self._files = files
        self._ahead = Ahead(files, directory, segment_bytes, ahead)
        self._record_max = min(RECORD_BYTES_MAX, segment_bytes - SEGMENT_HEADER_BYTES)
        self._lookup = Lookup(directory, segment_list(directory))
        self._living: _Living | None = None
        self._lane: Lane | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._on_durable: OnDurable = lambda up_to: None
        self._on_failed: OnFailed = lambda error, from_seq, up_to: None
        self._window_s = 0.0
        self._scheduled = False
        self._enough = 2 * ENOUGH
        """Pieces, two a record, that are not kept waiting."""
        self._retrying = False
        self._batch: _Batch | None = None
        self._pieces: list[bytes] = []
        self._waiting_bytes = 0
        self._closed = False
        self._lock = -1
        self._mark_fd = -1
        self.failure: DependencyError | None = None
        self.next_seq = 1
        self.durable_seq = 0

    @classmethod
    def open(
        cls, directory: Path, *, segment_bytes: int = SEGMENT_BYTES, ahead: int = 1, files: Files | None = None
    ) -> tuple[JournalWriter, Recovery]:
        """Locks the journal, recovers it and is ready to append. `ahead`: segments kept ready.

        Raises `DependencyError`: another writer has it (`journal-locked`), or the disk refuses (`journal-unavailable`).
        """
        if not SEGMENT_BYTES_MIN <= segment_bytes <= SEGMENT_BYTES_MAX:
            raise InputError(f"a segment has {SEGMENT_BYTES_MIN} to {SEGMENT_BYTES_MAX} bytes, not {segment_bytes}")
        files = files or OsFiles()
        held = -1
        try:
            if not directory.is_dir():
                directory.mkdir(parents=True)
                OsFiles().sync_folder(directory.parent)
            held = lock(directory)
            recovery, tail = recover(directory, files)
            writer = cls(directory, segment_bytes, ahead, files)
            writer._begin(recovery, tail, held)
        except OSError as why:
            if held >= 0:
                os.close(held)
            raise unavailable(why, directory) from why
        except BaseException:
            if held >= 0:
                os.close(held)
            raise
        return writer, recovery

    def _begin(self, recovery: Recovery, tail: Tail | None, held: int) -> None:
        # A seq that was answered once is never given to another record, even when its own was lost.
        self.next_seq = recovery.lost[1] if recovery.lost else recovery.last_seq + 1
        self.durable_seq = self.next_seq - 1
        self._mark_fd = os.open(self._directory / DURABLE_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        os.pwrite(self._mark_fd, pack_mark(self.durable_seq), 0)
        if tail is not None:
            fd, direct = self._files.open(tail.span.path), self._files.open_direct(tail.span.path)
            self._living = living = _Living(fd, direct, tail.span.first_seq, tail.size)
            living.end = tail.end
            living.tail = os.pread(fd, tail.end % PAGE_BYTES, tail.end - tail.end % PAGE_BYTES)
            living.sealed = not tail.continues
            for seq, offset in tail.index:
                self._lookup.mark(seq, offset)
        self._lock = held
        self._ahead.start()

    def attach(
        self, loop: asyncio.AbstractEventLoop, on_durable: OnDurable, on_failed: OnFailed, *, window_us: int = 0
    ) -> None:
        """From now on commits run beside `loop`, and the callbacks are called in it.

        `on_durable(up_to_seq)`: everything up to there survives a power cut. `on_failed(error, from_seq, up_to_seq)`:
        those are kept, not durable; `retry()` writes them again. `window_us` waits that long for company.
        """
        if not 0 <= window_us <= WINDOW_US_MAX:
            raise InputError(f"the commit window is 0 to {WINDOW_US_MAX} microseconds, not {window_us}")
        self._loop = loop
        self._on_durable = on_durable
        self._on_failed = on_failed
        self._window_s = window_us / 1e6
        if sys.platform == "linux" and type(self._files) is OsFiles:
            from lianfang.infra.journal.native import NativeLane

            self._lane = NativeLane(loop, self._done)
        else:
            self._lane = ThreadLane(self._files, loop, self._done)
        self._ahead.changed = self._ahead_changed

    def ready(self) -> None:
        """Raises the `DependencyError` that the next `append` of an ordinary record would raise; else does nothing."""
        if self.failure is not None:
            raise self.failure
        if self._waiting_bytes > WAITING_BYTES_MAX:
            self._refuse(0)

    def append(self, kind: int, at: int, parts: tuple[bytes, ...]) -> int:
        """Buffers one record and returns its seq; nothing is durable yet. Raises `failure`, or `TooLargeError`."""
        if self.failure is not None:
            raise self.failure
        seq = self.next_seq
        checked, rest = pieces(kind, seq, at, parts)
        size = len(rest) + _CHECKED_BYTES
        if size > self._record_max or self._waiting_bytes > WAITING_BYTES_MAX:
            self._refuse(size)
        self._pieces += (checked, rest)
        self._waiting_bytes += size
        self.next_seq = seq + 1
        return seq

    def _refuse(self, size: int) -> None:
        if size > self._record_max:
            raise TooLargeError(
                f"a journal record has {size} bytes; with these segments the limit is {self._record_max}"
            )
        raise DependencyError(f"the journal's disk is too slow: {self._waiting_bytes} bytes wait for it", UNAVAILABLE)

    def commit_soon(self) -> None:
        """Commits what has been appended by the end of this turn of the loop (plus the window). Cheap to call often.

        A turn that brings very much is not waited for: its answers would all leave at once, and the callers then send
        all at once, and the processor and the disk would work in turn, never together.
        """
        if len(self._pieces) >= self._enough:
            self._hurry()
        if self._scheduled or self._batch is not None:
            return
        assert self._loop is not None, "attach() comes first"
        self._scheduled = True
        if self._window_s:
            self._loop.call_later(self._window_s, self._pump)
        else:
            self._loop.call_soon(self._pump)

    def _hurry(self) -> None:
        if self._batch is None:
            self._pump()
        elif self._lane is not None:
            self._lane.poll()  # if it has ended, the next one begins
        self._enough = len(self._pieces) + 2 * ENOUGH

    def commit_now(self) -> None:
        """Commits everything before it returns. Raises the `DependencyError` that stopped it."""
        if self._batch is not None:
            assert self._lane is not None
            self._done(self._lane.wait(), go_on=False)
        while self._pieces and (self.failure is None or self._retrying):
            self._start_batch(self._take_blank_now)
            batch: _Batch | None = self._batch
            if batch is not None:
                self._done(execute(self._files, batch.job), go_on=False)
        if self.failure is not None:
            raise self.failure

    def retry(self) -> None:
        """After a failure: a new segment, and what waits is written there. Success or failure is told by the callbacks.

        Without a loop it does so at once, and raises the `DependencyError` again if it fails.
        """
        if self.failure is None:
            return
        self._retrying = True
        if self._loop is None:
            if not self._pieces:
                self._probe()
            self.commit_now()
        else:
            self._pump()

    @property
    def warning(self) -> DependencyError | None:
        """The next segment could not be made ready: still writing, but only until this one is full."""
        why = self._ahead.error
        return None if why is None else unavailable(why, self._directory)

    def read(self, seq: int) -> Record:
        """One record again, durable or still waiting. Raises `InputError` or `EvidenceError`."""
        if seq >= self.next_seq:
            raise InputError(f"the journal has no record {seq}")
        if seq <= self.durable_seq:
            return self._lookup.read(seq)
        waiting = [*(self._batch.pieces if self._batch else ()), *self._pieces]
        return record_of(waiting[2 * (seq - self.durable_seq) - 1])

    def close(self) -> None:
        """Commits what waits and lets go of the journal. Raises the `DependencyError` if that cannot be."""
        if self._closed:
            return
        self._closed = True
        try:
            if self.failure is None:
                self.commit_now()
        finally:
            if self._batch is not None and self._lane is not None:
                self._lane.wait()
            if self._lane is not None:
                self._lane.close()
            self._ahead.close()
            self._lookup.close()
            os.close(self._mark_fd)
            if self._living is not None:
                self._living.close()
            os.close(self._lock)

    def _pump(self) -> None:
        """Starts the next batch if one can be started now."""
        self._scheduled = False
        if self._batch is not None or self._closed or (self.failure is not None and not self._retrying):
            return
        if not self._pieces:
            if self._retrying:
                self._probe()
            return
        self._start_batch(self._take_blank)
        if self._batch is not None:
            assert self._lane is not None
            try:
                self._lane.submit(self._batch.job)
            except OSError as why:
                self._done(why)

    def _probe(self) -> None:
        """A retry with nothing to write: that a new segment can be made is proof enough."""
        blank = self._take_blank() if self._loop is not None else self._take_blank_now()
        if blank is not None:
            self._ahead.give_back(blank)
            self.failure, self._retrying = None, False

    def _start_batch(self, take_blank: Callable[[], Blank | None]) -> None:
        """Makes `_batch` of what waits, as much as fits; leaves it None when that needs a blank and there is none."""
        living = self._living
        room = 0 if living is None or living.sealed else living.size - living.end
        count, size = self._fitting(room)
        blank = None
        head = b""
        if not count:
            blank = take_blank()
            if blank is None:
                return
            head = self._segment_header()
            count, size = self._fitting(blank.size - len(head))
        taken = self._pieces[:count]
        del self._pieces[:count]
        self._waiting_bytes -= size
        from_seq = self.durable_seq + 1
        if blank is None:
            assert living is not None
            end = living.end + size
            data = b"".join((living.tail, *taken, _to_page_end(end, living.size)))
            job = Job(living.fd, data, living.end - len(living.tail), None, living.direct)
        else:
            end = len(head) + size
            data = b"".join((head, *taken, _to_page_end(end, blank.size)))
            job = Job(blank.fd, data, 0, (blank.path, segment_path(self._directory, from_seq)), blank.direct)
        self._batch = _Batch(job, end, from_seq, from_seq + count // 2 - 1, taken, blank)
        self._enough = len(self._pieces) + 2 * ENOUGH

    def _fitting(self, room: int) -> tuple[int, int]:
        """How many of the waiting pieces fit in `room` and one batch, and their bytes. Always whole records."""
        room = min(room, BATCH_BYTES_MAX)
        if self._waiting_bytes <= room:
            return len(self._pieces), self._waiting_bytes
        count = total = 0
        for i in range(1, len(self._pieces), 2):
            size = _CHECKED_BYTES + len(self._pieces[i])
            if total + size > room:
                break
            total += size
            count += 2
        return count, total

    def _segment_header(self) -> bytes:
        living = self._living
        previous = (0, 0) if living is None else (living.first_seq, living.end)
        return pack_segment_header(SegmentHeader(self.durable_seq + 1, time.time_ns() // 1_000, *previous))

    def _take_blank(self) -> Blank | None:
        taken = self._ahead.take()
        if isinstance(taken, OSError):
            self._fail(taken)
            return None
        return taken

    def _take_blank_now(self) -> Blank | None:
        try:
            return self._ahead.take_now()
        except OSError as why:
            self._fail(why)
            return None

    def _ahead_changed(self) -> None:
        """Called in the thread that makes segments ready."""
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # the loop may close first
                loop.call_soon_threadsafe(self._pump)

    def _done(self, why: OSError | None, *, go_on: bool = True) -> None:
        """A batch has ended."""
        batch, self._batch = self._batch, None
        assert batch is not None
        if why is not None:
            self._give_up(batch, why)
            return
        if batch.blank is not None:
            if self._living is not None:
                self._living.close()
            blank = batch.blank
            self._living = _Living(blank.fd, blank.direct, batch.from_seq, blank.size)
            self._living.end = SEGMENT_HEADER_BYTES
            self._lookup.segment_begins(batch.from_seq)
        living = self._living
        assert living is not None
        self._lookup.mark(batch.from_seq, living.end)
        living.end = batch.end
        in_page = batch.end % PAGE_BYTES
        living.tail = batch.job.data[batch.end - in_page - batch.job.offset : batch.end - batch.job.offset]
        self.durable_seq = batch.up_to_seq
        self.failure, self._retrying = None, False
        self._on_durable(batch.up_to_seq)
        with suppress(OSError):  # only followers wait for it; mapped memory would kill the process on a full disk
            os.pwrite(self._mark_fd, pack_mark(batch.up_to_seq), 0)
        if go_on and self._pieces:
            self._pump()

    def _give_up(self, batch: _Batch, why: OSError) -> None:
        """Seals the segment at its durable end; the batch's records wait again, before all others."""
        self._pieces[:0] = batch.pieces
        self._waiting_bytes += sum(map(len, batch.pieces))
        if self._living is not None:
            self._living.sealed = True
        if batch.blank is not None:
            discard(batch.blank)
        self._fail(why)

    def _fail(self, why: OSError) -> None:
        self._retrying = False
        self.failure = unavailable(why, self._directory)
        self._on_failed(self.failure, self.durable_seq + 1, self.next_seq - 1)


def _to_page_end(end: int, size: int) -> bytes:
    """Zeros where zeros are already: whole pages go past the page cache, or need not be read into it first."""
    return _ZEROS[: min(-end % PAGE_BYTES, size - end)]
