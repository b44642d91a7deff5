"""Segments made ready ahead of need: created, filled with zeros and synced in a background thread.

Zeros are really written, not promised by fallocate: a sync of a block that already exists writes no metadata. They are
written past the page cache where the file system lets us (O_DIRECT): through it each step kept the processor, and with
it the decider, for 6 to 8 ms.
"""

from __future__ import annotations

import errno
import math
import mmap
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from lianfang.infra.journal.files import PAGE_BYTES, Files, close, write_all

_STEP_BYTES: Final = 256 << 10
_PAUSE_S: Final = 0.0125
"""Between steps, so that the commits of the living segment find the disk's queue short: 20 MB/s, three times that when
few blanks are left, and no pause when one is waited for. Filled at 100 MB/s, commits waited 10 to 100 ms behind it."""
_LEAD: Final = 2.0
"""But filled at least so many times as fast as blanks are taken: a busy journal would else wait for each."""
_STEP_BYTES_MAX: Final = 2 << 20
"""Written at once when behind: after each step the thread waits up to 5 ms for the interpreter's lock of a busy decider."""
_ZEROS: Final = memoryview(mmap.mmap(-1, _STEP_BYTES_MAX))
"""Begins on a page, as O_DIRECT asks."""


class Blank(NamedTuple):
    """A zero-filled file that is nobody's segment yet. `direct` writes past the page cache, -1 where that cannot be."""

    fd: int
    path: Path
    size: int
    direct: int = -1


class Ahead:
    """Keeps up to `keep` blanks. `changed` is called, from the thread, whenever one is ready or has failed."""

    def __init__(self, files: Files, directory: Path, segment_bytes: int, keep: int) -> None:
        self._files = files
        self._directory = directory
        self._size = segment_bytes
        self._keep = keep
        self._ready: deque[Blank] = deque()
        self._error: OSError | None = None
        self._wanted = keep
        self._needed = False
        self._number = 0
        self._taken_s = -math.inf
        self._apart_s = math.inf
        """When a blank was last taken, and how long after the one before."""
        self._closed = False
        self._turn = threading.Condition()
        self._thread: threading.Thread | None = None
        self.changed: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Begins to keep blanks ready."""
        with self._turn:
            self._ask(self._keep)

    def take(self) -> Blank | OSError | None:
        """A blank; or None: asked for, not ready yet; or the error of an attempt since then (the next call asks anew).

        An error from before the need arose is forgotten: space may have been freed since.
        """
        with self._turn:
            if self._ready:
                blank = self._ready.popleft()
                self._needed = False
                now = time.monotonic()
                self._apart_s, self._taken_s = now - self._taken_s, now
                self._ask(self._keep)
                return blank
            error, self._error = self._error, None
            if error is not None and self._needed:
                self._needed = False
                return error
            self._needed = True
            self._ask(max(self._keep, 1))
            return None

    @property
    def error(self) -> OSError | None:
        """Why the last attempt to make a blank failed."""
        return self._error

    def take_now(self) -> Blank:
        """A blank, made here and now if none is ready. Raises `OSError`."""
        with self._turn:
            self._error = None
            if self._ready:
                return self._ready.popleft()
        return self._make(pause_s=0.0)

    def give_back(self, blank: Blank) -> None:
        """Returns an untouched blank."""
        with self._turn:
            self._ready.appendleft(blank)

    def _ask(self, wanted: int) -> None:
        self._wanted = wanted
        if wanted > len(self._ready) and self._error is None:
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="journal-ahead", daemon=True)
                self._thread.start()
            self._turn.notify_all()

    def _serve(self) -> None:
        while True:
            with self._turn:
                while not self._closed and (len(self._ready) >= self._wanted or self._error is not None):
                    self._turn.wait()
                if self._closed:
                    return
            try:
                blank = self._make(_PAUSE_S)
            except OSError as why:
                with self._turn:
                    self._error = why
            else:
                with self._turn:
                    self._ready.append(blank)
            self.changed()

    def _make(self, pause_s: float) -> Blank:
        with self._turn:
            self._number += 1
            path = self._directory / f"ahead-{self._number}.tmp"
        blank = Blank(self._files.create(path), path, self._size)
        try:
            blank = blank._replace(direct=self._files.open_direct(path))
            self._fill(blank, pause_s)
            self._files.sync(blank.fd)
            self._files.sync_folder(self._directory)
        except OSError:
            discard(blank)
            raise
        return blank

    def _fill(self, blank: Blank, pause_s: float) -> None:
        began, offset, step = time.monotonic(), 0, _STEP_BYTES
        while offset < blank.size:
            zeros = _ZEROS[: min(step, blank.size - offset)]
            if blank.direct < 0 or not _wrote_directly(self._files, blank.direct, zeros, offset):
                write_all(self._files, blank.fd, zeros, offset)
            offset += len(zeros)
            if not pause_s or self._needed:
                step = _STEP_BYTES_MAX
                continue
            now = time.monotonic()
            bytes_per_s = _LEAD * blank.size / max(self._apart_s, now - self._taken_s)  # the busy time may be over
            behind = int((now - began) * bytes_per_s) - offset
            step = min(max(behind // PAGE_BYTES * PAGE_BYTES, _STEP_BYTES), _STEP_BYTES_MAX)
            if behind < 0:
                usual_s = pause_s if 2 * len(self._ready) >= self._keep else pause_s / 3
                self._pause(min(usual_s, -behind / bytes_per_s if bytes_per_s else usual_s))

    def _pause(self, pause_s: float) -> None:
        if self._closed:
            raise OSError(errno.ECANCELED, "closed while filling")
        time.sleep(pause_s)

    def close(self) -> None:
        """Ends the thread and removes what was never used."""
        with self._turn:
            self._closed = True
            self._turn.notify_all()
        if self._thread is not None:
            self._thread.join()
        while self._ready:
            discard(self._ready.popleft())


def _wrote_directly(files: Files, direct: int, zeros: memoryview, offset: int) -> bool:
    """False for what is no whole number of pages, and where the file system wants another alignment after all."""
    if len(zeros) % PAGE_BYTES:
        return False
    try:
        write_all(files, direct, zeros, offset)
    except OSError as why:
        if why.errno != errno.EINVAL:
            raise
        return False
    return True


def discard(blank: Blank) -> None:
    """Closes and removes it, giving its space back; a disk that refuses even that has been reported already."""
    close(blank.fd, blank.direct)
    with suppress(OSError):
        blank.path.unlink()
