"""Every page, in both languages and themes, on a laptop and a large screen: nothing overflows or fails, axe is content."""

from __future__ import annotations

from typing import Final

import pytest

from lianfang.console.navigation import NAVIGATION
from lianfang.console.words import Lang
from tests.console.browsing import Theme
from tests.console.conftest import Walk

LOOKS: Final[tuple[tuple[Lang, Theme, int], ...]] = (
    ("zh", "light", 1280), ("en", "dark", 1280), ("zh", "dark", 1920), ("en", "light", 1920),
)  # fmt: skip
PAGES: Final = {key: address for _, entries in NAVIGATION for key, address, _ in entries} | {"me": "/console/me"}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_sound_in_every_look(walk: Walk, name: str) -> None:
    for lang, theme, width in LOOKS:
        walker = walk("chen", lang, theme, width)
        walker.open(PAGES[name])
        walker.page.wait_for_timeout(300)
        walker.look(name)
        assert walker.page.locator("h1").count() == 1
        walker.sound()
        walker.close()


@pytest.mark.parametrize("name", ["sign-in"])
def test_the_door_is_sound_in_every_look(walk: Walk, name: str) -> None:
    for lang, theme, width in LOOKS:
        walker = walk(None, lang, theme, width)
        walker.open(f"/console/{name}")
        walker.look(name)
        walker.sound()
        walker.close()


def test_whoever_is_not_signed_in_is_led_to_the_door_and_back(walk: Walk) -> None:
    walker = walk(None)
    walker.open("/console/audit?act=person")
    assert walker.page.url.endswith("/console/sign-in?next=%2Fconsole%2Faudit%3Fact%3Dperson")


def test_a_role_that_lacks_a_page_does_not_see_it_and_is_refused(walk: Walk) -> None:
    walker = walk("wang", "en")
    walker.open("/console/style")
    assert walker.page.get_by_role("link", name="Audit").count() == 0
    walker.allowed_failures = 1
    walker.open("/console/audit")
    assert walker.page.get_by_text("You may not do this").last.is_visible()
    walker.sound()
