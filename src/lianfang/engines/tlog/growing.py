"""A tree that only grows: it keeps the open tile of each level, at most 8 KiB a level, and hands over each tile that is full."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from lianfang.engines.tlog.forms import SIZE_MAX
from lianfang.engines.tlog.hashing import EMPTY_ROOT, HASH_BYTES, joined, perfect_parts, perfect_root
from lianfang.engines.tlog.tiles import TILE_HEIGHT, TILE_WIDTH, Tile, open_tiles, split_tile
from lianfang.kernel.errors import EvidenceError

_SIZE_BYTES: Final = 8


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
        tree._open = [[] for _ in range(max(-(-size.bit_length() // TILE_HEIGHT), 1))]
        for tile in open_tiles(size):
            tree._open[tile.level] = split_tile(tile, fetch(tile))
        return tree

    @classmethod
    def unpack(cls, data: bytes) -> Growing:
        """What `pack` gave. Raises `EvidenceError`."""
        size, rows = int.from_bytes(data[:_SIZE_BYTES], "big"), data[_SIZE_BYTES:]
        tiles: dict[Tile, bytes] = {}
        for tile in open_tiles(size) if size <= SIZE_MAX else ():
            tiles[tile], rows = rows[: tile.width * HASH_BYTES], rows[tile.width * HASH_BYTES :]
        if rows or len(data) < _SIZE_BYTES or size > SIZE_MAX:
            raise EvidenceError("these are not the open tiles of a tree; follow the log again from its beginning")
        return cls.restore(size, tiles.__getitem__)

    def pack(self) -> bytes:
        """All that is needed to go on: the size in 8 bytes, and the open tiles, at most 64 KiB."""
        return self.size.to_bytes(_SIZE_BYTES, "big") + b"".join(one.data for one in self.partials())

    def copy(self) -> Growing:
        """Another tree that grows by itself."""
        other = Growing()
        other.size = self.size
        other._open = [list(row) for row in self._open]
        return other

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
