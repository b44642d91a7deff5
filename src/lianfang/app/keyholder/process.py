"""`lianfang keyholder serve`: opens the log and the records, watches the members, serves until told to stop."""

from __future__ import annotations

import asyncio
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

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
from lianfang.app.keyholder.folder import Folder
from lianfang.app.keyholder.members import EVERY_S, STALE_S, FromFile, FromHub, Source, take_up
from lianfang.app.keyholder.settings import KeyholderSettings
from lianfang.app.node.clock import WallClock, ticks_s
from lianfang.engines.oprf import scalar_from
from lianfang.engines.tlog import ED25519, SignerKey
from lianfang.infra import accesslog
from lianfang.infra.asgi import AnyRequest, error_handlers
from lianfang.infra.sql import open_database, sqlite_url
from lianfang.infra.tlog import Appender, LogStore
from lianfang.infra.tlogfiles import read_log_file
from lianfang.kernel.errors import AccessError, LianfangError
from lianfang.services.keyholding import Shares, store
from lianfang.services.keyholding.routes import BODY_BYTES_MAX, ROUTES, Keyholder, KeysHeld
from lianfang.services.members import Gate, Roster

CONNECTIONS_MAX: Final = 256
STOP_S: Final = 5
CHECKPOINT_S: Final = 1.0

log = structlog.get_logger("keyholder")


class ClosingGate(Gate):
    """A gate that closes when it has not been known for too long who is a member."""

    def __init__(self, audience: str, roster: Roster) -> None:
        super().__init__(audience, roster, secrets.token_bytes)
        self.heard_at = float("-inf")

    def member(self, header: str | None, now: int) -> Any:
        """As `Gate.member`; closed while the members are not known."""
        if ticks_s() - self.heard_at > STALE_S:
            raise AccessError(
                f"who is a member has not been known for {STALE_S:.0f} s: try again later", "members-stale"
            )
        return super().member(header, now)


class Holding:
    """One run of a keyholder."""

    def __init__(self, root: Path, settings: KeyholderSettings) -> None:
        self.settings = settings
        self.folder = Folder(root)
        self.wall = WallClock()
        self.trouble: dict[str, str] = {}
        self.roster = Roster()
        self.gate = ClosingGate(settings.id, self.roster)
        self.source: Source = FromHub(settings.hub) if settings.hub else FromFile(Path(settings.members))
        self.kept = self.folder.kept()
        self.database = open_database(sqlite_url(self.folder.records))
        store.prepare(self.database)
        accesslog.prepare(self.database)
        with self.database.reading() as connection:
            self.meter = store.load(connection, settings.rates)
        origin = f"{settings.id}.access"
        self.log, recovery = LogStore.open(
            self.folder.access_log, origin, SignerKey(origin, ED25519, self.folder.seed("signing"))
        )
        log.info("access log", size=self.log.size, pending=recovery.pending, cut=recovery.torn is not None)

    def held(self) -> KeysHeld:
        """What it can answer for."""
        keys = tuple(key for one in self.kept for key in one.transcript.keys)
        place = self.kept[-1].shares.place if self.kept else 0
        return KeysHeld(self.settings.id, place, tuple(one.shares.epoch for one in self.kept), keys)

    def attention(self) -> dict[str, str]:
        """What needs somebody's eye."""
        found = dict(self.trouble)
        if not self.kept:
            found["shares"] = "it holds no share yet: lianfang keyholder take"
        if self.log.failure is not None:
            found["access-log"] = str(self.log.failure)
        return found

    def listen(self) -> socket.socket:
        """Its door."""
        family = socket.AF_INET6 if ":" in self.settings.host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((self.settings.host, self.settings.port))
        listening.listen(CONNECTIONS_MAX)
        return listening

    async def hear_members(self) -> None:
        """Ask once who is a member; what goes wrong is told and kept in `trouble`."""
        try:
            said = await asyncio.to_thread(self.source.ask)
        except LianfangError as why:
            if self.trouble.get("members") != str(why):
                log.error("members", why=str(why))
            self.trouble["members"] = str(why)
            return
        changed = take_up(self.roster, said)
        self.gate.heard_at = ticks_s()
        self.trouble.pop("members", None)
        if changed:
            log.info("members", changed=changed, active=len(self.roster.active))

    async def watch_members(self) -> None:
        """Every second: an expulsion cuts off within it."""
        while True:
            await asyncio.sleep(EVERY_S)
            await self.hear_members()

    async def keep_checkpoints(self, appender: Appender) -> None:
        """Every second a checkpoint over what was logged; after a fault, another try."""
        while True:
            await asyncio.sleep(CHECKPOINT_S)
            try:
                if self.log.failure is not None:
                    await appender.retry()
                else:
                    await appender.tick()
            except LianfangError as why:
                log.error("access log", why=str(why))


