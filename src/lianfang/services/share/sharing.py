"""A node's part in the alliance, between its records, the keyholders and the hub: asks tokens, sends, acknowledges, shows.

Nothing here is on a payment's way. What leaves the node: blinded subjects, sealed tags, signatures; no identifier.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import sqlalchemy as sa
import structlog

from lianfang.engines.sealing import NONCE_BYTES, Derived, sign_entry
from lianfang.infra.sql import Database, record
from lianfang.kernel.errors import ConflictError, DependencyError, InputError, LianfangError
from lianfang.kernel.instant import DAY, Instant
from lianfang.services.share import alarms, held_store, meeting_store, publishing_store, store
from lianfang.services.share.applying import Applied
from lianfang.services.share.book import Book
from lianfang.services.share.held_store import Wanted
from lianfang.services.share.holding import Spelled, canonical_of, epoch_of, spelled
from lianfang.services.share.opening import Disputed
from lianfang.services.share.portrait import Portrait, Seen, View, portrait
from lianfang.services.share.publishing import Made, Published, Signer, key_of, sealed_entry, signed_entry
from lianfang.services.share.publishing_store import Waiting
from lianfang.wire import Acknowledgement, read_tag, write

T = TypeVar("T")
PURPOSE: Final = "anti_fraud"
TOKENS_AT_ONCE: Final = 1_000
SEND_AT_ONCE: Final = 100
WITHHELD_US: Final = 60 * 1_000_000
"""An entry that the hub has taken and does not show for so long is withheld."""
HELD_BACK: Final = frozenset({"clock-skew", "rate-limited", "no-session", "expelled", "unknown-member", "quota"})
"""Refusals that another try, or an operator, can mend: what was to be sent waits on."""
log = structlog.get_logger("alliance")


class Tokens(Protocol):
    """The keyholders (`infra.keyholders`)."""

    async def tokens(
        self, kind: str, purpose: str, epoch: str, values: Sequence[bytes], lane: Any, person: str, reference: str
    ) -> list[bytes]: ...


class Hub(Protocol):
    """The hub's door. Both raise its refusal as one of our errors."""

    async def publish(self, entry: bytes) -> None: ...
    async def acknowledge(self, told: bytes) -> None: ...


class Options(NamedTuple):
    """What this node was told of itself."""

    ask_per_day: int = 20_000
    """Strangers asked about in a day, UTC."""
    half_life_days: int = 180
    disputed: Disputed = "count"


DEFAULTS: Final = Options()
Logging = Callable[[str, str, dict[str, Any]], Awaitable[None]]
"""(act, reference, detail): this node's access log; returns when the entry is durable."""


async def unlogged(_act: str, _reference: str, _detail: dict[str, Any]) -> None:
    """No access log: for tests of everything else."""


