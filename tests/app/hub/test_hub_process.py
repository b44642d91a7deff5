"""A real hub with real witnesses: members in, entries durable, told, cosigned, followed, and cut off when expelled."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import httpx
import pytest

from lianfang.infra.feed import Arrived, Confirmed, Feed, Kept
from lianfang.kernel.errors import AccessError
from lianfang.wire import write
from tests.app.hub.alliance import Alliance, now_us


@pytest.fixture(name="alliance", scope="module")
def small_alliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alliance]:
    made = Alliance(tmp_path_factory.mktemp("alliance"), witnesses=3, quorum=2)
    yield made
    made.close()


def test_entries_are_told_at_once_and_confirmed_by_a_quorum(alliance: Alliance, tmp_path: Path) -> None:
    bank, shop = alliance.join("bank-a"), alliance.join("shop-b")
    desk = alliance.desk(bank)
    early = [bank.tag() for _ in range(300)]
    first = desk.publish(*early)[0]
    late = [bank.tag() for _ in range(20)]

    async def followed() -> tuple[list[Arrived], Confirmed]:
        got: list[Arrived] = []
        async with httpx.AsyncClient(trust_env=False) as http:
            feed = Feed(alliance.connection(http, shop), alliance.trust(), Kept(tmp_path / "kept"), now_us)
            sent = False
            async with aclosing(feed.follow(0)) as events:
                async for event in events:
                    if isinstance(event, Arrived):
                        got.append(event)
                    elif isinstance(event, Confirmed):
                        if event.size >= first + 300 and not sent:
                            sent = True
                            await asyncio.to_thread(desk.publish, *late)
                        elif len(got) >= first + 320 and event.size >= first + 320:
                            return got, event
        raise AssertionError

    got, confirmed = asyncio.run(asyncio.wait_for(followed(), 30))
    assert [one.index for one in got] == list(range(first + 320))
    assert [one.entry for one in got[first:]] == [write(one) for one in early + late]
    assert [one.confirmed for one in got[-20:]] == [False] * 20
    assert confirmed.size >= first + 320
    assert Kept(tmp_path / "kept").note() == confirmed.note


def test_an_expelled_member_is_cut_off_at_once_its_open_feed_too(alliance: Alliance, tmp_path: Path) -> None:
    bad = alliance.join("bad-bank")
    desk = alliance.desk(bad)
    tag = bad.tag()
    desk.publish(tag)

    async def followed() -> None:
        async with httpx.AsyncClient(trust_env=False) as http:
            feed = Feed(alliance.connection(http, bad), alliance.trust(), Kept(tmp_path / "kept"), now_us)
            told = False
            async with aclosing(feed.follow(0)) as events:
                async for event in events:
                    if isinstance(event, Confirmed) and not told:
                        told = True
                        await asyncio.to_thread(
                            alliance.operator, "member", "expel", "bad-bank", "--withdraw", "--reason", "sold its key"
                        )

    with pytest.raises(AccessError, match="was expelled"):
        asyncio.run(asyncio.wait_for(followed(), 30))
    said = desk.post(bad.tag())
    assert (said.status_code, said.json()["code"]) == (403, "expelled")
    other = alliance.desk(alliance.join("bank-z"))
    said = other.post(other.member.opinion(tag.id))
    assert said.json()["code"] == "withdrawn"
