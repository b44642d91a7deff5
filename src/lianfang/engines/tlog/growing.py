"""A tree that only grows: it keeps the open tile of each level, at most 8 KiB a level, and hands over each tile that is full."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from lianfang.engines.tlog.hashing import EMPTY_ROOT, HASH_BYTES, joined, perfect_parts, perfect_root
from lianfang.engines.tlog.tiles import TILE_HEIGHT, TILE_WIDTH, Tile, split_tile, tile_of
from lianfang.kernel.errors import EvidenceError


class WrittenTile(NamedTuple):
    """A tile and its bytes."""

    tile: Tile
    data: bytes


class Growing:
    """See the module. `size` leaves so far."""

    def __init__(self) -> None:
        self.size = 0
        self._open: list[list[bytes]] = [[]]
        """Hashes of the open tile, by level; never 256 of them."""

    @classmethod
    def restore(cls, size: int, fetch: Callable[[Tile], bytes]) -> Growing:
        """The tree of `size` leaves again, from the open tiles that `partials` gave. Raises `EvidenceError`."""
        tree = cls()
        tree.size = size
        tree._open = []
        for level in range(max(-(-size.bit_length() // TILE_HEIGHT), 1)):
            count = size >> TILE_HEIGHT * level
            if count % TILE_WIDTH:
                tile = tile_of(level, count // TILE_WIDTH, size)
                tree._open.append(split_tile(tile, fetch(tile)))
            else:
                tree._open.append([])
        return tree

    def append(self, hashes: Iterable[bytes]) -> list[WrittenTile]:
        """Takes leaf hashes in; returns the tiles that became full, each before the one above it."""
        hashes = list(hashes)
        if any(len(one) != HASH_BYTES for one in hashes):
            raise EvidenceError(f"a leaf hash has {HASH_BYTES} bytes")
        self.size += len(hashes)
        done: list[WrittenTile] = []
        self._take(0, hashes, done)
        return done

    def _take(self, level: int, hashes: list[bytes], done: list[WrittenTile]) -> None:
        if level == len(self._open):
            self._open.append([])
        row = self._open[level] + hashes
        count = (self.size >> TILE_HEIGHT * level) - len(row)
        above = []
        full = len(row) // TILE_WIDTH * TILE_WIDTH
        for at in range(0, full, TILE_WIDTH):
            part = row[at : at + TILE_WIDTH]
            done.append(WrittenTile(Tile(level, (count + at) // TILE_WIDTH), b"".join(part)))
            above.append(perfect_root(part))
        self._open[level] = row[full:]
        if above:
            self._take(level + 1, above, done)

    def partials(self) -> list[WrittenTile]:
        """The open tiles that have hashes."""
        found = []
        for level, row in enumerate(self._open):
            if row:
                index = (self.size >> TILE_HEIGHT * level) // TILE_WIDTH
                found.append(WrittenTile(Tile(level, index, len(row)), b"".join(row)))
        return found

    def root(self) -> bytes:
        """The root at this moment."""
        parts = [part for row in reversed(self._open) for part in perfect_parts(row)]
        return joined(parts) if parts else EMPTY_ROOT
