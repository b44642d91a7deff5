"""The queue, as two analysts work it: one takes an alert, the other cannot; closing it labels its payments."""

from __future__ import annotations

import pytest

from lianfang.console.words import Lang
from tests.console.conftest import Console, Walk
from tests.console.stopped import stopped, wait


def alert_of(console: Console, walk: Walk, who: str, payment_id: str) -> str:
    """The address of the alert that holds a payment, as found by reading the queue's pages."""
    walker = walk(who, "en")

    def look() -> str:
        walker.open("/console/queue?whose=all")
        links = walker.page.locator("tbody th a").evaluate_all("links => links.map(l => l.getAttribute('href'))")
        for link in links:
            if walker.open(link).get_by_role("link", name=payment_id, exact=True).count():
                return str(link)
        return ""

    found: str = wait(look, bool)
    walker.close()
    return found


def test_payments_of_three_payers_to_one_payee_are_a_ring(console: Console, walk: Walk) -> None:
    ids = stopped(console, "6222020000005551", ["6222029999990201", "6222029999990202", "6222029999990203"])
    address = alert_of(console, walk, "zhao", ids[-1])
    walker = walk("zhao", "zh")
    page = walker.open(address)
    for one in ids:
        assert page.get_by_role("link", name=one, exact=True).is_visible()
    assert page.get_by_text("一天内至少三个付款方").is_visible()
    walker.look("alert-ring")
    walker.open("/console/queue")
    walker.look("queue-full")
    walker.sound()


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_one_takes_it_the_other_cannot_and_closing_labels_its_payments(
    console: Console, walk: Walk, lang: Lang
) -> None:
    payer = f"62220299999903{len(lang)}{ord(lang[0])}"
    ids = stopped(console, f"622202000000555{ord(lang[0])}", [payer])
    address = alert_of(console, walk, "zhao", ids[0])
    first, second = walk("zhao", lang), walk("sun", lang)
    take = "Take" if lang == "en" else "领取"
    for one in (first, second):
        one.open(address)
    first.page.get_by_role("button", name=take).click()
    first.page.wait_for_load_state()
    assert first.page.get_by_text("person:zhao").first.is_visible(), first.page.locator("main").inner_text()
    second.allowed_failures = 1
    second.page.get_by_role("button", name=take).click()
    said = "somebody has taken this alert already" if lang == "en" else "警报已被他人领取，或已关闭"
    second.page.get_by_text(said).wait_for()
    first.page.get_by_role("button", name="Close" if lang == "en" else "结案", exact=True).first.click()
    first.page.locator("#f-verdict").select_option("fraud")
    first.page.locator("#close-reason").fill("<img src=x onerror=alert(1)>")
    first.page.locator("dialog[open] button:not([type=button])").click()
    first.page.wait_for_url("**done=close")
    assert first.page.get_by_text("<img src=x onerror=alert(1)>").is_visible()
    first.look("alert-closed")
    first.sound()

    def labels() -> list[str]:
        told = console.http.get(f"{console.base}/v1/payments/{ids[0]}").json()["outcomes"]
        return [one["label"] for one in told]

    assert wait(labels, bool) == ["fraud"]


def test_a_viewer_sees_the_queue_and_may_not_act(console: Console, walk: Walk) -> None:
    ids = stopped(console, "6222020000005553", ["6222029999990401"])
    address = alert_of(console, walk, "wang", ids[0])
    walker = walk("wang", "en")
    page = walker.open(address)
    assert page.get_by_role("button", name="Take").count() == 0
    token = page.locator("meta[name=lianfang-form]").get_attribute("content")
    answer = page.request.post(
        walker.base + address + "/take", headers={"X-Lianfang-Form": token or "", "Sec-Fetch-Site": "same-origin"}
    )
    assert answer.status == 403
