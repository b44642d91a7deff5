"""The node in its alliance, beside everything else the desk does: follows the log, asks tokens, sends, compares, ticks.

What goes wrong here stops no payment: the decider goes on with what was confirmed.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

import httpx
import structlog

from lianfang.app.node.alliance_settings import SALT, AllianceFiles, AllianceSettings, load, tagging_rules
from lianfang.app.node.clock import WallClock, ticks_s
from lianfang.app.node.files import NodeFiles
from lianfang.app.node.following import Following
from lianfang.engines.tlog import ED25519, SignerKey
from lianfang.infra import accesslog
from lianfang.infra.feed import (
    Arrived,
    Confirmed,
    Event,
    Feed,
    ForkError,
    HubConnection,
    Identity,
    Kept,
    Pending,
    checkpoint_of,
    compare,
)
from lianfang.infra.feed.connection import error_of
from lianfang.infra.keyholders import KeyUsed, Tokens
from lianfang.infra.sql import Database, open_database, sqlite_url
from lianfang.infra.tagfile import BASE, TagWriter
from lianfang.infra.tlog import Appender, LogStore
from lianfang.kernel.errors import AccessError, EvidenceError, InputError, LianfangError
from lianfang.services.members import Roster
from lianfang.services.share import Book, Logged, alarms, held_store, publishing_store, store
from lianfang.services.share.following import ShareFeed
from lianfang.services.share.publishing import Signer
from lianfang.services.share.sharing import Options, Sharing, withheld
from lianfang.wire import Payment

APPLY_MAX: Final = 20_000
"""Entries of one transaction while catching up."""
QUEUE_MAX: Final = 40_000
SECOND_S: Final = 1.0
WORK_S: Final = 5.0
"""How often waiting work is tried without being called."""
PEERS_S: Final = 60.0
AGAIN_S: Final = (1.0, 5.0, 15.0, 60.0)
HUB_TIMEOUT_S: Final = 20.0
log = structlog.get_logger("alliance")


class HubDoor:
    """The hub as `Sharing` speaks to it."""

    def __init__(self, connection: HubConnection) -> None:
        self._connection = connection

    async def publish(self, entry: bytes) -> None:
        """One entry, durable in the log when this returns. Raises the hub's refusal."""
        await self._post("/v1/entries", entry)

    async def acknowledge(self, told: bytes) -> None:
        """An acknowledgement."""
        await self._post("/v1/acknowledgements", told)

    async def _post(self, path: str, body: bytes) -> None:
        said = await self._connection.ask("POST", path, body)
        if said.status_code >= 400:
            raise error_of(said.status_code, said.content)


