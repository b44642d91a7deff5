"""The journal becomes the lake: every durable record once, from where the last build stopped.

Killed at any moment, nothing is lost and nothing doubled: rows count from the instant at which the manifest names them,
and the same replacement moves `next_seq`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow.parquet as pq
from isal.isal_zlib import crc32

from lianfang.infra.journal import DECISION, OUTCOME, Damage, Follower, Record
from lianfang.infra.journal.files import read_mark, segment_list
from lianfang.infra.lake.columns import (
    DECISIONS,
    OUTCOMES,
    decisions_table,
    outcomes_table,
    read_answered,
    read_told,
)
from lianfang.infra.lake.manifest import (
    DAMAGE_KEPT,
    KINDS,
    PARTIAL,
    Kind,
    Part,
    building,
    read_manifest,
    settle,
    sweep,
    write_manifest,
)
from lianfang.kernel.errors import DependencyError, EvidenceError
from lianfang.kernel.instant import moment

ROWS_AT_ONCE: Final = 20_000
"""Rows held in memory: about 100 MB of decisions."""
PART_ROWS: Final = 500_000
"""Rows of one part; a build that dies repeats so many at most."""
POLL: Final = 2_000
Progress = Callable[[int, int], None]
"""Told the records taken in and, about, how many there are to take."""
Names = Mapping[str, Sequence[str]]
"""Features' names by their version."""


class Built(msgspec.Struct, frozen=True):
    """What one build added. `damage`: what of the journal could not be read, met now."""

    decisions: int
    outcomes: int
    parts: int
    damage: tuple[str, ...]
    next_seq: int


def build(
    journal: Path,
    lake: Path,
    names: Names,
    progress: Progress = lambda done, of: None,
    *,
    part_rows: int | None = None,
) -> Built:
    """Takes in what is durable in the journal and not yet in the lake. `names`: those known now, by features' version.

    `part_rows`: rows after which a part ends; without, PART_ROWS. Damage is stepped over, kept in the manifest, and told.
    Raises `DependencyError` while another process changes the lake or the disk refuses, `EvidenceError` if the journal is not
    the one the lake was built from.
    """
    if not journal.is_dir():
        raise DependencyError(f"there is no journal in {journal}", "journal-missing", retryable=False)
    with building(lake):
        try:
            sweep(lake)
            return _Building(journal, lake, names, progress, part_rows or PART_ROWS).run()
        except OSError as why:
            raise DependencyError(
                f"the lake in {lake} cannot be written: {why.strerror or why}", "lake-failed"
            ) from why


