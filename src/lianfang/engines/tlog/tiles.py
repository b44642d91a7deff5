"""C2SP tlog-tiles: the tree as files of 256 hashes of one level, and the entries as bundles of 256.

Reading back is unverified: what is proved from tiles is verified against a checkpoint, or it is worth nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from lianfang.engines.tlog.forms import SIZE_MAX
from lianfang.engines.tlog.hashing import HASH_BYTES, perfect_root
from lianfang.kernel.errors import EvidenceError, InputError, TooLargeError

TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 1 << TILE_HEIGHT
TILE_BYTES: Final = TILE_WIDTH * HASH_BYTES
ENTRIES: Final = -1
"""The level of entry bundles, below the leaf hashes."""
ENTRY_BYTES_MAX: Final = (1 << 16) - 1
"""An entry's length stands before it in two bytes."""
BUNDLE_BYTES_MAX: Final = TILE_WIDTH * (2 + ENTRY_BYTES_MAX)
_TILES_KEPT: Final = 1_024
"""Of one reader, 8 MiB."""
_PATH: Final = re.compile(
    r"tile/(entries|0|[1-9]|[1-5][0-9]|6[0-3])/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Tile:
    """Which tile: `index` counts within its level; `width` is 256, or less for the partial one at the end."""

    level: int
    index: int
    width: int = TILE_WIDTH

    @property
    def path(self) -> str:
        """Below the log's prefix: `tile/0/x001/234.p/17`, `tile/entries/000`."""
        level = "entries" if self.level == ENTRIES else str(self.level)
        digits = f"{self.index:03d}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        parts = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        partial = "" if self.width == TILE_WIDTH else f".p/{self.width}"
        return f"tile/{level}/{''.join(f'x{part}/' for part in parts[:-1])}{parts[-1]}{partial}"

    @property
    def whole(self) -> Tile:
        """The full tile that this one is part of."""
        return Tile(self.level, self.index)


def parse_tile_path(path: str) -> Tile:
    """The tile of a path. Raises `InputError` for any other spelling than `Tile.path`'s."""
    found = _PATH.fullmatch(path)
    if found is not None:
        level = ENTRIES if found[1] == "entries" else int(found[1])
        tile = Tile(level, int(re.sub("[x/]", "", found[2])), int(found[3] or TILE_WIDTH))
        if tile.path == path:
            return tile
    raise InputError(f"no tile has the path {path[:80]!r}; one is like tile/0/x001/234 or tile/entries/067.p/12")


def tile_of(level: int, index: int, size: int) -> Tile:
    """The tile as a tree of `size` leaves has it. Raises `InputError` where it has none."""
    width = min((size >> TILE_HEIGHT * max(level, 0)) - index * TILE_WIDTH, TILE_WIDTH)
    if width <= 0 or index < 0:
        raise InputError(f"a tree of {size} entries has no tile {index} of level {level}")
    return Tile(level, index, width)


def tiles_of(size: int, *, beyond: int = 0, entries: bool = True) -> Iterator[Tile]:
    """The tiles of a tree of `size` leaves that one of `beyond` has not: entry bundles first, then from the leaves up."""
    if not 0 <= beyond <= size <= SIZE_MAX:
        raise InputError(f"no tree of {size} entries grew out of one of {beyond}; give the smaller size first")
    for level in range(ENTRIES if entries else 0, TILE_HEIGHT):
        had, has = beyond >> TILE_HEIGHT * max(level, 0), size >> TILE_HEIGHT * max(level, 0)
        if had < has:
            for index in range(had // TILE_WIDTH, -(-has // TILE_WIDTH)):
                yield tile_of(level, index, size)


def open_tiles(size: int) -> list[Tile]:
    """The partial hash tiles of a tree, from the leaves up."""
    counts = ((level, size >> TILE_HEIGHT * level) for level in range(TILE_HEIGHT))
    return [Tile(level, n // TILE_WIDTH, n % TILE_WIDTH) for level, n in counts if n % TILE_WIDTH]


def pack_bundle(entries: Sequence[bytes]) -> bytes:
    """1 to 256 entries, each behind its length (uint16, big-endian). Raises `TooLargeError`."""
    if len(entries) > TILE_WIDTH:
        raise TooLargeError(f"a bundle holds {TILE_WIDTH} entries, not {len(entries)}")
    check_entries(entries)
    return b"".join([part for entry in entries for part in (len(entry).to_bytes(2, "big"), entry)])


def check_entries(entries: Sequence[bytes]) -> None:
    """Raises `TooLargeError` for an entry that no bundle can hold."""
    longest = max(map(len, entries), default=0)
    if longest > ENTRY_BYTES_MAX:
        raise TooLargeError(
            f"an entry of a log has at most {ENTRY_BYTES_MAX:,} bytes, and this has {longest:,}: "
            "log its hash, and keep the rest beside the log"
        )


def read_bundle(data: bytes, count: int) -> list[bytes]:
    """The `count` entries of a bundle, which must be all there is. Raises `EvidenceError`."""
    entries: list[bytes] = []
    at = 0
    while at < len(data) and len(entries) < count:
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if end > len(data) or at + 2 > len(data):
            raise EvidenceError(f"an entry bundle ends within its entry {len(entries)}; fetch it again")
        entries.append(data[at + 2 : end])
        at = end
    if len(entries) != count or at != len(data):
        raise EvidenceError(
            f"an entry bundle of {count} entries holds {len(entries)}, {len(data) - at} bytes are left; fetch it again"
        )
    return entries


def split_tile(tile: Tile, data: bytes) -> list[bytes]:
    """Its hashes. Raises `EvidenceError` if it has not exactly `width` of them."""
    if len(data) != tile.width * HASH_BYTES:
        raise EvidenceError(
            f"{tile.path} has {len(data)} bytes where {tile.width} hashes have {tile.width * HASH_BYTES}; fetch it again"
        )
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


class TileReader:
    """Hashes of a tree of `size` leaves out of its tiles (`proofs.HashReader`).

    `fetch` gives a tile's bytes; it may give the whole tile for a partial one, as tlog-tiles lets clients fetch it.
    """

    def __init__(self, size: int, fetch: Callable[[Tile], bytes]) -> None:
        self.size = size
        self._fetch = fetch
        self._tiles: dict[Tile, list[bytes]] = {}

    def tile(self, level: int, index: int) -> list[bytes]:
        """The hashes of one tile, as far as this tree has them. Raises `EvidenceError` or what `fetch` raises."""
        tile = tile_of(level, index, self.size)
        found = self._tiles.get(tile)
        if found is None:
            data = self._fetch(tile)
            as_sent = tile.whole if len(data) == TILE_BYTES else tile
            found = split_tile(as_sent, data)[: tile.width]
            if len(self._tiles) >= _TILES_KEPT:
                self._tiles.clear()
            self._tiles[tile] = found
        return found

    def subtree(self, level: int, index: int) -> bytes:
        """The hash of the `index`-th perfect subtree of 2**level leaves. Raises `InputError` past the end."""
        if (index + 1) << level > self.size:
            raise InputError(f"a tree of {self.size} entries has no complete subtree {index} of height {level}")
        tile_level, height = divmod(level, TILE_HEIGHT)
        first = index << height
        hashes = self.tile(tile_level, first >> TILE_HEIGHT)
        within = first % TILE_WIDTH
        return perfect_root(hashes[within : within + (1 << height)])