class Alliance:
    """One run. `start` before anything is asked, `run` while the desk serves."""

    def __init__(
        self, settings: AllianceSettings, files: NodeFiles, records: Database, following: Following, wall: WallClock
    ) -> None:
        self.settings, self._records, self._wall = settings, records, wall
        self.files = AllianceFiles(files.root)
        self.files.make()
        accesslog.prepare(records)
        self.shared: Database = open_database(sqlite_url(self.files.shared))
        self.writer = TagWriter(files.published)
        key = files.hash_key()
        self.book = Book(self.shared, key, self.writer, settings.heeding, wall, Roster)
        self._http = httpx.AsyncClient(timeout=HUB_TIMEOUT_S, trust_env=False, verify=_verify(settings))
        signing = self.files.signing
        self._hub = HubConnection(
            self._http, settings.hub, Identity(settings.member, signing), wall, secrets.token_bytes
        )
        self.tokens = Tokens(
            settings.member, signing, settings.holders, self._key_used, wall, secrets.token_bytes, http=self._http
        )
        self.sharing = Sharing(
            self.book,
            records,
            self.tokens,
            HubDoor(self._hub),
            Signer(settings.member, signing),
            wall,
            secrets.token_bytes,
            salt=self.files.seed(SALT),
            options=Options(settings.ask_per_day, settings.half_life_days, settings.tag_disputed),
            access=self._access,
        )
        rules = tagging_rules(settings.tagging)
        self.hook = ShareFeed(
            self.book, records, settings.member, rules, lambda id_: _payment(following, id_), secrets.token_bytes
        )
        following.hooks.append(self.hook)
        self._kept = Kept(self.files.feed)
        self._feed: Feed | None = None
        self._appender: Appender | None = None
        self._log: LogStore | None = None
        self._good_at = ticks_s()
        self._pending = ""
        self._doubt = ""

    def start(self) -> None:
        """Everything that is said, told to the decider. Raises `LianfangError`."""
        self.book.start()

    def _key_used(self, kind: str, purpose: str, epoch: str) -> KeyUsed:
        place = (kind, purpose, epoch)
        keys, dealt = self.book.ledger.keys.get(place), self.book.ledger.holders.get(place)
        if keys is None or dealt is None:
            raise InputError(f"the alliance has dealt no key for {kind}, {purpose}, {epoch}")
        return KeyUsed(keys, dealt.threshold, dealt.holders)

    # while the desk serves

    async def run(self) -> None:
        """Until cancelled."""
        origin = f"{self.settings.member}.node"
        signer = SignerKey(origin, ED25519, self.files.seed("log"))
        opened, _ = await asyncio.to_thread(LogStore.open, self.files.access_log, origin, signer)
        self._log, self._appender = opened, Appender(opened)
        chores: list[Coroutine[Any, Any, None]] = [
            self._follow(),
            self._each(SECOND_S, "second", self._second),
            self._each(SECOND_S, "access", self._checkpoint),
            self._each(PEERS_S, "peers", self._peers),
            self._working("fill", self._fill),
            self._working("send", self.sharing.send),
        ]
        tasks = [asyncio.create_task(one) for one in chores]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._appender.close()
            await self._http.aclose()

    async def _follow(self) -> None:
        """The log, for ever; what does not hold is an alarm, and what was confirmed stays in force."""
        failures = 0
        while True:
            before = self.book.position.next
            try:
                await self._once()
            except (LianfangError, OSError) as why:
                self._broken(why)
            failures = 0 if self.book.position.next > before else failures + 1
            await asyncio.sleep(AGAIN_S[min(failures, len(AGAIN_S) - 1)])

    async def _once(self) -> None:
        """Follow until something breaks; what arrives while records are written makes the next batch."""
        feed = self._feed = Feed(self._hub, self.settings.trust, self._kept, self._wall)
        queue: asyncio.Queue[Event] = asyncio.Queue(QUEUE_MAX)

        async def read() -> None:
            async for event in feed.follow(self.book.position.confirmed):
                await queue.put(event)

        reader = asyncio.create_task(read())
        try:
            while True:
                getter = asyncio.create_task(queue.get())
                await asyncio.wait((getter, reader), return_when=asyncio.FIRST_COMPLETED)
                if not getter.done():
                    getter.cancel()
                    reader.result()
                    return
                batch = [getter.result()]
                while len(batch) < APPLY_MAX and not queue.empty():
                    batch.append(queue.get_nowait())
                await asyncio.to_thread(self.apply, batch)
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    def apply(self, events: list[Event]) -> None:
        """Events of the feed, in order. Raises what `Book.take` raises."""
        run: list[Logged] = []
        sure = False
        for event in events:
            if isinstance(event, Arrived):
                if run and event.confirmed != sure:
                    self.book.take(run, confirmed=sure)
                    run = []
                sure = event.confirmed
                run.append(Logged(event.index, event.entry))
                continue
            if run:
                self.book.take(run, confirmed=sure)
                run = []
            if isinstance(event, Confirmed):
                self.book.confirm(event.size, event.root)
                self._good_at, self._pending = ticks_s(), ""
            elif isinstance(event, Pending):
                self._pending = event.why
        if run:
            self.book.take(run, confirmed=sure)
        self.sharing.work.set()

    def _broken(self, why: Exception) -> None:
        self._say("log", str(why))
        if isinstance(why, AccessError):
            self.sharing.alarm("expelled", why.code)
        elif isinstance(why, EvidenceError):
            self._doubt = str(why)
            self.book.freeze()
            self.sharing.alarm("split-view", f"{why}" + (f" [{self.files.feed}]" if isinstance(why, ForkError) else ""))

    async def _fill(self) -> int:
        held = await asyncio.to_thread(self.hook.hold_strangers)
        came = await self.sharing.fill()
        for holder in sorted(self.tokens.liars):
            self.sharing.alarm("lying-keyholder", holder)
        return held + came

    async def _working(self, about: str, work: Callable[[], Awaitable[int]]) -> None:
        """As long as there is something to do; then when called, and now and then."""
        while True:
            done = await self._guarded(about, work)
            if not done:
                try:
                    await asyncio.wait_for(self.sharing.work.wait(), WORK_S)
                    await asyncio.sleep(0)
                    self.sharing.work.clear()
                except TimeoutError:
                    pass

    async def _each(self, every_s: float, about: str, work: Callable[[], Awaitable[Any]]) -> None:
        while True:
            await asyncio.sleep(every_s)
            await self._guarded(about, work)

    async def _guarded(self, about: str, work: Callable[[], Awaitable[Any]]) -> Any:
        """One try; what goes wrong is told, and tried again."""
        try:
            done = await work()
        except LianfangError as why:
            self._say(about, str(why))
            return 0
        except Exception as why:  # a mistake of ours must not end the chore in silence
            log.error("fault", exc_info=why)
            self._say(about, f"a fault, {type(why).__name__}; the log has it")
            return 0
        self.sharing.trouble.pop(about, None)
        return done

    async def _second(self) -> None:
        await asyncio.to_thread(self.book.tick)
        await self.sharing.acknowledge()
        with self._records.reading() as connection:
            late = withheld(connection, self._wall())
        for key in late:
            self.sharing.alarm("withheld", key)
        feed = self._feed
        current = self.book.position.next == self.book.position.confirmed and not self._pending
        if feed is not None and not feed.trouble and current and not self._doubt and self.book.position.next:
            self._good_at = ticks_s()
            self.sharing.trouble.pop("log", None)

    async def _checkpoint(self) -> None:
        assert self._appender is not None
        assert self._log is not None
        if self._log.failure is not None:
            await self._appender.retry()
        else:
            await self._appender.tick()

    async def _peers(self) -> None:
        ours = self._kept.note()
        if ours is None:
            return
        trust = self.settings.trust
        for peer in self.settings.peers:
            try:
                theirs = await checkpoint_of(self._http, peer, trust.origin)
                await compare(ours, theirs, trust, self._hub.tile, self.files.feed)
            except ForkError as why:
                self._doubt = str(why)
                await asyncio.to_thread(self.book.freeze)
                self.sharing.alarm("split-view", f"{peer}: {why}")
            except EvidenceError as why:
                self.sharing.alarm("peer-differs", f"{peer}: {why}")
            except LianfangError as why:
                self._say(f"peer.{peer}", str(why))
            else:
                self.sharing.trouble.pop(f"peer.{peer}", None)

    async def _access(self, act: str, reference: str, detail: dict[str, Any]) -> None:
        assert self._appender is not None
        one = accesslog.access(act, detail, reference, self._wall(), secrets.token_bytes)

        def keep() -> None:
            with self._records.writing() as connection:
                accesslog.keep(connection, one)

        await asyncio.to_thread(keep)
        await accesslog.publish(self._appender, one)

    def _say(self, about: str, why: str) -> None:
        if self.sharing.trouble.get(about) != why:
            self.sharing.trouble[about] = why
            log.warning("alliance", about=about, why=why)

    # what others ask

    @property
    def stale_s(self) -> float:
        """For how long there has been no checkpoint that counts, or no word from the hub."""
        return ticks_s() - self._good_at

    def attention(self) -> dict[str, str]:
        """What needs attention, for `/readyz`."""
        found = {f"alliance.{about}": why for about, why in dict(self.sharing.trouble).items()}
        if self._doubt:
            found["alliance.doubt"] = f"only what was confirmed counts: {self._doubt}"
        if self.stale_s > self.settings.stale_after_s:
            why = self._pending or (self._feed.trouble if self._feed is not None else "") or "nothing comes"
            found["alliance.stale"] = f"what is shared is {self.stale_s:.0f} s old: {why}"
        return found

    def state(self) -> dict[str, Any]:
        """For people: how far, what waits, what is wrong. No subject is named."""
        position, epoch = self.book.position, self.sharing.epoch()
        with self.shared.reading() as connection:
            shared = {
                "counts": store.counts(connection),
                "refused": store.refused(connection, 20),
                "unfit": held_store.unfit(connection),
                "progress": {} if epoch is None else {
                    source: one._asdict() for source, one in held_store.progress(connection, epoch).items()
                },
                "asked_today": held_store.asked(connection, self.sharing._day()),
            }  # fmt: skip
        with self._records.reading() as connection:
            own = {"proposals": publishing_store.counts(connection), "alarms": alarms.alarms(connection)}
        return {
            "member": self.settings.member,
            "applied": position.next,
            "confirmed": position.confirmed,
            "acknowledged": position.acknowledged,
            "refused_entries": position.refused,
            "epoch": epoch,
            "subjects_told": self.book.subjects_told,
            "stale_s": round(self.stale_s, 1),
            "attention": self.attention(),
            "members": [
                {"id": one.id, "zh": one.zh, "en": one.en, "roles": one.roles, "state": one.state}
                for one in getattr(self.book.ledger.roster, "everybody", ())
            ],
            **shared,
            **own,
        }

    def close(self) -> None:
        """Give up the files."""
        self.writer.close()
        self.shared.close()


def join(files: NodeFiles, records: Database, following: Following, wall: WallClock) -> Alliance | None:
    """The node's part in its alliance; None where it has none: then nothing that was shared counts any more."""
    settings = load(AllianceFiles(files.root))
    if settings is not None:
        return Alliance(settings, files, records, following, wall)
    if (files.published / BASE).exists():
        import numpy as np

        left = TagWriter(files.published)
        left.begin((), np.zeros(0, np.uint64), np.zeros(0, np.int64))
        left.close()
    return None


def _payment(following: Following, payment_id: str) -> Payment | None:
    found = following.records.one(payment_id)
    return None if found is None else found.payment


def _verify(settings: AllianceSettings) -> Any:
    """Whom TLS trusts, and who we are to it."""
    import ssl

    context = ssl.create_default_context(cafile=settings.ca_file or None)
    if settings.tls_cert:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    return context
