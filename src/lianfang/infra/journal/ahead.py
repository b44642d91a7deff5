"""Segments made ready ahead of need: created, filled with zeros and synced in a background thread.

Zeros are really written, not promised by fallocate: a sync of a block that already exists writes no metadata. They are
written past the page cache where the file system lets us (O_DIRECT): through it each step kept the processor, and with
it the decider, for 6 to 8 ms.
"""

from __future__ import annotations

import errno
import mmap
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from lianfang.infra.journal.files import PAGE_BYTES, Files, write_all

_STEP_BYTES: Final = 256 << 10
_PAUSE_S: Final = 0.0125
"""Between steps, so that the commits of the living segment find the disk's queue short: 20 MB/s, three times that when
few blanks are left, and no pause when one is waited for. Filled at 100 MB/s, commits waited 10 to 100 ms behind it."""
_ZEROS: Final = memoryview(mmap.mmap(-1, _STEP_BYTES))
"""Begins on a page, as O_DIRECT asks."""


class Blank(NamedTuple):
    """A zero-filled file that is nobody's segment yet."""

    fd: int
    path: Path
    size: int


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
        fd = self._files.create(path)
        try:
            self._fill(fd, path, pause_s)
            self._files.sync(fd)
            self._files.sync_folder(self._directory)
        except OSError:
            discard(Blank(fd, path, self._size))
            raise
        return Blank(fd, path, self._size)

    def _fill(self, fd: int, path: Path, pause_s: float) -> None:
        direct = self._files.open_direct(path)
        try:
            for offset in range(0, self._size, _STEP_BYTES):
                zeros = _ZEROS[: self._size - offset]
                if direct < 0 or len(zeros) % PAGE_BYTES or not _wrote_directly(self._files, direct, zeros, offset):
                    write_all(self._files, fd, zeros, offset)
                if pause_s and not self._needed:
                    self._pause(pause_s if 2 * len(self._ready) >= self._keep else pause_s / 3)
        finally:
            if direct >= 0:
                os.close(direct)

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
    """False where the file system wants another alignment after all."""
    try:
        write_all(files, direct, zeros, offset)
    except OSError as why:
        if why.errno != errno.EINVAL:
            raise
        return False
    return True


def discard(blank: Blank) -> None:
    """Closes and removes it, giving its space back; a disk that refuses even that has been reported already."""
    os.close(blank.fd)
    with suppress(OSError):
        blank.path.unlink()
