"""The journal becomes the index: every durable record once, from where the last build stopped, in bounded memory.

New runs are small; `FAN` neighbours of one level become one of the next, so there are few of them, and a row is written
again only so many times as the number of runs has digits.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import msgspec
from isal.isal_zlib import crc32

from lianfang.engines.keyed import HashKey
from lianfang.infra.finding.gather import Gathering, Seen, newest_decision
from lianfang.infra.finding.keys import hashed
from lianfang.infra.finding.manifest import (
    Manifest,
    RunFile,
    building,
    read_manifest,
    sweep,
    write_manifest,
)
from lianfang.infra.finding.run import ROWS_MAX, Run, check_run, open_run, sizes_of, write_run
from lianfang.infra.journal import DECISION, OUTCOME, Damage, Follower, Record
from lianfang.infra.journal.files import read_mark, segment_list
from lianfang.infra.lake.columns import Answered, Told, read_answered, read_told
from lianfang.infra.lake.manifest import sync
from lianfang.kernel.errors import DependencyError, EvidenceError

RUN_ROWS: Final = 200_000
"""Rows gathered in memory, about 100 MB; a build that dies repeats so many at most."""
FAN: Final = 4
POLL: Final = 2_000
_CHECKED: Final = "lianfang finding key check"
Progress = Callable[[int, int], None]


class Indexed(msgspec.Struct, frozen=True):
    """What one build added."""

    records: int
    runs: int
    merged: int
    lost: int
    next_seq: int
    anew: bool
    """It began from nothing, because the node's hash key is another one."""


def key_check(key: HashKey) -> int:
    """What the manifest knows the hash key by."""
    return int(hashed([_CHECKED], key)[0])


def index(
    journal: Path,
    folder: Path,
    key: HashKey,
    progress: Progress = lambda done, of: None,
    *,
    run_rows: int | None = None,
) -> Indexed:
    """Takes in what is durable in the journal and not yet in the index.

    Damage of the journal is stepped over and counted. Raises `DependencyError` while another process changes the index or the
    disk refuses, `EvidenceError` if the journal is not the one that the index was built from, or a run is damaged.
    """
    if not journal.is_dir():
        raise DependencyError(f"there is no journal in {journal}", "journal-missing", retryable=False)
    with building(folder):
        try:
            sweep(folder)
            return _Indexing(journal, folder, key, progress, run_rows or RUN_ROWS).run()
        except OSError as why:
            raise DependencyError(
                f"the index in {folder} cannot be written: {why.strerror or why}", "finding-failed"
            ) from why


