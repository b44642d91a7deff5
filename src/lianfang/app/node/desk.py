"""The desk process: what people and other systems touch. It publishes for the decider, which decides on without it."""

from __future__ import annotations

import asyncio
import secrets
import signal
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
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
from lianfang.app import settings as settings_module
from lianfang.app.node import alliance, docs_page
from lianfang.app.node.api_document import node_openapi
from lianfang.app.node.clock import WallClock, ticks_s
from lianfang.app.node.files import NodeFiles
from lianfang.app.node.following import Following
from lianfang.app.node.lake import lake_keeping
from lianfang.app.node.pages import Pages
from lianfang.app.node.peer import ask, door_url
from lianfang.app.node.reports import days, gauges, reports_keeping
from lianfang.app.node.watched import Watched
from lianfang.app.settings import Settings
from lianfang.console.failing import handlers as console_failures
from lianfang.console.router import console_router
from lianfang.infra.asgi import AnyRequest, answer, error_handlers
from lianfang.infra.models import read_model
from lianfang.infra.sql import Database, open_database, sqlite_url
from lianfang.kernel import limits
from lianfang.kernel.errors import DependencyError, LianfangError
from lianfang.kernel.instant import Instant
from lianfang.services.cases import queries
from lianfang.services.cases.feed import AlertFeed
from lianfang.services.decide import adjusting_routes, drafts_routes, models_routes
from lianfang.services.decide import routes as decide_routes
from lianfang.services.decide import store as decide_store
from lianfang.services.decide.book import version_of
from lianfang.services.decide.models import Role, fit, known_models, put_model
from lianfang.services.decide.publisher import Publisher
from lianfang.services.decide.rulefiles import RuleFiles
from lianfang.services.identity import SCOPES, ApiKey, KeyRing, issue, people_store
from lianfang.services.identity import routes as identity_routes
from lianfang.services.identity import store as identity_store
from lianfang.services.overview import payments_routes
from lianfang.services.share import routes as share_routes

WATCH_S: Final = 0.5
"""How often rule files and records are looked at."""
STOP_S: Final = 5
CONNECTIONS_MAX: Final = 512
STARTER_RULES: Final = Path(settings_module.__file__).parent / "starter"
FIRST_KEY: Final = "first.key"
NODE: Final = "node"
"""Who makes a change that no key made: the installation itself."""

log = structlog.get_logger("desk")


def rule_paths(settings: Settings) -> list[Path]:
    """Where the rules are: as set, or the shipped ones."""
    return [Path(part) for part in settings.rules.split(":") if part] or [STARTER_RULES]


