"""A change walked by people: an engineer writes a rule, another approves it, it goes to shadow and live, and back."""

from __future__ import annotations

import time
from typing import Any, Final

import pytest

from tests.console.browsing import Walker
from tests.console.conftest import Console, Walk

HOSTILE: Final = "<img src=x onerror=alert(1)>"
WAIT_S: Final = 420.0
"""A backtest gives way to all else, and the machine that tests may be busy."""


def fill_reason(walker: Walker, dialog: str, reason: str) -> None:
    """Open a dialog's form and say why."""
    walker.page.locator(f"[data-opens={dialog}]").click()
    walker.page.locator(f"#{dialog}-reason").fill(reason)


def confirm(walker: Walker, dialog: str) -> None:
    """Send the dialog's form and wait for the page that follows."""
    with walker.page.expect_navigation():
        walker.page.locator(f"#{dialog} button:not([type=button])").click()


def write_condition(walker: Walker, text: str) -> None:
    """Into the editor, in the place of what stands there."""
    content = walker.page.locator("#as-text .cm-content")
    content.click()
    walker.page.keyboard.press("Control+a")
    walker.page.keyboard.press("Delete")
    walker.page.keyboard.insert_text(text)


def fill_rule(walker: Walker, rule_id: str, when: str, zh: str = "金额极大，待核实", code: str = "HUGE") -> None:
    for name, value in (("id", rule_id), ("zh", zh), ("en", "A very large amount, to be verified"), ("code", code)):
        walker.page.locator(f"#f-{name}").fill(value)
    walker.page.locator("#f-action").select_option("block")
    write_condition(walker, when)


def save(walker: Walker, reason: str) -> str:
    """The draft's address."""
    walker.page.locator("#f-reason").fill(reason)
    with walker.page.expect_navigation():
        walker.page.get_by_role("button", name="Save as a draft").click()
    return walker.page.url.partition("?")[0].removeprefix(walker.base)


