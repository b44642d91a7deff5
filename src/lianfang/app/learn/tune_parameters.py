"""Named parameters of a rule set as something to tune: which may move, to which values, and the rules that they make."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np

from lianfang.app.learn.backtest import Backtest
from lianfang.app.learn.columns import check_input
from lianfang.app.learn.foresight import Glance
from lianfang.app.learn.matrix import read_matrix
from lianfang.app.learn.recipe import ingredients
from lianfang.engines.expr import Environment, suggestion
from lianfang.engines.rules import features_of
from lianfang.engines.rules.parameters import called_by, written
from lianfang.kernel import limits
from lianfang.kernel.errors import InputError
from lianfang.services.learn import known_labels
from lianfang.services.learn.moving import places
from lianfang.wire import Input, Parameter, Rule, RuleSet

ALL: Final = "all"
"""In place of a name: every parameter that may move."""
WIDE: Final = 2.0
"""Without bounds, from the value divided by this to the value times it."""
LOOKED_AT: Final = 200_000
"""Genuine payments, about so many, whose values say where to try."""
DIGITS: Final = 3
"""A whole number is tried to so many digits: thresholds are for people to read."""
NUMBER: Final = "tuned{:04d}"


class Bounds(NamedTuple):
    """Between which values a parameter may move, both included."""

    low: float
    high: float


def bounds_of(asked: Sequence[str], ruleset: RuleSet) -> dict[str, Bounds]:
    """`name`, `name=low:high` or `all`. Raises `InputError` for one that may not move, saying why."""
    found: dict[str, Bounds] = {}
    for text in asked:
        name, _, said = text.partition("=")
        names = list(movable(ruleset)) if name == ALL else [name]
        for one in names:
            found[one] = _bounds(_may(one, ruleset), said, text)
    return found


def movable(ruleset: RuleSet) -> dict[str, Parameter]:
    """Those that a live rule's condition reads, and neither the law nor a feature."""
    return {one.name: one for one in ruleset.parameters if not _fixed(one, ruleset)}


def _may(name: str, ruleset: RuleSet) -> Parameter:
    known = {one.name: one for one in ruleset.parameters}
    if name not in known:
        raise InputError(f"there is no parameter {name!r}{suggestion(name, known)}", "--parameter")
    if why := _fixed(known[name], ruleset):
        raise InputError(f"the parameter {name} cannot be tuned: {why}", "--parameter")
    return known[name]


def _fixed(one: Parameter, ruleset: RuleSet) -> str:
    """Why it stays as it is; nothing if it may move."""
    if one.law is not None:
        return "it is a number of the law"
    if one.valid_from is not None or one.valid_until is not None:
        return "it holds for a time only"
    if any(one.name in called_by(feature.define) for feature in ruleset.features):
        return "a feature is counted by it, and would have to be counted anew for each value"
    if not any(rule.mode == "live" and one.name in called_by(rule.when) for rule in ruleset.rules):
        return "no live rule's condition reads it"
    return ""


def _bounds(one: Parameter, said: str, text: str) -> Bounds:
    if not said:
        ends = one.value / WIDE, one.value * WIDE
        return Bounds(min(ends), max(ends))
    low, colon, high = said.partition(":")
    try:
        found = Bounds(float(low.replace("_", "")), float(high.replace("_", "")))
    except ValueError:
        found = Bounds(np.nan, np.nan)
    if not colon or not found.low < found.high:
        raise InputError(f"{text!r} is not `name=low:high`, as `victim_large_amount=200_000:900_000`", "--parameter")
    return found


