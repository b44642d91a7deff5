"""Live: somebody watches payments come, narrows them, holds them still; and is told when nothing comes any more."""

from __future__ import annotations

import json
from itertools import count
from typing import Any, Final
from zoneinfo import ZoneInfo

import httpx
import pytest
from playwright.sync_api import expect

from lianfang.app.node.clock import WallClock
from lianfang.app.node.desk import CONNECTIONS_MAX
from lianfang.console.live import STREAMS_MAX, Room, Wanted, row_of
from lianfang.console.signed import COOKIE
from lianfang.console.words import Lang
from lianfang.kernel.errors import DependencyError
from lianfang.kernel.instant import Instant, moment
from lianfang.services.overview import Glance
from tests.console.conftest import Console, Walk

ATTACK: Final = "<img src=x onerror=alert(1)>"
_numbers = count()


def pay(console: Console, **more: Any) -> dict[str, Any]:
    """One payment decided now."""
    payment = {
        "schema": "payment/1", "id": f"live-{next(_numbers)}", "kind": "transfer", "channel": "mobile",
        "time": moment(Instant(WallClock()())).isoformat(), "amount": 12_345, "currency": "CNY",
        "payer": {"account": "6222020200031337001"}, "payee": {"account": "6222020200031337002"}, **more,
    }  # fmt: skip
    said = console.http.post(console.told.decider + "/v1/decisions", json=payment)
    assert said.status_code == 200, said.text
    answer: dict[str, Any] = said.json()
    return answer


def block(console: Console, account: str, purpose: str) -> None:
    """Put an account on the block list of these tests."""
    console.http.headers["Lianfang-Reason"] = "a test"
    made = console.http.put(console.base + "/v1/lists/live_test", json={"effect": "block"})
    assert made.status_code in (200, 201, 409), made.text
    entry = {
        "schema": "list-entry/1", "list": "live_test", "effect": "block", "subject": "account", "value": account,
        "purpose": purpose, "source": "test",
    }  # fmt: skip
    said = console.http.post(console.base + "/v1/lists/live_test/entries", json=[entry])
    assert said.status_code == 200, said.text


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_payment_that_comes_is_seen_and_opened(console: Console, walk: Walk, lang: Lang) -> None:
    walker = walk("wang", lang)
    page = walker.open("/console/live")
    made = pay(console)
    row = page.locator("#live-rows tr", has_text=made["payment_id"])
    expect(row).to_be_visible()
    expect(row).to_contain_text("转账" if lang == "zh" else "Transfer")
    expect(row).to_contain_text("123.45 CNY")
    assert row.locator("a").get_attribute("href") == f"/console/payments/{made['payment_id']}"
    expect(page.locator("#live-sample")).to_contain_text("/" if lang == "zh" else "shown")
    walker.sound()


def test_space_and_button_hold_the_list_still_and_say_what_came_meanwhile(console: Console, walk: Walk) -> None:
    walker = walk("wang", "en")
    page = walker.open("/console/live")
    expect(page.locator("#live-sample")).to_contain_text("shown")
    page.keyboard.press("Space")
    expect(page.locator("#live-pause")).to_have_attribute("aria-pressed", "true")
    made = pay(console)
    expect(page.locator("#live-sample")).to_have_text("Paused · 1 came since")
    assert page.locator("#live-rows tr", has_text=made["payment_id"]).count() == 0
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#live-rows tr", has_text=made["payment_id"])).to_be_visible()
    walker.sound()


def test_the_list_narrows_by_action_kind_channel_and_text_with_and_without_script(console: Console, walk: Walk) -> None:
    walker = walk("wang", "en")
    page = walker.open("/console/live")
    one, other = pay(console, kind="qr", channel="counter"), pay(console, kind="transfer", channel="phone")
    row, others = (page.locator("#live-rows tr", has_text=made["payment_id"]) for made in (one, other))
    expect(row).to_be_visible()
    page.get_by_label("Channel").select_option("counter")
    expect(row).to_be_visible()
    expect(others).to_have_count(0)
    page.get_by_label("Kind").select_option("card")
    expect(page.get_by_text("No payment fits")).to_be_visible()
    page.get_by_label("Kind").select_option("")
    page.get_by_label("Reason contains").fill("no such reason at all")
    expect(page.get_by_text("No payment fits")).to_be_visible()
    assert "channel=counter" in page.url
    plain = _plain(console, "/console/live?channel=counter&action=allow")
    assert one["payment_id"] in plain.split("live-begin")[0]
    assert other["payment_id"] not in plain.split('id="live-begin"')[0]
    walker.sound()


