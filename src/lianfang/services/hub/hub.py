"""One hub at work: entries judged, made durable, told to followers; checkpoints cosigned; alarms. Without the HTTP."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import structlog

from lianfang.engines.tlog import Signature, SignedCheckpoint, TileReader, root_at
from lianfang.infra.sql import Database
from lianfang.kernel.errors import InputError, LianfangError
from lianfang.services.hub import acknowledging, store
from lianfang.services.hub.accepting import OPERATOR, Judge
from lianfang.services.hub.feed import Feed
from lianfang.services.hub.known import Known
from lianfang.services.hub.witnessing import Panel, counted
from lianfang.services.members import Gate
from lianfang.wire import Acknowledgement, Entry, MemberEntry

FOLLOW_PAGE: Final = 4_096
NOTE_REFRESH_ROUNDS: Final = 60
"""A checkpoint that does not change is cosigned anew so often, so that followers can tell a quiet hub from a frozen one."""
log = structlog.get_logger("hub")


class Log(Protocol):
    """The store of the tag log."""

    signed: SignedCheckpoint

    @property
    def size(self) -> int: ...
    @property
    def published(self) -> int: ...
    def read(self, begin: int, end: int) -> list[bytes]: ...
    def add_cosignatures(self, size: int, signatures: Sequence[Signature]) -> bool: ...


class Adding(Protocol):
    """Group commit into that store."""

    async def add_many(self, entries: Sequence[bytes]) -> int: ...
    async def tick(self) -> SignedCheckpoint: ...
    async def retry(self) -> bool: ...


class Hub:
    """See the module. Used from one loop."""

    def __init__(
        self,
        judge: Judge,
        gate: Gate,
        logged: Log,
        hashes: Callable[[int], TileReader],
        database: Database,
        panel: Panel,
        keep_note: Callable[[bytes], None],
        wall: Callable[[], int],
        note: bytes,
    ) -> None:
        self.judge = judge
        self.gate = gate
        self.log = logged
        self.database = database
        self.panel = panel
        self.wall = wall
        self.feed = Feed(logged)
        self.note = note
        """The newest checkpoint that counts."""
        self.pending = b""
        """A newer one without its quorum."""
        self.counters: Counter[str] = Counter()
        self.alarmed: dict[tuple[str, str], str] = {}
        self.adding: Adding
        self._hashes = hashes
        self._keep_note = keep_note
        self._rounds = 0
        if note:
            self.feed.checkpoint_came(note, counts=True)

    @property
    def known(self) -> Known:
        """What is known of the log."""
        return self.judge.known

    async def accept(self, entries: Sequence[Entry], sender: MemberEntry) -> int:
        """The place of the first of the entries, which follow each other, durable and told. Raises as `Judge.take`."""
        try:
            written = self.judge.take(entries, sender, self.wall())
        except LianfangError as why:
            self.counters[f"refused {why.code}"] += 1
            raise
        try:
            first = await self.adding.add_many(written)
        except Exception:  # not when cancelled: then it may be durable all the same
            self.judge.release(entries)
            raise
        self.judge.settle(entries, first)
        self.feed.entries_came()
        self.counters["entries"] += len(entries)
        for entry in entries:
            if isinstance(entry, MemberEntry):
                self._changed(entry)
        return first

    def _changed(self, entry: MemberEntry) -> None:
        """A member that is expelled, or whose key was rotated, loses its open connections now."""
        self.feed.close(entry.id, "expelled" if entry.state == "expelled" else "changed")

    async def acknowledge(self, one: Acknowledgement, member: MemberEntry) -> None:
        """A member's word that it obeys the log up to a size. Raises `InputError`, `AccessError`."""
        published = self.log.published
        if one.size > published:
            raise InputError(f"the log has {published} published entries: acknowledge what you have seen", "$.size")
        root = await asyncio.to_thread(lambda: root_at(self._hashes(published), one.size))
        await asyncio.to_thread(self._keep_acknowledgement, one, member, root)
        self.counters["acknowledgements"] += 1

    def _keep_acknowledgement(self, one: Acknowledgement, member: MemberEntry, root: bytes) -> None:
        with self.database.writing() as connection:
            last = store.acknowledgements(connection).get(member.id, 0)
            acknowledging.check(one, member, root, last, self.wall())
            store.put_acknowledgement(connection, one)

    def missing(self, within_s: int) -> list[acknowledging.Missing]:
        """Withdrawals that some active member has not acknowledged."""
        must = [
            one.id
            for one in self.known.roster.active
            if one.id != OPERATOR and {"contributor", "reader"} & set(one.roles)
        ]
        with self.database.reading() as connection:
            sizes = store.acknowledgements(connection)
            behind = min((sizes.get(member, 0) for member in must), default=self.log.size)
            tombstones = store.withdrawn(connection, behind)
        return acknowledging.missing(tombstones, sizes, must, within_s, self.wall())

    async def round(self) -> None:
        """What is done each second: a checkpoint, its quorum, the tables, members that keep others waiting."""
        signed = await self.adding.tick()
        self._rounds += 1
        stale = signed.note.text.encode() != self.note.partition(b"\n\n")[0] + b"\n"
        if stale or self._rounds % NOTE_REFRESH_ROUNDS == 0:
            await self._cosigned(signed)
        await asyncio.to_thread(self.follow)
        self.known.forget(self.wall())

    async def _cosigned(self, signed: SignedCheckpoint) -> None:
        if not self.panel.quorum:
            await self._publish(signed, ())
            return
        reached = False

        async def enough(signatures: Sequence[Signature]) -> None:
            nonlocal reached
            reached = True
            await self._publish(signed, signatures)

        got = await self.panel.cosign(signed, enough)
        if reached:
            self.pending = b""
            self.end_alarm("no-quorum", "log")
        else:
            self.pending = bytes(signed.note)
            self.feed.checkpoint_came(self.pending, counts=False)
            self._no_quorum(got)
        self._judge_witnesses()

    async def _publish(self, signed: SignedCheckpoint, signatures: Sequence[Signature]) -> None:
        """Kept, then told: what a follower has seen, the hub does not forget."""
        note = counted(signed, signatures)
        if signatures:
            await asyncio.to_thread(self.log.add_cosignatures, signed.checkpoint.size, tuple(signatures))
        await asyncio.to_thread(self._keep_note, note)
        self.note = note
        self.feed.entries_came()
        self.feed.checkpoint_came(note, counts=True)
        self.counters["checkpoints"] += 1

    def _no_quorum(self, got: int) -> None:
        need, of = self.panel.quorum, len(self.panel.witnesses)
        self.raise_alarm(
            "no-quorum",
            "log",
            f"检查点未达法定见证数:需 {need}/{of},得 {got};新条目为待定,正在重试。请查看各见证人",
            f"the checkpoint lacks its quorum: {got} of the {need} needed (of {of}) cosigned; new entries stay pending, it is "
            "tried again each second: look at the witnesses",
        )

    def _judge_witnesses(self) -> None:
        for said in self.panel.last.values():
            if said.signature is not None:
                self.end_alarm("witness", said.witness)
            else:
                self.raise_alarm(
                    "witness",
                    said.witness,
                    f"见证人 {said.witness} 未共签:{said.why}",
                    f"the witness {said.witness} did not cosign: {said.why}",
                )

    def follow(self) -> None:
        """Takes what is durable into the tables, a page a transaction."""
        with self.database.reading() as connection:
            place = store.position(connection)
        while place < (size := self.log.size):
            page = self.log.read(place, min(place + FOLLOW_PAGE, size))
            entries = [store.read_entry(one) for one in page]
            with self.database.writing() as connection:
                place = store.follow(connection, place, entries)

    def raise_alarm(self, code: str, about: str, zh: str, en: str) -> None:
        """Kept until `end_alarm`; the log line once."""
        if self.alarmed.get((code, about)) is None:
            log.error("alarm", code=code, about=about, why=en)
            with self.database.writing() as connection:
                store.raise_alarm(connection, code, about, zh, en, self.wall())
        self.alarmed[code, about] = en

    def end_alarm(self, code: str, about: str) -> None:
        """It is over."""
        if self.alarmed.pop((code, about), None) is not None:
            log.info("alarm over", code=code, about=about)
            with self.database.writing() as connection:
                store.end_alarm(connection, code, about, self.wall())

    def state(self, within_s: int) -> dict[str, Any]:
        """What `GET /v1/state` says."""
        signed = self.log.signed.checkpoint
        return {
            "origin": signed.origin,
            "size": self.log.size,
            "published": signed.size,
            "quorum": self.panel.quorum,
            "witnesses": [
                {"key": str(one.key), "cosigned": bool((said := self.panel.last.get(one.key.name)) and said.signature)}
                for one in self.panel.witnesses
            ],
            "pending": bool(self.pending),
            "alarms": {f"{code} {about}": en for (code, about), en in self.alarmed.items()},
            "living_tags": len(self.known),
            "unacknowledged": self.missing(within_s),
        }
