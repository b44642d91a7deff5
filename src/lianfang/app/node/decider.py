"""The decider process: recovers, warms up, opens its door, and follows what the desk publishes."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import ssl
import sys
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import structlog
import uvloop

from lianfang.app.node.ahead import TouchedAhead
from lianfang.app.node.cards import CardDesk
from lianfang.app.node.clock import WallClock, ticks_ns, ticks_s
from lianfang.app.node.files import NodeFiles
from lianfang.app.node.metrics import metrics_page
from lianfang.app.node.openapi import decider_openapi
from lianfang.app.node.snapshots import Snapshots, read_snapshot
from lianfang.app.node.tagged import TagsFollowed
from lianfang.app.settings import Settings
from lianfang.engines.hotpath import HotPath
from lianfang.engines.scoring import NoModel, TrainedModel
from lianfang.infra import published
from lianfang.infra.http import Limits, Server
from lianfang.infra.journal import DECISION, OUTCOME, JournalWriter, Record, Recovery, scan
from lianfang.infra.messages import FrameLimits, FrameServer, XmlCodecs
from lianfang.infra.published import Watched, read_if_there
from lianfang.kernel.errors import DependencyError, EvidenceError, LianfangError
from lianfang.services.decide import LIST_SCHEMA, Decider, Door, ListBook, RuleBook, hot_path, rule_book, version_of
from lianfang.services.decide.models import ROLES, Role, take_over
from lianfang.services.identity import ApiKey, KeyRing
from lianfang.wire import Payment, RuleSet, read_outcome, read_ruleset, write

WATCH_S: Final = 0.2
"""How often the decider looks for new versions."""
RETRY_S: Final = 1.0
"""How often it tries a failed journal again."""
WARM_PAYMENTS: Final = 64
SWITCH_S: Final = 0.001
"""How long the decider keeps Python's lock from the thread that fills segments; 5 ms, the default, starves it."""
RELIVE_BATCH: Final = 2_048
"""Journaled payments counted together after a restart."""
_read_keys: Final = msgspec.json.Decoder(tuple[ApiKey, ...]).decode
_read_names: Final = msgspec.json.Decoder(tuple[str, ...]).decode

_NO_MODEL: Final = NoModel()

log = structlog.get_logger("decider")


