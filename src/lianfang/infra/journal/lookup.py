"""Finding one record again by its seq: sparse marks per segment, then a hop from header to header."""

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
        """A chunk and the place in it of the record header with `seq`, hopping on from the nearest mark."""
        near = bisect_right(self.seqs, seq) - 1
        offset = self.offsets[near] if near >= 0 else SEGMENT_HEADER_BYTES
        while True:
            chunk = os.pread(self.fd, _CHUNK_BYTES, offset)
            at = 0
            while (length := claimed_length(chunk, at)) >= RECORD_HEADER_BYTES:
                found = claimed_seq(chunk, at)
                if near < 0 or offset + at - self.offsets[near] >= _MARK_BYTES:
                    near += 1
                    self.seqs.insert(near, found)
                    self.offsets.insert(near, offset + at)
                if found == seq:
                    if at + length > len(chunk):
                        return os.pread(self.fd, min(length, RECORD_BYTES_MAX), offset + at), 0
                    return chunk, at
                if found > seq:
                    return None
                at += length
            if at == 0 or len(chunk) < RECORD_HEADER_BYTES:
                return None
            offset += at


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
