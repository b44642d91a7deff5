"""Finding decisions and outcomes again: the index on disk and the tail in memory as one, without gap or double."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from lianfang.engines.keyed import HashKey
from lianfang.infra.finding import codes
from lianfang.infra.finding.build import key_check
from lianfang.infra.finding.gather import newest_decision
from lianfang.infra.finding.keys import PAYMENT, hashed, word
from lianfang.infra.finding.manifest import MANIFEST, read_manifest
from lianfang.infra.finding.query import LOOK_MAX, Count, FoundRow, Page, Query, check_query
from lianfang.infra.finding.run import Run, open_run
from lianfang.infra.finding.search import Found, plan_of, search
from lianfang.infra.finding.tail import Tail
from lianfang.infra.journal.files import read_mark
from lianfang.kernel.errors import EvidenceError
from lianfang.kernel.instant import moment

_TRIES: Final = 5
"""A manifest read while its files are replaced is read again."""
COUNT_CAP: Final = 10_000
SEQ_END: Final = 1 << 62


class _Index:
    """The index as one manifest names it."""

    def __init__(self, mark: tuple[int, int, int], runs: tuple[Run, ...], next_seq: int) -> None:
        self.mark, self.runs, self.next_seq = mark, runs, next_seq


class Finder:
    """Asks an index in `folder`, and a tail where there is one. Thread-safe.

    Without a tail, what `journal` has beyond the index counts as missing.
    """

    def __init__(self, folder: Path, journal: Path, key: HashKey, tail: Tail | None = None) -> None:
        self._folder, self._journal, self._key = folder, journal, key
        self.tail = tail
        self._lock = threading.Lock()
        self._index = _Index((0, 0, 0), (), 1)
        self._opened: dict[str, Run] = {}

    def refresh(self) -> int:
        """Looks whether the index was built further; its `next_seq`. Raises `EvidenceError` for a broken one."""
        with self._lock:
            for left in range(_TRIES - 1, -1, -1):
                try:
                    self._reopen()
                    break
                except FileNotFoundError:  # a merge took its file away meanwhile
                    if not left:
                        raise EvidenceError(
                            f"{self._folder / MANIFEST} names files that are not there; remove the folder: it is built anew"
                        ) from None
            found = self._index
        if self.tail is not None and self.tail.view.next_seq:
            self.tail.indexed(found.next_seq, found.runs)
        return found.next_seq

    def _reopen(self) -> None:
        try:
            stat = (self._folder / MANIFEST).stat()
        except FileNotFoundError:
            self._index, self._opened = _Index((0, 0, 0), (), 1), {}
            return
        mark = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if mark == self._index.mark:
            return
        manifest = read_manifest(self._folder)
        if manifest.key_check not in (None, key_check(self._key)):
            self._index, self._opened = _Index(mark, (), 1), {}  # of another hash key: the next build begins anew
            return
        opened = {
            one.name: self._opened.get(one.name) or open_run(self._folder / one.name, one.sizes)
            for one in manifest.runs
        }
        self._index, self._opened = _Index(mark, tuple(opened.values()), manifest.next_seq), opened

    def _sources(self) -> tuple[list[Run], int, int]:
        """Runs by seq, the seq below which the index answers, and how many records neither has."""
        tail = self.tail.view if self.tail is not None else None  # first: what it lets go of, the index has by then
        self.refresh()
        index = self._index
        if tail is None or not tail.next_seq:
            missing = max((read_mark(self._journal) or 0) - index.next_seq + 1, 0)
            return list(index.runs), index.next_seq, missing
        beyond = [run for run in tail.runs if run.sizes.last >= index.next_seq]
        return [*index.runs, *beyond], index.next_seq, tail.missing(index.next_seq)

    def find(self, query: Query, look_max: int = LOOK_MAX) -> Page:
        """One page. Raises `InputError` for a query that cannot be, `EvidenceError` for a broken index."""
        plan = plan_of(check_query(query), self._key)
        runs, floor, missing = self._sources()
        rows: list[FoundRow] = []
        down_to: int | None = None
        for found in search(runs, plan, look_max, floor):
            room = query.limit - len(rows)
            rows += _rows(found, room)
            if len(rows) == query.limit:
                return Page(rows=tuple(rows), next=rows[-1].seq, complete=True, missing=missing)
            down_to = found.down_to if found.looked >= look_max else None
        return Page(rows=tuple(rows), next=down_to, complete=down_to is None, missing=missing)

    def count(self, query: Query, cap: int = COUNT_CAP, look_max: int = LOOK_MAX) -> Count:
        """How many there are from `before_seq` down, at most `cap`."""
        plan = plan_of(check_query(query), self._key)
        runs, floor, _ = self._sources()
        counted = looked = 0
        for found in search(runs, plan, look_max, floor):
            counted, looked = counted + len(found.rows), found.looked
            if counted >= cap:
                return Count(cap, exact=False)
        return Count(counted, exact=looked < look_max)

    def decision_of(self, payment_id: str) -> FoundRow | None:
        """The newest decision of a payment, by its columns."""
        key = hashed([word(PAYMENT, payment_id)], self._key)[0]
        runs = self._sources()[0]
        seen = newest_decision(runs, key, SEQ_END)
        if seen is None:
            return None
        run = next(run for run in reversed(runs) if run.sizes.first <= seen.seq <= run.sizes.last)
        return next(_rows(Found(run, np.array([run.row_of(seen.seq)]), seen.seq, 1), 1))

    def outcomes_of(self, payment_id: str) -> list[int]:
        """The seqs of all outcomes about a payment, the newest first."""
        key = hashed([word(PAYMENT, payment_id)], self._key)[0]
        runs, floor, _ = self._sources()
        found: list[int] = []
        for run in reversed(runs):
            low = run.row_of(floor) if run.sizes.last >= floor else 0
            rows = run.slice_of(key)[::-1]
            found += [int(run.seq[row]) for row in rows if row >= low and run.flags[row] & codes.OUTCOME]
        return found

    def size(self) -> int:
        """How many records can be found."""
        runs, floor, _ = self._sources()
        return sum(len(run) - (run.row_of(floor) if run.sizes.last >= floor else 0) for run in runs)


def _rows(found: Found, room: int) -> Iterator[FoundRow]:
    run, rows = found.run, found.rows[:room]
    about = run.about(rows) if len(rows) else np.zeros(0, np.uint64)
    for row, seq in zip(rows.tolist(), about.tolist(), strict=True):
        flags = int(run.flags[row])
        outcome = bool(flags & codes.OUTCOME)
        yield FoundRow(
            seq=int(run.seq[row]),
            at=moment(int(run.at[row])),
            outcome=outcome,
            decision_seq=(seq or None) if outcome else None,
            amount=int(run.amount[row]),
            currency=codes.currency_name(int(run.currency[row])),
            action=codes.name_of(int(run.action[row]), codes.ACTIONS),  # type: ignore[arg-type]
            kind=codes.name_of(int(run.kind[row]), codes.KINDS),  # type: ignore[arg-type]
            channel=codes.name_of(int(run.channel[row]), codes.CHANNELS),  # type: ignore[arg-type]
            unsure=bool(flags & codes.UNSURE),
        )
