"""Parameters: a name instead of a number, checked like one and as fast as one; dated where the law is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lianfang.engines.expr import Environment, ExpressionError, Generator, check
from lianfang.engines.rules import (
    RuleError,
    check_ruleset,
    environment,
    features_of,
    in_force,
    laws_of,
    read_rules_text,
)
from lianfang.wire import RuleSet, build

ENV = Environment(("f",), parameters={"large_amount": 500_000, "share": 0.8, "low": -3})
PARAMETER: dict[str, Any] = {"unit": "fen", "since": "2026-10-01", "source": "ours"}
LAW = {"jurisdiction": "CN", "zh": "第一条", "en": "art. 1"}


def source_of(text: str, env: Environment = ENV) -> str:
    return Generator().true(check(text, env).tree)


@pytest.mark.parametrize(
    ("named", "written"),
    [
        ("amount >= param.large_amount", "amount >= 500000"),
        ("f >= param.share * amount", "f >= 0.8 * amount"),
        ("amount + param.low > -param.large_amount", "amount + -3 > -500000"),
        ("amount in (param.large_amount, 7)", "amount in (500000, 7)"),
        ("coalesce(f, param.share) > 1", "coalesce(f, 0.8) > 1"),
        ("max(amount, param.large_amount) > 1", "max(amount, 500000) > 1"),
    ],
)
def test_a_name_compiles_to_the_same_code_as_its_number(named: str, written: str) -> None:
    assert source_of(named) == source_of(written)


@given(st.one_of(st.integers(-(2**62), 2**62), st.floats(allow_nan=False, allow_infinity=False)))
def test_any_number_may_have_a_name(value: float) -> None:
    env = Environment(("f",), parameters={"x": value})
    checked = check("amount > param.x and f < param.x", env)
    assert checked.parameters == {"x"}
    assert source_of("f > param.x", env) == source_of(f"f > {value!r}", env)


@pytest.mark.parametrize(
    ("text", "says", "column", "caret"),
    [
        ("amount >= param.large_amuont", "did you mean `param.large_amount`?", 11, "^" * 18),
        ("amount >= param.zzz", "unknown parameter `param.zzz`", 11, "^" * 9),
        ("amount >= param", "name the parameter: `param.name`", 11, "^" * 5),
        ("param.large_amount", "a condition is true or false, but this is a whole number", 1, "^" * 18),
        ("memo == param.large_amount", "text is compared with a whole number", 9, "^" * 18),
    ],
)
def test_a_wrong_name_is_told_with_its_place_and_what_was_meant(text: str, says: str, column: int, caret: str) -> None:
    with pytest.raises(ExpressionError) as why:
        check(text, ENV)
    assert says in why.value.what
    assert why.value.column == column
    assert why.value.caret().splitlines()[1].strip() == caret


def ruleset(**more: Any) -> RuleSet:
    rule = {"id": "r", "zh": "z", "en": "e", "when": "amount > param.x", "code": "c", "points": 1}
    plain = {"parameters": [{"name": "x", "value": 5, **PARAMETER}], "rules": [rule], **more}
    return build(RuleSet, plain)


def test_a_feature_is_declared_with_the_number_itself() -> None:
    declared = [{"name": "n", "define": "count of payments where amount <= param.x by card over 1h"}]
    assert features_of(ruleset(features=declared))[0].define == "count of payments where amount <= 5 by card over 1h"
    with pytest.raises(RuleError, match=r"unknown parameter `param.y`"):
        features_of(
            ruleset(features=[{"name": "n", "define": "count of payments where amount <= param.y by card over 1h"}])
        )


def test_a_rule_holds_only_while_every_number_it_reads_does() -> None:
    dated = {"valid_from": "2026-02-01T00:00:00Z", "valid_until": "2027-01-01T00:00:00Z"}
    [rule] = in_force(ruleset(parameters=[{"name": "x", "value": 5, **PARAMETER, **dated}]))
    assert rule.valid_from is not None
    assert rule.valid_until is not None
    assert (rule.valid_from.isoformat()[:10], rule.valid_until.isoformat()[:10]) == ("2026-02-01", "2027-01-01")
    own = {"id": "r", "zh": "z", "en": "e", "when": "amount > param.x", "code": "c", "points": 1}
    narrower = [{**own, "valid_from": "2026-06-01T00:00:00Z", "valid_until": "2028-01-01T00:00:00Z"}]
    [rule] = in_force(ruleset(parameters=[{"name": "x", "value": 5, **PARAMETER, **dated}], rules=narrower))
    assert rule.valid_from is not None
    assert rule.valid_until is not None
    assert (rule.valid_from.isoformat()[:10], rule.valid_until.isoformat()[:10]) == ("2026-06-01", "2027-01-01")
    assert in_force(ruleset()) == ruleset().rules


def test_the_articles_of_the_numbers_a_rule_reads_are_known_once_each() -> None:
    both = [{"name": name, "value": 5, **PARAMETER, "law": LAW} for name in ("x", "y")]
    rule = {"id": "r", "zh": "z", "en": "e", "when": "amount > param.x and amount < param.y", "code": "c", "points": 1}
    whole = ruleset(parameters=both, rules=[rule])
    assert [law.en for law in laws_of(whole.rules[0], whole)] == ["art. 1"]
    assert laws_of(ruleset().rules[0], ruleset()) == ()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"value": float("inf")}, "is not a number"),
        ({"valid_from": "2027-01-01T00:00:00Z", "valid_until": "2026-01-01T00:00:00Z"}, "ends before it begins"),
    ],
)
def test_a_parameter_that_means_nothing_is_a_problem(change: dict[str, Any], says: str) -> None:
    wrong = ruleset(parameters=[{"name": "x", "value": 5, **PARAMETER, **change}])
    assert [says in problem.what for problem in check_ruleset(wrong, [])] == [True]


@pytest.mark.parametrize(
    ("challenge", "says"),
    [
        ({"kind": "warning"}, "names its text"),
        ({"kind": "warning", "warning": "polic"}, "did you mean `police`?"),
        ({"kind": "delay"}, "says `delay_s` or `delay`"),
        ({"kind": "delay", "delay_s": 5, "delay": "x"}, "says `delay_s` or `delay`"),
        ({"kind": "call_back", "delay_s": 5}, "says `delay_s` or `delay`"),
        ({"kind": "delay", "delay": "wait"}, "unknown parameter `wait`"),
        ({"kind": "delay", "delay": "half"}, "`half` is no delay"),
        ({"kind": "delay", "delay": "x"}, ""),
        ({"kind": "call_back", "warning": "police"}, ""),
    ],
)
def test_a_challenge_that_no_customer_could_meet_is_a_problem(challenge: dict[str, Any], says: str) -> None:
    rule = {
        "id": "r",
        "zh": "z",
        "en": "e",
        "when": "amount > 5",
        "code": "c",
        "action": "hold",
        "challenge": challenge,
    }
    parameters = [{"name": "x", "value": 5, **PARAMETER}, {"name": "half", "value": 0.5, **PARAMETER}]
    whole = ruleset(rules=[rule], parameters=parameters, warnings=[{"code": "police", "zh": "警", "en": "police"}])
    assert [says in problem.what for problem in check_ruleset(whole, [])] == ([True] if says else [])


def test_nothing_is_asked_where_a_rule_allows_or_blocks() -> None:
    rule = {"id": "r", "zh": "z", "en": "e", "when": "amount > 5", "code": "c", "challenge": {"kind": "call_back"}}
    for action in ("allow", "block"):
        [problem] = check_ruleset(ruleset(rules=[{**rule, "action": action}]), [])
        assert "nothing is asked" in problem.what


def test_names_stand_once_in_a_file_and_param_is_no_feature() -> None:
    twice = "parameters = [" + '{name = "x", value = 1, unit = "u", since = 2026-01-01, source = "s"},' * 2 + "]"
    with pytest.raises(Exception, match="the parameter `x` stands twice"):
        read_rules_text(twice, format="toml")
    texts = "warnings = [" + '{code = "x", zh = "z", en = "e"},' * 2 + "]"
    with pytest.raises(Exception, match="the warning `x` stands twice"):
        read_rules_text(texts, format="toml")
    named = ruleset(features=[{"name": "param", "define": "count of payments by card over 1h"}])
    assert [p.what for p in check_ruleset(named, [])] == ["the feature name `param` already means something else"]
    assert environment(ruleset(), []).parameters == {"x": 5}
