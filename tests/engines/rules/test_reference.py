"""docs/reference/rules.md against the code: names, limits and the example."""

from __future__ import annotations

import re
from pathlib import Path

from lianfang.engines import rules
from lianfang.engines.expr import FUNCTIONS, UTC_OFFSET_HOURS, Environment
from lianfang.engines.expr.names import SPECIAL
from lianfang.kernel import limits
from lianfang.wire import SUBJECTS, Rule

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "rules.md").read_text(encoding="utf-8")


def test_every_function_and_no_other_is_described() -> None:
    table = PAGE[PAGE.index("### Functions") : PAGE.index("### Null")]
    described = {name for row in table.splitlines() for name in re.findall(r"`(\w+)\(", row.split(" | ")[0])}
    assert described | {"tag", "listed"} == SPECIAL | FUNCTIONS.keys()
    assert "`tag(" in PAGE
    assert "`listed(" in PAGE


def test_every_field_of_a_rule_and_every_subject_is_described() -> None:
    for name in (*Rule.__struct_fields__, *SUBJECTS):
        assert name == "schema" or f"`{name}`" in PAGE, name


def test_limits_are_the_codes() -> None:
    said = f"{limits.EXPRESSION_LENGTH_MAX:,} characters, {limits.EXPRESSION_NODES_MAX} parts and"
    assert f"{said} {limits.EXPRESSION_DEPTH_MAX} levels" in PAGE
    assert f"UTC+{UTC_OFFSET_HOURS}" in PAGE


def test_the_pages_rule_proves_itself() -> None:
    text = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert text is not None
    ruleset = rules.read_rules_text(text[1], format="toml")
    results = rules.test_examples(ruleset.rules, Environment(("pair_count_90d",)))
    assert [result.ok for result in results] == [True, True]
