"""A stream ends when its person is signed out, when the desk stops, and when the browser goes; then there is room again."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import pytest

from lianfang.console import live
from lianfang.console.watched import Panel
from lianfang.kernel.instant import SECOND
from lianfang.services.overview import Bucket, Latency, Stream
from lianfang.wire import RuleSet

T = TypeVar("T")
START = 1_800_000_000 * SECOND


class _Node:
    """As much of a node as a stream asks."""

    def __init__(self) -> None:
        self.stream, self.ending = Stream(), False
        self.stream.tick(START, 0)

    def panel(self) -> Panel:
        return Panel(START, Bucket(decisions=7), Latency(0, None, None, None), 0, True, 0)


def _request(node: _Node) -> Any:
    console = SimpleNamespace(watched=node, zone=ZoneInfo("UTC"))
    state = SimpleNamespace(console=console, publisher=SimpleNamespace(ruleset=RuleSet()))
    return SimpleNamespace(app=SimpleNamespace(state=state), cookies={}, headers={})


def _run(work: Coroutine[Any, Any, T]) -> T:
    """In a thread of its own: the browser of other tests keeps a loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


async def _all(node: _Node, most: int = 50) -> list[bytes]:
    found: list[bytes] = []
    messages: Any = live._messages(_request(node))
    async for one in messages:
        found.append(one)
        if len(found) == most:
            await messages.aclose()
    return found


def test_it_ends_when_the_person_is_no_longer_signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    async def gone(_: Any) -> bool:
        return False

    monkeypatch.setattr(live, "SIGNED_S", 0.0)
    monkeypatch.setattr(live, "still_signed", gone)
    before = live._room.count
    assert len(_run(_all(_Node()))) == 1, "only the time after which to try again"
    assert live._room.count == before


def test_it_ends_when_the_desk_stops_and_when_its_life_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    node = _Node()
    node.ending = True
    assert _run(_all(node)) == [b"retry: 2000\n\n"]
    monkeypatch.setattr(live, "LIFE_S", 0.0)
    assert _run(_all(_Node())) == [b"retry: 2000\n\n"]


def test_a_browser_that_goes_makes_room_and_figures_come_once_a_second() -> None:
    async def walk() -> tuple[list[bytes], int]:
        node = _Node()

        async def tick() -> None:
            for i in range(1, 9):
                await asyncio.sleep(0.25)
                node.stream.tick(START + i * SECOND // 2, 0)

        ticking = asyncio.create_task(tick())
        told = await _all(node, 5)
        ticking.cancel()
        return told, live._room.count

    before = live._room.count
    told, after = _run(walk())
    assert after == before
    assert all(one.startswith(b"data: {") and one.endswith(b"}\n\n") for one in told[1:])
    assert [b'"panel"' in one for one in told[1:]] in ([True, True, False, True], [True, False, True, False])
