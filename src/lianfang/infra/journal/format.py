"""The journal's bytes: segment header, record, and the walk that survives damage (docs/reference/journal.md).

Pure functions over bytes; nothing here touches a disk.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from isal.isal_zlib import crc32

from lianfang.kernel.errors import EvidenceError, InputError, TooLargeError

DECISION: Final = 1
OUTCOME: Final = 2
NOTE: Final = 3

RECORD_BYTES_MAX: Final = 4 << 20
"""One record, header included. A payment's body is at most 1 MiB, its decision and features far less."""
PARTS_MAX: Final = 3

FORMAT_VERSION: Final = 1
SEGMENT_HEADER_BYTES: Final = 64
RECORD_HEADER_BYTES: Final = 48

_SEGMENT_MAGIC: Final = b"LFJRNL\xff\n"
_SEGMENT: Final = struct.Struct("<8sIIQqQQI12x")
_RECORD_MAGIC: Final = b"\xffLF\xfe"
"""0xFF and 0xFE never occur in UTF-8: no JSON body, whoever wrote it, can hold the start of a record."""
_MAGIC_NUMBER: Final = int.from_bytes(_RECORD_MAGIC, "little")
_PREFIX: Final = struct.Struct("<III")
_PREFIX_BYTES: Final = _PREFIX.size
_REST: Final = struct.Struct("<BBxxQqIIIxxxx")
_RECORD: Final = struct.Struct("<IIIBBxxQqIIIxxxx")
_SEQ_LIMIT: Final = 1 << 63

_pack_prefix = _PREFIX.pack
_pack_rest = _REST.pack
_unpack_record = _RECORD.unpack_from
_join = b"".join


class Record(NamedTuple):
    """One entry. `at` is an instant; a decision's parts are payment JSON, decision JSON, features as float64."""

    kind: int
    seq: int
    at: int
    parts: tuple[bytes, ...]


class SegmentHeader(NamedTuple):
    """`previous_end`: the offset up to which the segment that began at `previous_first` is journal. 0, 0: none."""

    first_seq: int
    created: int
    previous_first: int
    previous_end: int


class Damage(NamedTuple):
    """Bytes of a segment that are not journal and not blank. `missing` are the seqs lost with them, as [from, to)."""

    segment: int
    """First seq of the segment, which is also in its file's name."""
    offset: int
    length: int
    missing: tuple[int, int]

    def __str__(self) -> str:
        lost = self.missing[1] - self.missing[0]
        what = f"{lost} record(s) lost, seq {self.missing[0]} to {self.missing[1] - 1}" if lost else "no record lost"
        return f"segment {self.segment}: {self.length} damaged byte(s) at offset {self.offset}; {what}"


def pieces(kind: int, seq: int, at: int, parts: tuple[bytes, ...]) -> tuple[bytes, bytes]:
    """A record as its 12 checked bytes and the rest. Joined they are the record; apart, no body is copied twice."""
    if len(parts) == PARTS_MAX:
        a, b, c = parts
        rest = _join((_pack_rest(kind, 3, seq, at, len(a), len(b), len(c)), a, b, c))
    else:
        rest = _few_parts(kind, seq, at, parts)
    length = len(rest) + _PREFIX_BYTES
    if length > RECORD_BYTES_MAX:
        raise TooLargeError(f"a journal record has {length} bytes; the limit is {RECORD_BYTES_MAX}")
    return _pack_prefix(_MAGIC_NUMBER, length, crc32(rest)), rest


def _few_parts(kind: int, seq: int, at: int, parts: tuple[bytes, ...]) -> bytes:
    if len(parts) > PARTS_MAX:
        raise InputError(f"a journal record has at most {PARTS_MAX} parts, not {len(parts)}")
    lengths = [len(part) for part in parts] + [0] * (PARTS_MAX - len(parts))
    return _join((_pack_rest(kind, len(parts), seq, at, *lengths), *parts))


def pack(kind: int, seq: int, at: int, parts: tuple[bytes, ...]) -> bytes:
    """A record's bytes. Raises `TooLargeError` past `RECORD_BYTES_MAX`, `InputError` for more than three parts."""
    return _join(pieces(kind, seq, at, parts))


def record_of(rest: bytes) -> Record:
    """The record behind the second of its `pieces`."""
    kind, count, seq, at, *lengths = _REST.unpack_from(rest)
    return Record(kind, seq, at, _split(rest, _REST.size, count, lengths))


def _split(data: bytes, at: int, count: int, lengths: list[int]) -> tuple[bytes, ...]:
    parts = []
    for length in lengths[:count]:
        parts.append(data[at : at + length])
        at += length
    return tuple(parts)