class Sharing:
    """`wall`: microseconds UTC; `random(n)`: n secret bytes; `salt`: what persons are told apart by at the keyholders."""

    def __init__(
        self,
        book: Book,
        records: Database,
        tokens: Tokens,
        hub: Hub,
        signer: Signer,
        wall: Callable[[], int],
        random: Callable[[int], bytes],
        *,
        salt: bytes,
        options: Options = DEFAULTS,
        access: Logging = unlogged,
    ) -> None:
        publishing_store.prepare(records)
        meeting_store.prepare(records)
        alarms.prepare(records)
        self.book, self.records, self.options, self.signer = book, records, options, signer
        self.wall, self.random = wall, random
        self.trouble: dict[str, str] = {}
        """What is in the way now, by what it is about."""
        self.work = asyncio.Event()
        """Set when there may be something to ask or to send."""
        self._tokens, self._hub, self._salt, self._access = tokens, hub, salt, access
        self._asking = asyncio.Lock()
        self._sending = asyncio.Lock()
        book.listeners.append(self._ours)

    # tokens

    def epoch(self) -> str | None:
        """The epoch to seal in now: this quarter's, or the last before it that has keys."""
        now = epoch_of(self.wall())
        return next((one for one in reversed(self.book.ledger.epochs) if one <= now), None)

    def epochs_needed(self) -> list[tuple[str, str]]:
        """(kind, epoch) of which tokens are worth having: the epoch now, and those in which living tags were sealed."""
        now = self.epoch()
        with self.book.database.reading() as connection:
            living = store.living_epochs(connection, self.wall())
        dealt = {(kind, epoch) for kind, purpose, epoch in self.book.ledger.keys if purpose == PURPOSE}
        return sorted((k, e) for k, e in dealt if e == now or e in living.get(k, ()))

    async def fill(self) -> int:
        """One round: tokens that are wanting, own subjects first, then strangers within the day's budget. How many came."""
        async with self._asking:
            came = 0
            for kind, epoch in await asyncio.to_thread(self.epochs_needed):
                came += await self._fill(kind, epoch, "customer", "bulk", TOKENS_AT_ONCE)
                for source in ("met", "asked"):
                    left = self.options.ask_per_day - await self._read(held_store.asked, self._day())
                    if left > 0:
                        came += await self._fill(kind, epoch, source, "query", min(left, TOKENS_AT_ONCE))
            return came

    def _day(self) -> int:
        return self.wall() // DAY

    async def _fill(self, kind: str, epoch: str, source: str, lane: str, most: int) -> int:
        wanted = await self._read(held_store.wanting, epoch, most, source, kind)
        if not wanted:
            return 0
        about = f"tokens.{kind}"
        try:
            await self._ask(kind, epoch, wanted, lane, "node")
        except LianfangError as why:
            self._say(about, str(why))
            return 0
        self.trouble.pop(about, None)
        if lane == "query":
            await asyncio.to_thread(self._count_asked, len(wanted))
        return len(wanted)

    def _count_asked(self, count: int) -> None:
        with self.book.lock, self.book.database.writing() as connection:
            held_store.put_asked(connection, self._day(), held_store.asked(connection, self._day()) + count)

    async def _ask(self, kind: str, epoch: str, wanted: Sequence[Wanted], lane: str, by: str) -> None:
        """Tokens of held subjects, from the keyholders, and all that they open."""
        reference = self.random(16).hex()
        await self._access("tokens", reference, {"kind": kind, "epoch": epoch, "lane": lane, "count": len(wanted)})
        values = [canonical_of(one.kind, one.normal) for one in wanted]
        found = await self._tokens.tokens(kind, PURPOSE, epoch, values, lane, self.person(by), reference)
        await asyncio.to_thread(self.book.give_tokens, epoch, wanted, found)

    def person(self, by: str) -> str:
        """What the keyholders know a person by: they can tell two apart, and no more."""
        return hmac.new(self._salt, by.encode(), hashlib.sha256).hexdigest()[:16]

    async def derived(self, kind: str, normal: str, epoch: str, by: str) -> Derived:
        """Lookup and key of a subject in an epoch, asked for if need be; it is held from now on. Raises as the keyholders."""
        one = spelled(kind, normal)
        if not isinstance(one, Spelled):
            raise InputError(one.why, "$.value")
        subject = await self._read(held_store.held, one.kind, one.normal)
        if subject is None:
            await asyncio.to_thread(self.book.hold, [one], "asked")
            subject = await self._read(held_store.held, one.kind, one.normal)
            assert subject is not None
        have = await self._read(held_store.token_of, subject, epoch)
        if have is None:
            await self._ask(kind, epoch, [Wanted(subject, one.kind, one.normal)], "query", by)
            have = await self._read(held_store.token_of, subject, epoch)
            assert have is not None
        return have

    # sending

    async def send(self) -> int:
        """What waits is sent, in its order, each once. How many the hub has taken."""
        async with self._sending:
            taken = 0
            for one in await asyncio.to_thread(self._waiting):
                try:
                    entry = await self._made(one)
                    if entry is None or not await asyncio.to_thread(self._write, publishing_store.trying, one):
                        continue
                    await self._hub.publish(write(entry))
                except LianfangError as why:
                    if await self._failed(one, why):
                        return taken
                else:
                    taken += 1
                    self.trouble.pop("hub", None)
                    await asyncio.to_thread(self._write, publishing_store.sent, one, self.wall())
            return taken

    def _waiting(self) -> list[Waiting]:
        with self.records.reading() as connection:
            return publishing_store.waiting(connection, SEND_AT_ONCE)

    async def _made(self, one: Waiting) -> Made | None:
        """The entry, fresh; None if it is not to be sent after all."""
        if not isinstance(one.intent, Published):
            return signed_entry(one.intent, self.signer, self.wall())
        found = await asyncio.to_thread(self._proposal, one.intent.of)
        epoch = self.epoch()
        if epoch is None:
            raise DependencyError("no token keys were dealt yet: the alliance's ceremony comes first", "no-epoch")
        derived = await self.derived(found.kind, found.normal, epoch, one.by)
        if await self._read(store.vetoed, [derived.lookup]):
            why = "this subject may never be tagged: it stands on the alliance's list of vetoes"
            await asyncio.to_thread(self._write, publishing_store.refused, one, why, "vetoed")
            return None
        return sealed_entry(found, derived, epoch, self.signer, self.wall(), self.random(NONCE_BYTES))

    def _proposal(self, tag: str) -> Any:
        with self.records.reading() as connection:
            return publishing_store.of_tag(connection, tag)

    async def _failed(self, one: Waiting, why: LianfangError) -> bool:
        """What became of it; whether the others had better wait too."""
        if isinstance(why, ConflictError) and why.code == "replayed":
            await asyncio.to_thread(self._write, publishing_store.sent, one, self.wall())
            return False
        if isinstance(why, DependencyError) or why.code in HELD_BACK:
            await asyncio.to_thread(self._write, publishing_store.held_up, one, str(why))
            self._say("hub", str(why))
            return True
        state = "vetoed" if why.code == "vetoed" else "refused"
        await asyncio.to_thread(self._write, publishing_store.refused, one, str(why), state)
        log.warning("refused", what=one.key, why=str(why))
        return False

    def _ours(self, applied: Applied) -> None:
        """Entries of ours that stand in the log, and what others' entries are to this node."""
        kinds: tuple[Sequence[tuple[int, Any]], ...] = (
            applied.tags, applied.tombstones, applied.opinions, applied.appeals,
        )  # fmt: skip
        me = self.signer.member
        mine = [(key_of(entry), place) for some in kinds for place, entry in some if entry.member == me]
        if mine:
            with self.records.writing() as connection:
                for key, place in mine:
                    publishing_store.logged(connection, key, place)
        for one in applied.refused:
            self.alarm("refused-entry", f"entry {one.place}: {one.why}")

    async def acknowledge(self) -> None:
        """Say to the hub, signed, how far the log is obeyed; only what is confirmed, and only if that is more than before."""
        now = self.book.position
        if now.root is None or now.confirmed <= now.acknowledged:
            return
        told = Acknowledgement(
            member=self.signer.member, size=now.confirmed, root=now.root, at=self.wall(), signature=bytes(64)
        )
        await self._hub.acknowledge(write(sign_entry(told, self.signer.key)))
        await asyncio.to_thread(self.book.acknowledged, now.confirmed)

    # looking

    async def portrait(self, kind: str, value: str, *, by: str, reason: str, ask: bool = False) -> Portrait:
        """Who said what of a subject. On record with its reason; the subject is not. `ask`: spend quota if it is not held."""
        one = spelled(kind, value)
        if not isinstance(one, Spelled):
            raise InputError(one.why, "$.value")
        await asyncio.to_thread(self._looked, one.kind, by, reason)
        if ask:
            for of, epoch in await asyncio.to_thread(self.epochs_needed):
                if of == one.kind:
                    await self.derived(one.kind, one.normal, epoch, by)
        return await asyncio.to_thread(self._portrait, one)

    def _looked(self, kind: str, by: str, reason: str) -> None:
        with self.records.writing() as connection:
            record(connection, who=by, act="share.portrait", what=kind, reason=reason, at=Instant(self.wall()))

    def _portrait(self, one: Spelled) -> Portrait:
        with self.book.lock, self.book.database.reading() as connection:
            subject = held_store.held(connection, one.kind, one.normal)
            if subject is None:
                return Portrait(kind=one.kind, held=False, epochs=(), vetoed=False, confidence=0.0, lines=())
            rows = held_store.opened_of(connection, [subject])
            tokens = held_store.tokens_of(connection, subject)
            vetoed = bool(store.vetoed(connection, list(tokens.values())))
            doubted = store.contested(connection, {row.tag.hex() for row in rows})
        view = View(
            self.signer.member,
            self.book.position.confirmed,
            self.options.half_life_days,
            self.options.disputed,
            self.wall(),
        )
        tags = [Seen(row.place, read_tag(row.raw)) for row in rows]
        return portrait(one.kind, tags, doubted, list(tokens), vetoed, view)

    def alarm(self, code: str, detail: str) -> None:
        """Keep an alarm and say it, once."""
        with self.records.writing() as connection:
            raised = alarms.raise_alarm(connection, code, detail, self.wall())
        if raised is not None:
            log.error("alarm", code=code, why=raised.en, zh=raised.zh, detail=detail)

    def _say(self, about: str, why: str) -> None:
        if self.trouble.get(about) != why:
            self.trouble[about] = why
            log.warning("alliance", about=about, why=why)

    async def _read(self, ask: Callable[..., T], *arguments: Any) -> T:
        """A question to the shared file, in a thread of its own."""

        def run() -> T:
            with self.book.database.reading() as connection:
                return ask(connection, *arguments)

        return await asyncio.to_thread(run)

    def _write(self, act: Callable[..., T], *arguments: Any) -> T:
        with self.records.writing() as connection:
            return act(connection, *arguments)


def withheld(connection: sa.Connection, now: int) -> list[str]:
    """What the hub took long ago and does not show."""
    o = publishing_store.outbox_table.c
    query = sa.select(o.key).where((o.state == "sent") & (o.sent_at < now - WITHHELD_US)).limit(SEND_AT_ONCE)
    return list(connection.scalars(query))
