"""`lianfang witness serve`: a key, its records, one door."""

from __future__ import annotations

import asyncio
import secrets
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
import uvicorn
import uvloop
from litestar import Litestar, Response, get
from litestar.config.app import AppConfig
from litestar.datastructures import State
from litestar.exceptions import HTTPException

from lianfang.app.node.clock import WallClock
from lianfang.engines.tlog import COSIGNATURE, SignerKey, parse_signer
from lianfang.engines.tlog.witness import REQUEST_BYTES_MAX
from lianfang.infra.asgi import answer, error_handlers
from lianfang.infra.published import write_whole
from lianfang.infra.sql import open_database, sqlite_url
from lianfang.kernel.errors import ConflictError, InputError
from lianfang.services.witness import Records, Watch
from lianfang.services.witness.routes import ROUTES

KEY: Final = "witness.key"
RECORDS: Final = "records.db"
CONNECTIONS_MAX: Final = 64
STOP_S: Final = 5


def make_key(root: Path, name: str) -> SignerKey:
    """A new witness's folder and key. Raises `ConflictError`: there is one."""
    path = root / KEY
    if path.exists():
        raise ConflictError(f"there is a witness in {root} already: take another folder")
    signer = SignerKey(name, COSIGNATURE, secrets.token_bytes(32))
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(path, signer.secret_text().encode(), 0o600)
    return signer


def read_key(root: Path) -> SignerKey:
    """The key of a witness's folder. Raises `InputError`."""
    try:
        return parse_signer((root / KEY).read_text("utf-8").strip())
    except (OSError, UnicodeDecodeError) as why:
        raise InputError(f"{root / KEY} cannot be read: make one with `lianfang witness init`") from why


def open_watch(root: Path) -> Watch:
    """A witness out of its folder."""
    return Watch(read_key(root), Records(open_database(sqlite_url(root / RECORDS))), WallClock())


@get("/healthz")
async def healthz() -> Response[bytes]:
    return answer({"alive": True})


def witness_app(watch: Watch) -> Litestar:
    """Its HTTP."""

    def state(config: AppConfig) -> AppConfig:
        config.state = State({"witness": watch}, deep_copy=False)
        return config

    return Litestar(
        [*ROUTES, healthz],
        exception_handlers={**error_handlers(), HTTPException: error_handlers()[HTTPException]},
        request_max_body_size=REQUEST_BYTES_MAX,
        openapi_config=None,
        on_app_init=[state],
        logging_config=None,
        debug=False,
    )


def serve(root: Path, host: str, port: int, tls_cert: str = "", tls_key: str = "") -> int:
    """Run until told to stop; the exit status."""
    watch = open_watch(root)
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((host, port))
    listening.listen(CONNECTIONS_MAX)
    config = uvicorn.Config(
        witness_app(watch),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_graceful_shutdown=STOP_S,
        ssl_certfile=tls_cert or None,
        ssl_keyfile=tls_key or None,
    )
    print(msgspec.json.encode({"witness": listening.getsockname()[1]}).decode(), flush=True)
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
