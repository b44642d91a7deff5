"""One node for all pages: real processes, a few hundred payments of the made-up world, people of every kind."""

from __future__ import annotations

import io
import secrets
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from playwright.sync_api import Browser

from lianfang.app.demo.feed import Feed
from lianfang.app.node.clock import WallClock
from lianfang.app.node.supervise import Node
from lianfang.app.settings import Settings
from lianfang.console.signed import COOKIE
from lianfang.console.words import Lang
from lianfang.engines.world.config import demo_config
from lianfang.infra.sql import open_database, sqlite_url
from lianfang.kernel.instant import DAY, Instant
from lianfang.services.identity import ROLES, Person
from lianfang.services.identity import people_store as store
from tests.console.browsing import Theme, Walker
from tests.console.browsing import browser as started_browser

PEOPLE: Final = {
    "chen": ("陈工", tuple(ROLES)),
    "li": ("李审", ("approver", "auditor")),
    "wang": ("王看", ("viewer",)),
    "zhao": ("赵析", ("analyst",)),
    "sun": ("孙析", ("analyst",)),
}
PAYMENTS: Final = 400
"""Enough that something was challenged, held and blocked."""
Walk = Callable[..., Walker]


class Console:
    """A running node with people, and the way in for each."""

    def __init__(self, folder: Path) -> None:
        self.log = io.StringIO()
        settings = Settings(
            data_dir=str(folder / "node"), decider_port=0, desk_port=0, feature_memory_mb=256, lake_every_s=2,
            node_name="测试银行",
        )  # fmt: skip
        self.node = Node(settings, output=self.log)
        self.node.start()
        self.told = self.node.running
        self.base = self.told.desk
        self.key = self.told.first_key
        self._watch = threading.Thread(target=self.node.wait)
        self._watch.start()
        self.http = httpx.Client(headers={"Authorization": f"Bearer {self.key}"}, trust_env=False, timeout=30)
        self.database = open_database(sqlite_url(self.node.files.records))
        self.secrets = {name: self._person(name, *who) for name, who in PEOPLE.items()}
        self.payments = self._feed()

    def _person(self, name: str, shown: str, roles: Any) -> str:
        at, secret = Instant(WallClock()()), secrets.token_urlsafe(32)
        with self.database.writing() as connection:
            store.add_person(
                connection, Person(name=name, shown=shown, roles=roles, created_at=at), by="node", at=at, reason="test"
            )
            store.open_session(connection, name, secret, secrets.token_urlsafe(24), at)
        return secret

    def _feed(self) -> list[dict[str, Any]]:
        """A day of the world up to now, decided: what was sent and what was answered."""
        now = WallClock()()
        feed = Feed(demo_config(1, start=now - 3 * DAY, id_prefix="t"), now - 3 * DAY)
        bodies = []
        for body in feed.past(now):
            bodies.append(body)
            if len(bodies) == PAYMENTS:
                break
        answer = self.http.post(self.told.decider + "/v1/decisions", content=b"[" + b",".join(bodies) + b"]")
        assert answer.status_code == 200, answer.text
        decided: list[dict[str, Any]] = answer.json()
        return decided

    def stop(self) -> None:
        self.http.close()
        self.database.close()
        self.node.request_stop()
        self._watch.join()
        self.node.stop()


@pytest.fixture(scope="package")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    made = Console(tmp_path_factory.mktemp("console"))
    yield made
    made.stop()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with started_browser() as one:
        yield one


@pytest.fixture
def walk(console: Console, browser: Browser) -> Iterator[Walk]:
    """`walk(name, lang, theme, width)`: a person at a screen, signed in."""
    open_ones: list[Walker] = []

    def begin(name: str | None = "chen", lang: Lang = "zh", theme: Theme = "light", width: int = 1280) -> Walker:
        cookie = (COOKIE, console.secrets[name]) if name else None
        open_ones.append(Walker(browser, console.base, cookie, lang, theme, width))
        return open_ones[-1]

    yield begin
    for one in open_ones:
        one.close()