def decided(console: Console, number: str, amount: int) -> dict[str, Any]:
    body = {
        "id": f"changing-{number}", "time": "2026-11-24T12:00:00+08:00", "kind": "transfer", "amount": amount,
        "currency": "CNY", "channel": "mobile", "payer": {"account": f"payer-{number}", "name": "甲"},
        "payee": {"account": f"payee-{number}", "name": "乙"},
    }  # fmt: skip
    answer = console.http.post(console.told.decider + "/v1/decisions", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def until_decided(console: Console, what: str, wanted: bool) -> None:
    """Whether the rule is among the reasons, once the decider has the new version."""
    end = time.monotonic() + 20
    for i in range(1_000):
        said = decided(console, f"{what}-{i}", 987_654_321)
        if any(one.get("name") == "test.huge" for one in said.get("reasons", [])) is wanted:
            return
        assert time.monotonic() < end, said
        time.sleep(0.25)


def test_a_rule_from_its_first_line_to_live_traffic_and_back(console: Console, walk: Walk) -> None:
    chen = walk("chen", "en")
    page = chen.open("/console/rules/new")
    fill_rule(chen, "test.huge", "amuont > 900000000")
    page.locator(".cm-lintRange-error").wait_for()
    assert page.locator(".cm-lintRange-error").first.inner_text() == "amuont"
    page.locator("#when-problems").get_by_text("did you mean `amount`?").wait_for()
    chen.look("rule-editor-error")
    write_condition(chen, "amount > 900_000_000")
    page.locator(".cm-lintRange-error").wait_for(state="detached")
    page.locator("#f-examples").fill('[{"fires": true, "payment": {"amount": 900000001}}, {"fires": true}]')
    page.get_by_role("button", name="Try the examples").click()
    page.locator("#tried").get_by_text("An example is not as expected").wait_for()
    page.locator("#f-examples").fill('[{"fires": true, "payment": {"amount": 900000001}}, {"fires": false}]')
    page.get_by_role("button", name="Try the examples").click()
    page.locator("#tried").get_by_text("every example is as expected").wait_for()
    chen.look("rule-editor")
    address = save(chen, "very large amounts are never usual here")
    assert page.get_by_text("Kept as a draft").is_visible()
    assert page.get_by_role("button", name="Approve").count() == 0, "nobody approves their own"
    assert page.get_by_text("Nobody approves their own draft").is_visible()

    page.get_by_role("button", name="Run a backtest here").click()
    page.get_by_role("button", name="Attach to the draft").wait_for(timeout=WAIT_S * 1_000)
    fill_reason(chen, "attach", "nothing of the past is touched")
    confirm(chen, "attach")
    assert page.get_by_text("The backtest is attached").is_visible()
    chen.look("draft-backtested")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Full report").click()
    opened.value.wait_for_load_state()
    assert "sandbox" in (opened.value.request.get(chen.base + address + "/report").headers["content-security-policy"])
    opened.value.close()

    li = walk("li")
    li.open(address)
    fill_reason(li, "approve", "回测无误伤")
    confirm(li, "approve")
    assert li.page.get_by_text("已批准").first.is_visible()
    li.look("draft-approved")

    for stage in ("shadow", "share", "live"):
        chen.open(address)
        fill_reason(chen, stage, f"on to {stage}")
        if stage == "share":
            page.locator("#share [name=share]").fill("25")
        confirm(chen, stage)
        assert stage != "share" or page.get_by_text("Share of traffic 25 %").first.is_visible()
    chen.look("draft-live")
    until_decided(console, "live", True)
    chen.open("/console/rules/test.huge")
    assert page.get_by_text("rule.put").first.is_visible()
    assert page.get_by_role("link", name=f"Draft {address.rpartition('/')[2]}").is_visible()
    chen.look("rule")
    chen.open(address)
    fill_reason(chen, "rollback", "enough of the test")
    confirm(chen, "rollback")
    until_decided(console, "back", False)
    chen.sound()
    li.sound()


def test_rows_and_text_are_two_views_of_one_condition(walk: Walk) -> None:
    chen = walk("chen")
    page = chen.open("/console/rules/new")
    write_condition(chen, 'kind == "transfer" and (amount >= 500_000 or payee_payers_7d > 3)')
    page.get_by_role("button", name="用表单编写").click()
    page.locator("#as-rows .rule-row").first.wait_for()
    assert page.locator("#as-rows .rule-row").count() == 3
    page.locator("#as-rows > .row button").first.click()
    last = page.locator("#as-rows > .rule-row").last
    last.get_by_label("字段或特征").select_option("merchant.id")
    page.locator("#as-rows > .rule-row").last.get_by_label("比较").select_option("is null")
    chen.look("rule-rows")
    page.get_by_role("button", name="用文字编写").click()
    text = 'kind == "transfer"\nand (amount >= 500000 or payee_payers_7d > 3)\nand merchant.id is None'
    page.wait_for_function("t => document.getElementById('f-when').value === t", arg=text)
    write_condition(chen, "hour(time) < 6")
    page.get_by_role("button", name="用表单编写").click()
    page.get_by_text("超出表单的表达范围").wait_for()
    chen.sound()


def test_what_is_wrong_with_a_form_is_said_beside_what_was_sent(walk: Walk) -> None:
    chen = walk("chen", "en")
    page = chen.open("/console/rules/new")
    fill_rule(chen, "test.wrong", "amount > 5", zh=HOSTILE)
    page.locator("#f-examples").fill(
        '[{"fires": false, "payment": {"amount": 600}, "note": "<img src=x onerror=alert(1)>"}]'
    )
    chen.allowed_failures = 1
    save(chen, HOSTILE)
    assert page.get_by_text("must not fire, and does").first.is_visible()
    assert page.locator("#f-zh").input_value() == HOSTILE
    page.locator("#f-examples").fill("[]")
    address = save(chen, HOSTILE)
    chen.open(address)
    assert page.get_by_text(HOSTILE).first.is_visible()
    assert page.locator("main img").count() == 0
    fill_reason(chen, "withdraw", HOSTILE)
    confirm(chen, "withdraw")
    chen.look("draft-withdrawn")
    chen.sound()


def test_a_parameter_and_a_pack_change_by_drafts(walk: Walk) -> None:
    chen = walk("chen", "en")
    page = chen.open("/console/rules?text=shared-tag")
    assert page.locator("tbody").first.locator("tr").count() == 1
    chen.look("rules")
    chen.open("/console/rules?view=parameters")
    chen.look("parameters")
    page.locator("[data-opens=parameter-victim_large_amount]").click()
    page.locator("#value-victim_large_amount").fill("700000")
    page.locator("#parameter-victim_large_amount-reason").fill("tuned")
    confirm(chen, "parameter-victim_large_amount")
    assert page.get_by_text("500000 → 700000").is_visible()
    chen.look("draft-parameter")
    li = walk("li", "en")
    li.open(page.url.removeprefix(chen.base))
    li.page.locator("[data-opens=approve]").click()
    assert li.page.get_by_label("Without a backtest, because").is_visible()
    chen.sound()


@pytest.mark.parametrize("address", ["/console/rules/new", "/console/rules/new?from=mule.shared-tag"])
def test_who_may_not_draft_sees_no_editor(walk: Walk, address: str) -> None:
    wang = walk("wang", "en")
    wang.open("/console/rules")
    assert wang.page.get_by_role("link", name="New rule").count() == 0
    wang.allowed_failures = 1
    wang.open(address)
    assert wang.page.get_by_role("strong").get_by_text("You may not do this").is_visible()
    wang.sound()


def test_a_variant_of_a_file_s_rule_gets_an_id_of_its_own(walk: Walk) -> None:
    chen = walk("chen")
    page = chen.open("/console/rules/mule.fan-in")
    chen.look("rule-of-a-file")
    page.get_by_role("link", name="另建变体").click()
    assert page.locator("#f-id").input_value() == "mule.fan-in.v2"
    assert "payee_payers_7d" in page.locator("#f-when").input_value()
    chen.sound()
