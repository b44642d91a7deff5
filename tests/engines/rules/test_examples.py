"""Examples prove a rule's condition, and a wrong example is a problem and not a pass."""

from __future__ import annotations

from typing import Any

import pytest

from lianfang.engines import rules
from lianfang.engines.expr import Environment
from lianfang.wire import Rule, build

ENV = Environment(("pair_count",), frozenset({"mules"}))


def one(when: str, example: dict[str, Any], **more: Any) -> rules.ExampleResult:
    plain = {"id": "r", "zh": "规则", "en": "rule", "when": when, "code": "X", "examples": [example], **more}
    [result] = rules.test_examples([build(Rule, plain)], ENV)
    return result


@pytest.mark.parametrize(
    ("when", "example"),
    [
        ("amount > 5 and session.screen_shared", {"payment": {"amount": 6, "session": {"screen_shared": True}}}),
        ("hour(time) == 3", {"payment": {"time": "2026-01-07T03:59:00+08:00"}}),
        ("pair_count == 2", {"features": {"pair_count": 2}}),
        ("pair_count is None and score is None", {}),
        ("score > 0.5", {"score": 0.75}),
        ("payee.account in mules", {"lists": {"payee.account": ["mules"]}}),
        ('tag(card).category == "mule"', {"payment": {"card": "c"}, "tags": {"card": {"category": "mule"}}}),
        ('finding("vpn")', {"payment": {"surroundings": [{"code": "vpn"}]}}),
        (
            'text("a") == "x" and number("b") > 1 and flag("c") and text("b") is None',
            {"payment": {"attributes": {"a": "x", "b": 2, "c": True}}},
        ),
    ],
)
def test_an_example_runs_on_a_payment_laid_over_a_complete_one(when: str, example: dict[str, Any]) -> None:
    assert one(when, {"fires": True, **example}).ok
    result = one(when, {"fires": False, **example})
    assert not result.ok
    assert result.fired is True


def test_mode_share_and_validity_do_not_hide_an_example() -> None:
    assert one("True", {"fires": True}, mode="off", share=0.0, valid_until="2000-01-01T00:00:00Z").ok


@pytest.mark.parametrize(
    ("example", "says"),
    [
        ({"payment": {"amont": 1}}, "unknown field `amont`"),
        ({"payment": {"payer": {"acount": "x"}}}, "unknown field `acount` - at `$.payer`"),
        ({"payment": {"amount": "1"}}, "Expected `int`, got `str` - at `$.amount`"),
        ({"features": {"pair_cont": 1}}, "did you mean `pair_count`?"),
        ({"lists": {"payee.account": ["mule"]}}, "did you mean `mules`?"),
        ({"lists": {"memo": ["mules"]}}, "names no subject"),
        ({"lists": {"card": ["mules"]}}, "the example's payment has no `card`"),
        ({"tags": {"payee.account": {"kind": "mule"}}}, "a tag has no `kind`"),
        ({"tags": {"payee.account": {"severity": "3"}}}, "`severity` is a whole number"),
    ],
)
def test_a_wrong_example_is_a_problem_whatever_it_expects(example: dict[str, Any], says: str) -> None:
    for fires in (True, False):
        result = one("False", {"fires": fires, **example})
        assert not result.ok
        assert result.fired is None
        assert says in result.problem


def test_the_examples_of_a_wrong_rule_are_problems() -> None:
    assert "unknown name" in one("amont > 1", {"fires": False}).problem
