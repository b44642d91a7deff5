"""Reading a journal, living or not: `scan` it all, `follow` its growth, `verify` it. Never writes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from lianfang.infra.journal.files import read_mark, segment_list, segment_path
from lianfang.infra.journal.format import (
    DECISION,
    NOTE,
    OUTCOME,
    RECORD_BYTES_MAX,
    SEGMENT_HEADER_BYTES,
    Damage,
    Record,
    SegmentHeader,
    Walk,
    claimed_length,
    unpack,
    unpack_segment_header,
    written,
)
from lianfang.kernel.errors import DependencyError, EvidenceError

_CHUNK_BYTES: Final = 1 << 20
_NO_LIMIT: Final = (1 << 63) - 1
OnDamage = Callable[[Damage], None]


class Span(NamedTuple):
    """A segment as the whole journal sees it. The next segment says its `end`; `below` is the next one's first seq."""

    first_seq: int
    path: Path
    header: SegmentHeader | None
    end: int | None
    below: int | None


def spans(directory: Path) -> list[Span]:
    """The journal's segments in order. Raises `DependencyError` when the folder is not there."""
    if not directory.is_dir():
        raise DependencyError(f"there is no journal in {directory}", "journal-missing", retryable=False)
    firsts = segment_list(directory)
    headers = [_header(segment_path(directory, first)) for first in firsts]
    found = []
    for i, first in enumerate(firsts):
        after = headers[i + 1] if i + 1 < len(firsts) else None
        end = after.previous_end if after is not None and after.previous_first == first else None
        below = firsts[i + 1] if i + 1 < len(firsts) else None
        found.append(Span(first, segment_path(directory, first), headers[i], end, below))
    return found


def _header(path: Path) -> SegmentHeader | None:
    with path.open("rb") as file:
        header = unpack_segment_header(file.read(SEGMENT_HEADER_BYTES))
    return header if header is not None and header.first_seq == int(path.stem.rpartition("-")[2]) else None


def refuse_damage(damage: Damage) -> None:
    """What readers do about damage unless told otherwise. Raises `EvidenceError`."""
    raise EvidenceError(f"the journal is damaged: {damage}; see `lianfang journal verify`")


def scan(directory: Path, from_seq: int = 0, on_damage: OnDamage = refuse_damage) -> Iterator[Record]:
    """Every record from `from_seq` on, in order. A torn tail of the last segment is simply not there yet."""
    expect: int | None = None
    for span in spans(directory):
        if span.below is not None and span.below <= from_seq:
            continue
        if expect is not None and span.first_seq > expect:
            on_damage(Damage(span.first_seq, 0, 0, (expect, span.first_seq)))
        walk = walk_span(span, on_damage)
        for record in walk:
            if record.seq >= from_seq:
                yield record
        expect = span.first_seq if span.below is None else span.below


def walk_span(span: Span, on_damage: OnDamage) -> Walk:
    """A walk over one segment, read whole. Its damaged header is reported too."""
    data = span.path.read_bytes()
    if span.header is None:
        on_damage(Damage(span.first_seq, 0, min(SEGMENT_HEADER_BYTES, len(data)), (span.first_seq, span.first_seq)))
    return Walk(data, span.first_seq, limit=span.end, expect=span.first_seq, below=span.below, damaged=on_damage)


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What `verify` found. Instants are null in an empty journal. A torn tail is cut at the writer's next start."""

    segments: int
    bytes: int
    """Of sound records."""
    records: int
    decisions: int
    outcomes: int
    notes: int
    first_seq: int | None
    last_seq: int | None
    first_at: int | None
    last_at: int | None
    torn_bytes: int
    damaged: tuple[Damage, ...]

    @property
    def sound(self) -> bool:
        """Nothing damaged, nothing torn."""
        return not self.damaged and not self.torn_bytes


def verify(directory: Path, progress: Callable[[int, int], None] = lambda done, of: None) -> Report:
    """Reads everything and counts. `progress(segments done, of)`."""
    kinds: dict[int, int] = {}
    damaged: list[Damage] = []
    size = torn = 0
    first: Record | None = None
    last: Record | None = None
    earliest, latest = 1 << 63, -(1 << 63)
    all_spans = spans(directory)
    for done, span in enumerate(all_spans, 1):
        walk = walk_span(span, damaged.append)
        for record in walk:
            kinds[record.kind] = kinds.get(record.kind, 0) + 1
            first = first or record
            last = record
            earliest, latest = min(earliest, record.at), max(latest, record.at)
            size += record_bytes(record)
        if span.below is None:
            torn = torn_bytes(span, walk.offset)
        progress(done, len(all_spans))
    return Report(
        segments=len(all_spans),
        bytes=size,
        records=sum(kinds.values()),
        decisions=kinds.get(DECISION, 0),
        outcomes=kinds.get(OUTCOME, 0),
        notes=kinds.get(NOTE, 0),
        first_seq=first.seq if first else None,
        last_seq=last.seq if last else None,
        first_at=earliest if first else None,
        last_at=latest if first else None,
        torn_bytes=torn,
        damaged=tuple(damaged),
    )


