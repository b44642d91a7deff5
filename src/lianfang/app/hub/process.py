"""`lianfang hub serve`: opens the logs and the records, serves, makes a checkpoint each second, until told to stop."""

from __future__ import annotations

import asyncio
import gc
import os
import secrets
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
import structlog
import uvicorn
import uvloop
from litestar import Litestar, Response, get
from litestar.config.app import AppConfig
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from lianfang import __version__
from lianfang.app.hub.door import Door, Scope
from lianfang.app.hub.folder import Folder
from lianfang.app.hub.protocol import CERTIFICATE, HubProtocol
from lianfang.app.hub.settings import HubSettings
from lianfang.app.node.clock import WallClock, ticks_s
from lianfang.engines.tlog import parse_verifier, prove_consistency
from lianfang.infra import accesslog
from lianfang.infra.asgi import AnyRequest, error_handlers
from lianfang.infra.published import read_if_there, write_whole
from lianfang.infra.tlog import Appender, LogStore
from lianfang.kernel import limits
from lianfang.kernel.errors import AccessError, DependencyError, LianfangError
from lianfang.kernel.instant import Instant
from lianfang.services.hub import Accesses, Hub, Judge, Operator, Panel, Terms, WitnessAt, store
from lianfang.services.hub.routes import ROUTES
from lianfang.services.hub.witnessing import TIMEOUT_S, Reply
from lianfang.services.identity import KeyRing
from lianfang.services.identity import store as identity_store
from lianfang.services.members import Gate

STOP_S: Final = 5
KEEP_ALIVE_S: Final = 75
BACKLOG: Final = 2_048
log = structlog.get_logger("hub")


