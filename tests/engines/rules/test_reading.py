"""Rule files: TOML and YAML say the same, and every problem is told with its place."""

from __future__ import annotations

from typing import Literal

import pytest

from lianfang.engines.rules import check_ruleset, read_rules_text
from lianfang.kernel.errors import InputError

TOML = """
[[features]]
name = "pair_count"
define = "count of payments by payer.account, payee.account over 90d"

[[rules]]
id = "first.payment"
zh = "首次付款"
en = "First payment"
when = "pair_count == 0 and amount > 5"
action = "hold"
code = "first"
valid_from = 2026-01-01T00:00:00Z
"""
YAML = """
features:
  - name: pair_count
    define: count of payments by payer.account, payee.account over 90d
rules:
  - id: first.payment
    zh: 首次付款
    en: First payment
    when: pair_count == 0 and amount > 5
    action: hold
    code: first
    valid_from: 2026-01-01T00:00:00Z
"""


def refused(text: str, format: Literal["toml", "yaml"]) -> InputError:  # noqa: A002
    with pytest.raises(InputError) as caught:
        read_rules_text(text, format=format, where="my.rules")
    assert caught.value.where.startswith("my.rules")
    return caught.value


def test_toml_and_yaml_say_the_same() -> None:
    assert read_rules_text(TOML, format="toml") == read_rules_text(YAML, format="yaml")


@pytest.mark.parametrize(
    ("format", "text", "says", "where"),
    [
        ("toml", "a = 1\nb = ", "Invalid value", "line 2, column 5"),
        ("toml", "rules = [", "Invalid value", "line 1, column 10"),
        ("toml", 'a = 1\nschema = "ruleset/1"\na = 2', "Cannot overwrite a value", "line 3"),
        ("toml", TOML + "ownr = 'x'\n", "unknown field `ownr`", "rule `first.payment`"),
        ("toml", TOML.replace('"hold"', '"holt"'), "Invalid enum value 'holt'", "$.rules[0].action"),
        ("toml", TOML.replace("T00:00:00Z", "T00:00:00"), "timezone", "$.rules[0].valid_from"),
        ("yaml", "rules: [", "expected", "line 1"),
        ("yaml", "rules: []\nrules: []", "stands twice", "line 2, column 1"),
        ("yaml", "rules: &a []\nfeatures: *a", "aliases", "line 2"),
        ("yaml", "1: x", "a key must be text", "line 1, column 1"),
        ("yaml", "rules: !!python/object:os.system []", "could not determine a constructor", "line 1"),
        ("yaml", "policy:\n  unsure: allow", "Invalid enum value 'allow'", "$.policy.unsure"),
        ("yaml", "a: \x00", "not allowed", "line 1"),
        ("yaml", "[" * 5_000, "", "my.rules"),
    ],
)
def test_what_is_wrong_with_a_file_and_where(format: Literal["toml", "yaml"], text: str, says: str, where: str) -> None:  # noqa: A002
    error = refused(text, format)
    assert says in error.what
    assert where in error.where


def test_a_rule_id_or_a_feature_name_stands_once() -> None:
    rule = TOML[TOML.index("[[rules]]") :]
    assert "rule id `first.payment` stands twice" in refused(TOML + rule, "toml").what
    feature = TOML[: TOML.index("[[rules]]")]
    assert "feature name `pair_count` stands twice" in refused(TOML + feature, "toml").what


def test_all_problems_of_all_rules_are_told_with_rule_line_and_caret() -> None:
    text = TOML.replace('"pair_count == 0 and amount > 5"', '"""\npair_cont == 0\nand amont > 5"""') + (
        '\n[[rules]]\nid = "no.effect"\nzh = "无"\nen = "none"\nwhen = "payee.account in mules"\ncode = "none"\n'
        "valid_from = 2026-01-02T00:00:00Z\nvalid_until = 2026-01-01T00:00:00Z\n"
    )
    problems = check_ruleset(read_rules_text(text, format="toml"), ["mule"], text=text, where="my.toml")
    assert [(p.rule, p.line, p.column) for p in problems] == [
        ("first.payment", 1, 1),
        ("first.payment", 2, 5),
        ("no.effect", 1, 18),
        ("no.effect", 0, 0),
        ("no.effect", 0, 0),
    ]
    lines = text.split("\n")
    for problem, word in zip(problems, ("pair_cont", "amont", "mules"), strict=False):
        line = int(problem.where.split("line ")[1].split(",")[0])
        assert word in lines[line - 1]
    assert problems[1].caret() == "and amont > 5\n    ^^^^^"
    assert "did you mean `mule`?" in problems[2].what


@pytest.mark.parametrize("name", ["amount", "payer", "score", "max", "class", "true"])
def test_a_feature_may_not_bear_a_name_that_means_something(name: str) -> None:
    text = TOML.replace('name = "pair_count"', f'name = "{name}"').replace("pair_count == 0 and ", "")
    problems = check_ruleset(read_rules_text(text, format="toml"), [])
    assert [p.what for p in problems] == [f"the feature name `{name}` already means something else"]