class _Indexing:
    def __init__(self, journal: Path, folder: Path, key: HashKey, progress: Progress, run_rows: int) -> None:
        self._journal, self._folder, self._progress, self._run_rows = journal, folder, progress, run_rows
        found = read_manifest(folder)
        check = key_check(key)
        self._anew = found.key_check is not None and found.key_check != check
        self._manifest = Manifest(key_check=check) if self._anew else msgspec.structs.replace(found, key_check=check)
        self._runs = [open_run(folder / one.name, one.sizes) for one in self._manifest.runs]
        self._gathering = Gathering(key, self._resolve)
        self._lost = self._records = self._made = self._merges = 0
        self._last: Record | None = None

    def run(self) -> Indexed:
        start, durable = self._manifest.next_seq, read_mark(self._journal) or 0
        self._refuse_another_journal(start, durable)
        with closing(Follower(self._journal, start, self._damaged)) as follower:
            while records := follower.poll(POLL):
                for record in records:
                    self._take(record)
                self._last = records[-1]
                if len(self._gathering) >= self._run_rows:
                    self._cut(follower.next_seq)
                done = follower.next_seq - start
                self._progress(done, max(durable - start + 1, done))
            if follower.next_seq != self._manifest.next_seq or self._anew:
                self._cut(follower.next_seq)
        sweep(self._folder)
        return Indexed(self._records, self._made, self._merges, self._lost, self._manifest.next_seq, self._anew)

    def _resolve(self, key: Any, below: int) -> Seen | None:
        return newest_decision(self._runs, key, below)

    def _refuse_another_journal(self, start: int, durable: int) -> None:
        firsts = segment_list(self._journal)
        if start == 1 or self._manifest.tail is None or not firsts or firsts[0] >= start:
            return
        advice = "it is another journal; remove the index: it is built anew"
        if durable and durable < start - 1:
            raise EvidenceError(
                f"the index has records up to {start - 1}, but {self._journal} ends at {durable}: {advice}"
            )
        with closing(Follower(self._journal, start - 1, lambda damage: None)) as before:
            found = before.poll(1)
        if found and found[0].seq == start - 1 and _crc(found[0]) != self._manifest.tail:
            raise EvidenceError(f"record {start - 1} of {self._journal} is not the one that the index took: {advice}")

    def _damaged(self, damage: Damage) -> None:
        self._lost += damage.missing[1] - damage.missing[0]

    def _take(self, record: Record) -> None:
        try:
            row = read_record(record)
        except (msgspec.MsgspecError, ValueError, IndexError, OverflowError):
            self._lost += 1
            return
        if row is not None:
            self._gathering.add(row)
            self._records += 1

    def _cut(self, next_seq: int) -> None:
        """What was gathered becomes part of the index; then neighbours are merged where there are enough."""
        runs = self._manifest.runs
        if len(self._gathering):
            runs = (*runs, self._write([self._gathering.finish()], 0))
            self._made += 1
        had = self._manifest
        self._name(
            msgspec.structs.replace(
                had,
                next_seq=next_seq,
                tail=had.tail if self._last is None else _crc(self._last),
                runs=runs,
                lost=had.lost + self._lost,
            )
        )
        while (alike := _mergeable(self._manifest.runs)) is not None:
            self._merge(alike)

    def _merge(self, alike: int) -> None:
        old, rest = self._manifest.runs[alike : alike + FAN], self._manifest.runs
        mapped = self._runs[alike : alike + FAN]
        for one, run in zip(old, mapped, strict=True):
            check_run(self._folder / one.name, run, one.crc)
        made = self._write(mapped, old[0].level + 1)
        self._name(msgspec.structs.replace(self._manifest, runs=(*rest[:alike], made, *rest[alike + FAN :])))
        self._merges += 1

    def _write(self, runs: list[Run], level: int) -> RunFile:
        sizes = sizes_of(runs)
        made = RunFile(
            first=sizes.first, last=sizes.last, rows=sizes.rows, outcomes=sizes.outcomes, postings=sizes.postings,
            level=level, crc=(),
        )  # fmt: skip
        partial = self._folder / (made.name + ".partial")
        crc = write_run(partial, runs)
        partial.replace(self._folder / made.name)
        sync(self._folder)
        return msgspec.structs.replace(made, crc=crc)

    def _name(self, manifest: Manifest) -> None:
        kept = {one.name: run for one, run in zip(self._manifest.runs, self._runs, strict=True)}
        write_manifest(self._folder, manifest)
        self._manifest = manifest
        self._runs = [kept.get(one.name) or open_run(self._folder / one.name, one.sizes) for one in manifest.runs]


def _mergeable(runs: tuple[RunFile, ...]) -> int | None:
    """Where `FAN` neighbours of one level stand that fit into one run; None where nowhere."""
    for at in range(len(runs) - FAN, -1, -1):
        some = runs[at : at + FAN]
        if len({one.level for one in some}) == 1 and sum(one.rows for one in some) <= ROWS_MAX:
            return at
    return None


def read_record(record: Record) -> Answered | Told | None:
    """A decision or an outcome, read; None for a note. Raises `ValueError` (or msgspec's) for one that cannot be read."""
    if record.kind == DECISION:
        return read_answered(record)
    if record.kind == OUTCOME:
        return read_told(record)
    return None


def retain(folder: Path, before_seq: int) -> int:
    """Takes out whole runs that hold nothing from `before_seq` on, and removes their files; how many."""
    with building(folder):
        manifest = read_manifest(folder)
        kept = tuple(one for one in manifest.runs if one.last >= before_seq)
        write_manifest(folder, msgspec.structs.replace(manifest, runs=kept))
        sweep(folder)
        return len(manifest.runs) - len(kept)


def _crc(record: Record) -> int:
    return crc32(b"".join(record.parts), record.seq)
