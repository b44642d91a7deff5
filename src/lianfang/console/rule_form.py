"""A rule as a form: read from what was sent, checked, its examples run. Nothing is kept here."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

from lianfang.console.signed import Form
from lianfang.engines.expr import Environment, ExpressionError, check
from lianfang.engines.rules import ExampleResult
from lianfang.engines.rules import test_examples as run_examples
from lianfang.kernel import limits
from lianfang.kernel.errors import InputError
from lianfang.wire import Rule, read_rule
from lianfang.wire.codec import LAYOUT, Reader

EXAMPLES_TEXT_MAX: Final = 64_000
NEW_EXAMPLES: Final = (
    '[\n  {"fires": true, "payment": {"amount": 600000}},\n  {"fires": false, "payment": {"amount": 100}}\n]'
)
FIELDS: Final = ("id", "zh", "en", "when", "action", "points", "code", "owner", "source", "kind", "warning")
_read_examples: Final[Reader[list[dict[str, Any]]]] = Reader(list[dict[str, Any]], LAYOUT)


class Problem(NamedTuple):
    """One mistake. `line` and `column` count from 1 in the condition; 0: it is elsewhere, in the field `where`."""

    line: int
    column: int
    message: str
    where: str = ""


class Tried(NamedTuple):
    """A form, the rule it makes if it makes one, what is wrong with it, and its examples run."""

    rule: Rule | None
    problems: list[Problem]
    results: list[ExampleResult]


def problems_of(text: str, env: Environment) -> list[Problem]:
    """Every mistake of a condition, with its place."""
    try:
        check(text, env)
    except ExpressionError as why:
        return [Problem(one.line, one.column, one.what, "when") for one in (why, *why.also)]
    return []


def values_of(form: Form) -> dict[str, str]:
    """The form's texts by field, to be shown again as they were sent."""
    said = {name: form.get(name, limits.EXPRESSION_LENGTH_MAX + 1) for name in FIELDS}
    return said | {"examples": form.get("examples", EXAMPLES_TEXT_MAX), "lane": form.get("lane") or "all"}


def values_of_rule(rule: Rule) -> dict[str, str]:
    """A rule as texts of the form."""
    asked = rule.challenge
    examples = [
        {k: v for k, v in msgspec.to_builtins(one).items() if k == "fires" or v not in ({}, "", None)}
        for one in rule.examples
    ]
    lines = ",\n".join("  " + msgspec.json.encode(one).decode() for one in examples)
    return {
        "id": rule.id, "zh": rule.zh, "en": rule.en, "when": rule.when.strip(), "action": rule.action or "",
        "points": str(rule.points) if rule.points else "", "code": rule.code, "owner": rule.owner, "source": rule.source,
        "kind": asked.kind if asked else "", "warning": (asked.warning or "") if asked else "",
        "examples": f"[\n{lines}\n]" if lines else "[]", "lane": rule.lane,
    }  # fmt: skip


def tried(values: dict[str, str], env: Environment, base: Rule | None = None) -> Tried:
    """The rule a form makes, checked by itself. `base`: the rule it is a new text of, which keeps what the form has not."""
    problems = problems_of(values["when"], env)
    try:
        rule = rule_of(values, base)
    except InputError as why:
        where = why.where.removeprefix("$.").partition(".")[0].partition("[")[0]
        return Tried(None, [*problems, *([] if where == "when" and problems else [Problem(0, 0, why.what, where)])], [])
    return Tried(rule, problems, [] if problems else run_examples([rule], env))


def rule_of(values: dict[str, str], base: Rule | None = None) -> Rule:
    """Raises `InputError` naming the field."""
    made: dict[str, Any] = dict(msgspec.to_builtins(base)) if base is not None else {}
    made |= {name: values[name] for name in ("id", "zh", "en", "when", "code", "owner", "source")}
    made |= {
        "action": values["action"] or None,
        "points": _points(values["points"]),
        "lane": values["lane"],
        "mode": "live",
    }
    made |= {"examples": _examples(values["examples"])}
    if values["kind"]:
        kept = made.get("challenge") or {}
        made["challenge"] = (kept if kept.get("kind") == values["kind"] else {}) | {
            "kind": values["kind"], "warning": values["warning"] or None,
        }  # fmt: skip
    else:
        made["challenge"] = None
    if made["action"] is None and not made["points"]:
        raise InputError("a rule has an action, or points, or both", "$.action")
    return read_rule(msgspec.json.encode(made))


def _points(text: str) -> int:
    try:
        return int(text or "0")
    except ValueError as why:
        raise InputError("points are a whole number", "$.points") from why


def _examples(text: str) -> list[dict[str, Any]]:
    try:
        return _read_examples((text or "[]").encode())
    except InputError as why:
        raise InputError(f"examples are a JSON list: {why.what}", "$.examples") from why
