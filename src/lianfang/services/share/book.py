"""What the alliance says of the subjects this node holds, kept up with the log, and told to the decider at once.

One owner of the ledger and of the decider's file. Thread-safe: a caller waits for the one before. A batch is one
transaction; the decider is told just before it ends, so that what a crash repeats is told again, and never lost.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple, Protocol

import msgspec
import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from lianfang.engines.keyed import HashKey
from lianfang.engines.sealing import derive
from lianfang.engines.tlog import leaf_hash
from lianfang.infra.sql import Database, upsert
from lianfang.kernel.errors import EvidenceError, LianfangError
from lianfang.kernel.instant import MINUTE
from lianfang.services.share import held_store, store
from lianfang.services.share.applying import Applied, Ledger, Logged, Roster
from lianfang.services.share.held_store import Match, Wanted
from lianfang.services.share.holding import Spelled, Unfit
from lianfang.services.share.opening import Heeding, Said, Standing, drawn, opened
from lianfang.services.share.store import Position
from lianfang.wire import Tag

CHANGE_SUBJECTS_MAX: Final = 100_000
"""Of one change told to the decider."""
GROWN_MAX: Final = 8 << 20
"""Bytes of changes after which the decider is given everything anew."""


class Writer(Protocol):
    """The way to the decider (`infra.tagfile`)."""

    def begin(self, sets: Sequence[tuple[str, ...]], hashes: NDArray[np.uint64], values: NDArray[np.int64]) -> None: ...
    def append(
        self, sets: Sequence[tuple[str, ...]], hashes: NDArray[np.uint64], values: NDArray[np.int64]
    ) -> None: ...
    @property
    def grown(self) -> int: ...


class Told(NamedTuple):
    """What the decider was last told of a subject, and under which hashes."""

    said: Said
    hashes: tuple[int, ...]


Listener = Callable[[Applied], None]


class Book:
    """`wall`: microseconds UTC. `start` first."""

    def __init__(
        self,
        database: Database,
        key: HashKey,
        writer: Writer,
        heeding: Heeding,
        wall: Callable[[], int],
        roster: Callable[[], Roster],
    ) -> None:
        store.prepare(database)
        held_store.prepare(database)
        self.database, self._key, self._writer, self._wall = database, key, writer, wall
        self._roster = roster
        self.heeding = heeding
        self.lock = threading.RLock()
        self.ledger = Ledger(roster())
        self.position = Position()
        self.listeners: list[Listener] = []
        """Told of every run of entries after it is kept."""
        self.alarms: list[tuple[int, str]] = []
        """Places of entries refused since the start, and why; the newest last."""
        self._told: dict[int, Told] = {}
        self._sets: dict[tuple[str, ...], int] = {}
        self._frozen = False

    # at the start

    def start(self) -> None:
        """As kept: the ledger, and everything that is said, told to the decider whole."""
        with self.lock:
            self._reload()
            self.rewrite()

    def _reload(self) -> None:
        with self.database.reading() as connection:
            self.ledger = store.ledger(connection, self._roster())
            self.position = store.position(connection)
            self._told.clear()
            subjects = held_store.all_with_tags(connection)
            spelled = held_store.hashes_of(connection, subjects)
            for subject, said in self._drawn(connection, subjects).items():
                if said is not None and subject in spelled:
                    self._told[subject] = Told(said, spelled[subject])

    def rewrite(self) -> None:
        """Everything that is said, whole."""
        with self.lock:
            self._sets = {}
            hashes: list[int] = []
            values: list[int] = []
            for told in self._told.values():
                word = told.said.packed(self._set(told.said.contributors))
                hashes += told.hashes
                values += [word] * len(told.hashes)
            self._writer.begin(tuple(self._sets), np.array(hashes, np.uint64), np.array(values, np.int64))

    @property
    def subjects_told(self) -> int:
        """Subjects of which something is said to the decider."""
        return len(self._told)

    # the log

    def take(self, entries: Sequence[Logged], *, confirmed: bool = False) -> Applied:
        """Apply entries; those applied before are passed over, and compared if no quorum had cosigned them.

        `confirmed`: a quorum has cosigned these. Raises `EvidenceError` where one is missing, or is another than before.
        """
        with self._changing() as connection:
            self._compare(connection, entries)
            applied = self._applied(connection, entries)
            if not confirmed:
                new = [one for one in entries if applied.begin <= one.place < applied.end]
                store.put_handed(connection, ((one.place, leaf_hash(one.raw)) for one in new))
        for one in applied.refused:
            self._alarm(one.place, one.why)
        self._rewrite_if_grown()
        for listener in self.listeners:
            listener(applied)
        return applied

    def _compare(self, connection: sa.Connection, entries: Sequence[Logged]) -> None:
        if not entries or entries[0].place >= self.ledger.next:
            return
        before = store.handed(connection, entries[0].place)
        for one in entries:
            if before.get(one.place, None) not in (None, leaf_hash(one.raw)):
                raise EvidenceError(
                    f"entry {one.place} of the log is another than the one that came before it was cosigned: the hub shows "
                    "different histories; only what was confirmed counts"
                )

    def _applied(self, connection: sa.Connection, entries: Sequence[Logged]) -> Applied:
        applied = self.ledger.take(entries, lambda ids: store.known(connection, ids))
        if applied.begin == applied.end:
            return applied
        self.position = store.keep(connection, applied, self.position)
        affected: set[int] = set()
        if applied.tags:
            affected = self._open(connection, held_store.matches_between(connection, applied.begin, applied.end))
        if applied.about or applied.vetoes:
            voided = [veto.lookup for _, veto in applied.vetoes]
            affected |= held_store.subjects_with(connection, tags=applied.about, lookups=voided)
        self._redraw(connection, affected)
        return applied

    def confirm(self, size: int, root: bytes) -> None:
        """Entries before `size` are cosigned by a quorum."""
        with self._changing() as connection:
            was = self.position.confirmed
            if not was < size <= self.position.next:
                return
            self.position = self.position._replace(confirmed=size, root=root)
            store.put_position(connection, self.position)
            store.forget_handed(connection, size)
            self._redraw(connection, held_store.subjects_with(connection, since=was, to=size))

    def acknowledged(self, size: int) -> None:
        """Everything below `size` was acknowledged to the hub."""
        with self._changing() as connection:
            self.position = self.position._replace(acknowledged=size)
            store.put_position(connection, self.position)

    def freeze(self) -> None:
        """The log is in doubt: from here on, only what was confirmed counts, whatever the setting."""
        with self.lock:
            self._frozen = True
            with self.database.reading() as connection:
                begin, end = self.position.confirmed, self.position.next
                self._redraw(connection, held_store.subjects_with(connection, since=begin, to=end))

    # subjects

    def hold(self, met: Sequence[Spelled], source: str, unfit: Iterable[Unfit] = ()) -> int:
        """Hold subjects; how many were new, or newly spelled."""
        with self._changing() as connection:
            new = held_store.hold(connection, met, source, self._wall(), self._key)
            held_store.tell_unfit(connection, unfit)
            for subject in new & self._told.keys():  # one more spelling of a subject that is spoken of
                del self._told[subject]
            self._redraw(connection, new)
            return len(new)

    def give_tokens(self, epoch: str, wanted: Sequence[Wanted], tokens: Sequence[bytes]) -> int:
        """Tokens of held subjects; what they open is told at once. How many tags they opened."""
        derived = [derive(token) for token in tokens]
        rows = [(one.subject, d.lookup, d.seal) for one, d in zip(wanted, derived, strict=True)]
        with self._changing() as connection:
            held_store.put_tokens(connection, epoch, rows)
            found = held_store.matches_of(connection, [d.lookup for d in derived])
            self._redraw(connection, self._open(connection, found))
            return len(found)

    def tick(self) -> None:
        """Once a second: what ended is drawn together anew from what still stands."""
        minute = self._wall() // MINUTE
        with self.lock:
            ended = {subject for subject, told in self._told.items() if told.said.until <= minute}
            if ended:
                with self.database.reading() as connection:
                    self._redraw(connection, ended)

    # within

    @contextmanager
    def _changing(self) -> Iterator[sa.Connection]:
        """A transaction. When it fails, memory and decider go back to what is on record."""
        with self.lock:
            try:
                with self.database.writing() as connection:
                    yield connection
            except Exception:
                self._reload()
                self.rewrite()
                raise

    def _open(self, connection: sa.Connection, found: Sequence[Match]) -> set[int]:
        good: list[tuple[Match, Tag]] = []
        for one in found:
            try:
                if one.kind != one.entry.kind:
                    raise EvidenceError("the entry names another kind than its subject is")
                tag = opened(one.entry, one.seal, self.ledger.roster.signing_key(one.entry.member, one.place))
            except LianfangError as why:
                row = {"place": one.place, "code": "unopened", "why": str(why), "raw": msgspec.json.encode(one.entry)}
                upsert(connection, store.refused_table, [row], ("place",))
                self.position = self.position._replace(refused=self.position.refused + 1)
                store.put_position(connection, self.position)
                self._alarm(one.place, str(why))
                continue
            good.append((one, tag))
        held_store.put_opened(connection, good)
        return {one.subject for one, _ in good}

    def _drawn(self, connection: sa.Connection, subjects: Collection[int]) -> dict[int, Said | None]:
        rows = held_store.opened_of(connection, subjects)
        doubted = store.contested(connection, {row.tag.hex() for row in rows})
        void = store.vetoed(connection, {row.lookup for row in rows})
        by: dict[int, list[Standing]] = {subject: [] for subject in subjects}
        for row in rows:
            about = doubted[row.tag.hex()]
            by[row.subject].append(
                Standing(
                    row.place, row.tag.hex(), row.contributor, row.category, row.severity, row.confidence, row.until,
                    bool(about.disputed), bool(about.withdrawn), row.lookup in void,
                )
            )  # fmt: skip
        heeding = self.heeding._replace(pending="wait") if self._frozen else self.heeding
        minute, confirmed = self._wall() // MINUTE, self.position.confirmed
        return {subject: drawn(tags, minute, confirmed, heeding) for subject, tags in by.items()}

    def _redraw(self, connection: sa.Connection, subjects: Collection[int]) -> None:
        """Draw subjects together anew, and tell the decider what is other than it was."""
        if not subjects:
            return
        spelled = held_store.hashes_of(connection, subjects)
        sets = len(self._sets)
        hashes: list[int] = []
        values: list[int] = []
        for subject, said in self._drawn(connection, subjects).items():
            was, of = self._told.get(subject), spelled.get(subject, ())
            if (was.said if was else None) == said or not of:
                continue
            word = said.packed(self._set(said.contributors)) if said else 0
            hashes += of
            values += [word] * len(of)
            if said:
                self._told[subject] = Told(said, of)
            else:
                del self._told[subject]
        self._tell(list(self._sets)[sets:], hashes, values)

    def _tell(self, sets: list[tuple[str, ...]], hashes: list[int], values: list[int]) -> None:
        for start in range(0, len(hashes), CHANGE_SUBJECTS_MAX):
            part = slice(start, start + CHANGE_SUBJECTS_MAX)
            self._writer.append(sets, np.array(hashes[part], np.uint64), np.array(values[part], np.int64))
            sets = []

    def _set(self, contributors: tuple[str, ...]) -> int:
        return self._sets.setdefault(contributors, len(self._sets))

    def _rewrite_if_grown(self) -> None:
        if self._writer.grown > GROWN_MAX:
            self.rewrite()

    def _alarm(self, place: int, why: str) -> None:
        self.alarms.append((place, why))
        del self.alarms[:-100]