def record_bytes(record: Record) -> int:
    """Its length on disk."""
    return 48 + sum(map(len, record.parts))


def torn_bytes(span: Span, offset: int) -> int:
    """Bytes after the last sound record of the last segment that are not blank."""
    return written(span.path.read_bytes(), offset) - offset


class Follower:
    """Follows a living journal from `next_seq` on. It sees only what its writer has made durable."""

    def __init__(self, directory: Path, from_seq: int = 1, on_damage: OnDamage = refuse_damage) -> None:
        self._directory = directory
        self._on_damage = on_damage
        self.next_seq = from_seq
        self._span: Span | None = None
        self._fd = -1
        self._offset = 0

    def poll(self, limit: int = 1_000) -> list[Record]:
        """Up to `limit` records that came since the last call; empty when there is nothing new. Never waits."""
        found: list[Record] = []
        durable = self._durable()
        while len(found) < limit and self.next_seq <= durable and self._enter():
            chunk = os.pread(self._fd, _CHUNK_BYTES, self._offset)
            if claimed_length(chunk, 0) > len(chunk):
                chunk = os.pread(self._fd, RECORD_BYTES_MAX, self._offset)
            if not self._take(chunk, found, limit, durable) and not self._step_over(found, durable):
                break
        return found

    def _durable(self) -> int:
        said = read_mark(self._directory)
        return _NO_LIMIT if said is None else said

    def _take(self, chunk: bytes, found: list[Record], limit: int, durable: int) -> bool:
        """Moves over the sound records at the start of `chunk`. False if there was none."""
        at = 0
        while len(found) < limit:
            sound = unpack(chunk, at, len(chunk))
            if sound is None or sound[0].seq > min(self.next_seq, durable):
                break
            record, at = sound
            if record.seq == self.next_seq:
                found.append(record)
                self.next_seq += 1
        self._offset += at
        return at > 0

    def _step_over(self, found: list[Record], durable: int) -> bool:
        """At bytes that are no record: on to the next segment, or over the damage. False when neither can be."""
        assert self._span is not None
        span = next(s for s in spans(self._directory) if s.first_seq == self._span.first_seq)
        if span.below is not None and span.below <= self.next_seq:
            self._leave()
            return True
        if span.below is None and durable == _NO_LIMIT:
            return False
        self._walk_rest(span, found, durable)
        return True

    def _walk_rest(self, span: Span, found: list[Record], durable: int) -> None:
        """Over damage: the rest of the segment at once, as far as it is durable."""
        data = span.path.read_bytes()
        walk = Walk(
            data,
            span.first_seq,
            offset=self._offset,
            limit=span.end,
            expect=self.next_seq,
            below=span.below,
            damaged=self._on_damage,
        )
        for record in walk:
            if record.seq > durable:
                break
            found.append(record)
            self._offset, self.next_seq = walk.offset, walk.expect
        end = durable + 1 if span.below is None else span.below
        if span.below is None and self.next_seq < end:
            self._on_damage(Damage(span.first_seq, self._offset, 0, (self.next_seq, end)))
        self.next_seq = end

    def _enter(self) -> bool:
        """Opens the segment that holds `next_seq`. False if there is none yet."""
        if self._span is not None:
            return True
        if not self._directory.is_dir() or not (every := spans(self._directory)):
            return False  # its writer has not begun
        if self.next_seq < every[0].first_seq:
            self._on_damage(Damage(every[0].first_seq, 0, 0, (self.next_seq, every[0].first_seq)))
            self.next_seq = every[0].first_seq
        self._span = [span for span in every if span.first_seq <= self.next_seq][-1]
        self._fd = os.open(self._span.path, os.O_RDONLY | os.O_CLOEXEC)
        self._offset = SEGMENT_HEADER_BYTES
        return True

    def _leave(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._span, self._fd = None, -1

    def close(self) -> None:
        """Closes the segment it stands in."""
        self._leave()
