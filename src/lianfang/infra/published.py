"""What the desk hands the decider: whole versions in files, replaced at once, so the decider never sees half of one.

ruleset.json   policy, features, rules        lists.arrow   every list entry
lists.json     names of the lists there are   keys.json     API keys (hashes only)
models.msgpack the model in force, and the one in shadow
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

RULESET: Final = "ruleset.json"
LISTS: Final = "lists.arrow"
LIST_NAMES: Final = "lists.json"
KEYS: Final = "keys.json"
MODELS: Final = "models.msgpack"
FILES: Final = (RULESET, LISTS, LIST_NAMES, KEYS, MODELS)


def write_whole(path: Path, data: bytes | memoryview, mode: int = 0o640) -> None:
    """Replace a file so that a reader, or a restart after a crash, finds the old bytes or the new ones."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode), "wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_if_there(path: Path) -> bytes | None:
    """The file's bytes, or None."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


class Watched:
    """Says which of the published files have changed since it was last asked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[str, tuple[int, int, int]] = {}

    def changed(self) -> set[str]:
        """Names of files that are new or other than before."""
        found = set()
        for name in FILES:
            try:
                stat = (self._folder / name).stat()
            except FileNotFoundError:
                continue
            mark = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if self._seen.get(name) != mark:
                self._seen[name] = mark
                found.add(name)
        return found
