"""The pages of a desk over a store of so many real records: server time, and what the first page costs to load.

The desk is a process of its own; the requests come from here, by a person who is signed in. No decider runs beside it, so
what pages ask of the decider is refused at once: the times are of the desk's own work.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import httpx
import numpy as np

from lianfang.app.bench.lake import make_journal
from lianfang.app.bench.report import Figure
from lianfang.app.node.clock import WallClock
from lianfang.app.node.files import NodeFiles
from lianfang.app.node.supervise import Child
from lianfang.app.settings import Settings
from lianfang.console.navigation import NAVIGATION
from lianfang.console.signed import COOKIE
from lianfang.infra.finding import index
from lianfang.infra.sql import open_database, sqlite_url
from lianfang.kernel.errors import DependencyError
from lianfang.kernel.instant import Instant
from lianfang.services.identity import ROLES, Person, people_store

ASKED: Final = 60
"""Looks at each page."""
START_S: Final = 300.0
FIRST: Final = "/console/live"
PERSON: Final = "bench"


def measure_pages(folder: Path, rows: int) -> list[Figure]:
    """`page_p95_ms` over all pages, each page's own, and the bytes of the first one."""
    files = NodeFiles(folder / "node")
    files.make()
    make_journal(files.journal, rows)
    index(files.journal, files.finding, files.hash_key())
    settings = Settings(data_dir=str(files.root), desk_port=0, decider_port=1, lake_every_s=0, watch_every_days=0,
                        review_every_days=0)  # fmt: skip
    with _desk(settings) as base, httpx.Client(base_url=base, trust_env=False, timeout=30) as client:
        client.cookies.set(COOKIE, _signed_in(files))
        _until_caught_up(client)
        return _looks(client, rows)


@contextmanager
def _desk(settings: Settings) -> Iterator[str]:
    child = Child("desk", settings, None)
    child.start()
    try:
        until = time.monotonic() + START_S
        while not child.ready:
            if time.monotonic() > until:
                raise DependencyError("the desk did not start")
            time.sleep(0.05)
        yield f"http://127.0.0.1:{child.port}"
    finally:
        child.stop()


def _signed_in(files: NodeFiles) -> str:
    secret, at = secrets.token_urlsafe(32), Instant(WallClock()())
    database = open_database(sqlite_url(files.records))
    with database.writing() as connection:
        person = Person(name=PERSON, shown=PERSON, roles=tuple(ROLES), created_at=at)
        people_store.add_person(connection, person, by="node", at=at, reason="benchmark")
        people_store.open_session(connection, PERSON, secret, secrets.token_urlsafe(24), at)
    database.close()
    return secret


def _until_caught_up(client: httpx.Client) -> None:
    """The follower has read what the journal holds: its work is not the pages'."""
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        found = re.search(
            r"^lianfang_desk_behind_records(?:\{[^}]*\})? (\S+)", client.get("/metrics").text, re.MULTILINE
        )
        if found and float(found[1]) == 0:
            return
        time.sleep(0.5)
    raise DependencyError("the desk did not catch up with its journal")


def _looks(client: httpx.Client, rows: int) -> list[Figure]:
    draw = np.random.default_rng(11)
    pages: dict[str, Callable[[], str]] = {
        key: partial(str, address) for _, entries in NAVIGATION for key, address, _ in entries
    }
    pages["payment"] = lambda: f"/console/payments/pay-{draw.integers(0, rows):09d}"
    every: list[float] = []
    figures: list[Figure] = []
    for key, address in pages.items():
        took = [_took(client, address()) for _ in range(ASKED)]
        every += took
        figures.append(Figure(f"page_{key}_p95_ms", float(np.percentile(took, 95)), "ms"))
    return [
        Figure("page_p95_ms", max(one.value for one in figures), "ms, the slowest page's 95th percentile", "< 300 ms"),
        Figure("page_all_p95_ms", float(np.percentile(every, 95)), "ms, all pages"),
        Figure(
            "first_page_kb", _weight(client, FIRST) / 1_000, "KB compressed, with its scripts and styles", "< 350 KB"
        ),
        *figures,
    ]


def _took(client: httpx.Client, address: str) -> float:
    begun = time.perf_counter()
    answer = client.get(address)
    took = (time.perf_counter() - begun) * 1_000
    if answer.status_code != 200:
        raise DependencyError(f"{address.partition('pay-')[0]} answered {answer.status_code}")
    return took


def _weight(client: httpx.Client, address: str) -> int:
    """Bytes on the wire, gzip as every browser takes it."""
    page = _raw(client, address)
    text = client.get(address).text
    parts = set(re.findall(r'(?:src|href)="(/console/static/[^"]+)"', text))
    return page + sum(_raw(client, part) for part in parts)


def _raw(client: httpx.Client, address: str) -> int:
    with client.stream("GET", address, headers={"Accept-Encoding": "gzip"}) as answer:
        return sum(len(chunk) for chunk in answer.iter_raw())
