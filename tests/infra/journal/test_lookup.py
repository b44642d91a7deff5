"""One record found again by its seq, wherever it lies, whatever its neighbours hold, and without reading the way there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lianfang.infra.journal import DECISION, JournalWriter, scan
from lianfang.infra.journal.files import segment_list, segment_path
from lianfang.infra.journal.format import Damage, pack
from lianfang.infra.journal.lookup import Lookup
from lianfang.kernel.errors import EvidenceError, InputError

CHUNK = 64 << 10
LIKE_A_RECORD = pack(DECISION, 7, 0, (b"{}",))[:40]
"""How a record begins: numbers may hold the same bytes."""


def written(folder: Path, bodies: list[bytes]) -> Path:
    writer, _ = JournalWriter.open(folder, segment_bytes=1 << 20)
    for number, body in enumerate(bodies):
        writer.append(DECISION, number, (b'{"n":%d}' % number, body, LIKE_A_RECORD))
        if number % 50 == 49:
            writer.commit_now()
    writer.close()
    return folder


@pytest.fixture(scope="module")
def long_one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Several segments of a mebibyte, among them records larger than a chunk."""
    bodies = [bytes([97 + i % 26]) * (200_000 if i % 1_000 == 999 else 700) for i in range(6_000)]
    return written(tmp_path_factory.mktemp("long"), bodies)


@pytest.fixture
def lookup(long_one: Path) -> Iterator[Lookup]:
    made = Lookup(long_one, segment_list(long_one))
    yield made
    made.close()


def test_every_record_is_found_in_any_order(long_one: Path, lookup: Lookup) -> None:
    records = list(scan(long_one))
    assert len(segment_list(long_one)) > 3
    for record in records[::7] + records[::-11] + records[::501]:
        assert lookup.read(record.seq) == record


def test_a_cold_segment_is_not_read_through(long_one: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[int] = []
    plain = os.pread

    def counted(fd: int, size: int, offset: int) -> bytes:
        reads.append(size)
        return plain(fd, size, offset)

    monkeypatch.setattr(os, "pread", counted)
    for seq in (900, 2_500, 5_990):
        lookup = Lookup(long_one, segment_list(long_one))
        reads.clear()
        assert lookup.read(seq).seq == seq
        lookup.close()
        assert len(reads) <= 10, "a mebibyte is sixteen chunks"


def test_what_is_not_there_is_told_as_such(long_one: Path, lookup: Lookup) -> None:
    with pytest.raises(InputError, match="no record 0"):
        lookup.read(0)
    with pytest.raises(EvidenceError, match="record 6001 is not"):
        lookup.read(6_001)


def test_damage_on_the_way_hides_nothing_behind_it(long_one: Path, tmp_path: Path) -> None:
    first = segment_list(long_one)[0]
    copy = segment_path(tmp_path, first)
    raw = bytearray(segment_path(long_one, first).read_bytes())
    half = len(raw) // 2
    raw[half : half + 300] = b"\0" * 300
    copy.write_bytes(raw)
    lost, found = [], []
    lookup = Lookup(tmp_path, [first])
    for seq in range(first, first + 900, 13):
        try:
            found.append(lookup.read(seq).seq)
        except EvidenceError:
            lost.append(seq)
    lookup.close()
    damaged: list[Damage] = []
    sound = {record.seq for record in scan(tmp_path, on_damage=damaged.append)}
    begins, ends = damaged[0].missing
    assert set(found) <= sound
    assert all(begins <= seq < ends + CHUNK // 700 for seq in lost), "at most a chunk behind it is not reached"
    assert [seq for seq in found if seq > ends + CHUNK // 700], "and what is further on is"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sizes=st.lists(st.sampled_from([0, 3, 500, 5_000, 70_000, 140_000]), min_size=1, max_size=60),
    wanted=st.lists(st.integers(0, 59), min_size=1, max_size=20),
)
def test_whatever_the_sizes_and_the_order_each_record_is_itself(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], wanted: list[int]
) -> None:
    folder = written(tmp_path_factory.mktemp("any"), [b"x" * size for size in sizes])
    records = {record.seq: record for record in scan(folder)}
    lookup = Lookup(folder, segment_list(folder))
    for number in wanted:
        seq = number % len(sizes) + 1
        assert lookup.read(seq) == records[seq]
    lookup.close()
