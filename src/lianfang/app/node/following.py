"""The desk follows the journal: one thread feeds the tail of the index, the counts, the running list and whoever else asks.

Everything is counted. Read whole (for the tail and the hooks) is every decision that is not a plain allow, and of the others at
most `FULL_PER_S` a second, evenly; the others can not be found until the next build of the index, and pages say how many.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import structlog

from lianfang.app.node.clock import WallClock, ticks_s
from lianfang.app.node.files import NodeFiles
from lianfang.infra.finding import Finder, Records, Tail
from lianfang.infra.finding.tail import TAIL_ROWS
from lianfang.infra.journal import DECISION, OUTCOME, Damage, Follower, Record
from lianfang.infra.journal.files import read_mark
from lianfang.infra.lake.columns import Answered, Told, read_answered, read_told
from lianfang.infra.sql import Database
from lianfang.kernel.errors import LianfangError
from lianfang.services.overview import (
    Glance,
    OutcomeGlance,
    Rollup,
    Stream,
    glance,
    glance_of,
    outcome_glance,
)
from lianfang.services.overview import store as overview_store

FULL_PER_S: Final = 6_000
POLL: Final = 2_000
POLL_S: Final = 0.1
TICK_S: Final = 0.5
SAVE_S: Final = 5.0
REFRESH_S: Final = 1.0
LAG_TOLD_S: Final = 10.0
STOP_S: Final = 10.0
FOLLOWING: Final = "following"
"""What its trouble is about, in `/readyz`; so below."""
INDEX: Final = "following.index"
COUNTS: Final = "following.counts"
DAMAGE: Final = "following.damage"
HOOK: Final = "following.hook"
Hook = Callable[[list[Answered | Told]], None]

log = structlog.get_logger("desk")


class Following:
    """Started once, stopped once. `rollup`, `stream`, `finder` and `records` may be read from any thread, at any time."""

    def __init__(self, files: NodeFiles, database: Database, wall: WallClock) -> None:
        overview_store.prepare(database)
        key = files.hash_key()
        self._journal, self._database, self._wall = files.journal, database, wall
        self.tail = Tail(key)
        self.finder = Finder(files.finding, files.journal, key, self.tail)
        self.records = Records(files.journal, files.lake, self.finder)
        self.stream = Stream()
        with database.reading() as connection:
            self.rollup: Rollup = overview_store.load(connection)
        self.hooks: list[Hook] = []
        """Told decisions and outcomes read whole, by seq: every one that is no plain allow. Called in this thread."""
        self.trouble: dict[str, str] = {}
        self.lost = self.skipped = 0
        self.next_seq = self.rollup.seq + 1
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._caught_up = ticks_s()
        self._caught_up_once = False
        self._streamed = 0
        self._tokens, self._tokens_at = float(FULL_PER_S), ticks_s()
        self._saved_at = self._ticked_at = self._refreshed_at = 0.0

    # what others ask

    @property
    def behind(self) -> int:
        """Durable records of the journal that it has not read."""
        return max((read_mark(self._journal) or 0) - self.next_seq + 1, 0)

    @property
    def lag_s(self) -> float:
        """For how long it has been behind; 0 while it is not, or was not started."""
        return ticks_s() - self._caught_up if self._thread is not None and self.behind else 0.0

    def attention(self) -> dict[str, str]:
        """What needs attention, for `/readyz`."""
        found = dict(self.trouble)
        if (lag := self.lag_s) > LAG_TOLD_S:
            found["following.lag"] = f"the desk has been {lag:.0f} s behind the journal, now {self.behind} records"
        ends = read_mark(self._journal)
        if ends is not None and ends < self.rollup.seq:
            found["following.journal"] = (
                f"the counts cover records up to {self.rollup.seq}, but the journal ends at {ends}: an older one, or another"
            )
        return found

    # the thread

    def start(self) -> None:
        """Begins to follow."""
        self._caught_up = ticks_s()
        self._thread = threading.Thread(target=self._run, name="following", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends, and keeps what was counted. Harmless when it never began."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(STOP_S)
            self._thread = None
        self.records.close()

    def _run(self) -> None:
        follower: Follower | None = None
        while not self._stop.is_set():
            try:
                if follower is None:
                    follower = self._begin()
                busy = self.step(follower)
                self.trouble.pop(FOLLOWING, None)
            except (LianfangError, OSError) as why:
                self._say(FOLLOWING, str(why))
                self._close(follower)
                follower, busy = None, False
            except Exception as why:  # a mistake of ours must not end the following in silence
                log.error("fault", exc_info=why)
                self._say(FOLLOWING, f"a fault, {type(why).__name__}; the log has it")
                self._close(follower)
                follower, busy = None, False
            if not busy:
                self._stop.wait(POLL_S)
        self._close(follower)
        self._save()

    def _close(self, follower: Follower | None) -> None:
        if follower is not None:
            follower.close()

    def _say(self, about: str, why: str) -> None:
        if self.trouble.get(about) != why:
            self.trouble[about] = why
            log.error("following", about=about, why=why)

    def _begin(self) -> Follower:
        """Stands where the counts or the index end, whichever is first; the tail begins where the index ends."""
        indexed = self._refresh()
        durable = read_mark(self._journal) or 0
        begin = max(indexed, durable - TAIL_ROWS + 1)
        self.tail.begin(begin)
        self._caught_up_once = False
        self.next_seq = min(begin, self.rollup.seq + 1)
        return Follower(self._journal, self.next_seq, self._damaged)

    def _damaged(self, damage: Damage) -> None:
        self.lost += damage.missing[1] - damage.missing[0]
        self._say(DAMAGE, f"{damage}; see `lianfang journal verify`")

    def step(self, follower: Follower) -> bool:
        """One poll, and what is due. Whether there may be more at once."""
        records = follower.poll(POLL)
        if records or follower.next_seq != self.next_seq:
            self._take(records, follower.next_seq)
        full = len(records) == POLL
        if not full:
            self._caught_up, self._caught_up_once = ticks_s(), True
        self._due()
        return full

    def _take(self, records: Sequence[Record], next_seq: int) -> None:
        whole, seen, skipped = self._read(records)
        self.tail.add(
            [one for one in whole if one.seq >= self.tail.view.begins], max(next_seq, self.tail.view.begins), skipped
        )
        told = [one for one in whole if isinstance(one, Told)]
        glances: list[Glance | OutcomeGlance] = [*seen, *(self._glance_outcome(one) for one in told)]
        new = [one for one in whole if one.seq > self.rollup.seq]
        self.rollup.add(glances, next_seq - 1)
        self.stream.add([one for one in seen if one.seq > self._streamed])
        self._streamed = max(self._streamed, next_seq - 1)
        self.next_seq, self.skipped = next_seq, self.skipped + skipped
        for hook in self.hooks if new else ():
            try:
                hook(new)
            except Exception as why:  # one who listens badly must not stop the others
                log.error("fault", exc_info=why)
                self._say(HOOK, f"a listener failed: {type(why).__name__}; the log has it")

    def _read(self, records: Sequence[Record]) -> tuple[list[Answered | Told], list[Glance], int]:
        """Read whole, read at a glance, and how many decisions were read only so though the tail wants them."""
        allowed = self._allowed_whole(records)
        begins = self.tail.view.begins
        whole: list[Answered | Told] = []
        seen: list[Glance] = []
        skipped = plain = 0
        plenty = allowed >= len(records)
        for record in records:
            try:
                if record.kind == DECISION and not (plenty and record.seq >= begins):
                    seen.append(one := glance(record.seq, record.at, record.parts[0], record.parts[1]))
                    if one.action == "allow" and not one.unsure:
                        plain += 1
                        if record.seq < begins:
                            continue
                        # evenly: so many of the plain ones so far as their share of the whole batch allows
                        if plain * allowed // len(records) == (plain - 1) * allowed // len(records):
                            skipped += 1
                            continue
                    whole.append(read_answered(record))
                elif record.kind == DECISION:
                    whole.append(full := read_answered(record))
                    seen.append(glance_of(full.seq, full.at, full.payment, full.decision))
                elif record.kind == OUTCOME:
                    whole.append(read_told(record))
            except (msgspec.MsgspecError, ValueError, IndexError) as why:
                self.lost += 1
                self._say(DAMAGE, f"record {record.seq} of the journal cannot be read: {type(why).__name__}")
        return whole, seen, skipped

    def _allowed_whole(self, records: Sequence[Record]) -> int:
        """How many records may be read whole now. All of them until the desk has caught up once."""
        now = ticks_s()
        self._tokens = min(self._tokens + (now - self._tokens_at) * FULL_PER_S, float(FULL_PER_S))
        self._tokens_at = now
        allowed = len(records) if not self._caught_up_once else min(int(self._tokens), len(records))
        self._tokens = max(self._tokens - allowed, 0.0)
        return allowed

    def _glance_outcome(self, told: Told) -> OutcomeGlance:
        try:
            decided = self.finder.decision_of(told.outcome.payment_id)
        except LianfangError:  # a broken index is told of elsewhere
            decided = None
        if decided is None:
            return outcome_glance(told.seq, told.at, told.outcome)
        return outcome_glance(told.seq, told.at, told.outcome, decided.amount, decided.currency, decided.action)

    def _due(self) -> None:
        now = ticks_s()
        if now - self._ticked_at >= TICK_S:
            self._ticked_at = now
            self.stream.tick(self._wall(), self.next_seq - 1)
        if now - self._refreshed_at >= REFRESH_S:
            self._refreshed_at = now
            self._refresh()
        if now - self._saved_at >= SAVE_S:
            self._saved_at = now
            self._save()

    def _refresh(self) -> int:
        """The index's `next_seq`. One that cannot be read is told, and stops nothing else."""
        try:
            found = self.finder.refresh()
        except LianfangError as why:
            self._say(INDEX, str(why))
            return 1
        self.trouble.pop(INDEX, None)
        return found

    def _save(self) -> None:
        try:
            self.save()
        except LianfangError as why:
            self._say(COUNTS, f"the counts were not kept, and are tried again: {why}")
        else:
            self.trouble.pop(COUNTS, None)

    def save(self) -> None:
        """Keeps the counts and the seq that they cover, together. Raises `DependencyError` when the records refuse."""
        changed = self.rollup.changed()
        if not changed:
            return
        try:
            with self._database.writing() as connection:
                overview_store.save(connection, self.rollup, changed)
        except LianfangError:
            self.rollup.unsaved(changed)
            raise
