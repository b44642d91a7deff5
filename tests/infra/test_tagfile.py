"""From the desk to the decider: whole, then change by change; damage is found and nothing half is taken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.infra.tagfile import BASE, DELTA, Said, TagReader, TagWriter
from lianfang.kernel.errors import EvidenceError


def arrays(*pairs: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([h for h, _ in pairs], np.uint64), np.array([v for _, v in pairs], np.int64)


def plain(said: Said) -> tuple[list[tuple[str, ...]], list[int], list[int]]:
    return said.sets, said.hashes.tolist(), said.values.tolist()


def test_a_base_then_its_changes_each_once(tmp_path: Path) -> None:
    writer, reader = TagWriter(tmp_path), TagReader(tmp_path)
    assert not reader.new_base()
    assert reader.changes() == []
    writer.begin([("bank-a",)], *arrays((7, 1), (8, 2)))
    assert reader.new_base()
    assert plain(reader.base()) == ([("bank-a",)], [7, 8], [1, 2])
    assert not reader.new_base()
    assert reader.changes() == []
    writer.append([("bank-a", "bank-b")], *arrays((9, 3)))
    writer.append([], *arrays((7, 0)))
    assert [plain(s) for s in reader.changes()] == [([("bank-a", "bank-b")], [9], [3]), ([], [7], [0])]
    assert reader.changes() == []
    assert writer.grown > 0


def test_changes_of_another_base_wait_until_that_base_is_read(tmp_path: Path) -> None:
    writer, reader = TagWriter(tmp_path), TagReader(tmp_path)
    writer.begin([], *arrays((1, 1)))
    reader.base()
    writer.begin([], *arrays((2, 2)))
    writer.append([], *arrays((3, 3)))
    assert reader.changes() == []
    assert reader.new_base()
    assert plain(reader.base()) == ([], [2], [2])
    assert [plain(s) for s in reader.changes()] == [([], [3], [3])]


@settings(max_examples=40, deadline=None)
@given(cut=st.integers(1, 60))
def test_a_change_still_being_written_waits(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    folder = tmp_path_factory.mktemp("tags")
    writer, reader = TagWriter(folder), TagReader(folder)
    writer.begin([], *arrays())
    reader.base()
    writer.append([("bank-a",)], *arrays((5, 5), (6, 6)))
    path = folder / DELTA
    whole = path.read_bytes()
    path.write_bytes(whole[: max(16, len(whole) - cut)])
    assert reader.changes() == []
    path.write_bytes(whole)
    assert [plain(s) for s in reader.changes()] == [([("bank-a",)], [5, 6], [5, 6])]


@settings(max_examples=40, deadline=None)
@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_flipped_bit_of_a_base_is_found(tmp_path_factory: pytest.TempPathFactory, at: int, bit: int) -> None:
    folder = tmp_path_factory.mktemp("tags")
    TagWriter(folder).begin([("bank-a",)], *arrays((7, 1), (8, 2)))
    raw = bytearray((folder / BASE).read_bytes())
    place = at % (len(raw) - 4)
    if 8 <= place < 16 or place >= len(raw) - 4 or 32 <= place < 40:
        place = 41  # the generation is only compared; padding is not read
    raw[place % len(raw)] ^= 1 << bit
    (folder / BASE).write_bytes(raw)
    with pytest.raises(EvidenceError):
        TagReader(folder).base()


def test_a_damaged_change_is_told_of(tmp_path: Path) -> None:
    writer, reader = TagWriter(tmp_path), TagReader(tmp_path)
    writer.begin([], *arrays())
    reader.base()
    writer.append([], *arrays((5, 5)))
    path = tmp_path / DELTA
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    with pytest.raises(EvidenceError, match="restart the desk"):
        reader.changes()


def test_ten_thousand_changes_are_read_in_one_look(tmp_path: Path) -> None:
    writer, reader = TagWriter(tmp_path), TagReader(tmp_path)
    writer.begin([], *arrays())
    reader.base()
    for i in range(10_000):
        writer.append([], *arrays((i + 1, 1)))
    assert len(reader.changes()) == 10_000
