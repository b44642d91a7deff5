"""The published files, checked by whoever has them: any changed byte is found and named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.engines.tlog import ENTRIES, Follower, Tile, open_checkpoint, parse_tile_path
from lianfang.infra.tlog import LogReader, verify_log
from lianfang.kernel.errors import DependencyError, EvidenceError, InputError
from tests.engines.tlog.made import ORIGIN, checkpoint_of, entries_of
from tests.infra.tlog.made import KEY, check_whole, published_files, written

MANY = entries_of(600)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("log")
    written(made, MANY, step=150)
    return made


def test_the_folder_holds_plain_tiles_and_a_checkpoint(folder: Path) -> None:
    names = set(published_files(folder))
    names.remove("checkpoint")
    assert {str(parse_tile_path(name).path) for name in names} == names
    assert {"tile/0/000", "tile/0/002.p/88", "tile/1/000.p/2", "tile/entries/002.p/88"} <= names


def test_the_private_part_is_closed_to_a_web_server(folder: Path) -> None:
    assert (folder / "pending").stat().st_mode & 0o077 == 0


def test_a_sound_log_is_counted(folder: Path) -> None:
    seen: list[tuple[int, int]] = []
    found = verify_log(folder, KEY, ORIGIN, progress=lambda done, of: seen.append((done, of)))
    assert (found.bytes, found.tiles, found.witnesses) == (sum(map(len, MANY)), 4, ())
    assert seen[-1] == (600, 600)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_changed_byte_of_any_file_is_found(folder: Path, data: st.DataObject) -> None:
    names = [
        "checkpoint",
        *(n for n in published_files(folder) if n.startswith(("tile/0/00", "tile/1/000.p/2", "tile/entries/00"))),
    ]
    needed = [n for n in names if n == "checkpoint" or ".p/" not in n or n.endswith(("002.p/88", "000.p/2"))]
    path = folder / data.draw(st.sampled_from(sorted(needed)))
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    path.write_bytes(whole[:at] + bytes((whole[at] ^ data.draw(st.integers(1, 255)),)) + whole[at + 1 :])
    try:
        with pytest.raises(EvidenceError):
            verify_log(folder, KEY, ORIGIN)
    finally:
        path.write_bytes(whole)


def test_a_missing_or_cut_file_is_named(folder: Path) -> None:
    for name, cut in (
        ("tile/0/001", None),
        ("tile/entries/001", None),
        ("tile/0/002.p/88", 64),
        ("tile/entries/000", 9),
    ):
        path = folder / name
        whole = path.read_bytes()
        if cut is None:
            path.unlink()
        else:
            path.write_bytes(whole[:cut])
        with pytest.raises(EvidenceError, match=r"001|002\.p|entry bundle"):
            verify_log(folder, KEY, ORIGIN)
        path.write_bytes(whole)
    check_whole(folder, MANY)


def test_entries_and_tiles_changed_together_do_not_make_the_root(tmp_path: Path) -> None:
    written(tmp_path / "ours", MANY[:300])
    written(tmp_path / "theirs", [b"changed", *MANY[1:300]])
    signed = (tmp_path / "ours" / "checkpoint").read_bytes()
    (tmp_path / "theirs" / "checkpoint").write_bytes(signed)
    with pytest.raises(EvidenceError, match="do not make the root"):
        verify_log(tmp_path / "theirs", KEY, ORIGIN)


def test_entries_are_read_in_any_range(folder: Path) -> None:
    reader = LogReader(folder)
    for begin, end in ((0, 600), (255, 257), (599, 600), (512, 520), (3, 3)):
        assert list(reader.entries(begin, end, 600)) == MANY[begin:end]


def test_a_folder_that_is_no_log_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no log"):
        verify_log(tmp_path, KEY, ORIGIN)
    (tmp_path / "checkpoint").mkdir()
    with pytest.raises(DependencyError, match="cannot read"):
        LogReader(tmp_path).checkpoint()
    (tmp_path / "checkpoint").rmdir()
    (tmp_path / "checkpoint").write_bytes(b"x" * (1 << 20))
    with pytest.raises(EvidenceError, match="more than"):
        LogReader(tmp_path).checkpoint()
    with pytest.raises(EvidenceError, match="missing"):
        LogReader(tmp_path).fetch(Tile(ENTRIES, 0, 3))


def test_a_follower_takes_only_what_the_log_signed(folder: Path) -> None:
    newest = open_checkpoint((folder / "checkpoint").read_bytes(), [KEY], ORIGIN).checkpoint
    follower = Follower()
    follower.verify_range(checkpoint_of(MANY[:400]), MANY[:400])
    follower = Follower(follower.pack())
    for wrong in (MANY[400:599], [*MANY[400:599], b"other"], MANY[399:599]):
        with pytest.raises(EvidenceError):
            follower.verify_range(newest, wrong)
    assert follower.size == 400
    follower.verify_range(newest, MANY[400:])
    assert (follower.size, follower.root()) == (600, newest.root)


@settings(deadline=None)
@given(st.binary(max_size=100) | st.integers(0, (1 << 64) - 1).map(lambda n: n.to_bytes(8, "big") + b"x" * 32))
def test_hostile_states_of_a_follower_are_refused_or_kept(data: bytes) -> None:
    try:
        follower = Follower(data)
    except EvidenceError:
        return
    assert follower.pack() == data
