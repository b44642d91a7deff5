"""Finding one record again by its seq: sparse marks per segment, halving where none is near, then a hop from header to header."""

from __future__ import annotations

import os
from bisect import bisect_right
from contextlib import suppress
from pathlib import Path
from typing import Final

from lianfang.infra.journal.files import segment_path
from lianfang.infra.journal.format import (
    RECORD_BYTES_MAX,
    RECORD_HEADER_BYTES,
    SEGMENT_HEADER_BYTES,
    Record,
    claimed_length,
    claimed_seq,
    next_magic,
    unpack,
)
from lianfang.kernel.errors import EvidenceError, InputError

_MARK_BYTES: Final = 16 << 10
"""At most this far apart (or one batch), so a hop is short: 64 MiB take 64 KiB of marks."""
_CHUNK_BYTES: Final = 64 << 10
_SEGMENTS_MAX: Final = 128
"""Segments kept open with their marks; the one used longest ago is closed."""


class _Segment:
    """An open segment and its marks: seqs and their offsets, ascending."""

    def __init__(self, path: Path) -> None:
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.seqs: list[int] = []
        self.offsets: list[int] = []

    def mark(self, seq: int, offset: int) -> None:
        if not self.offsets or offset - self.offsets[-1] >= _MARK_BYTES:
            self.seqs.append(seq)
            self.offsets.append(offset)

    def find(self, seq: int) -> tuple[bytes, int] | None:
        """A chunk and the place in it of the record header with `seq`: from the nearest mark, else from near it by halving."""
        near = bisect_right(self.seqs, seq) - 1
        offset = self.offsets[near] if near >= 0 else SEGMENT_HEADER_BYTES
        halved = False
        while True:
            chunk = os.pread(self.fd, _CHUNK_BYTES, offset)
            at = 0
            while (length := claimed_length(chunk, at)) >= RECORD_HEADER_BYTES:
                found = claimed_seq(chunk, at)
                if found > seq:
                    return None
                self._remember(found, offset + at)
                if found == seq:
                    if at + length > len(chunk):
                        return os.pread(self.fd, min(length, RECORD_BYTES_MAX), offset + at), 0
                    return chunk, at
                at += length
            if at == 0 or len(chunk) < RECORD_HEADER_BYTES:
                return None
            offset += at
            if not halved:  # a mark was near for what was written or read lately; for all else the way is long
                offset, halved = self._nearer(seq, offset), True

    def _nearer(self, seq: int, low: int) -> int:
        """The offset of a sound record at or before `seq`, at most about a chunk away from it; `low` where none is nearer."""
        after = bisect_right(self.seqs, seq)
        high = self.offsets[after] if after < len(self.offsets) else os.fstat(self.fd).st_size
        while high - low > _CHUNK_BYTES:
            middle = (low + high) // 2
            met = self._sound_from(middle)
            if met is None or met[0] > seq:
                high = middle
            else:
                low = met[1]
                self._remember(*met)
        return low

    def _sound_from(self, offset: int) -> tuple[int, int] | None:
        """(seq, offset) of the first record that is sound within a chunk from here; None where there is none."""
        chunk = os.pread(self.fd, _CHUNK_BYTES, offset)
        at = next_magic(chunk, 0)
        while at >= 0:
            sound = unpack(chunk, at, len(chunk))
            if sound is not None:
                return sound[0].seq, offset + at
            at = next_magic(chunk, at + 1)
        return None

    def _remember(self, seq: int, offset: int) -> None:
        """A mark, where no other is within `_MARK_BYTES`."""
        place = bisect_right(self.seqs, seq)
        before = place == 0 or offset - self.offsets[place - 1] >= _MARK_BYTES
        behind = place == len(self.seqs) or self.offsets[place] - offset >= _MARK_BYTES
        if before and behind:
            self.seqs.insert(place, seq)
            self.offsets.insert(place, offset)


class Lookup:
    """Reads sound records by seq. Not for scanning."""

    def __init__(self, directory: Path, firsts: list[int]) -> None:
        self._directory = directory
        self._firsts = firsts
        self._open: dict[int, _Segment] = {}

    def segment_begins(self, first_seq: int) -> None:
        """A new last segment."""
        self._firsts.append(first_seq)

    def mark(self, seq: int, offset: int) -> None:
        """Where a record of the last segment is."""
        with suppress(OSError):  # marks only make it quicker
            self._segment(self._firsts[-1]).mark(seq, offset)

    def read(self, seq: int) -> Record:
        """Raises `InputError` if there is no such record, `EvidenceError` if its bytes are damaged."""
        i = bisect_right(self._firsts, seq) - 1
        if i < 0:
            raise InputError(f"the journal has no record {seq}")
        first = self._firsts[i]
        place = self._segment(first).find(seq)
        if place is None:
            raise EvidenceError(f"record {seq} is not in segment {first} of the journal; run `lianfang journal verify`")
        chunk, at = place
        sound = unpack(chunk, at, len(chunk))
        if sound is None or sound[0].seq != seq:
            raise EvidenceError(f"record {seq} in segment {first} of the journal is damaged")
        return sound[0]

    def _segment(self, first: int) -> _Segment:
        segment = self._open.pop(first, None)
        if segment is None:
            segment = _Segment(segment_path(self._directory, first))
            if len(self._open) >= _SEGMENTS_MAX:
                os.close(self._open.pop(next(iter(self._open))).fd)
        self._open[first] = segment
        return segment

    def close(self) -> None:
        """Closes every segment."""
        for segment in self._open.values():
            os.close(segment.fd)
        self._open.clear()
