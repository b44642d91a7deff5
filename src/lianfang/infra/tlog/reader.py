"""A published log, read from its folder: nothing of it is believed until a signed checkpoint proves it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from lianfang.engines.tlog import (
    BUNDLE_BYTES_MAX,
    ENTRIES,
    TILE_BYTES,
    TILE_WIDTH,
    Growing,
    SignedCheckpoint,
    Tile,
    TileReader,
    VerifierKey,
    check_quorum,
    leaf_hashes,
    open_checkpoint,
    pack_bundle,
    read_bundle,
    split_tile,
    tile_of,
)
from lianfang.engines.tlog.note import NOTE_BYTES_MAX
from lianfang.infra.tlog.publishing import CHECKPOINT
from lianfang.kernel.errors import DependencyError, EvidenceError, InputError

Progress = Callable[[int, int], None]
_TILES_A_TIME: Final = 64


class VerifiedLog(NamedTuple):
    """What was recomputed: the signed checkpoint holds every entry, and the tiles are theirs."""

    signed: SignedCheckpoint
    witnesses: tuple[str, ...]
    bytes: int
    tiles: int


class LogReader:
    """The files of one log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def checkpoint(self) -> bytes:
        """The published checkpoint's bytes, unverified. Raises `InputError`: there is none."""
        try:
            return _read(self.folder / CHECKPOINT, NOTE_BYTES_MAX)
        except FileNotFoundError as why:
            raise InputError(
                f"{self.folder} holds no log: there is no file `checkpoint` in it; name the folder that is served"
            ) from why

    def fetch(self, tile: Tile) -> bytes:
        """A tile's or bundle's bytes; the whole one if the partial one is gone. Raises `EvidenceError`: neither is there."""
        limit = BUNDLE_BYTES_MAX if tile.level == ENTRIES else TILE_BYTES
        for candidate in dict.fromkeys((tile, tile.whole)):
            try:
                return _read(self.folder / candidate.path, limit)
            except FileNotFoundError:
                continue
        raise EvidenceError(
            f"{self.folder / tile.path} is missing, and the log's checkpoint needs it; restore it from a copy"
        )

    def hashes(self, size: int) -> TileReader:
        """The hashes of the tree of `size` entries, for proofs."""
        return TileReader(size, self.fetch)

    def bundle(self, index: int, size: int) -> list[bytes]:
        """The entries of one bundle, as far as a tree of `size` has them. Raises `EvidenceError`."""
        tile = tile_of(ENTRIES, index, size)
        data = self.fetch(tile)
        if tile.width < TILE_WIDTH:
            try:
                return read_bundle(data, tile.width)
            except EvidenceError:  # the whole bundle came instead
                return read_bundle(data, TILE_WIDTH)[: tile.width]
        return read_bundle(data, TILE_WIDTH)

    def entries(self, begin: int, end: int, size: int) -> Iterator[bytes]:
        """Entries [begin, end) of a published tree of `size`, unverified. Raises `EvidenceError` where one is missing."""
        for index in range(begin // TILE_WIDTH, -(-end // TILE_WIDTH)):
            start = index * TILE_WIDTH
            yield from self.bundle(index, size)[max(begin - start, 0) : end - start]


def _read(path: Path, limit: int) -> bytes:
    """A file of at most `limit` bytes. Raises `FileNotFoundError`, `EvidenceError` or `DependencyError`."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except FileNotFoundError:
        raise
    except OSError as why:
        raise DependencyError(f"cannot read {path}: {why.strerror}; check the disk and the rights to it") from why
    if len(data) > limit:
        raise EvidenceError(f"{path} has more than the {limit:,} bytes that such a file may have")
    return data


def verify_log(
    folder: Path,
    key: VerifierKey,
    origin: str,
    witnesses: Sequence[VerifierKey] = (),
    quorum: int = 0,
    progress: Progress = lambda done, of: None,
) -> VerifiedLog:
    """The whole log again: signatures, every entry hashed, every tile compared, the root. Raises `EvidenceError`."""
    reader = LogReader(folder)
    signed = open_checkpoint(reader.checkpoint(), [key], origin)
    by = check_quorum(signed.note, witnesses, quorum) if witnesses or quorum else []
    size = signed.checkpoint.size
    tree, total, tiles = Growing(), 0, 0
    for index in range(-(-size // TILE_WIDTH)):
        entries = reader.bundle(index, size)
        total += len(pack_bundle(entries)) - 2 * len(entries)
        for done in tree.append(leaf_hashes(entries)):
            _compare(reader, done.tile, done.data)
            tiles += 1
        if index % _TILES_A_TIME == 0:
            progress(tree.size, size)
    for done in tree.partials():
        _compare(reader, done.tile, done.data)
        tiles += 1
    progress(size, size)
    if tree.root() != signed.checkpoint.root:
        raise EvidenceError(
            f"the {size:,} entries in {folder} do not make the root that {origin} signed: entries and tiles were changed "
            "together; compare them with a member's copy"
        )
    return VerifiedLog(signed, tuple(one.key.name for one in by), total, tiles)


def _compare(reader: LogReader, tile: Tile, data: bytes) -> None:
    stored = reader.fetch(tile)[: len(data)]
    if stored == data:
        return
    if len(stored) != len(data):
        raise EvidenceError(f"{reader.folder / tile.path} ends too early; restore it from a copy")
    ours, theirs = split_tile(tile, data), split_tile(tile, stored)
    at = tile.index * TILE_WIDTH + next(n for n in range(tile.width) if ours[n] != theirs[n])
    raise EvidenceError(
        f"{reader.folder / tile.path} says another hash of {_name(tile.level, at)} than the entries give: one of them was "
        "changed; compare both with a member's copy"
    )


def _name(level: int, at: int) -> str:
    return f"entry {at}" if level == 0 else f"subtree {at} of level {level}"