class _Sheet:
    """The open part of one kind."""

    def __init__(self, lake: Path, kind: Kind) -> None:
        self._lake, self._kind = lake, kind
        self._schema = DECISIONS if kind == "decisions" else OUTCOMES
        self._table: Callable[[Any], Any] = decisions_table if kind == "decisions" else outcomes_table
        self._waiting: list[Any] = []
        self._writer: pq.ParquetWriter | None = None
        self._partial = Path()
        self._first = self._last = 0
        self.rows = 0

    def add(self, row: Any, day: date) -> None:
        if not self.rows:
            self._first = row.seq
            folder = self._lake / self._kind / f"day={day.isoformat()}"
            folder.mkdir(parents=True, exist_ok=True)
            self._partial = folder / f"part-{row.seq:020d}{PARTIAL}"
        self._last = row.seq
        self.rows += 1
        self._waiting.append(row)
        if len(self._waiting) >= ROWS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._partial, self._schema, compression="zstd")
        self._writer.write_table(self._table(self._waiting))
        self._waiting.clear()

    def finish(self, day: date) -> Part | None:
        """The part under its name, durable; None without a row."""
        if not self.rows:
            return None
        if self._waiting:
            self._flush()
        self.close()
        part = Part(self._kind, day, self._first, self._last, self.rows, 0)
        size = settle(self._partial, self._lake / part.name)
        self.rows = 0
        return msgspec.structs.replace(part, bytes=size)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class _Building:
    def __init__(self, journal: Path, lake: Path, names: Names, progress: Progress, part_rows: int) -> None:
        self._part_rows = part_rows
        self._journal, self._lake, self._progress = journal, lake, progress
        self._manifest = read_manifest(lake)
        known = {**self._manifest.features, **{version: tuple(of) for version, of in names.items()}}
        self._named = known != self._manifest.features
        self._manifest = msgspec.structs.replace(self._manifest, features=known)
        self._sheets = {kind: _Sheet(lake, kind) for kind in KINDS}
        self._damage: list[str] = []
        self._untold: list[str] = []
        self._lost = 0
        self._last: Record | None = None
        self._day: date | None = None
        self._counts = {"decisions": 0, "outcomes": 0, "parts": 0}

    def run(self) -> Built:
        start = self._manifest.next_seq
        durable = read_mark(self._journal) or 0
        follower = Follower(self._journal, self._after_tail(start, durable), self._damaged)
        with ExitStack() as stack:
            stack.callback(follower.close)
            for sheet in self._sheets.values():
                stack.callback(sheet.close)
            while records := follower.poll(POLL):
                for record in records:
                    self._take(record)
                    self._last = record
                if any(sheet.rows >= self._part_rows for sheet in self._sheets.values()):
                    self._cut(follower.next_seq)
                done = follower.next_seq - start
                self._progress(done, max(durable - start + 1, done))
            if follower.next_seq != self._manifest.next_seq or self._named or self._untold:
                self._cut(follower.next_seq)
        return Built(
            self._counts["decisions"],
            self._counts["outcomes"],
            self._counts["parts"],
            tuple(self._damage),
            self._manifest.next_seq,
        )

    def _after_tail(self, start: int, durable: int) -> int:
        """Where to follow from, once the last record taken is found to be the same."""
        firsts = segment_list(self._journal)
        if start == 1 or self._manifest.tail is None or not firsts or firsts[0] >= start:
            return start
        if durable and durable < start - 1:
            raise EvidenceError(
                f"the lake has the journal's records up to {start - 1}, but {self._journal} ends at {durable}: it is an older "
                "journal, or another; move the lake away and build it anew"
            )
        before = Follower(self._journal, start - 1, lambda damage: None)
        try:
            found = before.poll(1)
        finally:
            before.close()
        if found and found[0].seq == start - 1 and _crc(found[0]) != self._manifest.tail:
            raise EvidenceError(
                f"record {start - 1} of {self._journal} is not the one that the lake took: it is another journal; "
                "move the lake away and build it anew"
            )
        return start

    def _damaged(self, damage: Damage) -> None:
        self._say(str(damage), damage.missing[1] - damage.missing[0])

    def _say(self, what: str, lost: int) -> None:
        self._damage.append(what)
        self._untold.append(what)
        self._lost += lost

    def _take(self, record: Record) -> None:
        kind: Kind
        try:
            row: Any
            if record.kind == DECISION:
                kind, row = "decisions", read_answered(record)
            elif record.kind == OUTCOME:
                kind, row = "outcomes", read_told(record)
            else:
                return
            day = moment(record.at).date()
        except (msgspec.MsgspecError, ValueError, IndexError, OverflowError) as why:
            self._say(f"record {record.seq} of the journal cannot be read: {why}", 1)
            return
        if day != self._day and any(sheet.rows for sheet in self._sheets.values()):
            self._cut(record.seq)
        self._day = day
        self._sheets[kind].add(row, day)
        self._counts[kind] += 1

    def _cut(self, next_seq: int) -> None:
        """What was gathered becomes part of the lake."""
        finished = [
            part for sheet in self._sheets.values() if (part := sheet.finish(self._day or date.min)) is not None
        ]
        had = self._manifest
        self._manifest = msgspec.structs.replace(
            had,
            next_seq=next_seq,
            tail=had.tail if self._last is None else _crc(self._last),
            parts=(*had.parts, *finished),
            damage=(*had.damage, *self._untold)[:DAMAGE_KEPT],
            lost=had.lost + self._lost,
        )
        self._untold, self._lost = [], 0
        write_manifest(self._lake, self._manifest)
        self._counts["parts"] += len(finished)


def _crc(record: Record) -> int:
    return crc32(b"".join(record.parts), record.seq)
