"""Lists walked by people: made, filled, imported after a dry run, looked into with a reason."""

from __future__ import annotations

from lianfang.infra.sql import changes
from tests.console.conftest import Console, Walk
from tests.console.test_changing import HOSTILE, confirm, fill_reason

VALUE = "6222021234567890"


def test_a_list_is_made_filled_imported_and_emptied(console: Console, walk: Walk) -> None:
    chen = walk("chen", "en")
    page = chen.open("/console/lists")
    page.locator("[data-opens=make-list]").click()
    page.locator("#f-name").fill("page_mules")
    page.locator("#f-effect").select_option("watch")
    page.locator("#make-list-reason").fill("mules found by hand")
    confirm(chen, "make-list")
    assert page.get_by_text("The list is made").is_visible()

    fill_reason(chen, "add", "reported today")
    for name, value in (("value", VALUE), ("purpose", HOSTILE), ("source", "branch 7")):
        page.locator(f"#add-{name}").fill(value)
    page.locator("#add-until").fill("2027-01-31T08:00")
    confirm(chen, "add")
    assert page.get_by_text("2027-01-31 08:00").is_visible()
    assert page.get_by_text(HOSTILE).is_visible()
    assert VALUE not in page.content(), "it is masked, in the source too"

    page.locator("#import-content").fill(
        "subject,value,purpose,source\naccount,111222333444,mule,police\nplanet,1,mule,police\n"
    )
    page.get_by_role("button", name="Dry run").click()
    page.get_by_text("1 added, 0 changed, 0 unchanged, 0 repeated, 1 refused").wait_for()
    assert page.get_by_role("cell", name="line 3").is_visible()
    chen.look("list-dry-run")
    page.locator("#f-reason").fill("the police's list of today")
    page.get_by_role("button", name="Import it").click()
    page.get_by_text("Entries: 2").wait_for()

    page.locator("#f-value").fill("111222333444")
    page.get_by_role("button", name="Show", exact=True).click()
    page.get_by_text("Show all").wait_for()
    assert page.locator("table").first.locator("tbody tr").count() == 1
    page.locator("[data-opens^=remove-]").first.click()
    page.locator("dialog[open] input[name=reason]").fill("it was a mistake")
    page.locator("dialog[open] button.grave").click()
    page.get_by_text("The entry is removed").wait_for()
    chen.look("list")
    chen.sound()


def test_full_values_are_shown_only_with_a_reason_that_is_kept(console: Console, walk: Walk) -> None:
    headers = {"Lianfang-Reason": "test"}
    entry = {"list": "page_veto", "effect": "veto", "subject": "account", "value": VALUE, "purpose": "p", "source": "s"}
    console.http.post(console.told.desk + "/v1/lists/page_veto/entries", json=entry, headers=headers).raise_for_status()
    zhao = walk("zhao")
    page = zhao.open("/console/lists/page_veto")
    assert VALUE not in page.content()
    fill_reason(zhao, "unmask", "核对医院账户")
    confirm(zhao, "unmask")
    assert page.get_by_text(VALUE).is_visible()
    with console.database.reading() as connection:
        kept = changes(connection, act="list.unmask", what="page_veto")
    assert [(one.who, one.reason) for one in kept] == [("person:zhao", "核对医院账户")]
    zhao.sound()
    wang = walk("wang")
    wang.open("/console/lists/page_veto")
    assert wang.page.locator("[data-opens=unmask], [data-opens=add]").count() == 0
    wang.sound()
