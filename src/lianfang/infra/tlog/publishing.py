"""Tiles, bundles and the checkpoint as files that appear whole: written elsewhere, synced, renamed, their folders synced."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from lianfang.engines.tlog import TILE_WIDTH, Tile, tile_of
from lianfang.infra.journal.files import Files, OsFiles, close, write_all
from lianfang.kernel.errors import EvidenceError

CHECKPOINT: Final = "checkpoint"
FOLDER_MODE: Final = 0o750
_PROBE_BYTES: Final = 64 << 10


class _Native(Protocol):
    def __call__(self, files: Sequence[tuple[Path, Path, bytes]]) -> None: ...
    def close(self) -> None: ...


def _native() -> _Native | None:
    """Loaded when a log is opened: in the first second of appends it would stall them."""
    if sys.platform != "linux":
        return None
    from lianfang.infra.tlog.native import FileLanes

    return FileLanes()


class Publisher:
    """Writes below `folder`; unfinished files stand in `temporary`, on the same file system."""

    def __init__(self, folder: Path, temporary: Path, files: Files) -> None:
        self._folder = folder
        self._temporary = temporary
        self._files = files
        self._native: _Native | None = _native() if type(files) is OsFiles else None

    def write_tiles(self, tiles: Iterable[tuple[Tile, bytes]]) -> None:
        """Durable when it returns. A tile that is there stays; raises `EvidenceError` if it has other bytes, or `OSError`."""
        todo: list[tuple[Path, Path, bytes]] = []
        to_sync: set[Path] = set()
        there: dict[Path, frozenset[str]] = {}
        for tile, data in tiles:
            path = self._folder / tile.path
            if path.parent not in there:
                there[path.parent] = self._make_folder(path.parent, to_sync)
            if path.name in there[path.parent]:
                _refuse_other(path, data)
                continue
            todo.append((self._temporary / f"{len(todo)}.tmp", path, data))
            to_sync.add(path.parent)
        self._write_files(todo)
        for folder in sorted(to_sync):
            self._files.sync_folder(folder)

    def _write_files(self, todo: Sequence[tuple[Path, Path, bytes]]) -> None:
        """Temporary name, name, bytes: all written, then all synced, then all renamed. Raises `OSError`."""
        if self._native is not None:
            self._native(todo)
            return
        fds: list[int] = []
        try:
            fds += [self._write(temporary, data) for temporary, _, data in todo]
            for fd in fds:
                self._files.sync(fd)
        finally:
            close(*fds)
        for temporary, path, _ in todo:
            self._files.rename(temporary, path)

    def probe(self) -> None:
        """Raises `OSError` if the disk still takes nothing."""
        path = self._temporary / "probe"
        fd = self._write(path, bytes(_PROBE_BYTES))
        try:
            self._files.sync(fd)
        finally:
            close(fd)
            path.unlink(missing_ok=True)

    def write_checkpoint(self, data: bytes) -> None:
        """Replaces the checkpoint; durable when it returns. Raises `OSError`."""
        self._write_files([(self._temporary / CHECKPOINT, self._folder / CHECKPOINT, data)])
        self._files.sync_folder(self._folder)

    def _write(self, path: Path, data: bytes) -> int:
        path.unlink(missing_ok=True)  # left by a write that failed, or by a process that was killed
        fd = self._files.create(path)
        try:
            write_all(self._files, fd, data, 0)
        except BaseException:
            close(fd)
            raise
        return fd

    def _make_folder(self, folder: Path, to_sync: set[Path]) -> frozenset[str]:
        """What is in the folder, which is made if need be. One listing instead of a look for each tile: each system call
        gives up the interpreter's lock, and a busy loop is slow to give it back."""
        try:
            return frozenset(path.name for path in folder.iterdir())
        except FileNotFoundError:
            self._make_folder(folder.parent, to_sync)
            folder.mkdir(mode=FOLDER_MODE)
            to_sync.add(folder.parent)
            return frozenset()

    def close(self) -> None:
        """Ends its threads."""
        if self._native is not None:
            self._native.close()

    def drop_partials(self, was_open: Sequence[Tile], size: int) -> None:
        """Removes partial tiles whose whole tile is published, as tlog-tiles allows. What cannot be removed stays."""
        for tile in was_open:
            if tile_of(tile.level, tile.index, size).width == TILE_WIDTH:
                partials = (self._folder / tile.whole.path).with_suffix(".p")
                with suppress(OSError):
                    for path in partials.iterdir():
                        path.unlink()
                    partials.rmdir()


def _refuse_other(path: Path, data: bytes) -> None:
    if path.read_bytes() != data:
        raise EvidenceError(
            f"{path} stands there with other bytes than this log would write: it was changed, or this is another "
            "log's folder; nothing is published, compare with what members have seen"
        )


def clear(folder: Path) -> None:
    """Empties the folder of unfinished files, made if need be."""
    folder.mkdir(mode=0o700, exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