class _Prover:
    """Consistency out of the tag log's tiles."""

    def __init__(self, logged: LogStore) -> None:
        self._log = logged

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Raises `InputError`, `EvidenceError`."""
        return prove_consistency(self._log.reader.hashes(new), old, new)


class HubProcess:
    """One run of a hub."""

    def __init__(self, root: Path, settings: HubSettings) -> None:
        self.settings = settings
        self.folder = Folder(root)
        self.wall = WallClock()
        self.trouble: dict[str, str] = {}
        self.database = self.folder.database()
        accesslog.prepare(self.database)
        self.log, found = LogStore.open(self.folder.log, settings.origin, self.folder.signer("log"))
        log.info("tag log", size=self.log.size, pending=found.pending, cut=found.torn is not None)
        self.access_log, found = LogStore.open(
            self.folder.access_log, f"{settings.origin}.access", self.folder.signer("access")
        )
        log.info("access log", size=self.access_log.size, pending=found.pending, cut=found.torn is not None)
        self.http = httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False)
        self.hub = self._hub()
        self.accesses = Accesses(self.database, self.wall, secrets.token_bytes)
        self.ring = KeyRing((), self.wall, ticks_s)
        self.operator = Operator(self.hub, self.folder.signing, self.members_changed)
        self.certificates: dict[str, tuple[str, ...]] = {}
        self.members_changed()

    def _hub(self) -> Hub:
        terms = Terms(self.settings.entries_per_day_min, self.settings.entries_per_day_share)
        self._catch_up()
        with self.database.reading() as connection:
            known = store.load(connection, self.wall())
        gate = Gate("hub", known.roster, secrets.token_bytes)
        panel = Panel((), self.settings.quorum, self._post, _Prover(self.log))
        note = read_if_there(self.folder.checkpoint) or b""
        hub = Hub(
            Judge(known, terms),
            gate,
            self.log,
            self.log.reader.hashes,
            self.database,
            panel,
            self._keep_note,
            self.wall,
            note,
        )
        with self.database.reading() as connection:
            hub.alarmed = {(one.code, one.about): one.en for one in store.alarms(connection, lasting=True)}
        return hub

    def _catch_up(self) -> None:
        """The tables, up to the end of the log."""
        with self.database.reading() as connection:
            place = store.position(connection)
        while place < self.log.size:
            page = self.log.read(place, min(place + 16_384, self.log.size))
            with self.database.writing() as connection:
                place = store.follow(connection, place, [store.read_entry(one) for one in page])

    def _keep_note(self, note: bytes) -> None:
        write_whole(self.folder.checkpoint, note)

    async def _post(self, url: str, body: bytes) -> Reply:
        try:
            said = await self.http.post(url, content=body)
        except (httpx.HTTPError, httpx.InvalidURL) as why:
            raise DependencyError(f"it cannot be reached at {url}: {type(why).__name__}") from why
        return Reply(said.status_code, said.content)

    def members_changed(self) -> None:
        """Keys of operators, certificates and witnesses, as they are now."""
        with self.database.reading() as connection:
            kept = store.locals_(connection)
            self.ring.replace(identity_store.keys_in_force(connection, Instant(self.wall())))
        self.certificates = {one.id: one.certificates for one in kept.values()}
        seats = []
        for one in self.hub.known.roster.active:
            url = kept[one.id].witness_url if one.id in kept else ""
            if one.witness and url:
                seats.append(WitnessAt(parse_verifier(one.witness), url))
        self.hub.panel.seat(seats)

    def check_certificate(self, member: str, scope: Scope) -> None:
        """Raises `AccessError` unless the connection showed a certificate of this member, where that is asked for."""
        if self.settings.tls_client_ca and scope.get(CERTIFICATE, "") not in self.certificates.get(member, ()):
            raise AccessError(
                f"{member} must show a TLS certificate that is registered for it: ask the hub's operator",
                "wrong-certificate",
            )

    def attention(self) -> dict[str, str]:
        """What needs somebody's eye."""
        found = {f"{code} {about}": why for (code, about), why in self.hub.alarmed.items()}
        for name, one in (("log", self.log), ("access-log", self.access_log)):
            if one.failure is not None:
                found[name] = str(one.failure)
        return found | self.trouble

    def listen(self) -> socket.socket:
        """The door."""
        family = socket.AF_INET6 if ":" in self.settings.host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((self.settings.host, self.settings.port))
        listening.listen(BACKLOG)
        return listening

    async def rounds(self, tag_log: Appender, access_log: Appender) -> None:
        """Every second: a checkpoint of each log, the quorum, the tables; after a fault, another try."""
        while True:
            began = ticks_s()
            for about, act in (("log", self._round(tag_log)), ("access-log", self._access_round(access_log))):
                try:
                    await act
                    self.trouble.pop(about, None)
                except LianfangError as why:
                    self.trouble[about] = str(why)
                    log.error(about, why=str(why))
            await asyncio.sleep(max(self.settings.checkpoint_ms / 1e3 - (ticks_s() - began), 0.01))

    async def _round(self, appender: Appender) -> None:
        if self.log.failure is not None:
            await appender.retry()
        else:
            await self.hub.round()

    async def _access_round(self, appender: Appender) -> None:
        if self.access_log.failure is not None:
            await appender.retry()
            return
        await self.accesses.sum_up()
        await appender.tick()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """From the first request to the last."""
        tag_log = Appender(self.log, window_s=self.settings.commit_window_us / 1e6)
        access_log = Appender(self.access_log, window_s=0)
        self.hub.adding, self.accesses.adding = tag_log, access_log
        gc.collect()
        gc.freeze()
        task = asyncio.create_task(self.rounds(tag_log, access_log))
        yield
        self.hub.feed.close_all()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        for appender in (tag_log, access_log):
            try:
                await appender.close()
            except LianfangError as why:
                log.error("closing", why=str(why))
        await self.http.aclose()
        self.database.close()

    def collect(self) -> list[Any]:
        """For Prometheus: counts only, no member is a label."""
        events = CounterMetricFamily("lianfang_hub_events", "What happened since the start", labels=["event"])
        for name, count in sorted(self.hub.counters.items()):
            events.add_metric([name], count)
        return [
            events,
            GaugeMetricFamily("lianfang_hub_log_size", "Durable entries", self.log.size),
            GaugeMetricFamily("lianfang_hub_log_published", "Entries under the newest checkpoint", self.log.published),
            GaugeMetricFamily("lianfang_hub_access_log_size", "Durable entries", self.access_log.size),
            GaugeMetricFamily("lianfang_hub_living_tags", "Tags that have not ended", len(self.hub.known)),
            GaugeMetricFamily("lianfang_hub_followers", "Open feeds", len(self.hub.feed)),
            CounterMetricFamily("lianfang_hub_followers_dropped", "Feeds dropped as too slow", self.hub.feed.dropped),
            GaugeMetricFamily(
                "lianfang_hub_pending", "1 while the newest checkpoint lacks its quorum", bool(self.hub.pending)
            ),
            GaugeMetricFamily("lianfang_hub_alarms", "Alarms that last", len(self.hub.alarmed)),
        ]


