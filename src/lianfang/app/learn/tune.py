"""A tuning: what fired on an earlier period, the search over it, the draft, and both sets backtested on both periods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from lianfang.app.learn.backtest import Backtest, backtest
from lianfang.app.learn.backtest_figures import Figures, figures
from lianfang.app.learn.foresight import look_ahead
from lianfang.app.learn.sides import sides_of
from lianfang.kernel.errors import InputError
from lianfang.services.learn import Chunk
from lianfang.services.learn.tuning import Choice, Limits, Reach, Rules, Seen, reach, tune
from lianfang.wire import SEVERITY, Policy, Rule, RuleSet

SCORE_STEPS: Final = 1_000
"""Scores are told apart in steps of a thousandth, rounded down, so a threshold there is met by the same payments."""
SPLIT: Final = 2 / 3
"""Without --split, the tuning period is this share of the history."""


class Tuned(NamedTuple):
    """What came of it."""

    draft: RuleSet
    steps: list[str]
    searched: Reach
    """What the search itself reckoned on its period."""
    split: int
    earlier: Figures
    """The draft against the rules as they were, on the period tuned on ..."""
    later: Figures
    """... and on the later one, which the search has not seen."""


def run(job: Backtest, limits: Limits, split: int | None, progress: Callable[[str, int], None]) -> Tuned:
    """Raises `InputError` as `backtest` does, and where there is nothing to tune by."""
    if job.lists.size:
        raise InputError("lists are not tuned with; leave them out, and backtest the draft with them", "--lists")
    glance = look_ahead(job.history, job.mapping, job.label_delay)
    at = split if split is not None else int(glance.begins + (glance.ends - glance.begins) * SPLIT)
    plain = _plain(job.rules)
    watch = _Watch(plain, job)
    backtest(
        replace(job, rules=plain, current=None, until=at, watch=watch),
        lambda rows: progress("look", rows),
    )
    seen, rules = watch.seen(), watch.rules
    if not seen.fraud_money.sum():
        raise InputError("no fraud is known by the end of the tuning period; give an earlier --from or a later --split")
    policy = job.rules.policy or Policy()
    points = policy.challenge_points, policy.hold_points, policy.block_points
    start = Choice(watch.may, points, (np.inf, np.inf, np.inf))
    choice, steps = tune(seen, rules, start, limits)
    if not choice.kept.any():
        raise InputError(
            "no rule stops money within these limits; a set without live rules would be unsure of everything"
        )
    named = [_named(step, watch.names) for step in steps]
    draft = _draft(job.rules, choice, watch.names)
    both = replace(job, rules=draft, current=job.rules)
    earlier = backtest(replace(both, until=at), lambda rows: progress("earlier", rows))
    later = backtest(replace(both, since=at), lambda rows: progress("later", rows))
    return Tuned(draft, named, reach(seen, rules, choice), at, figures(earlier), figures(later))


def _plain(ruleset: RuleSet) -> RuleSet:
    """Every rule in the lane `all`, so that what one of the lane `first` hides is seen too."""
    return msgspec.structs.replace(
        ruleset, rules=tuple(msgspec.structs.replace(rule, lane="all") for rule in ruleset.rules)
    )


class _Watch:
    """Adds up what fires, by the set that fired and the score."""

    def __init__(self, plain: RuleSet, job: Backtest) -> None:
        (side,) = sides_of(plain, None, job.lists, job.known_lists, job.scorer)
        compiled: tuple[Rule, ...] = side.book.compiled.rules
        lanes = {rule.id: rule.lane for rule in job.rules.rules}
        self.names = [rule.id for rule in compiled]
        self.may: NDArray[np.bool_] = np.array([rule.mode == "live" for rule in compiled], np.bool_)
        self.rules = Rules(
            np.array([SEVERITY[rule.action] if rule.action else 0 for rule in compiled], np.int64),
            np.array([rule.points for rule in compiled], np.int64),
            np.array([lanes[rule.id] == "first" for rule in compiled], np.bool_),
        )
        self._groups: dict[tuple[tuple[int, ...], int], list[float]] = {}

    def __call__(self, chunk: Chunk, scores: NDArray[np.float64]) -> None:
        steps = np.where(np.isnan(scores), -1, np.floor(np.nan_to_num(scores) * SCORE_STEPS)).astype(np.int64)
        main = chunk.currencies == 0
        keys = np.stack([chunk.sets, steps], axis=1)
        groups, of = np.unique(keys, axis=0, return_inverse=True)
        of = of.reshape(-1)
        genuine = np.bincount(of, chunk.labels == 0, len(groups))
        money = np.bincount(of, np.where((chunk.labels == 1) & main, chunk.amounts, 0), len(groups))
        payments = np.bincount(of, minlength=len(groups))
        for i, (fired, step) in enumerate(groups.tolist()):
            items = chunk.reasons[fired] if fired >= 0 else ()
            own = self._groups.setdefault((tuple(items), step), [0.0, 0.0, 0.0])
            own[0] += float(payments[i])
            own[1] += float(genuine[i])
            own[2] += float(money[i])

    def seen(self) -> Seen:
        fired: NDArray[np.bool_] = np.zeros((len(self._groups), len(self.names)), np.bool_)
        for i, (items, _) in enumerate(self._groups):
            fired[i, [item - 1 for item in items if item <= len(self.names)]] = True
        steps = np.array([step for _, step in self._groups], np.float64)
        sums = np.array(list(self._groups.values())).reshape(-1, 3)
        return Seen(
            fired,
            np.where(steps < 0, np.nan, steps / SCORE_STEPS),
            sums[:, 0].astype(np.int64),
            sums[:, 1].astype(np.int64),
            sums[:, 2],
        )


def _named(step: str, names: list[str]) -> str:
    head, _, rest = step.partition(":")
    if head.startswith("take rule "):
        head = f"take {names[int(head.removeprefix('take rule '))]}"
    return f"{head}:{rest}"


def _draft(ruleset: RuleSet, choice: Choice, names: list[str]) -> RuleSet:
    """The rules not taken go to shadow: they are watched on, and forgotten by nobody."""
    kept = {name for name, on in zip(names, choice.kept.tolist(), strict=True) if on}
    rules = tuple(
        msgspec.structs.replace(rule, mode="shadow") if rule.mode == "live" and rule.id not in kept else rule
        for rule in ruleset.rules
    )
    challenge, hold, block = choice.points
    a, b, c = (min(value, 1.0) for value in choice.scores)  # only a certain fraud scores 1
    policy = msgspec.structs.replace(
        ruleset.policy or Policy(),
        challenge_points=challenge,
        hold_points=hold,
        block_points=block,
        challenge_score=a,
        hold_score=b,
        block_score=c,
    )
    return msgspec.structs.replace(ruleset, rules=rules, policy=policy)
