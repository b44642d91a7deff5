"""What a writer does before its first record: find where the journal ends, cut a torn tail, report damage."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from lianfang.infra.journal.files import (
    AHEAD_PATTERN,
    DAMAGED_FOLDER,
    Files,
    read_mark,
    segment_list,
    segment_path,
    write_all,
)
from lianfang.infra.journal.format import Damage, Walk, unpack_segment_header, written
from lianfang.infra.journal.reader import Span, record_bytes, spans, walk_span

_STEP_BYTES: Final = 1 << 20


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """What was found at open. `cut`: a torn tail, copied to `damaged/`, then zeroed. `damaged` bytes stay in place."""

    segments: int
    first_seq: int | None
    """Of the oldest segment; null in a new journal."""
    last_seq: int
    """The last sound record; 0 in a new journal."""
    cut: tuple[Damage, ...] = ()
    damaged: tuple[Damage, ...] = ()
    """In the last segment. `verify` looks at all of them."""
    lost: tuple[int, int] | None = None
    """Seqs [from, to) that the writer had marked as durable, and that the journal's end does not hold any more."""

    @property
    def clean(self) -> bool:
        """Nothing was cut and nothing is damaged."""
        return not self.cut and not self.damaged and self.lost is None

    def sentences(self) -> list[str]:
        """For the log, worst first."""
        gone = self.lost or (0, 0)
        return [
            *([f"LOST answered records, seq {gone[0]} to {gone[1] - 1}"] if self.lost else ()),
            *(f"DAMAGED {damage}; kept a copy in {DAMAGED_FOLDER}/" for damage in self.damaged),
            *(f"cut a torn tail of {d.length} byte(s) at offset {d.offset} of segment {d.segment}" for d in self.cut),
            f"journal recovered: {self.segments} segment(s), last seq {self.last_seq}",
        ]


class Tail(msgspec.Struct, frozen=True):
    """Where the journal ends: the last segment, its written part, and whether a writer may go on in it."""

    span: Span
    end: int
    size: int
    index: list[tuple[int, int]]
    """(seq, offset) of its records."""
    continues: bool


def recover(directory: Path, files: Files) -> tuple[Recovery, Tail | None]:
    """Recovers the journal in `directory`. Raises `OSError`, and `EvidenceError` for a newer format."""
    _name_again(directory, files)
    every = spans(directory)
    if not every:
        return Recovery(segments=0, first_seq=None, last_seq=0, lost=_lost(directory, 0)), None
    span = every[-1]
    data = span.path.read_bytes()
    damaged: list[Damage] = []
    walk = walk_span(span, damaged.append)
    index = [(record.seq, walk.offset - record_bytes(record)) for record in walk]
    offset = walk.offset
    cut: list[Damage] = []
    torn = written(data, offset) - offset
    for damage in damaged:
        _quarantine(directory, data, damage, files)
    fd = files.open(span.path)
    try:
        if torn:
            cut.append(Damage(span.first_seq, offset, torn, (walk.expect, walk.expect)))
            _quarantine(directory, data, cut[0], files)
            for at in range(offset, offset + torn, _STEP_BYTES):
                write_all(files, fd, bytes(min(_STEP_BYTES, offset + torn - at)), at)
        files.sync(fd)  # what a killed writer had written but not synced is read from now on, so it must be durable
    finally:
        os.close(fd)
    recovery = Recovery(
        segments=len(every),
        first_seq=every[0].first_seq,
        last_seq=walk.expect - 1,
        cut=tuple(cut),
        damaged=tuple(damaged),
        lost=_lost(directory, walk.expect - 1),
    )
    return recovery, Tail(span, offset, len(data), index, not damaged and span.header is not None)


def _name_again(directory: Path, files: Files) -> None:
    """A rotation's rename is not synced: after a power cut a segment may have a blank's name again. Removes the others.

    Of two that begin with the same seq (a failed attempt, and the retry) the one with more records is the retry.
    """
    last = max(segment_list(directory), default=0)
    best: dict[int, tuple[int, Path]] = {}
    leftovers = sorted(directory.glob(AHEAD_PATTERN))
    if not leftovers:
        return
    for path in leftovers:
        data = path.read_bytes()
        header = unpack_segment_header(data)
        if header is None or header.first_seq <= last:
            continue
        first = header.first_seq
        walk = Walk(data, first, limit=None, expect=first, below=None, damaged=lambda damage: None)
        count = sum(1 for _ in walk)
        if count > best.get(first, (0, path))[0]:
            best[first] = (count, path)
    for first, (_, path) in best.items():
        files.rename(path, segment_path(directory, first))
        leftovers.remove(path)
    for path in leftovers:
        path.unlink()
    files.sync_folder(directory)


def _lost(directory: Path, last_seq: int) -> tuple[int, int] | None:
    durable = read_mark(directory) or 0
    return (last_seq + 1, durable + 1) if durable > last_seq else None


def _quarantine(directory: Path, data: bytes, damage: Damage, files: Files) -> None:
    """Copies the bytes to `damaged/<segment>-<offset>.bin`, durably, before anything else happens to them."""
    folder = directory / DAMAGED_FOLDER
    folder.mkdir(exist_ok=True)
    path = folder / f"{damage.segment:020d}-{damage.offset}.bin"
    path.unlink(missing_ok=True)
    fd = files.create(path)
    try:
        write_all(files, fd, data[damage.offset : damage.offset + damage.length], 0)
        files.sync(fd)
    finally:
        os.close(fd)
    files.sync_folder(folder)
    files.sync_folder(directory)