@get("/metrics", include_in_schema=False)
async def metrics(request: AnyRequest) -> Response[bytes]:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(request.app.state.process)
    return Response(generate_latest(registry), media_type="text/plain; version=0.0.4")


def hub_app(process: HubProcess) -> Door:
    """Its HTTP."""

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        async with process.running():
            yield

    def state(config: AppConfig) -> AppConfig:
        values = {
            "hub": process.hub,
            "process": process,
            "operator": process.operator,
            "accesses": process.accesses,
            "authorize": process.ring,
            "check_certificate": process.check_certificate,
            "attention": process.attention,
            "acknowledge_within_s": process.settings.acknowledge_within_s,
        }
        config.state = State(values, deep_copy=False)
        return config

    behind = Litestar(
        [*ROUTES, metrics],
        exception_handlers={**error_handlers(), HTTPException: error_handlers()[HTTPException]},
        request_max_body_size=limits.BODY_BYTES_MAX,
        openapi_config=OpenAPIConfig("Lianfang hub", __version__, path="/-/litestar", render_plugins=[]),
        lifespan=[lifespan],
        on_app_init=[state],
        logging_config=None,
        debug=False,
    )
    return Door(
        process.hub, process.accesses, process.folder.log, behind, process.check_certificate,
        log_public=process.settings.log_public,
    )  # fmt: skip


def serve(root: Path, settings: HubSettings) -> int:
    """Run until told to stop; the exit status."""
    process = HubProcess(root, settings)
    listening = process.listen()
    config = uvicorn.Config(
        hub_app(process),
        http=HubProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=settings.connections_max,
        timeout_graceful_shutdown=STOP_S,
        timeout_keep_alive=KEEP_ALIVE_S,
        backlog=BACKLOG,
        ssl_certfile=settings.tls_cert or None,
        ssl_keyfile=settings.tls_key or None,
        ssl_ca_certs=settings.tls_client_ca or None,
        ssl_cert_reqs=ssl.CERT_OPTIONAL if settings.tls_client_ca else ssl.CERT_NONE,
    )
    port = listening.getsockname()[1]
    scheme = "https" if settings.tls_cert else "http"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    write_whole(process.folder.running, msgspec.json.encode({"url": f"{scheme}://{host}:{port}", "pid": os.getpid()}))
    print(msgspec.json.encode({"hub": port}).decode(), flush=True)
    uvloop.run(_serve(_Server(config), listening, process))
    process.folder.running.unlink(missing_ok=True)
    return 0


class _Server(uvicorn.Server):
    """Leaves the signals to us: uvicorn would raise them again at its end and die of them."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(server: uvicorn.Server, listening: socket.socket, process: HubProcess) -> None:
    loop = asyncio.get_running_loop()

    def end() -> None:
        server.should_exit = True
        process.hub.feed.close_all()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    await server.serve(sockets=[listening])
