"""Outcomes, as an analyst brings them: one by hand, a file that is checked before it is applied."""

from __future__ import annotations

import pytest

from lianfang.console.words import Lang
from lianfang.infra.sql import changes
from tests.console.conftest import Console, Walk
from tests.console.stopped import stopped, wait

HOSTILE = "<img src=x onerror=alert(1)>"


def labels(console: Console, payment_id: str) -> list[str]:
    told = console.http.get(f"{console.base}/v1/payments/{payment_id}").json()["outcomes"]
    return [one["label"] for one in told]


def test_one_payment_is_labelled_by_its_id_and_an_unknown_id_is_refused(console: Console, walk: Walk) -> None:
    [payment] = stopped(console, "6222020000006661", ["6222029999990501"])
    walker = walk("zhao", "en")
    for one in (payment, "no-such-payment"):
        page = walker.open("/console/outcomes")
        page.get_by_role("button", name="Label one payment").first.click()
        page.locator("#f-payment_id").fill(one)
        page.locator("#f-note").fill(HOSTILE)
        page.locator("#label-one-reason").fill("the customer called")
        walker.allowed_failures = int(one != payment)
        page.locator("dialog[open] button:not([type=button])").click()
        page.wait_for_load_state()
        said = "Labelled; it shows" if one == payment else "no decision of this payment"
        page.get_by_text(said).first.wait_for()
    assert wait(lambda: labels(console, payment), bool) == ["fraud"]
    page = walker.open("/console/outcomes")
    assert page.get_by_role("link", name=payment, exact=True).is_visible()
    assert page.get_by_text(HOSTILE).first.is_visible()
    walker.look("outcomes")
    walker.sound()


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_file_is_checked_then_applied_with_a_reason(console: Console, walk: Walk, lang: Lang) -> None:
    payer = f"62220299999906{ord(lang[0])}"
    first, second = stopped(console, f"622202000000666{ord(lang[0])}", [payer, payer + "1"])
    sheet = f"payment_id,label,note\n{first},fraud,\n{second},genuine,ok\n{HOSTILE},fraud,\n{first},wrong,\n"
    walker = walk("zhao", lang)
    page = walker.open("/console/outcomes")
    page.locator("#f-file").set_input_files(
        {"name": "labels.csv", "mimeType": "text/csv", "buffer": sheet.encode("utf-8-sig")}
    )
    page.get_by_role("button", name="Check" if lang == "en" else "检查").click()
    page.locator("#checked tbody tr").first.wait_for()
    assert page.locator("#checked tbody tr td:first-child").all_inner_texts() == ["4", "5"]
    assert HOSTILE in page.locator("#checked").inner_text()
    assert labels(console, first) == []
    walker.look("outcomes-checked")
    page.locator("#f-reason").fill("monthly file")
    page.locator("#checked .main-act").click()
    page.wait_for_url("**done=imported")
    walker.sound()
    assert wait(lambda: labels(console, first), bool) == ["fraud"]
    assert wait(lambda: labels(console, second), bool) == ["genuine"]
    with console.database.reading() as connection:
        told = changes(connection, act="outcomes.import", limit=1)[0]
    assert (told.who, told.reason, told.detail) == (
        "person:zhao",
        "monthly file",
        {"taken": 2, "lines": 2, "refused": 2},
    )


def test_who_may_not_label_is_refused(walk: Walk) -> None:
    walker = walk("wang", "en")
    walker.allowed_failures = 1
    page = walker.open("/console/outcomes")
    assert page.get_by_text("You may not do this").last.is_visible()
