"""One process at a time: a lock on a file, given up with it, also by a process that is killed."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from lianfang.kernel.errors import DependencyError

_HOW: Final = {"shared": fcntl.LOCK_SH, "alone": fcntl.LOCK_EX | fcntl.LOCK_NB}


@contextmanager
def locked(path: Path, how: Literal["shared", "alone"]) -> Iterator[bool]:
    """`shared` waits for its turn; `alone` never waits and says whether it was got."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, _HOW[how])
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(fd)


@contextmanager
def changing(folder: Path, lock: str, what: str, code: str) -> Iterator[None]:
    """The right to change a folder of payments, made if need be, readable by nobody else. Raises `DependencyError` while another
    process has it: `what` is its name, `code` the error's."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    with locked(folder / lock, "alone") as got:
        if not got:
            raise DependencyError(f"another process is at work on {what} in {folder}; try again later", code)
        yield
