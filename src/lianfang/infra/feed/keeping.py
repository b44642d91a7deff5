"""The last checkpoint that was believed, on disk: replaced only if it is still the one that was read (compare and swap)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from lianfang.infra.locked import locked
from lianfang.infra.published import read_if_there, write_whole
from lianfang.kernel.errors import DependencyError

NAME: Final = "checkpoint"


class Kept:
    """One follower's folder, made if need be."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = folder / NAME
        self._lock = folder / "lock"

    def note(self) -> bytes | None:
        """The checkpoint."""
        return read_if_there(self._path)

    def replace(self, old: bytes | None, new: bytes) -> None:
        """Durable when it returns. Raises `DependencyError`: another process follows with this folder."""
        with locked(self._lock, "alone") as got:
            if not got or self.note() != old:
                raise DependencyError(
                    f"another process follows the log with {self.folder}: give each a folder of its own", "two-followers",
                    retryable=False,
                )  # fmt: skip
            write_whole(self._path, new)
