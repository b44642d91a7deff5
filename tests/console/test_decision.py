"""One decision, as an analyst reads it: why, what was known, what a draft would have said; personal data only with a reason."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from lianfang.console.words import Lang
from lianfang.engines.hotpath.journey import SUBJECT_KINDS, hash_subjects
from lianfang.engines.lookup import Met, packed
from lianfang.infra.sql import changes
from lianfang.infra.tagfile import TagWriter
from lianfang.wire import CATEGORY_CODES
from tests.console.browsing import Theme
from tests.console.conftest import Console, Walk
from tests.console.stopped import found, pay, stopped, wait

HOSTILE = "<img src=x onerror=alert(1)>"
PAYEE = "6222020000001111"
PAYER = "6222029999990001"


@pytest.fixture(scope="module")
def blocked(console: Console) -> str:
    """A blocked payment, of a payer who paid before, with a memo that is an attack."""
    for _ in range(3):
        pay(console, "6222020000007777", PAYER)
    return stopped(console, PAYEE, [PAYER, "6222029999990002"], memo=HOSTILE)[0]


@pytest.mark.parametrize(("lang", "theme"), [("zh", "light"), ("en", "dark")])
def test_the_answer_and_why_come_first_and_nothing_personal_shows(
    walk: Walk, blocked: str, lang: Lang, theme: Theme
) -> None:
    walker = walk("wang", lang, theme)
    page = walker.open(f"/console/payments/{blocked}")
    first = page.locator("main section.card").first.inner_text()
    assert ("Block" if lang == "en" else "阻断") in first
    assert ("block list" if lang == "en" else "阻断名单") in first
    html = page.content()
    assert PAYER not in html
    assert "张三" not in html
    page.wait_for_timeout(500)
    walker.look("decision")
    walker.sound()


def test_a_viewer_may_not_unmask_or_label(walk: Walk, blocked: str) -> None:
    page = walk("wang", "en").open(f"/console/payments/{blocked}")
    assert page.get_by_role("button", name="Show personal data").count() == 0
    assert page.get_by_role("button", name="Label it").count() == 0


def test_an_analyst_unmasks_with_a_reason_and_what_is_hostile_stays_text(
    console: Console, walk: Walk, blocked: str
) -> None:
    walker = walk("zhao", "en")
    page = walker.open(f"/console/payments/{blocked}")
    page.get_by_role("button", name="Show personal data").first.click()
    page.locator("#unmask-reason").fill("the customer called")
    page.locator("dialog[open]").get_by_role("button", name="Show personal data").click()
    page.get_by_text("Personal data is shown").wait_for()
    assert page.get_by_text(PAYER, exact=True).first.is_visible()
    assert page.get_by_text(HOSTILE, exact=True).is_visible()
    walker.look("decision-unmasked")
    walker.sound()
    with console.database.reading() as connection:
        told = changes(connection, act="payment.unmask", limit=1)[0]
    assert (told.who, told.what, told.reason) == ("person:zhao", blocked, "the customer called")
    assert PAYER not in walker.open(f"/console/payments/{blocked}").content()


def test_a_label_becomes_an_outcome_by_this_person(console: Console, walk: Walk, blocked: str) -> None:
    walker = walk("zhao", "en")
    page = walker.open(f"/console/payments/{blocked}")
    page.get_by_role("button", name="Label it").first.click()
    page.locator("#f-label").select_option("fraud")
    page.locator("#f-kind").fill("fake_police")
    page.locator("#f-note").fill(HOSTILE)
    page.locator("#label-reason").fill("told by the customer")
    page.locator("dialog[open]").get_by_role("button", name="Label it").click()
    page.get_by_text("Labelled; it shows").wait_for()

    def known() -> list[dict[str, Any]]:
        outcomes: list[dict[str, Any]] = console.http.get(f"{console.base}/v1/payments/{blocked}").json()["outcomes"]
        return outcomes

    outcome = wait(known, bool)[0]
    assert (outcome["label"], outcome["source"], outcome["kind"]) == ("fraud", "person:zhao", "fake_police")
    page = walker.open(f"/console/payments/{blocked}")
    assert page.get_by_text(HOSTILE, exact=True).is_visible()
    walker.sound()


def test_a_draft_is_tried_beside_the_rules_of_now(console: Console, walk: Walk, blocked: str) -> None:
    allowed = pay(console, "6222020000007777", PAYER)["payment_id"]
    wait(lambda: found(console, allowed), bool)
    rule = {
        "schema": "rule/1", "id": "judging_all", "when": "amount >= 0", "mode": "live", "action": "hold",
        "code": "judging", "zh": "全部暂缓", "en": "Everything is held",
    }  # fmt: skip
    made = console.http.post(
        f"{console.base}/v1/drafts", json={"rules": [rule]}, headers={"Lianfang-Reason": "hold everything"}
    )
    assert made.status_code in (200, 201), made.text
    walker = walk("wang", "en")
    page = walker.open(f"/console/payments/{allowed}")
    page.locator("#f-draft").select_option(label=f"#{made.json()['id']} hold everything")
    page.get_by_role("button", name="Judge again").click()
    page.get_by_text("By the rules of now").wait_for(timeout=30_000)
    answers = page.locator("#rejudge .columns > div")
    assert "Allow" in answers.nth(0).inner_text()
    assert "Hold" in answers.nth(1).inner_text()
    assert "Everything is held" in answers.nth(1).inner_text()
    walker.look("decision-rejudged")
    walker.sound()
    assert console.http.get(f"{console.base}/v1/payments/{allowed}").json()["decision"]["action"] == "allow"


def tag(console: Console, account: str, contributors: tuple[str, ...]) -> None:
    """As this node's desk would hand it over: an account bears a shared tag."""
    raw = account.encode()
    places = np.array([0, len(raw)], np.int64)
    kind = np.array([SUBJECT_KINDS.index("account") + 1], np.int64)
    hashes = hash_subjects(raw, places, kind, console.node.files.hash_key())
    said = packed(Met(CATEGORY_CODES.index("mule") + 1, 4, 0, True, time.time_ns() // 60_000_000_000 + 60))
    TagWriter(console.node.files.published).begin([contributors], hashes, np.array([said], np.int64))


@pytest.mark.parametrize(("lang", "category"), [("zh", "跑分账户（资金中转）"), ("en", "Mule: money passes through")])
def test_whose_tags_fired_is_told_and_the_starting_pack_heeds_a_grave_one(
    console: Console, walk: Walk, lang: Lang, category: str
) -> None:
    account = f"62220200{lang}7788"
    tag(console, account, ("bank-a", "bank-b"))
    answer = wait(lambda: pay(console, account, PAYER), lambda one: bool(one.get("tags")))
    assert answer["action"] == "hold"
    assert "mule.shared-tag" in {why["name"] for why in answer["reasons"]}
    wait(lambda: found(console, answer["payment_id"]), bool)
    walker = walk("wang", lang)
    card = walker.open(f"/console/payments/{answer['payment_id']}").locator("section.card", has_text=category)
    said = card.inner_text()
    assert "bank-a" in said
    assert "bank-b" in said
    assert ("待联署" if lang == "zh" else "not cosigned yet") in said
    walker.look("decision-tags")
    walker.sound()
