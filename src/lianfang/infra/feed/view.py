"""A tree that a checkpoint signs, seen through tiles of which none is believed: each hash is checked from the root down."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from lianfang.engines.tlog import (
    EMPTY_ROOT,
    ENTRIES,
    TILE_WIDTH,
    Checkpoint,
    Growing,
    Tile,
    leaf_hashes,
    read_bundle,
    root_of,
    split_tile,
    tile_of,
)
from lianfang.engines.tlog.tiles import open_tiles
from lianfang.kernel.errors import DependencyError, EvidenceError

Fetch = Callable[[Tile], Awaitable[bytes | None]]
"""A tile's bytes; None: there is no such tile."""
KEPT_TILES: Final = 256


class MissingTileError(DependencyError):
    """The log does not give out a tile that its own checkpoint covers."""

    def __init__(self, tile: Tile) -> None:
        super().__init__(f"the log does not give out {tile.path}, which its checkpoint covers", "missing-tile")


class View:
    """The tree of one checkpoint. `open` first."""

    def __init__(self, checkpoint: Checkpoint, fetch: Fetch) -> None:
        self.checkpoint = checkpoint
        self.tree = Growing()
        """To grow on from; complete after `open`."""
        self._fetch = fetch
        self._ends: dict[int, list[bytes]] = {}
        self._last: list[bytes] = []
        self._kept: dict[tuple[int, int], list[bytes]] = {}

    async def open(self) -> None:
        """Fetches the tree's right border and checks that it makes the root. Raises `EvidenceError`, `MissingTileError`."""
        size = self.checkpoint.size
        if not size:
            return  # `parse_checkpoint` knows the empty tree's root
        ends = {}
        for tile in open_tiles(size):
            if tile.level:
                self._ends[tile.level] = await self._tile(tile)
            else:
                self._last = await self._bundle(tile_of(ENTRIES, tile.index, size))
                self._ends[0] = leaf_hashes(self._last)
            ends[tile] = b"".join(self._ends[tile.level])
        self.tree = Growing.restore(size, ends.__getitem__)
        if self.tree.root() != self.checkpoint.root:
            raise EvidenceError(
                f"the tiles of {self.checkpoint.origin} do not make the root of {size} entries that it signed: they were "
                "changed, or belong to another history"
            )

    async def root_at(self, size: int) -> bytes:
        """The root of the first `size` entries. Raises `EvidenceError`, `MissingTileError`."""
        if not size:
            return EMPTY_ROOT
        found = {}
        for tile in open_tiles(size):
            hashes = await self.hashes(tile.level, tile.index)
            found[tile] = b"".join(hashes[: tile.width])
        return Growing.restore(size, found.__getitem__).root()

    async def hashes(self, level: int, index: int) -> list[bytes]:
        """A tile's hashes, as far as the tree has them, each proved."""
        tile = tile_of(level, index, self.checkpoint.size)
        if tile.width < TILE_WIDTH:
            return self._ends[level]
        found = self._kept.get((level, index))
        if found is None:
            found = await self._tile(tile)
            await self._check(level, index, found)
            if len(self._kept) >= KEPT_TILES:
                self._kept.clear()
            self._kept[level, index] = found
        return found

    async def entries(self, index: int) -> list[bytes]:
        """A bundle's entries, each proved. Raises `EvidenceError`, `MissingTileError`."""
        tile = tile_of(ENTRIES, index, self.checkpoint.size)
        if tile.width < TILE_WIDTH:
            return self._last
        entries = await self._bundle(tile)
        await self._check(0, index, leaf_hashes(entries))
        return entries

    async def _check(self, level: int, index: int, hashes: list[bytes]) -> None:
        above = await self.hashes(level + 1, index // TILE_WIDTH)
        if root_of(hashes) != above[index % TILE_WIDTH]:
            raise EvidenceError(
                f"tile {index} of level {level} of {self.checkpoint.origin} is not the one under its root of "
                f"{self.checkpoint.size} entries: it was changed, or belongs to another history"
            )

    async def _tile(self, tile: Tile) -> list[bytes]:
        data = await self._fetch(tile)
        if data is None and tile.width < TILE_WIDTH:  # it has become whole meanwhile
            data = await self._fetch(tile.whole)
            if data is not None:
                return split_tile(tile.whole, data)[: tile.width]
        if data is None:
            raise MissingTileError(tile)
        return split_tile(tile, data)

    async def _bundle(self, tile: Tile) -> list[bytes]:
        data = await self._fetch(tile)
        if data is None and tile.width < TILE_WIDTH:
            data = await self._fetch(tile.whole)
            if data is not None:
                return read_bundle(data, TILE_WIDTH)[: tile.width]
        if data is None:
            raise MissingTileError(tile)
        return read_bundle(data, tile.width)
