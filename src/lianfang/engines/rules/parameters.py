"""Parameters: numbers that rules and features call by name, put in before anything is compiled."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from typing import Final

import msgspec

from lianfang.engines.expr import Environment, suggestion
from lianfang.engines.rules.errors import RuleError
from lianfang.kernel import limits
from lianfang.wire import Feature, Law, Parameter, Rule, RuleSet

_CALLED: Final = re.compile(r"\bparam\.([a-z][a-z0-9_]*)\b")


def environment(ruleset: RuleSet, lists: Collection[str]) -> Environment:
    """What names mean to the rules of this set."""
    return Environment(
        features=tuple(feature.name for feature in ruleset.features),
        lists=frozenset(lists),
        parameters={one.name: one.value for one in ruleset.parameters},
    )


def features_of(ruleset: RuleSet) -> tuple[Feature, ...]:
    """The declarations with every `param.name` written out. Raises `RuleError` for one that does not exist.

    So the features' signature is another one when a value they use is, and stored state is never misread.
    """
    values = {one.name: one.value for one in ruleset.parameters}
    return tuple(_written_out(feature, values) for feature in ruleset.features)


def called_by(text: str) -> frozenset[str]:
    """Names of the parameters that a condition or a declaration calls."""
    return frozenset(_CALLED.findall(text))


def written(text: str, values: Mapping[str, int | float]) -> str:
    """The text with these parameters written out as numbers; all others stay as they are."""
    return _CALLED.sub(lambda found: _literal(values[found[1]]) if found[1] in values else found[0], text)


def _literal(value: int | float) -> str:
    return f"({value!r})" if value < 0 else repr(value)


def _written_out(feature: Feature, values: Mapping[str, int | float]) -> Feature:
    called = _CALLED.findall(feature.define)
    if not called:
        return feature
    for name in called:
        if name not in values:
            raise RuleError(f"unknown parameter `param.{name}`{suggestion(name, values)}", "", feature.name)
    text = _CALLED.sub(lambda found: repr(values[found[1]]), feature.define)
    return msgspec.structs.replace(feature, define=text)


def delays_of(ruleset: RuleSet) -> dict[str, int]:
    """Rule to the seconds that its challenge has the customer wait. Raises `RuleError` for what is no delay."""
    values = {one.name: one.value for one in ruleset.parameters}
    found: dict[str, int] = {}
    for rule in ruleset.rules:
        asks = rule.challenge
        if asks is None or asks.kind != "delay":
            continue
        seconds = values.get(asks.delay) if asks.delay is not None else asks.delay_s
        if not isinstance(seconds, int) or not 1 <= seconds <= limits.DELAY_MAX_S:
            raise RuleError(f"its delay is not 1 to {limits.DELAY_MAX_S} whole seconds", rule.id)
        found[rule.id] = seconds
    return found


def _read_by(rule: Rule) -> list[str]:
    """The parameters that a rule calls by name."""
    delay = rule.challenge.delay if rule.challenge is not None else None
    return [*_CALLED.findall(rule.when), *([delay] if delay is not None else [])]


def laws_of(rule: Rule, ruleset: RuleSet) -> tuple[Law, ...]:
    """Where the numbers of the law stand that this rule reads, each once, in the order in which it reads them."""
    laws = {one.name: one.law for one in ruleset.parameters}
    return tuple(dict.fromkeys(law for name in _read_by(rule) if (law := laws.get(name)) is not None))


def in_force(ruleset: RuleSet) -> tuple[Rule, ...]:
    """The rules, each valid only while every parameter that it reads is."""
    dated = {one.name: one for one in ruleset.parameters if one.valid_from or one.valid_until}
    return tuple(_narrowed(rule, dated) for rule in ruleset.rules) if dated else ruleset.rules


def _narrowed(rule: Rule, dated: Mapping[str, Parameter]) -> Rule:
    read = [dated[name] for name in _read_by(rule) if name in dated]
    if not read:
        return rule
    periods = [(rule.valid_from, rule.valid_until), *((one.valid_from, one.valid_until) for one in read)]
    begins = [begin for begin, _ in periods if begin is not None]
    ends = [end for _, end in periods if end is not None]
    return msgspec.structs.replace(rule, valid_from=max(begins, default=None), valid_until=min(ends, default=None))


def problems_of(parameter: Parameter) -> list[str]:
    """What is wrong with a parameter beyond its shape."""
    found = []
    if isinstance(parameter.value, float) and not math.isfinite(parameter.value):
        found.append(f"the parameter `{parameter.name}` is not a number")
    if parameter.valid_from and parameter.valid_until and parameter.valid_until <= parameter.valid_from:
        found.append(f"the parameter `{parameter.name}` ends before it begins")
    return found