def tried_values(
    job: Backtest, bounds: Mapping[str, Bounds], many: int, glance: Glance, until: int, progress: Callable[[int], None]
) -> dict[str, list[int | float]]:
    """At most `many` values of each parameter, its own not among them; read from the payments before `until`."""
    compared = {name: _compared(job.rules, name) for name in bounds}
    features = features_of(job.rules)
    env = Environment(features=tuple(one.name for one in features))
    texts = sorted({text for found in compared.values() for text in found if _readable(text, env)})
    columns: dict[str, int] = {text: i for i, text in enumerate(texts)}
    values, frauds = np.zeros((0, len(texts))), np.zeros(0, np.bool_)
    if texts:
        made = ingredients(features, [Input(name=f"c{i}", define=text) for text, i in columns.items()], "--parameter")
        thin = max(glance.rows // LOOKED_AT, 1)
        matrix = read_matrix(job.history, job.mapping, made, progress, label_delay=job.label_delay, thin=thin)
        labels = known_labels(matrix.labels, matrix.known_at, matrix.times, until - 1, glance.delay)
        on = matrix.times < until
        values, frauds = matrix.columns[on], labels[on] == 1
    found: dict[str, list[int | float]] = {}
    known = {one.name: one for one in job.rules.parameters}
    for name, (low, high) in bounds.items():
        on_texts = [columns[text] for text in compared[name] if text in columns]
        flat = values[:, on_texts].ravel(order="F")
        raw = places(flat, np.tile(frauds, len(on_texts)), low, high, many)
        found[name] = _as_typed(raw, known[name], Bounds(low, high))
    return found


def _as_typed(raw: Sequence[float], one: Parameter, bounds: Bounds) -> list[int | float]:
    rounded = [float(f"{value:.{DIGITS}g}") for value in raw]
    typed: list[int | float] = [round(value) if isinstance(one.value, int) else value for value in rounded]
    return [v for v in dict.fromkeys(typed) if bounds.low <= v <= bounds.high and v != one.value]


def _compared(ruleset: RuleSet, name: str) -> list[str]:
    """What the live rules compare this parameter with, parameters written out."""
    values = {one.name: one.value for one in ruleset.parameters}
    found: list[str] = []
    for rule in ruleset.rules:
        if rule.mode != "live" or name not in called_by(rule.when):
            continue
        for node in ast.walk(ast.parse(f"({rule.when})", mode="eval")):
            if isinstance(node, ast.Compare):
                sides = [node.left, *node.comparators]
                if any(_is_parameter(side, name) for side in sides):
                    found += [written(ast.unparse(side), values) for side in sides if not _is_parameter(side, name)]
    return list(dict.fromkeys(found))


def _is_parameter(node: ast.expr, name: str) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and node.attr == name
        and isinstance(node.value, ast.Name)
        and node.value.id == "param"
    )


def _readable(text: str, env: Environment) -> bool:
    """Whether it is a number that the payment and its features say: not a list, a tag or the score."""
    try:
        return check_input(Input(name="c", define=text), env).type in ("int", "float")
    except InputError:
        return False


class Trial(NamedTuple):
    """A value to try, and the rules in shadow that stand for those that read it: (rule, its variant)."""

    parameter: str
    value: int | float
    rules: tuple[tuple[str, Rule], ...]


def trials_of(ruleset: RuleSet, values: Mapping[str, Sequence[int | float]]) -> list[Trial]:
    """Raises `InputError` where they are more rules than one set may hold."""
    made: list[Trial] = []
    number = 0
    for name, tried in values.items():
        for value in tried:
            rules = []
            for rule in ruleset.rules:
                if rule.mode == "live" and name in called_by(rule.when):
                    number += 1
                    rules.append((rule.id, _variant(rule, name, value, NUMBER.format(number))))
            made.append(Trial(name, value, tuple(rules)))
    if number + len(ruleset.rules) > limits.RULES_MAX:
        raise InputError(f"{number:,} rules to try are too many; give fewer --trials, or fewer parameters", "--trials")
    return made


def _variant(rule: Rule, name: str, value: int | float, made_id: str) -> Rule:
    return msgspec.structs.replace(
        rule,
        id=made_id,
        when=written(rule.when, {name: value}),
        mode="shadow",
        lane="all",
        examples=(),
        share_key=rule.share_key or rule.id,
    )


def with_values(ruleset: RuleSet, values: Mapping[str, int | float]) -> RuleSet:
    """The set with these parameters."""
    return msgspec.structs.replace(
        ruleset,
        parameters=tuple(
            msgspec.structs.replace(one, value=values[one.name]) if one.name in values else one
            for one in ruleset.parameters
        ),
    )
