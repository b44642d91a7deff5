"""What a challenge or a hold asks of the customer: the kinds that the standing reasons ask for, and the texts to be read.

docs/reference/policy.md says why the kinds have the order they have.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lianfang.engines.rules import delays_of
from lianfang.services.decide.policy import Standing
from lianfang.wire import CHALLENGES, Action, Asked, ChallengeKind, Policy, Reason, RuleSet

WARNINGS_SHOWN: Final = 3
"""Texts in one answer: nobody reads a fourth."""


class Challenges:
    """What the rules of one set ask for. Pure: the same reasons, the same challenge."""

    def __init__(self, ruleset: RuleSet) -> None:
        self._policy = ruleset.policy or Policy()
        self._by_rule = {rule.id: rule.challenge for rule in ruleset.rules if rule.challenge is not None}
        self._delays = delays_of(ruleset)
        self._texts = {text.code: text for text in ruleset.warnings}
        self._default = Asked(kind=self._policy.challenge)

    def of(self, action: Action, reasons: Sequence[Reason]) -> Asked | None:
        """What to ask, given `reasons` by weight; None where nothing is asked: `allow` and `block`."""
        if action not in ("challenge", "hold"):
            return None
        standing = Standing(self._policy, reasons)
        names = [r.name for r in reasons if r.source == "rule" and r.name in self._by_rule and standing.counts(r)]
        if not names:
            return self._default
        asked = [self._by_rule[name] for name in names]
        codes = list(dict.fromkeys(one.warning for one in asked if one.warning in self._texts))[:WARNINGS_SHOWN]
        kinds: set[ChallengeKind] = {one.kind for one in asked}
        if codes:
            kinds.add("warning")
        first, *also = sorted(kinds, key=CHALLENGES.index, reverse=True)
        delay = max((self._delays[name] for name in names if name in self._delays), default=None)
        return Asked(
            kind=first, also=tuple(also), delay_s=delay, warnings=tuple(self._texts[code] for code in codes if code)
        )


NO_CHALLENGES: Final = Challenges(RuleSet())
"""Of no rules: the default policy's kind."""
