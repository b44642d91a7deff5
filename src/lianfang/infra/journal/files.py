"""What the journal asks of a file system, narrow enough to have a faulty twin in the tests."""

from __future__ import annotations

import errno
import fcntl
import os
import sys
from pathlib import Path
from typing import Final, Protocol

from lianfang.kernel.errors import DependencyError

SEGMENT_PREFIX: Final = "journal-"
SEGMENT_SUFFIX: Final = ".seg"
AHEAD_PATTERN: Final = "ahead-*.tmp"
DAMAGED_FOLDER: Final = "damaged"
DURABLE_FILE: Final = "durable"
LOCK_FILE: Final = "lock"
MARK_BYTES: Final = 16
PAGE_BYTES: Final = 4096
"""What disks and page caches deal in."""
_MARK_READS: Final = 100
_ALL_ONES: Final = (1 << 64) - 1

UNAVAILABLE: Final = "journal-unavailable"

_ADVICE: Final = {
    errno.ENOSPC: "free space on its disk",
    errno.EDQUOT: "raise the quota or free space",
    errno.EFBIG: "raise the file size limit of the process (ulimit -f)",
    errno.EROFS: "the file system is read-only: look for disk errors in the system log, repair and remount it",
    errno.EIO: "the disk failed: look in the system log, and move the journal to a sound disk",
    errno.EACCES: "give the node's user the right to write there",
    errno.EPERM: "give the node's user the right to write there",
}


class Files(Protocol):
    """Every call raises `OSError`. What `sync` returned for survives a power cut; so a name, `sync_folder`."""

    def create(self, path: Path) -> int: ...
    def open(self, path: Path) -> int: ...
    def open_direct(self, path: Path) -> int:
        """For writes of whole pages past the page cache; -1 where that cannot be."""

    def pwrite(self, fd: int, data: bytes | memoryview, offset: int) -> int: ...
    def sync(self, fd: int) -> None: ...
    def rename(self, source: Path, target: Path) -> None: ...
    def sync_folder(self, path: Path) -> None: ...


class OsFiles:
    """The operating system's own."""

    def create(self, path: Path) -> int:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)

    def open(self, path: Path) -> int:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def open_direct(self, path: Path) -> int:
        if not hasattr(os, "O_DIRECT"):
            return -1
        try:
            return os.open(path, os.O_WRONLY | os.O_DIRECT | os.O_CLOEXEC)
        except OSError as why:
            if why.errno == errno.EINVAL:  # tmpfs before Linux 6.6, for one
                return -1
            raise

    def pwrite(self, fd: int, data: bytes | memoryview, offset: int) -> int:
        return os.pwrite(fd, data, offset)

    def sync(self, fd: int) -> None:
        if sys.platform == "darwin":
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)  # fsync there leaves the data in the drive's cache
        else:
            os.fdatasync(fd)

    def rename(self, source: Path, target: Path) -> None:
        source.replace(target)

    def sync_folder(self, path: Path) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def write_all(files: Files, fd: int, data: bytes | memoryview, offset: int) -> None:
    """Writes everything; a short write goes on where it stopped, and one of nothing is an error."""
    rest = memoryview(data)
    while rest:
        written = files.pwrite(fd, rest, offset)
        if written <= 0:
            raise OSError(errno.EIO, "the write made no progress")
        offset += written
        rest = rest[written:]


def close(*fds: int) -> None:
    """Those that are open."""
    for fd in fds:
        if fd >= 0:
            os.close(fd)


def unavailable(why: OSError, directory: Path, thing: str = "journal", code: str = UNAVAILABLE) -> DependencyError:
    """The one error for a journal (or another such `thing`) that cannot be written: what happened, and what to do."""
    what = os.strerror(why.errno) if why.errno else str(why)
    advice = _ADVICE.get(why.errno or 0, "look in the system log")
    return DependencyError(f"the {thing} in {directory} cannot be written: {what}; {advice}", code)


def segment_path(directory: Path, first_seq: int) -> Path:
    """`journal-<first seq, 20 digits>.seg`."""
    return directory / f"{SEGMENT_PREFIX}{first_seq:020d}{SEGMENT_SUFFIX}"


def segment_list(directory: Path) -> list[int]:
    """First seqs of the segments there, in order."""
    names = (path.name for path in directory.glob(f"{SEGMENT_PREFIX}*{SEGMENT_SUFFIX}"))
    digits = (name[len(SEGMENT_PREFIX) : -len(SEGMENT_SUFFIX)] for name in names)
    return sorted(int(text) for text in digits if len(text) == 20 and text.isascii() and text.isdigit())


def lock(directory: Path, thing: str = "journal") -> int:
    """Takes the journal (or `thing`) for this process; the descriptor holds the lock.

    Raises `DependencyError` if another has it.
    """
    fd = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as why:
        os.close(fd)
        what = (
            f"another process writes the {thing} in {directory}: one {thing} has one writer; stop the other node first"
        )
        raise DependencyError(what, f"{thing}-locked", retryable=False) from why
    return fd


def pack_mark(durable_seq: int) -> bytes:
    """The `durable` file: a seq and its complement, 16 bytes."""
    return durable_seq.to_bytes(8, "little") + (durable_seq ^ _ALL_ONES).to_bytes(8, "little")


def read_mark(directory: Path) -> int | None:
    """The last seq the writer has made durable, in its own words; None without them, or if they are damaged.

    Not synced itself: after a power cut it may be old, but never ahead of what had been made durable.
    """
    for _ in range(_MARK_READS):  # its writer may be in the middle of it
        try:
            raw = (directory / DURABLE_FILE).read_bytes()
        except FileNotFoundError:
            return None
        seq = int.from_bytes(raw[:8], "little")
        if len(raw) == MARK_BYTES and pack_mark(seq) == raw:
            return seq
    return None