def test_what_payments_and_lists_say_is_text_and_never_markup(console: Console, walk: Walk) -> None:
    walker = walk("wang", "en")
    page = walker.open("/console/live")
    block(console, "6222020200031337099", ATTACK)
    for _ in range(40):
        made = pay(console, payee={"account": "6222020200031337099"})
        if made["action"] == "block":
            break
        page.wait_for_timeout(100)
    assert made["action"] == "block"
    row = page.locator("#live-rows tr", has_text=made["payment_id"])
    expect(row).to_contain_text(ATTACK)
    page.reload()
    expect(page.locator("#live-rows tr", has_text=made["payment_id"])).to_contain_text(ATTACK)
    assert page.locator("main img").count() == 0
    walker.sound()


def test_a_stream_that_falls_silent_is_called_stale(walk: Walk) -> None:
    walker = walk("wang", "en")
    walker.page.route("**/console/live/stream", lambda route: route.abort())
    walker.allowed_failures = 9
    page = walker.open("/console/live")
    expect(page.get_by_text("The data is stale")).to_be_visible(timeout=8_000)
    walker.sound()


def _plain(console: Console, path: str) -> str:
    said = httpx.get(
        console.base + path,
        cookies={COOKIE: console.secrets["wang"], "lianfang_lang": "en"},
        trust_env=False,
        timeout=30,
    )
    assert said.status_code == 200
    return said.text


def test_the_stream_is_for_those_who_are_signed_in(console: Console) -> None:
    said = httpx.get(console.base + "/console/live/stream", trust_env=False)
    assert said.status_code == 303


def test_a_stream_tells_rows_and_once_a_second_the_figures(console: Console) -> None:
    cookies = {COOKIE: console.secrets["wang"], "lianfang_lang": "zh"}
    told: list[dict[str, Any]] = []
    with httpx.stream(
        "GET", console.base + "/console/live/stream", cookies=cookies, trust_env=False, timeout=30
    ) as said:
        assert said.headers["content-type"].startswith("text/event-stream")
        for line in said.iter_lines():
            if line.startswith("data: "):
                told.append(json.loads(line[6:]))
            if len(told) == 5:
                break
    assert all({"at", "per_s", "shown", "of", "rows"} <= set(one) for one in told)
    figures = [one["panel"] for one in told if "panel" in one]
    assert 1 <= len(figures) < len(told)
    assert figures[-1]["deciding"] is True
    assert figures[-1]["decisions"] > 0


def test_one_stream_too_many_is_refused_and_ended_ones_make_room() -> None:
    assert STREAMS_MAX < CONNECTIONS_MAX, "some connections are left for pages"
    room = Room(2)
    room.count = 2
    with pytest.raises(DependencyError, match="2 streams are open"):
        room.check()
    room.count -= 1
    room.check()


def test_a_row_says_the_first_reason_in_the_language_of_whoever_looks() -> None:
    one = Glance(
        7, 0, "p", "transfer", None, 100, "CNY", "hold", False, 0.5, (("c", "r", "中", "E"), ("c", "r", "二", "2"))
    )
    zone = ZoneInfo("UTC")
    assert [row_of(one, lang, zone).reason for lang in ("zh", "en")] == ["中", "E"]
    row = row_of(one, "en", zone)
    assert (row.channel, row.amount, row.more, row.score) == ("none", "1.00 CNY", 1, "0.500")
    assert Wanted(action="hold", text="e").has(row)
    assert not any(
        one.has(row) for one in (Wanted(action="allow"), Wanted(kind="qr"), Wanted(channel="atm"), Wanted(text="z"))
    )