class DeciderProcess:
    """One run of the decider."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.files = NodeFiles(Path(settings.data_dir))
        self.files.make()
        self.wall = WallClock()
        self.ready = False
        self.trouble: dict[str, str] = {}
        """What needs attention, by what it is about; shown by /readyz."""
        self.restored = 0
        self.mismatches = 0
        self._watched = Watched(self.files.published)
        self._stop = asyncio.Event()
        self._openapi = b""
        self._snapshot_at = 0.0
        self._port = 0
        self.cards_port = -1

    async def run(self) -> None:
        """Until told to stop."""
        began = ticks_s()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        self._watched.changed()
        self.models, self.model_trouble = self._load_models()
        book = self._load_book()
        self.hot = hot_path(
            book,
            self.files.hash_key(),
            memory_bytes=self.settings.feature_memory_mb << 20,
            ids_remembered=self.settings.ids_remembered,
        )
        self.journal, recovery = JournalWriter.open(
            self.files.journal, segment_bytes=self.settings.segment_mb << 20, ahead=self.settings.segments_ahead
        )
        self._tell(recovery)
        self.decider = Decider(
            book, self.hot, self.journal, NoModel(), ticks_ns, rule_budget_us=self.settings.rule_budget_us
        )
        self._decide_by(book, self.models)
        self.snapshots = Snapshots(self.hot, self.files.snapshot)
        self._recover()
        self.tags = TagsFollowed(self.files.published, self.decider)
        self.tags.load()
        _warm_up(book, self.hot)
        self._warm(self.models)
        self.touched = TouchedAhead.of(self.hot.state)
        self.touched.start()
        self.keys = KeyRing(self._load_keys(), self.wall, ticks_s)
        self.door = self._open_door()
        self.journal.attach(loop, self.door.on_durable, self.door.on_failed, window_us=self.settings.commit_window_us)
        server = Server(self.door.handle, ticks_s, self._fault, Limits(connections=self.settings.connections_max))
        self._port = await server.start(self.settings.host, self.settings.decider_port, _tls(self.settings))
        cards = await self._open_cards()
        _calm_collector()
        self.ready = True
        self.restart_s = ticks_s() - began
        log.info(
            "ready", port=self._port, after_s=round(self.restart_s, 3), keys=self.hot.state.keys, restored=self.restored
        )
        said = {"decider": self._port, "restart_s": self.restart_s, "iso8583": self.cards_port}
        print(msgspec.json.encode(said).decode(), flush=True)
        following = asyncio.create_task(self.tags.follow())
        await self._follow()
        following.cancel()
        self.ready = False
        if cards is not None:
            await cards.stop()
        await server.stop()
        self._close()

    def _open_door(self) -> Door:
        pages = {
            b"/healthz": lambda: (200, b'{"alive":true}', b"application/json"),
            b"/readyz": self._readyz,
            b"/metrics": lambda: (200, metrics_page(self), b"text/plain; version=0.0.4; charset=utf-8"),
            b"/openapi.json": lambda: (200, self._openapi, b"application/json"),
        }
        self._openapi = write(decider_openapi())
        return Door(
            self.decider,
            self.journal,
            self.keys,  # type: ignore[arg-type]
            wall=self.wall,
            ticks=ticks_ns,
            deadline_ms=self.settings.deadline_ms,
            waiting_max=self.settings.waiting_max,
            pages=pages,
            codecs=dict.fromkeys((b"application/xml", b"text/xml"), XmlCodecs(self.wall, self.settings.zone())),
        )

    async def _open_cards(self) -> FrameServer | None:
        """The door for ISO 8583, where the settings open one."""
        if self.settings.iso8583_port < 0:
            return None
        limits = FrameLimits(connections=self.settings.iso8583_connections_max)
        server = FrameServer(CardDesk(self.door, self.wall, ticks_ns).handle, ticks_s, self._fault, limits)
        self.cards_port = await server.start(self.settings.iso8583_host, self.settings.iso8583_port)
        log.info("ISO 8583", port=self.cards_port)
        return server

    # what the desk publishes

    def _load_book(self) -> RuleBook:
        return rule_book(self._load_ruleset(), self._load_lists(), self._load_names(), also=self._read_by_models())

    def _load_models(self) -> tuple[dict[Role, TrainedModel], dict[str, str]]:
        raw = read_if_there(self.files.published / published.MODELS)
        return take_over(raw) if raw is not None else ({}, {})

    def _read_by_models(self) -> frozenset[str]:
        return frozenset(path for model in self.models.values() for path in model.paths)

    def _decide_by(self, book: RuleBook, models: Mapping[Role, TrainedModel]) -> None:
        """Decide by these from the next payment on; a model that does not fit is told of, and scores null."""
        self.decider.use(book, (models.get("model", _NO_MODEL), models.get("challenger", _NO_MODEL)))
        for role in ROLES:
            why = self.model_trouble.get(role) or self.decider.model_trouble.get(role)
            self.trouble.pop(role, None)
            if why:
                self.trouble[role] = f"it is not in force: {why}"
                log.error("model refused", role=role, why=why)

    def _warm(self, models: Mapping[Role, TrainedModel]) -> None:
        """Compile what scores before the first payment does."""
        for model in models.values():
            trees = model.trees()
            trees.score(trees.context, self.hot.features)
            trees.pushes()

    def _load_ruleset(self) -> RuleSet:
        raw = read_if_there(self.files.published / published.RULESET)
        return read_ruleset(raw) if raw is not None else RuleSet()

    def _load_lists(self) -> ListBook:
        path = self.files.published / published.LISTS
        if not path.exists():
            return ListBook(LIST_SCHEMA.empty_table(), self.files.hash_key(), "none")
        with pa.memory_map(str(path)) as source:
            table = pa.ipc.open_file(source).read_all()
            return ListBook(table, self.files.hash_key(), version_of([path.stat().st_mtime_ns, table.num_rows]))

    def _load_names(self) -> tuple[str, ...]:
        raw = read_if_there(self.files.published / published.LIST_NAMES)
        return _read_names(raw) if raw is not None else ()

    def _load_keys(self) -> tuple[ApiKey, ...]:
        raw = read_if_there(self.files.published / published.KEYS)
        return _read_keys(raw) if raw is not None else ()

    async def _refresh(self) -> None:
        """Take up what the desk has changed. What cannot be taken up leaves the version in force and is reported.

        A version is read and compiled in a thread beside the payments (40 ms for 180 rules); only the exchange is here.
        """
        changed = self._watched.changed()
        if published.KEYS in changed:
            self.keys.replace(self._load_keys())
        if not changed - {published.KEYS}:
            return
        try:
            book, models, trouble = await asyncio.to_thread(self._made, changed)
            self.models, self.model_trouble = models, trouble
            self._decide_by(book, models)
            self.trouble.pop("rules", None)
            lists = book.lists
            log.info("in force", rules=book.rules_version, lists=lists.version, entries=lists.size)
        except (LianfangError, pa.ArrowException) as why:
            self.trouble["rules"] = f"a new version was refused and the old one is in force: {why}"
            log.error("refused", why=str(why))

    def _made(self, changed: set[str]) -> tuple[RuleBook, dict[Role, TrainedModel], dict[str, str]]:
        """What is published now, ready to decide by. Reads the live state only."""
        lists = self._load_lists() if published.LISTS in changed else self.decider.book.lists
        models, trouble = self.models, self.model_trouble
        if published.MODELS in changed:
            models, trouble = self._load_models()
            self._warm(models)
        also = frozenset(path for model in models.values() for path in model.paths)
        return rule_book(self._load_ruleset(), lists, self._load_names(), also=also), models, trouble

    # state

    def _recover(self) -> None:
        """The newest snapshot, then every decision journaled since. Without a usable snapshot: all that is journaled."""
        seq = 0
        try:
            seq = read_snapshot(self.hot, self.files.snapshot)
        except FileNotFoundError:
            pass
        except EvidenceError as why:
            log.warning("snapshot not used", why=str(why))
            book = self.decider.book
            self.hot = hot_path(
                book,
                self.hot.key,
                memory_bytes=self.settings.feature_memory_mb << 20,
                ids_remembered=self.settings.ids_remembered,
            )
            self.decider.hot = self.hot
            self.snapshots = Snapshots(self.hot, self.files.snapshot)
            self.decider.use(book)
        if seq >= self.journal.next_seq:
            raise EvidenceError(
                f"the snapshot stands at {seq}, the journal ends at {self.journal.next_seq - 1}: the journal was cut or replaced"
            )
        self.snapshots.seq = seq
        records = (r for r in scan(self.files.journal, seq + 1) if r.kind in (DECISION, OUTCOME))
        while batch := list(islice(records, RELIVE_BATCH)):
            self._relive(batch)
        if self.mismatches:
            self.trouble["recovery"] = (
                f"{self.mismatches} payments counted otherwise than recorded (the feature declarations changed?)"
            )

    def _relive(self, records: list[Record]) -> None:
        """Count again, in the order of the journal: payments many at once, outcomes between them where features count them."""
        waiting: list[tuple[int, tuple[bytes, ...]]] = []
        for record in records:
            if record.kind == DECISION:
                waiting.append((record.seq, record.parts))
            elif self.decider.book.plan.frauds:
                self.mismatches += self.decider.relive(waiting)
                self.restored += len(waiting)
                waiting = []
                self.decider.count_outcome(read_outcome(record.parts[0]), record.at)
        self.mismatches += self.decider.relive(waiting)
        self.restored += len(waiting)

    def _tell(self, recovery: Recovery) -> None:
        text = "; ".join(recovery.sentences()) or "sound"
        log.info("journal", recovery=text)
        if recovery.damaged or recovery.lost:
            self.trouble["journal"] = text

    def _snapshot_when_due(self) -> None:
        self.snapshots.poll(self.journal.durable_seq)
        since = self.journal.next_seq - 1 - self.snapshots.seq
        due = since >= self.settings.snapshot_every_records or (
            since > 0 and ticks_s() - self._snapshot_at >= self.settings.snapshot_every_s
        )
        if due and not self.snapshots.busy and self.journal.failure is None:
            self._snapshot_at = ticks_s()
            self.snapshots.begin(self.journal.next_seq - 1)

    async def _follow(self) -> None:
        self._snapshot_at = ticks_s()
        retry_at = 0.0
        while not self._stop.is_set():
            try:
                await asyncio.wait_for(self._stop.wait(), WATCH_S)
            except TimeoutError:
                await self._refresh()
                self._snapshot_when_due()
                if self.journal.failure is not None and ticks_s() >= retry_at:
                    retry_at = ticks_s() + RETRY_S
                    self.journal.retry()

    def _close(self) -> None:
        try:
            self.journal.commit_now()
            self.snapshots.finish(self.journal.next_seq - 1)
        except (DependencyError, OSError) as why:
            log.error("stopped without a snapshot; the next start replays the journal", why=str(why))
        finally:
            self.touched.stop()
            self.journal.close()
        log.info("stopped", seq=self.journal.next_seq - 1)

    # pages

    def _readyz(self) -> tuple[int, bytes, bytes]:
        book = self.decider.book
        failure = self.journal.failure
        ready = self.ready and failure is None
        body = {
            "ready": ready,
            "attention": {
                **self.trouble,
                **({"tags": self.tags.trouble} if self.tags.trouble else {}),
                **({"journal": str(failure)} if failure else {}),
            },
            "rules": book.rules_version,
            "lists": book.lists.version,
            "features": book.plan.signature,
            "model": self.decider.model_version,
            "challenger": self.decider.challenger_version,
            "rules_live": sum(rule.mode == "live" for rule in book.compiled.rules),
            "quarantined": sorted(book.quarantined),
            "list_entries": book.lists.size,
            "tagged_subjects": self.decider.tags.table.taken,
            "seq": self.journal.durable_seq,
            "snapshot_seq": self.snapshots.seq,
        }
        return 200 if ready else 503, write(body), b"application/json"

    def _fault(self, why: Exception) -> None:
        self.decider.counters["faults"] += 1
        log.error("fault", exc_info=why)


def _warm_up(book: RuleBook, hot: HotPath) -> None:
    """Run the compiled code before the first payment does, on a state of its own."""
    spare = hot_path(book, hot.key, memory_bytes=1 << 24, ids_remembered=1_024)
    spare.lists, spare.tags = hot.lists, hot.tags
    text = spare.text(book.layout)
    at = WallClock()()
    raw = msgspec.json.encode(
        {"id": "warm", "time": "2026-01-01T00:00:00Z", "kind": "transfer", "amount": 1, "currency": "CNY"}
    )
    payment = msgspec.json.decode(raw, type=Payment)
    for i in range(WARM_PAYMENTS):
        row = book.flatten(msgspec.structs.replace(payment, id=f"warm-{i}"))
        spare.step(text(row), i + 1, at, book.mask(row), book.numbers(row))
        if book.plan.frauds:
            spare.learn(text(row), at, book.mask(row), book.numbers(row))
        book.evaluate(row, spare.features.tolist(), {}, {}, float("nan"), at)


def _calm_collector() -> None:
    """What lives now lives for good; young garbage is almost all freed by counting, so look for cycles rarely."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    sys.setswitchinterval(SWITCH_S)


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if not settings.tls_cert:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(settings.tls_cert, settings.tls_key)
    return context


def main(settings: Settings) -> int:
    """Run a decider; the exit status."""
    if settings.decider_cpu >= 0 and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {settings.decider_cpu})
    pa.set_memory_pool(pa.system_memory_pool())  # the other pool's threads take the processor for milliseconds
    process: Any = None

    async def run() -> None:
        nonlocal process
        process = DeciderProcess(settings)
        await process.run()

    try:
        uvloop.run(run())
    except LianfangError as why:
        print(f"the decider cannot start: {why}", file=sys.stderr)
        return 1
    return 0
