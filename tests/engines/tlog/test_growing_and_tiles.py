"""The growing tree and its tiles: however entries come, roots and files are the same."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.engines.tlog import (
    EMPTY_ROOT,
    ENTRIES,
    ENTRY_BYTES_MAX,
    Growing,
    Tile,
    TileReader,
    leaf_hashes,
    pack_bundle,
    parse_tile_path,
    read_bundle,
    root_at,
    split_tile,
    tile_of,
    tiles_of,
)
from lianfang.engines.tlog.forms import SIZE_MAX
from lianfang.kernel.errors import EvidenceError, InputError, TooLargeError
from tests.engines.tlog import naive
from tests.engines.tlog.made import entries_of, tiles_of_entries

MANY = entries_of(1_400)
HASHES = leaf_hashes(MANY)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 520), max_size=8))
def test_any_split_of_the_appends_gives_the_naive_roots_and_the_same_tiles(parts: list[int]) -> None:
    tiles: dict[Tile, bytes] = {}
    tree, at = Growing(), 0
    for part in parts:
        end = min(at + part, len(MANY))
        tiles.update((one.tile, one.data) for one in tree.append(HASHES[at:end]))
        at = end
        assert (tree.size, tree.root()) == (at, naive.mth(MANY[:at]))
    tiles.update((one.tile, one.data) for one in tree.partials())
    assert tiles == tiles_of_entries(MANY[:at])[1]
    assert set(tiles) == set(tiles_of(at, entries=False))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1_400), st.integers(0, 1_400))
def test_a_tree_goes_on_from_its_open_tiles(first: int, more: int) -> None:
    before, tiles = tiles_of_entries(MANY[:first])
    tree = Growing.restore(first, tiles.__getitem__)
    assert tree.root() == before.root()
    end = max(first, more)
    tree.append(HASHES[first:end])
    assert tree.root() == naive.mth(MANY[:end])


def test_a_tree_of_seventy_thousand_has_the_tiles_that_the_specification_counts() -> None:
    tiles = list(tiles_of(70_000, entries=False))
    widths = [[t.width for t in tiles if t.level == level] for level in range(3)]
    assert (widths[0].count(256), widths[0][-1], len(widths[0])) == (273, 112, 274)
    assert widths[1:] == [[256, 17], [1]]


def test_hashes_read_back_from_the_tiles_of_three_levels_make_the_root() -> None:
    hashes = leaf_hashes(entries_of(66_000))
    tree = Growing()
    tiles = {one.tile: one.data for one in tree.append(hashes)}
    tiles.update((one.tile, one.data) for one in tree.partials())
    assert root_at(TileReader(66_000, tiles.__getitem__), 66_000) == tree.root()
    assert Tile(2, 0, 1) in tiles


def test_a_whole_tile_serves_for_a_partial_one() -> None:
    _, later = tiles_of_entries(MANY[:512])
    earlier = TileReader(300, lambda tile: later[tile.whole] if tile.level == 0 else later[Tile(1, 0, 2)][:32])
    assert root_at(earlier, 300) == naive.mth(MANY[:300])


def test_an_empty_tree_has_the_empty_root_and_no_tiles() -> None:
    assert Growing().root() == EMPTY_ROOT
    assert list(tiles_of(0)) == []
    assert root_at(TileReader(0, dict[Tile, bytes]().__getitem__), 0) == EMPTY_ROOT


@settings(deadline=None)
@given(st.integers(0, 1_400), st.integers(0, 1_400))
def test_new_tiles_are_those_that_the_old_tree_lacked(a: int, b: int) -> None:
    old, new = sorted((a, b))
    assert set(tiles_of(new, beyond=old)) == set(tiles_of(new)) - set(tiles_of(old))


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 1_234_067), "tile/0/x001/x234/067"),
        (Tile(63, 0, 1), "tile/63/000.p/1"),
        (Tile(ENTRIES, 999, 255), "tile/entries/999.p/255"),
        (Tile(1, 1_000), "tile/1/x001/000"),
    ],
)
def test_paths_are_as_specified(tile: Tile, path: str) -> None:
    assert tile.path == path
    assert parse_tile_path(path) == tile


@settings(deadline=None)
@given(st.integers(-1, 63), st.integers(0, 1 << 55), st.integers(1, 256))
def test_a_path_leads_back_to_its_tile(level: int, index: int, width: int) -> None:
    tile = Tile(level, index, width)
    assert parse_tile_path(tile.path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "", "tile/0/0", "tile/0/x000/001", "tile/64/000", "tile/00/000", "tile/0/000.p/0", "tile/0/000.p/256",
        "tile/0/000.p/01", "tile/0/001/002", "tile/0/../000", "/tile/0/000", "tile/0/000/", "tile/data/000", "tile/0/٠٠٠",
        "tile/0/000\n",
    ],
)  # fmt: skip
def test_any_other_spelling_is_no_path(path: str) -> None:
    with pytest.raises(InputError):
        parse_tile_path(path)


@settings(deadline=None)
@given(st.text(alphabet="tile/entris0123456789xp.", max_size=40))
def test_what_is_read_as_a_path_is_written_the_same(path: str) -> None:
    try:
        tile = parse_tile_path(path)
    except InputError:
        return
    assert tile.path == path


@settings(deadline=None)
@given(st.lists(st.binary(max_size=70), max_size=256))
def test_a_bundle_gives_its_entries_back(entries: list[bytes]) -> None:
    assert read_bundle(pack_bundle(entries), len(entries)) == entries


@settings(deadline=None)
@given(st.binary(max_size=60), st.integers(0, 8))
def test_hostile_bundles_are_refused_or_are_what_they_say(data: bytes, count: int) -> None:
    try:
        entries = read_bundle(data, count)
    except EvidenceError:
        return
    assert pack_bundle(entries) == data
    assert len(entries) == count


def test_the_largest_entry_goes_in_and_one_byte_more_does_not() -> None:
    assert read_bundle(pack_bundle([b"x" * ENTRY_BYTES_MAX]), 1) == [b"x" * ENTRY_BYTES_MAX]
    with pytest.raises(TooLargeError, match="65,535"):
        pack_bundle([b"x" * (ENTRY_BYTES_MAX + 1)])
    with pytest.raises(TooLargeError):
        pack_bundle([b""] * 257)


def test_a_tile_of_another_length_is_refused() -> None:
    with pytest.raises(EvidenceError, match=r"tile/0/000\.p/3"):
        split_tile(Tile(0, 0, 3), b"x" * 95)
    with pytest.raises(EvidenceError, match="32 bytes"):
        Growing().append([b"short"])


@pytest.mark.parametrize(("level", "index", "size"), [(0, 1, 256), (1, 0, 255), (0, -1, 300)])
def test_a_tree_has_only_its_own_tiles(level: int, index: int, size: int) -> None:
    with pytest.raises(InputError):
        tile_of(level, index, size)


def test_no_hash_is_read_past_the_end() -> None:
    _, tiles = tiles_of_entries(MANY[:300])
    with pytest.raises(InputError):
        TileReader(300, tiles.__getitem__).subtree(8, 1)


def test_the_largest_tree_can_be_spoken_of() -> None:
    assert tile_of(7, 0, SIZE_MAX).width == 127
    with pytest.raises(InputError):
        list(tiles_of(3, beyond=4))