def unpack(data: bytes, offset: int, limit: int) -> tuple[Record, int] | None:
    """The sound record at `offset` and where it ends, or None: blank, torn or damaged. Nothing is read past `limit`."""
    if offset + RECORD_HEADER_BYTES > limit:
        return None
    magic, length, crc, kind, count, seq, at, a, b, c = _unpack_record(data, offset)
    end = offset + length
    if magic != _MAGIC_NUMBER or end > limit or length != RECORD_HEADER_BYTES + a + b + c:
        return None
    if crc32(data[offset + _PREFIX_BYTES : end]) != crc or count > PARTS_MAX:
        return None
    if count == PARTS_MAX:
        start = offset + RECORD_HEADER_BYTES
        middle = start + a
        last = middle + b
        return Record(kind, seq, at, (data[start:middle], data[middle:last], data[last:end])), end
    return Record(kind, seq, at, _split(data, offset + RECORD_HEADER_BYTES, count, [a, b, c])), end


def next_magic(data: bytes, offset: int) -> int:
    """Where the next record may begin, -1 where none does. Numbers may hold the same bytes: only `unpack` knows."""
    return data.find(_RECORD_MAGIC, offset)


def claimed_length(data: bytes, offset: int) -> int:
    """The length the record at `offset` claims, unchecked; 0 when there is no record header."""
    if offset + RECORD_HEADER_BYTES > len(data):
        return 0
    magic, length = struct.unpack_from("<II", data, offset)
    return length if magic == _MAGIC_NUMBER else 0


def claimed_seq(data: bytes, offset: int) -> int:
    """The seq in the record header at `offset`, unchecked."""
    return int(_unpack_record(data, offset)[5])


def pack_segment_header(header: SegmentHeader) -> bytes:
    """64 bytes, the last 16 of them checksum and blank."""
    fields = (_SEGMENT_MAGIC, FORMAT_VERSION, SEGMENT_HEADER_BYTES, *header)
    return _SEGMENT.pack(*fields, crc32(_SEGMENT.pack(*fields, 0)[:48]))


def unpack_segment_header(data: bytes) -> SegmentHeader | None:
    """The header at the start of `data`, or None when damaged. Raises `EvidenceError` for a newer format version."""
    if len(data) < SEGMENT_HEADER_BYTES:
        return None
    magic, version, size, first, created, previous_first, previous_end, crc = _SEGMENT.unpack_from(data)
    if magic != _SEGMENT_MAGIC or crc32(data[:48]) != crc or any(data[52:SEGMENT_HEADER_BYTES]):
        return None
    if version != FORMAT_VERSION or size != SEGMENT_HEADER_BYTES:
        raise EvidenceError(f"journal segment of format version {version}; this program reads {FORMAT_VERSION}")
    return SegmentHeader(first, created, previous_first, previous_end)


def written(data: bytes, offset: int) -> int:
    """Where the last byte that is not zero ends, from `offset` on; `offset` itself when all are zero."""
    rest = len(data) - offset
    if rest <= 0 or data.endswith(bytes(rest)):
        return offset
    return offset + len(data[offset:].rstrip(b"\0"))


class Walk:
    """Every sound record of one segment in order; what lies between them goes to `damaged`.

    `data[offset:limit]` is walked; a limit of None means that only the blank tail tells where the written part ends.
    `expect` is the first seq wanted; `below` the first that belongs to the next segment (None in the last). After the
    iteration `offset` is where the written part ends and `expect` the next seq.
    """

    def __init__(
        self,
        data: bytes,
        segment: int,
        *,
        offset: int = SEGMENT_HEADER_BYTES,
        limit: int | None,
        expect: int,
        below: int | None,
        damaged: Callable[[Damage], None],
    ) -> None:
        self._data = data
        self._segment = segment
        self._limit = len(data) if limit is None else min(limit, len(data))
        self._sealed = limit is not None
        self._below = below
        self._damaged = damaged
        self.offset = offset
        self.expect = expect

    def __iter__(self) -> Iterator[Record]:
        data, limit, below = self._data, self._limit, self._below or _SEQ_LIMIT
        offset, expect = self.offset, self.expect
        while True:
            found = unpack(data, offset, limit)
            if found is None or found[0].seq != expect or expect >= below:
                found = self._resync(offset, expect, below)
                if found is None:
                    break
            record, offset = found
            self.offset, self.expect = offset, (expect := record.seq + 1)
            yield record
        if self._below is not None:
            rest = limit - offset if self._sealed else written(data, offset) - offset
            if rest > 0 or expect < below:
                self._damaged(Damage(self._segment, offset, max(rest, 0), (expect, max(below, expect))))

    def _resync(self, offset: int, expect: int, below: int) -> tuple[Record, int] | None:
        """The next sound record with a plausible seq at or after `offset`, found by its magic."""
        at = offset
        while (at := self._data.find(_RECORD_MAGIC, at, self._limit)) >= 0:
            found = unpack(self._data, at, self._limit)
            if found is not None and expect <= found[0].seq < below:
                self._damaged(Damage(self._segment, offset, at - offset, (expect, found[0].seq)))
                return found
            at += 1
        return None
