"""The wall: everything on one screen at both sizes, nothing personal on it, and loud when it no longer knows."""

from __future__ import annotations

from typing import Any, Final

import pytest
from playwright.sync_api import expect

from lianfang.console.wall import families, scams
from lianfang.console.words import Lang
from tests.console.conftest import Console, Walk
from tests.console.test_live import pay

ATTACK: Final = "<img src=x onerror=alert(1)>"
CUT: Final = """() => [...document.querySelectorAll(".wall section, .wall")]
  .filter((e) => e.scrollHeight > e.clientHeight + 1 || e.scrollWidth > e.clientWidth + 1)
  .map((e) => e.className + e.textContent.slice(0, 40))"""


@pytest.mark.parametrize("width", [1920, 3840])
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_everything_is_on_the_screen_at_1080p_and_4k(walk: Walk, lang: Lang, width: int) -> None:
    walker = walk("wang", lang, "light", width)
    page = walker.open("/console/wall")
    page.wait_for_timeout(2_500)
    assert page.evaluate(CUT) == []
    walker.look("wall")
    height = page.evaluate("[document.documentElement.scrollHeight, innerHeight]")
    assert height[0] <= height[1]
    walker.sound()


def test_it_counts_a_payment_and_shows_nothing_of_it(console: Console, walk: Walk) -> None:
    walker = walk("wang", "en", "dark", 1920)
    page = walker.open("/console/wall")
    before = page.locator("#wall-decisions").inner_text()
    made = pay(console)
    expect(page.locator("#wall-decisions")).not_to_have_text(before)
    everything = page.content()
    assert made["payment_id"] not in everything
    assert "6222020200031337001" not in everything
    assert not any(one["payment_id"] in everything for one in console.payments)
    walker.sound()


def test_silence_is_an_alarm_in_words_shape_and_colour(walk: Walk) -> None:
    walker = walk("wang", "en", "dark", 1920)
    walker.page.route("**/console/wall/data", lambda route: route.abort())
    walker.allowed_failures = 20
    page = walker.open("/console/wall")
    expect(page.locator("#wall-flag")).to_have_class("wall-flag stale", timeout=12_000)
    expect(page.locator("#wall-flag")).to_contain_text("NO DATA")
    walker.look("wall-stale")
    walker.page.unroute("**/console/wall/data")
    expect(page.locator("#wall-flag")).to_have_class("wall-flag good", timeout=12_000)
    walker.sound()


def test_types_and_families_that_came_from_outside_are_never_shown_as_they_came() -> None:
    frauds: dict[str, int] = {"romance": 3, "fake-loan": 2, ATTACK: 4, "6222020200031337001": 1}
    assert dict(scams(frauds, "en")) == {"romance": 3, "fees for a loan that never comes": 2, "Other": 5}
    hits: dict[str, Any] = {"victim.romance": 2, "victim.fake-loan": 3, "points": 1, ATTACK: 1, "secret_list": 7}
    assert dict(families(hits, "en")) == {"Lists and others": 8, "Victims": 5, "Points together": 1}
    assert dict(families(hits, "zh"))["受害人侧"] == 5
