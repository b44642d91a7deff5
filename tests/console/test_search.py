"""Search, as a person does it: an id, an account, conditions; a search kept; an export that is on record."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from lianfang.console.words import Lang
from lianfang.infra.sql import changes
from tests.console.conftest import Console, Walk
from tests.console.stopped import stopped

HOSTILE = "<img src=x onerror=alert(1)>"


def payment(console: Console, payment_id: str) -> dict[str, Any]:
    found = console.http.get(f"{console.base}/v1/payments/{payment_id}")
    assert found.status_code == 200
    body: dict[str, Any] = found.json()["payment"]
    return body


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_an_id_leads_to_its_payment_and_an_account_to_all_of_its(console: Console, walk: Walk, lang: Lang) -> None:
    wanted = stopped(console, f"62220200000022{lang}", ["6222029999990101"])[0]
    account = payment(console, wanted)["payer"]["account"]
    page = walk("wang", lang).open("/console/search")
    page.locator("#f-q").fill(wanted)
    page.locator("#f-q").press("Enter")
    page.wait_for_url(f"**/console/payments/{wanted}")
    walker = walk("wang", lang)
    page = walker.open("/console/search")
    page.locator("#f-q").fill(account)
    page.locator("#f-q").press("Enter")
    page.wait_for_url("**/console/search/q/**")
    assert account not in page.url
    assert page.get_by_role("link", name=wanted).is_visible()
    assert account not in page.locator("table").inner_text(), "identifiers are masked"
    walker.look("search-account")
    walker.sound()


def test_conditions_narrow_and_pages_follow(console: Console, walk: Walk) -> None:
    ids = stopped(console, "6222020000003333", ["6222029999990102", "6222029999990103"])
    walker = walk("zhao", "en")
    page = walker.open("/console/search")
    assert page.locator("tbody tr").count() == 50
    page.get_by_role("link", name="Next page").click()
    page.wait_for_url("**before=*")
    walker.open("/console/search")
    page.get_by_label("Block", exact=True).check()
    page.get_by_role("button", name="Search", exact=True).click()
    page.wait_for_url("**/console/search/q/**")
    assert {one.strip() for one in page.locator("tbody tr td:nth-child(5)").all_inner_texts()} == {"Block"}
    for one in ids:
        assert page.get_by_role("link", name=one).count() == 1
    walker.sound()


def test_what_is_hostile_is_text_and_what_cannot_be_is_told(walk: Walk) -> None:
    walker = walk("wang", "en")
    page = walker.open("/console/search")
    page.locator("#f-q").fill(HOSTILE)
    page.locator("#f-q").press("Enter")
    page.wait_for_url("**/console/search/q/**")
    assert page.locator("#f-q").input_value() == HOSTILE
    assert page.get_by_text("Nothing found").is_visible()
    page.get_by_text("More conditions").click()
    page.locator("#f-amount_from").fill("1.234")
    walker.allowed_failures = 1
    page.get_by_role("button", name="Search", exact=True).click()
    page.get_by_text("Not accepted").first.wait_for()
    walker.sound()


def test_a_search_is_kept_for_its_owner_alone(walk: Walk) -> None:
    walker = walk("zhao", "en")
    page = walker.open("/console/search")
    page.get_by_label("Block", exact=True).check()
    page.get_by_role("button", name="Search", exact=True).click()
    page.wait_for_url("**/console/search/q/**")
    address = page.url
    page.get_by_role("button", name="Keep this search").click()
    page.locator("#f-name").fill("blocked " + HOSTILE[:20])
    page.locator("dialog[open]").get_by_role("button", name="Save").click()
    assert page.get_by_role("link", name="blocked <img").is_visible()
    walker.look("search-kept")
    walker.sound()
    other = walk("sun", "en")
    other.allowed_failures = 1
    other.open(address.removeprefix(other.base))
    assert other.page.get_by_text("Not found").first.is_visible()
    page.get_by_role("button", name="Remove this search").click()
    assert page.get_by_text("The search is removed").is_visible()


def test_an_export_needs_a_role_and_a_reason_and_is_on_record(console: Console, walk: Walk) -> None:
    ids = stopped(console, "6222020000004444", ["6222029999990104"])
    walker = walk("zhao", "en")
    page = walker.open("/console/search")
    page.get_by_label("Block", exact=True).check()
    page.get_by_role("button", name="Search", exact=True).click()
    page.wait_for_url("**/console/search/q/**")
    assert page.get_by_role("button", name="Export").count() == 0
    walker.close()
    walker = walk("li", "en")
    page = walker.open("/console/search")
    page.get_by_label("Block", exact=True).check()
    page.get_by_role("button", name="Search", exact=True).click()
    page.wait_for_url("**/console/search/q/**")
    page.get_by_role("button", name="Export").first.click()
    page.locator("#export-reason").fill("monthly sample")
    with page.expect_download() as waiting:
        page.locator("dialog[open]").get_by_role("button", name="Export").click()
    text = waiting.value.path().read_text("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert set(ids) <= {row["payment_id"] for row in rows}
    assert {row["action"] for row in rows} == {"block"}
    assert all("•" in row["payer_account"] for row in rows)
    with console.database.reading() as connection:
        told = changes(connection, act="payments.export", limit=1)[0]
    assert (told.who, told.reason, told.detail["rows"]) == ("person:li", "monthly sample", len(rows))
