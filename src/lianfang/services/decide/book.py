"""A rule book: policy, features, rules and lists of one version, checked and compiled, never changed. Swapped whole."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lianfang.engines.expr import Environment, check, compile_predicates
from lianfang.engines.features import Plan, compile_plan, declare
from lianfang.engines.hotpath import HotPath
from lianfang.engines.hotpath.journey import LIST_PATHS
from lianfang.engines.rules import (
    Compiled,
    Evaluate,
    EvaluateSome,
    Screen,
    compile_rules,
    environment,
    features_of,
    in_force,
    laws_of,
)
from lianfang.kernel.errors import InputError
from lianfang.services.decide.challenge import NO_CHALLENGES, Challenges
from lianfang.services.decide.facts import HINTS, Flatten, flattener
from lianfang.services.decide.lists import ListBook
from lianfang.services.decide.policy import rule_reason
from lianfang.wire import Feature, Parameter, Policy, Reason, Rule, RuleSet, WarningText, write


@dataclass(frozen=True)
class RuleBook:
    """What the decider needs of one version. Build with `rule_book`."""

    ruleset: RuleSet
    policy: Policy
    plan: Plan
    compiled: Compiled
    lists: ListBook
    layout: tuple[str, ...]
    flatten: Flatten
    brief: Flatten
    """The beginning of the row, and the hints after it: what is read of every payment."""
    rest: Flatten
    """What of the row is only read where a rule runs: `brief(p)[:-1] + rest(p)` is the row, without hints."""
    evaluate: Evaluate
    evaluate_some: EvaluateSome
    screen: Screen
    mask: Callable[[tuple[Any, ...]], int]
    numbers: Callable[[tuple[Any, ...]], tuple[int, ...]]
    """The plan's integers from a row, 0 for null."""
    reasons: tuple[Reason, ...]
    """Each compiled rule's reason, by index."""
    rules_version: str
    known_lists: frozenset[str] = frozenset()
    """Lists that rules may name, though some may be empty now."""
    quarantined: frozenset[str] = frozenset()
    challenges: Challenges = NO_CHALLENGES
    also: frozenset[str] = frozenset()
    """Columns of the row that others than rules and features read, such as a model."""
    features: tuple[Feature, ...] = ()
    """The declarations, parameters written out, in the order of the features' values."""
    by_score: frozenset[int] = frozenset()
    """Compiled rules, by index, that read the model's score."""


def merge(sets: Iterable[RuleSet]) -> RuleSet:
    """Several files as one rule set. A policy may stand in one of them; ids and names may not repeat."""
    policy: Policy | None = None
    features: list[Feature] = []
    rules: list[Rule] = []
    parameters: list[Parameter] = []
    warnings: list[WarningText] = []
    for one in sets:
        if one.policy is not None:
            if policy is not None:
                raise InputError("two files give a policy; keep one")
            policy = one.policy
        had = {f.name: f.define for f in features}  # the same again, in another file, is no contradiction
        features += [f for f in one.features if had.get(f.name) != f.define]
        rules += one.rules
        parameters += one.parameters
        warnings += one.warnings
    for noun, names in (
        ("rule", [r.id for r in rules]),
        ("feature", [f.name for f in features]),
        ("parameter", [p.name for p in parameters]),
        ("warning", [w.code for w in warnings]),
    ):
        twice = sorted(n for n, times in Counter(names).items() if times > 1)
        if twice:
            raise InputError(f"the {noun} {twice[0]} is given twice", twice[0])
    return RuleSet(
        policy=policy,
        features=tuple(features),
        rules=tuple(rules),
        parameters=tuple(parameters),
        warnings=tuple(warnings),
    )


def version_of(value: Any) -> str:
    """A short name for content: the first 12 hex digits of the SHA-256 of its JSON."""
    return hashlib.sha256(write(value)).hexdigest()[:12]


def rule_book(
    ruleset: RuleSet,
    lists: ListBook,
    known_lists: Iterable[str] = (),
    quarantined: frozenset[str] = frozenset(),
    *,
    also: Iterable[str] = (),
) -> RuleBook:
    """Checks and compiles. Raises `InputError` (`RuleError`, `FeatureError`) naming what is wrong and where.

    `known_lists`: lists that exist though they may be empty now, so that rules may name them.
    `also`: columns that the row must have beside those that rules and features read.
    """
    features = features_of(ruleset)
    plan = compile_plan(declare(features))
    named = lists.names | frozenset(known_lists)
    compiled = compile_rules(in_force(ruleset), environment(ruleset, named)).without(quarantined)
    filters = [check(text, Environment()) for text in plan.filters]
    more = frozenset(also)
    first, rest = _layout(plan, compiled, filters, more)
    layout = (*first, *rest, HINTS)
    screen = compiled.screen(amount="amount" in plan.integers)
    return RuleBook(
        ruleset=ruleset,
        policy=ruleset.policy or Policy(),
        plan=plan,
        compiled=compiled,
        lists=lists,
        layout=layout,
        flatten=flattener(layout, screen.hints),
        brief=flattener((*first, HINTS), screen.hints, rest),
        rest=flattener((*rest, HINTS)),
        evaluate=compiled.bind(layout),
        evaluate_some=compiled.bind_some(layout),
        screen=screen,
        mask=compile_predicates(filters, layout) if filters else _no_filters,
        numbers=_numbers([layout.index(path) for path in plan.integers]),
        reasons=tuple(rule_reason(rule, laws_of(rule, ruleset)) for rule in compiled.rules),
        rules_version=version_of(ruleset),
        known_lists=named,
        quarantined=quarantined,
        challenges=Challenges(ruleset),
        also=more,
        features=features,
        by_score=frozenset(i for i, one in enumerate(compiled.checked) if one.uses_score),
    )


def hot_path(book: RuleBook, key: Any, *, memory_bytes: int, ids_remembered: int) -> HotPath:
    """The live state that a book of these features needs."""
    hot = HotPath(book.plan, key, memory_bytes=memory_bytes, ids_remembered=ids_remembered)
    hot.lists = book.lists.table
    return hot


def _layout(
    plan: Plan, compiled: Compiled, filters: Sequence[Any], also: frozenset[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """id and time first, then whatever is read of every payment; what only rules read."""
    wanted = dict.fromkeys(("id", "time", "amount", *plan.fields, *plan.integers, *LIST_PATHS))
    for one in filters:
        wanted |= dict.fromkeys(one.paths)
    wanted |= dict.fromkeys(sorted(also))
    return tuple(wanted), tuple(path for path in compiled.paths if path not in wanted)


def _numbers(places: Sequence[int]) -> Callable[[tuple[Any, ...]], tuple[int, ...]]:
    made: Callable[[tuple[Any, ...]], tuple[int, ...]]
    made = eval("lambda r: (" + "".join(f"r[{i}] or 0, " for i in places) + ")", {})  # noqa: S307 - our own indices
    return made


def _no_filters(row: tuple[Any, ...]) -> int:
    return 0