def holder_app(holding: Holding) -> Litestar:
    """Its HTTP."""

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        appender = Appender(holding.log)
        app.state.keyholder = Keyholder(
            holding.gate,
            Shares(one.shares for one in holding.kept),
            holding.meter,
            holding.database,
            appender,
            holding.wall,
            secrets.token_bytes,
            scalar_from,
            holding.settings.threads,
        )
        app.state.held = holding.held()
        await holding.hear_members()  # before the first request
        app.state.attention = holding.attention
        app.state.holding = holding
        tasks = [asyncio.create_task(one) for one in (holding.watch_members(), holding.keep_checkpoints(appender))]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await appender.close()
        holding.database.close()

    def state(config: AppConfig) -> AppConfig:
        config.state = State({}, deep_copy=False)
        return config

    return Litestar(
        [*ROUTES, metrics, log_file],
        exception_handlers={**error_handlers(), HTTPException: error_handlers()[HTTPException]},
        request_max_body_size=BODY_BYTES_MAX,
        openapi_config=OpenAPIConfig("Lianfang keyholder", __version__, path="/-/litestar", render_plugins=[]),
        lifespan=[lifespan],
        on_app_init=[state],
        logging_config=None,
        debug=False,
    )


@get("/metrics", include_in_schema=False)
async def metrics(request: AnyRequest) -> Response[bytes]:
    """Counts only: members are no label."""
    keyholder: Keyholder = request.app.state.keyholder
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Counts(keyholder))
    return Response(generate_latest(registry), media_type="text/plain; version=0.0.4")


class _Counts:
    def __init__(self, keyholder: Keyholder) -> None:
        self._keyholder = keyholder

    def collect(self) -> list[Any]:
        with self._keyholder.database.reading() as connection:
            alarms = len(store.alarms_kept(connection))
        return [
            CounterMetricFamily(
                "lianfang_keyholder_evaluated", "Elements evaluated since the start", self._keyholder.answered
            ),
            CounterMetricFamily("lianfang_keyholder_refused", "Requests refused for quota", self._keyholder.refused),
            GaugeMetricFamily("lianfang_keyholder_alarms", "Alarms on record", alarms),
        ]


@get("/log/{path:path}", include_in_schema=False)
async def log_file(request: AnyRequest, path: Path) -> Response[bytes]:
    """The access log's files, as C2SP tlog-tiles names them: it holds commitments only, so everybody may see it."""
    holding: Holding = request.app.state.holding
    found = await asyncio.to_thread(read_log_file, holding.folder.access_log, str(path))
    return Response(found, media_type="application/octet-stream", headers={"Cache-Control": "no-cache"})


def serve(root: Path, settings: KeyholderSettings) -> int:
    """Run until told to stop; the exit status."""
    holding = Holding(root, settings)
    listening = holding.listen()
    config = uvicorn.Config(
        holder_app(holding),
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_graceful_shutdown=STOP_S,
        ssl_certfile=settings.tls_cert or None,
        ssl_keyfile=settings.tls_key or None,
    )
    print(msgspec.json.encode({"keyholder": listening.getsockname()[1]}).decode(), flush=True)
    uvloop.run(_serve(_Server(config), listening))
    return 0


class _Server(uvicorn.Server):
    """Leaves the signals to us: uvicorn would raise them again at its end and die of them."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(server: uvicorn.Server, listening: socket.socket) -> None:
    loop = asyncio.get_running_loop()

    def end() -> None:
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    await server.serve(sockets=[listening])
