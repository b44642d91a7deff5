"""The review of a rule set: which rules to look at again, and why. It proposes; a person decides.

A rule is judged by the interval of its precision, never by the precision alone: few hits say little.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from lianfang.services.learn.worth import Worth

Advice = Literal["retire", "tighten"]

HITS_LEAST: Final = 30
"""A rule with fewer hits is not called bad; one with none in so long a time is told."""
TIMES_BASE: Final = 3.0
"""A rule whose hits are surely not this much more often fraud than any payment adds next to nothing."""
ALARMS_MOST: Final = 0.0005
"""Share of genuine payments a single rule may touch unremarked ..."""
PRECISION_LEAST: Final = 0.1
"""... unless at least so many of its hits are fraud, as far as can be told."""


class Proposal(NamedTuple):
    """About one rule."""

    rule: str
    advice: Advice
    zh: str
    en: str
    hits: int


def proposals(rules: Sequence[Worth], base: float, payments: int) -> list[Proposal]:
    """What to look at, what touches too many first. `base`: share of fraud among payments; `payments`: in the period."""
    found = [one for rule in rules if (one := _of(rule, base, payments)) is not None]
    return sorted(found, key=lambda one: (one.advice != "tighten", one.rule))


def _of(rule: Worth, base: float, payments: int) -> Proposal | None:
    if rule.hits == 0:
        return Proposal(
            rule.name, "retire", f"{payments:,} 笔付款中从未命中", f"never fired in {payments:,} payments", 0
        )
    if rule.frauds + rule.genuine < HITS_LEAST:
        return None
    seen = f"{rule.frauds:,} / {rule.frauds + rule.genuine:,}"
    if rule.precision.high < TIMES_BASE * base and rule.alone[0] == 0:
        return Proposal(
            rule.name,
            "retire",
            f"命中中欺诈 {seen}，不高于平均的 {TIMES_BASE:g} 倍，且没有只靠它发现的欺诈",
            f"fraud in {seen} of its hits, not {TIMES_BASE:g} times the average, and none that it alone found",
            rule.hits,
        )
    if rule.false_alarms.low > ALARMS_MOST and rule.precision.high < PRECISION_LEAST:
        return Proposal(
            rule.name,
            "tighten",
            f"误触 {rule.false_alarms.value:.2%} 的正常付款，命中中欺诈仅 {seen}",
            f"touches {rule.false_alarms.value:.2%} of genuine payments; fraud in only {seen} of its hits",
            rule.hits,
        )
    return None