class Desk:
    """Records, publisher and keys of one node, without the HTTP."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.files = NodeFiles(Path(settings.data_dir))
        self.files.make()
        self.wall = WallClock()
        self.database: Database = open_database(sqlite_url(self.files.records))
        decide_store.prepare(self.database)
        identity_store.prepare(self.database)
        people_store.prepare(self.database)
        queries.prepare(self.database)
        self.pages = Pages(settings, self.files, self.database, self.decider_url, Instant(self.wall()))
        self.ring = KeyRing((), self.wall, ticks_s)
        self.publisher = Publisher(
            self.database,
            RuleFiles(rule_paths(settings)),
            self.files.published,
            self._keys,
            self.ring.replace,
            self.files.models,
        )
        self.following = Following(self.files, self.database, self.wall)
        self.watched = Watched(settings, self.files, self.following, self.ready, self.decider_url)
        self.following.hooks.append(AlertFeed(self.database, self.files.hash_key()))
        self.alliance = alliance.join(self.files, self.database, self.following, self.wall)
        self.decider_port = settings.decider_port
        self.answers: Counter[int] = Counter()

    def _keys(self, connection: Any) -> Sequence[ApiKey]:
        return (*identity_store.keys_in_force(connection, Instant(self.wall())), self.pages.key)

    def start(self) -> None:
        """Publish everything. Raises `LianfangError` if the rules, or a model of the settings, are not fit to start with."""
        self.publisher.start()
        for role, named in (("model", self.settings.model), ("challenger", self.settings.challenger)):
            if named:
                self._load_model("challenger" if role == "challenger" else "model", Path(named))
        self.publisher.publish()
        if self.alliance is not None:
            self.alliance.start()

    def _load_model(self, role: Role, path: Path) -> None:
        """The model of the settings, once for each version: what was loaded since over the API stays."""
        folder = read_model(path)
        at = Instant(self.wall())
        with self.database.writing() as connection:
            taken_up = any(one.manifest.version == folder.manifest.version for one in known_models(connection))
            if not taken_up:
                fit(folder, self.publisher.ruleset)
                put_model(
                    connection, self.files.models, folder, role, by=NODE, at=at, reason=f"the setting {role}: {path}"
                )

    def first_key(self) -> str | None:
        """If there is no key in force yet: one with all scopes, its text also left in `first.key`; else None."""
        at = Instant(self.wall())
        with self.database.writing() as connection:
            if identity_store.keys_in_force(connection, at):
                return None
            made = issue(SCOPES, at, secrets.token_bytes, note="first key of this node")
            identity_store.add_key(connection, made.key, by=NODE, at=at, reason="the node had no key in force")
        path = self.files.root / FIRST_KEY
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(made.text + "\n", "utf-8")
        return made.text

    def decider_url(self) -> str:
        """Where the decider answers."""
        return door_url(self.settings, self.decider_port)

    def ready(self) -> tuple[int, dict[str, Any]]:
        """Status and body of /readyz: the desk itself, and what the decider says of itself."""
        decider: dict[str, Any]
        try:
            said = ask(self.decider_url(), "GET", "/readyz", tls_cert=self.settings.tls_cert)
            decider = msgspec.json.decode(said.body, type=dict[str, Any])
        except (DependencyError, msgspec.MsgspecError) as why:
            decider = {"ready": False, "attention": {"decider": str(why)}}
        attention = {**decider.get("attention", {}), **self.publisher.trouble, **self.following.attention()}
        attention |= self.alliance.attention() if self.alliance is not None else {}
        ready = decider.get("ready") is True
        body = {"ready": ready, "attention": attention, "rules": version_of(self.publisher.ruleset), "decider": decider}
        return (200 if ready else 503), body

    def metrics(self) -> bytes:
        """The text format."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return generate_latest(registry)

    def collect(self) -> list[Any]:
        """For Prometheus: counts only, no identifier is a label."""
        answers = CounterMetricFamily("lianfang_desk_answers", "HTTP answers since the start", labels=["status"])
        for status, count in sorted(self.answers.items()):
            answers.add_metric([str(status)], count)
        with self.database.reading() as connection:
            entries = sum(one.entries for one in decide_store.all_lists(connection))
        return [
            answers,
            CounterMetricFamily("lianfang_desk_published", "Files published since the start", self.publisher.published),
            CounterMetricFamily(
                "lianfang_desk_refused", "Rule files or records refused since the start", self.publisher.refused
            ),
            GaugeMetricFamily("lianfang_desk_behind_records", "Records not yet followed", self.following.behind),
            GaugeMetricFamily("lianfang_desk_behind_seconds", "Since when it has been behind", self.following.lag_s),
            CounterMetricFamily("lianfang_desk_skipped", "Decisions only counted, under load", self.following.skipped),
            CounterMetricFamily(
                "lianfang_desk_lost", "Records of the journal that cannot be read", self.following.lost
            ),
            GaugeMetricFamily("lianfang_desk_attention", "Things that need attention", len(self.publisher.trouble)),
            GaugeMetricFamily("lianfang_desk_rules", "Rules published", len(self.publisher.ruleset.rules)),
            GaugeMetricFamily("lianfang_desk_list_entries", "List entries on record", entries),
            *gauges(self.files.reports, self.wall()),
        ]

    def close(self) -> None:
        """Give up the records."""
        self.following.stop()
        if self.alliance is not None:
            self.alliance.close()
        self.database.close()


class Alive(msgspec.Struct, frozen=True):
    """The process runs."""

    alive: bool


class Ready(msgspec.Struct, frozen=True):
    """Whether the node decides, what is in force, what needs attention."""

    ready: bool
    attention: dict[str, str]
    rules: str
    decider: dict[str, Any]


@get("/healthz", summary="Whether the desk runs", opt={"answer": Alive})
async def healthz() -> Response[bytes]:
    return answer(Alive(True))


@get("/readyz", summary="Whether the node decides, and what needs attention", opt={"answer": Ready})
async def readyz(request: AnyRequest) -> Response[bytes]:
    status, body = await asyncio.to_thread(request.app.state.desk.ready)
    return answer(body, status)


@get("/metrics", include_in_schema=False)
async def metrics(request: AnyRequest) -> Response[bytes]:
    page = await asyncio.to_thread(request.app.state.desk.metrics)
    return Response(page, media_type="text/plain; version=0.0.4")


ROUTES: Final = (
    *decide_routes.ROUTES, *adjusting_routes.ROUTES, *models_routes.ROUTES, *drafts_routes.ROUTES, *identity_routes.ROUTES,
    *payments_routes.ROUTES, *share_routes.ROUTES, *docs_page.ROUTES, healthz, readyz, metrics,
)  # fmt: skip


