"""Records and segment headers as bytes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.infra.journal.format import (
    RECORD_BYTES_MAX,
    Damage,
    Record,
    SegmentHeader,
    Walk,
    pack,
    pack_segment_header,
    pieces,
    record_of,
    unpack,
    unpack_segment_header,
)
from lianfang.kernel.errors import EvidenceError, InputError, TooLargeError

SEQS = st.integers(1, 2**63 - 1)
INSTANTS = st.integers(-(2**63), 2**63 - 1)
PARTS = st.lists(st.binary(max_size=200), max_size=3).map(tuple)


@settings(deadline=None)
@given(st.integers(0, 255), SEQS, INSTANTS, PARTS, st.binary(max_size=20))
def test_a_record_comes_back_as_it_went(kind: int, seq: int, at: int, parts: tuple[bytes, ...], around: bytes) -> None:
    raw = pack(kind, seq, at, parts)
    record = Record(kind, seq, at, parts)
    assert unpack(around + raw + around, len(around), len(around) + len(raw)) == (record, len(around) + len(raw))
    assert record_of(pieces(kind, seq, at, parts)[1]) == record


@settings(deadline=None)
@given(SEQS, PARTS, st.data())
def test_no_flipped_bit_goes_unseen(seq: int, parts: tuple[bytes, ...], data: st.DataObject) -> None:
    raw = bytearray(pack(1, seq, 7, parts))
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[bit // 8] ^= 1 << bit % 8
    assert unpack(bytes(raw), 0, len(raw)) is None


@settings(deadline=None)
@given(SEQS, PARTS, st.data())
def test_a_record_cut_short_is_none(seq: int, parts: tuple[bytes, ...], data: st.DataObject) -> None:
    raw = pack(1, seq, 7, parts)
    end = data.draw(st.integers(0, len(raw) - 1))
    assert unpack(raw[:end], 0, end) is None
    assert unpack(raw, 0, end) is None


def test_four_parts_and_four_mebibytes_are_refused() -> None:
    with pytest.raises(InputError, match="at most 3 parts"):
        pack(1, 1, 0, (b"", b"", b"", b""))
    with pytest.raises(TooLargeError, match=str(RECORD_BYTES_MAX)):
        pack(1, 1, 0, (bytes(RECORD_BYTES_MAX),))


@settings(deadline=None)
@given(SEQS, INSTANTS, SEQS, st.integers(0, 2**63 - 1), st.data())
def test_a_segment_header_comes_back_and_shows_every_flipped_bit(
    first: int, created: int, previous: int, end: int, data: st.DataObject
) -> None:
    header = SegmentHeader(first, created, previous, end)
    raw = bytearray(pack_segment_header(header))
    assert len(raw) == 64
    assert unpack_segment_header(bytes(raw)) == header
    bit = data.draw(st.integers(0, 511))
    raw[bit // 8] ^= 1 << bit % 8
    assert unpack_segment_header(bytes(raw)) is None


def test_a_newer_format_is_refused_not_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lianfang.infra.journal.format.FORMAT_VERSION", 2)
    raw = pack_segment_header(SegmentHeader(1, 0, 0, 0))
    monkeypatch.undo()
    with pytest.raises(EvidenceError, match="version 2"):
        unpack_segment_header(raw)


def test_a_walk_keeps_what_is_sound_after_damage_and_says_what_is_gone() -> None:
    raw = [pack(1, seq, 0, (b"x" * 50,)) for seq in range(1, 6)]
    data = raw[0] + b"\0" * len(raw[1]) + raw[2] + raw[3][:-1] + b"?" + raw[4] + bytes(100)
    damaged: list[Damage] = []
    walk = Walk(data, 1, offset=0, limit=None, expect=1, below=None, damaged=damaged.append)
    assert [record.seq for record in walk] == [1, 3, 5]
    size = len(raw[0])
    assert damaged == [Damage(1, size, size, (2, 3)), Damage(1, 3 * size, size, (4, 5))]
    assert (walk.offset, walk.expect) == (5 * size, 6)


def test_a_walk_stops_where_the_next_segment_begins() -> None:
    data = b"".join(pack(1, seq, 0, ()) for seq in range(1, 6))
    damaged: list[Damage] = []
    walk = Walk(data, 1, offset=0, limit=3 * 48, expect=1, below=4, damaged=damaged.append)
    assert [record.seq for record in walk] == [1, 2, 3]
    assert damaged == []


def test_an_old_record_in_a_later_place_is_damage() -> None:
    data = b"".join(pack(1, seq, 0, ()) for seq in (1, 2, 1, 3))
    damaged: list[Damage] = []
    walk = Walk(data, 1, offset=0, limit=None, expect=1, below=None, damaged=damaged.append)
    assert [record.seq for record in walk] == [1, 2, 3]
    assert damaged == [Damage(1, 96, 48, (3, 3))]
