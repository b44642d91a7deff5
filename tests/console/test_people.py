"""People at their page: added, given roles, let in, shut out; and every act of it in the audit, as text."""

from __future__ import annotations

from typing import Final

import pytest

from lianfang.console.words import Lang, sayer
from tests.console.conftest import Walk

HOSTILE: Final = "<img src=x onerror=alert(1)>"


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_person_is_added_comes_in_is_changed_and_shut_out(walk: Walk, lang: Lang) -> None:
    say, name = sayer(lang), f"new-{lang}"
    operator = walk("chen", lang)
    page = operator.open("/console/people")
    page.get_by_role("button", name=say("people.add")).first.click()
    page.locator("#add-person [name=name]").fill(name)
    page.locator("#add-person [name=shown]").fill(HOSTILE)
    page.locator("#add-person [name=roles][value=analyst]").check()
    page.locator("#add-person [name=reason]").fill(f"joins {HOSTILE}")
    page.locator("#add-person button.main-act").click()
    first = page.locator(".notice.good .mono").inner_text().partition(" / ")[2]
    assert page.get_by_text(HOSTILE).first.is_visible()
    operator.look(f"people-added-{lang}")

    newcomer = walk(None, lang)
    door = newcomer.open("/console/sign-in")
    door.locator("[name=name]").fill(name)
    door.locator("[name=password]").fill(first)
    door.locator("button.main-act").click()
    door.wait_for_url("**/console/live")
    newcomer.open("/console/me")
    assert door.get_by_role("heading", name=HOSTILE).is_visible()
    newcomer.sound()

    page.locator(f"[data-opens=roles-{name}]").click()
    page.locator(f"#roles-{name} [name=roles][value=analyst]").uncheck()
    page.locator(f"#roles-{name} [name=reason]").fill("another desk")
    page.locator(f"#roles-{name} button.main-act").click()
    page.locator(f"[data-opens=off-{name}]").click()
    page.locator(f"#off-{name} [name=reason]").fill("leaves")
    page.locator(f"#off-{name} button.grave").click()
    assert page.locator("tr", has_text=name).get_by_text(say("people.off")).is_visible()
    newcomer.open("/console/me")
    assert "/console/sign-in" in door.url

    audit = operator.open("/console/audit?act=person")
    assert audit.get_by_text(f"joins {HOSTILE}").first.is_visible()
    rows = audit.locator("tbody tr", has_text=name).all_inner_texts()
    assert [next(a for a in ("person.off", "person.roles", "person.sign-in", "person.add") if a in row) for row in rows] == [
        "person.off", "person.roles", "person.sign-in", "person.add",
    ]  # fmt: skip
    operator.look(f"audit-people-{lang}")
    operator.sound()


def test_an_act_without_a_reason_is_not_sent(walk: Walk) -> None:
    operator = walk("chen", "en")
    page = operator.open("/console/people")
    page.locator("[data-opens=password-wang]").click()
    page.locator("#password-wang button.main-act").click()
    assert page.locator("#password-wang").is_visible(), "the browser asks for the reason"
    operator.sound()


def test_the_keyboard_reaches_the_search_box_and_the_help(walk: Walk) -> None:
    walker = walk("wang", "en")
    page = walker.open("/console/search")
    page.keyboard.press("?")
    assert page.locator("#keys").is_visible()
    page.keyboard.press("Escape")
    page.locator("#keys").wait_for(state="hidden")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.matches('[data-find]')")
    walker.sound()