def _not_found_where_looked(request: AnyRequest, why: HTTPException) -> Any:
    """What no route takes fails as its neighbours do: a page in the console, a problem everywhere else."""
    handlers = console_failures() if request.url.path.startswith("/console") else error_handlers()
    return handlers[HTTPException](request, why)


def _state(desk: Desk) -> dict[str, Any]:
    """What routes find in `app.state`."""
    return {
        "desk": desk,
        "database": desk.database,
        "publisher": desk.publisher,
        "following": desk.following,
        "finder": desk.following.finder,
        "found_records": desk.following.records,
        "keys_changed": desk.publisher.publish,
        "authorize": desk.ring,
        "wall": desk.wall,
        "random": secrets.token_bytes,
        "decider_url": desk.decider_url,
        "tls_cert": desk.settings.tls_cert,
        "two_people": desk.settings.two_people,
        "console": desk.pages.console(desk.watched),
        "alliance": desk.alliance,
    }


async def _watching(desk: Desk) -> None:
    while True:
        await asyncio.sleep(WATCH_S)
        before = dict(desk.publisher.trouble)
        await asyncio.to_thread(desk.publisher.poll)
        for about, why in desk.publisher.trouble.items():
            if before.get(about) != why:
                log.error("refused; the old version stays in force", about=about, why=why)


def _chores(desk: Desk) -> list[Coroutine[Any, Any, None]]:
    """What the desk does by itself while it serves."""
    settings, trouble = desk.settings, desk.publisher.trouble
    chores = [_watching(desk)]
    if settings.lake_every_s:
        chores.append(lake_keeping(settings, desk.files, trouble))
    if days(settings, "watch") or days(settings, "review"):
        chores.append(reports_keeping(settings, desk.files, trouble))
    if desk.alliance is not None:
        chores.append(desk.alliance.run())
    return chores


def desk_app(desk: Desk, *, watch: bool = True) -> Litestar:
    """The desk's HTTP. `watch`: look for changed files and records while it serves."""

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(one) for one in _chores(desk)] if watch else []
        if watch:
            desk.following.start()
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        desk.pages.backtesting.stop()
        await asyncio.to_thread(desk.following.stop)

    async def count(message: Any, _: Any) -> None:
        if message["type"] == "http.response.start":
            desk.answers[message["status"]] += 1
            message["headers"] = [
                *message["headers"],
                (b"x-content-type-options", b"nosniff"),
                (b"referrer-policy", b"no-referrer"),
            ]

    def set_state(config: AppConfig) -> AppConfig:
        config.state = State(_state(desk), deep_copy=False)
        return config

    app = Litestar(
        [*ROUTES, console_router()],
        exception_handlers={**error_handlers(), HTTPException: _not_found_where_looked},
        request_max_body_size=limits.BODY_BYTES_MAX,
        openapi_config=OpenAPIConfig("Lianfang desk", __version__, path="/-/litestar", render_plugins=[]),
        lifespan=[lifespan],
        before_send=[count],
        on_app_init=[set_state],
        logging_config=None,
        debug=False,
    )
    document: dict[str, Any] = {}

    def whole() -> dict[str, Any]:
        if not document:
            document.update(node_openapi(app, desk.decider_url()))
        return document

    app.state.document = whole
    return app


def main(settings: Settings) -> int:
    """Run a desk; the exit status."""
    try:
        desk = Desk(settings)
        desk.start()
        listening = _listen(settings)
    except (LianfangError, OSError) as why:
        print(f"the desk cannot start: {why}", file=sys.stderr)
        return 1
    config = uvicorn.Config(
        desk_app(desk),
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_graceful_shutdown=STOP_S,
        ssl_certfile=settings.tls_cert or None,
        ssl_keyfile=settings.tls_key or None,
    )
    print(msgspec.json.encode({"desk": listening.getsockname()[1]}).decode(), flush=True)
    uvloop.run(_serve(_Server(config), listening, desk))
    desk.close()
    return 0


class _Server(uvicorn.Server):
    """Leaves the signals to us: uvicorn would raise them again at its end and die of them."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(server: uvicorn.Server, listening: socket.socket, desk: Desk) -> None:
    loop = asyncio.get_running_loop()

    def end() -> None:
        server.should_exit = desk.watched.ending = True

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    await server.serve(sockets=[listening])


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((settings.host, settings.desk_port))
    listening.listen(CONNECTIONS_MAX)
    return listening
