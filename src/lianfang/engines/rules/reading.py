"""Rule files: text to a `RuleSet`, and every problem in it. TOML and YAML say the same things."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any, Final, Literal

import yaml

from lianfang.engines.expr import ExpressionError, check, is_reserved, suggestion
from lianfang.engines.rules.errors import RuleError
from lianfang.engines.rules.parameters import environment, problems_of
from lianfang.kernel import limits
from lianfang.kernel.errors import InputError, TooLargeError
from lianfang.wire import Rule, RuleSet, build

FILE_LENGTH_MAX: Final = 8 << 20
"""Characters of one rule file: 2,000 rules of 4,000."""

_TOML_PLACE: Final = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


class _Loader(yaml.SafeLoader):
    """YAML without its traps: no aliases (a small file could grow without bound), no duplicate keys, no merge keys."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="aliases are not allowed", problem_mark=self.get_mark())
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                raise yaml.MarkedYAMLError(problem="a key must be text", problem_mark=key.start_mark)
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key.value!r} stands twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_rules_text(text: str, *, format: Literal["toml", "yaml"], where: str = "") -> RuleSet:  # noqa: A002
    """Parses one file. Raises `InputError` with line and column for syntax, with a path for a wrong field."""
    if len(text) > FILE_LENGTH_MAX:
        raise TooLargeError(f"a rule file has at most {FILE_LENGTH_MAX} characters", where)
    plain = _toml(text, where) if format == "toml" else _yaml(text, where)
    try:
        ruleset = build(RuleSet, plain)
    except InputError as why:
        raise InputError(why.what, _place(where, _named(why.where, plain))) from why
    _refuse_twice("rule id", [rule.id for rule in ruleset.rules], where)
    _refuse_twice("feature name", [feature.name for feature in ruleset.features], where)
    _refuse_twice("parameter", [parameter.name for parameter in ruleset.parameters], where)
    _refuse_twice("warning", [warning.code for warning in ruleset.warnings], where)
    return ruleset


def check_ruleset(ruleset: RuleSet, list_names: Collection[str], *, text: str = "", where: str = "") -> list[RuleError]:
    """Every problem of every rule, in the order of the file. `text` is the file's, for positions in it."""
    env = environment(ruleset, list_names)
    warnings = frozenset(warning.code for warning in ruleset.warnings)
    delays = {one.name: one.value for one in ruleset.parameters}
    problems = [
        RuleError(f"the feature name `{feature.name}` already means something else", "", where)
        for feature in ruleset.features
        if is_reserved(feature.name)
    ]
    problems += [RuleError(what, "", where) for one in ruleset.parameters for what in problems_of(one)]
    for rule in ruleset.rules:
        try:
            check(rule.when, env)
        except ExpressionError as why:
            problems += [RuleError(e.what, rule.id, _position(text, rule, e, where), e) for e in (why, *why.also)]
        problems += [RuleError(what, rule.id, where) for what in _contradictions(rule)]
        problems += [RuleError(what, rule.id, where) for what in _unanswerable(rule, warnings, delays)]
    return problems


def _contradictions(rule: Rule) -> list[str]:
    found = []
    if rule.action is None and rule.points == 0:
        found.append("it has no consequence: give it an action or points")
    if rule.valid_from and rule.valid_until and rule.valid_until <= rule.valid_from:
        found.append("it ends before it begins")
    return found


def _unanswerable(rule: Rule, warnings: Collection[str], delays: Mapping[str, int | float]) -> list[str]:
    """What a customer could not be asked."""
    asks = rule.challenge
    if asks is None:
        return []
    found = []
    if rule.action in ("allow", "block"):
        found.append(f"nothing is asked where the answer is `{rule.action}`: leave `challenge` out")
    if (asks.kind == "delay") != ((asks.delay_s is None) != (asks.delay is None)):
        found.append("a challenge of the kind `delay`, and no other, says `delay_s` or `delay`")
    if asks.delay is not None and asks.delay not in delays:
        found.append(f"unknown parameter `{asks.delay}`{suggestion(asks.delay, delays)}")
    elif asks.delay is not None and not _is_delay(delays[asks.delay]):
        found.append(f"`{asks.delay}` is no delay: whole seconds, 1 to {limits.DELAY_MAX_S}")
    if asks.kind == "warning" and asks.warning is None:
        found.append("a challenge of the kind `warning` names its text with `warning`")
    if asks.warning is not None and asks.warning not in warnings:
        found.append(f"unknown warning `{asks.warning}`{suggestion(asks.warning, warnings)}")
    return found


def _is_delay(value: int | float) -> bool:
    return isinstance(value, int) and 1 <= value <= limits.DELAY_MAX_S


def _toml(text: str, where: str) -> Any:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as why:
        place = _TOML_PLACE.search(str(why))
        what = _TOML_PLACE.sub("", str(why))
        lines = text.split("\n")
        line, column = (int(place[1]), int(place[2])) if place and place[1] else (len(lines), len(lines[-1]) + 1)
        raise InputError(what, _place(where, f"line {line}, column {column}")) from why
    except RecursionError as why:
        raise InputError("nested too deeply", where) from why


def _yaml(text: str, where: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as why:
        mark = why.problem_mark or why.context_mark
        spot = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise InputError(why.problem or "not YAML", _place(where, spot)) from why
    except yaml.reader.ReaderError as why:
        line = text.count("\n", 0, int(why.position)) + 1
        raise InputError(f"the character {why.character!r} is not allowed", _place(where, f"line {line}")) from why
    except (ValueError, RecursionError, yaml.YAMLError) as why:
        raise InputError(str(why) or "nested too deeply", where) from why


def _named(path: str, plain: Any) -> str:
    """`$.rules[3].when` with the id of rule 3, which people can find."""
    found = re.match(r"\$\.rules\[(\d+)\]", path)
    if not found:
        return path
    rule = plain["rules"][int(found[1])]
    name = rule.get("id") if isinstance(rule, dict) else None
    return f"{path} (rule `{name}`)" if isinstance(name, str) else path


def _refuse_twice(noun: str, names: Sequence[str], where: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(f"the {noun} `{name}` stands twice", where)
        seen.add(name)


def _position(text: str, rule: Rule, error: ExpressionError, where: str) -> str:
    """`file, line n` of a mistake, found by the rule's id and the `when` after it; without a match, the file alone."""
    start = re.search(rf"^[\s\-]*\"?id\"?\s*[=:]\s*[\"']?{re.escape(rule.id)}[\"']?\s*(#.*)?$", text, re.MULTILINE)
    if start is None:
        return where
    begin = re.compile(r"^[\s\-]*\"?when\"?\s*[=:]\s*", re.MULTILINE).search(text, start.end())
    if begin is None:
        return where
    line = text.count("\n", 0, begin.end()) + error.line
    opening = text[begin.end() : text.find("\n", begin.end())]
    if opening.strip() in ('"""', "'''", "|", "|-", ">", ">-"):  # the text begins on the next line
        line += 1
    return _place(where, f"line {line}")


def _place(where: str, spot: str) -> str:
    return ", ".join(part for part in (where, spot) if part)
