"""A tuning: what fired on an earlier period, the search over it, the draft, and both sets backtested on both periods."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from lianfang.app.learn.backtest import Backtest, backtest
from lianfang.app.learn.backtest_figures import Figures, figures
from lianfang.app.learn.foresight import Glance, look_ahead
from lianfang.app.learn.sides import sides_of
from lianfang.app.learn.tune_parameters import Bounds, Trial, bounds_of, trials_of, tried_values, with_values
from lianfang.engines.rules import environment
from lianfang.engines.rules import test_examples as run_examples
from lianfang.kernel.errors import InputError, TooLargeError
from lianfang.services.learn import Chunk
from lianfang.services.learn.moving import Variant, move
from lianfang.services.learn.tuning import Choice, Limits, Reach, Rules, Seen, reach, tune
from lianfang.wire import SEVERITY, Parameter, Policy, Rule, RuleSet

SCORE_STEPS: Final = 1_000
"""Scores are told apart in steps of a thousandth, rounded down, so a threshold there is met by the same payments."""
GROUPS_MAX: Final = 1_000_000
"""Different sets of what fired, and scores: a byte each for every rule and every value tried."""
SPLIT: Final = 2 / 3
"""Without --split, the tuning period is this share of the history."""


TRIALS: Final = 60
"""Values of parameters that are tried, where nobody says otherwise ..."""
ROUNDS: Final = 2
"""... in so many passes over the period: the second looks at rules that the first one's moves have changed."""


ROOM: Final = (1.0, 0.7)
"""Shares of the limits that rules may use up before parameters move: where they use all, there is no room to move in."""


class Parameters(NamedTuple):
    """What may move: names, `name=low:high`, or `all`; and how many values are tried in all."""

    asked: tuple[str, ...] = ()
    trials: int = TRIALS


NO_PARAMETERS: Final = Parameters()


class Movement(NamedTuple):
    """What became of one parameter that might move."""

    parameter: Parameter
    """As it was."""
    value: int | float
    bounds: Bounds
    tried: int


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
    parameters: tuple[Movement, ...] = ()
    examples: tuple[str, ...] = ()
    """Rules whose own examples do not hold with the new values: they are to be looked at before anything goes live."""

    @property
    def moved(self) -> dict[str, int | float]:
        """New values of the parameters that moved."""
        return {one.parameter.name: one.value for one in self.parameters if one.value != one.parameter.value}


class _Found(NamedTuple):
    """One pass over the tuning period, and the best choice on it."""

    ruleset: RuleSet
    choice: Choice
    steps: list[str]
    names: list[str]
    reach: Reach


def run(
    job: Backtest,
    limits: Limits,
    split: int | None,
    progress: Callable[[str, int], None],
    parameters: Parameters = NO_PARAMETERS,
) -> Tuned:
    """Raises `InputError` as `backtest` does, and where there is nothing to tune by."""
    if job.lists.size:
        raise InputError("lists are not tuned with; leave them out, and backtest the draft with them", "--lists")
    glance = look_ahead(job.history, job.mapping, job.label_delay)
    at = split if split is not None else int(glance.begins + (glance.ends - glance.begins) * SPLIT)
    bounds = bounds_of(parameters.asked, job.rules)
    if bounds and parameters.trials < len(bounds):
        raise InputError(f"{len(bounds)} parameters need at least as many trials", "--trials")
    best, tried = _searched(job, limits, at, bounds, parameters.trials, glance, progress)
    if not best.choice.kept.any():
        raise InputError(
            "no rule stops money within these limits; a set without live rules would be unsure of everything"
        )
    draft = _draft(best.ruleset, best.choice, best.names)
    both = replace(job, rules=draft, current=job.rules)
    earlier = backtest(replace(both, until=at), lambda rows: progress("earlier", rows))
    later = backtest(replace(both, since=at), lambda rows: progress("later", rows))
    known = {one.name: one for one in job.rules.parameters}
    values = {one.name: one.value for one in draft.parameters}
    movements = tuple(Movement(known[name], values[name], bounds[name], tried[name]) for name in bounds)
    broken = _broken(draft, job.known_lists) if movements else ()
    return Tuned(draft, best.steps, best.reach, at, figures(earlier), figures(later), movements, broken)


def _searched(
    job: Backtest,
    limits: Limits,
    at: int,
    bounds: Mapping[str, Bounds],
    trials: int,
    glance: Glance,
    progress: Callable[[str, int], None],
) -> tuple[_Found, dict[str, int]]:
    """The best found in at most `ROUNDS` passes with parameters, or one without; and how many values were tried of each."""
    tried = dict.fromkeys(bounds, 0)
    ruleset = job.rules
    best: _Found | None = None
    rounds = min(ROUNDS, trials // len(bounds)) if bounds else 1
    for turn in range(rounds):
        values: dict[str, list[int | float]] = {}
        if bounds:
            many = trials // len(bounds) // rounds
            now = replace(job, rules=ruleset)
            values = tried_values(now, bounds, many, glance, at, lambda rows: progress("values", rows))
        found = _pass(replace(job, rules=ruleset), limits, at, values, progress)
        for name, those in values.items():
            tried[name] += len(those)
        if best is not None and limits.worth(found.reach) <= limits.worth(best.reach):
            break
        moved = found.ruleset.parameters != ruleset.parameters
        before = best.steps if best is not None else []
        best, ruleset = found._replace(steps=[*before, *found.steps]), found.ruleset
        if not moved or turn == rounds - 1:
            break
    assert best is not None
    return best, tried


def _pass(
    job: Backtest,
    limits: Limits,
    at: int,
    values: Mapping[str, Sequence[int | float]],
    progress: Callable[[str, int], None],
) -> _Found:
    """Rules, thresholds and parameters by what one pass over the period saw."""
    trials = trials_of(job.rules, values)
    plain = _plain(job.rules, trials)
    watch = _Watch(plain, job)
    backtest(
        replace(job, rules=plain, current=None, until=at, watch=watch),
        lambda rows: progress("look", rows),
    )
    seen, rules, own = watch.seen(), watch.rules, watch.own
    if not seen.fraud_money.sum():
        raise InputError("no fraud is known by the end of the tuning period; give an earlier --from or a later --split")
    fired = seen.fired
    names = [watch.names[i] for i in own]
    seen, rules = seen._replace(fired=fired[:, own]), Rules(rules.severity[own], rules.points[own], rules.first[own])
    policy = job.rules.policy or Policy()
    points = policy.challenge_points, policy.hold_points, policy.block_points
    start = Choice(watch.may[own], points, (np.inf, np.inf, np.inf))
    choice, steps = tune(seen, rules, start, limits)
    plainly = _Found(job.rules, choice, [_named(one, names) for one in steps], names, reach(seen, rules, choice))
    best = plainly
    variants = _variants(trials, watch.names, names)
    for room in ROOM if variants else ():
        narrow = limits._replace(false_alarms=limits.false_alarms * room, challenges=limits.challenges * room)
        begin, before = (choice, steps) if room == 1 else tune(seen, rules, start, narrow)
        moved = move(seen, fired, rules, begin, limits, variants)
        if not moved.values:
            continue
        sees = seen._replace(fired=moved.fired)
        again, more = tune(sees, rules, start, limits)
        if limits.worth(reach(sees, rules, again)) < limits.worth(reach(sees, rules, moved.choice)):
            again, more = moved.choice, []
        worth = reach(sees, rules, again)
        if limits.worth(worth) > limits.worth(best.reach):
            said = [*(_named(one, names) for one in before), *moved.steps, *(_named(one, names) for one in more)]
            best = _Found(with_values(job.rules, moved.values), again, said, names, worth)
    return best


def _variants(trials: Sequence[Trial], all_names: list[str], names: list[str]) -> list[Variant]:
    """Columns by the places of rules among `names`, and of their variants among all that ran."""
    place, column = {one: i for i, one in enumerate(names)}, {one: i for i, one in enumerate(all_names)}
    return [
        Variant(one.parameter, one.value, {place[rule]: column[variant.id] for rule, variant in one.rules})
        for one in trials
    ]


def _broken(draft: RuleSet, lists: Sequence[str]) -> tuple[str, ...]:
    """Rules of the draft whose own examples do not hold."""
    results = run_examples(draft.rules, environment(draft, lists))
    return tuple(dict.fromkeys(one.rule for one in results if not one.ok))


def _plain(ruleset: RuleSet, trials: Sequence[Trial]) -> RuleSet:
    """Every rule in the lane `all`, so that what one of the lane `first` hides is seen too; then the rules to try."""
    own = tuple(msgspec.structs.replace(rule, lane="all") for rule in ruleset.rules)
    return msgspec.structs.replace(ruleset, rules=(*own, *(rule for one in trials for _, rule in one.rules)))


class _Watch:
    """Adds up what fires, by the set that fired and the score."""

    def __init__(self, plain: RuleSet, job: Backtest) -> None:
        (side,) = sides_of(plain, None, job.lists, job.known_lists, job.scorer)
        compiled: tuple[Rule, ...] = side.book.compiled.rules
        lanes = {rule.id: rule.lane for rule in job.rules.rules}
        self.names = [rule.id for rule in compiled]
        self.own = [i for i, rule in enumerate(compiled) if rule.id in lanes]
        """Places of the rules that are no variants."""
        self.may: NDArray[np.bool_] = np.array([rule.mode == "live" for rule in compiled], np.bool_)
        self.rules = Rules(
            np.array([SEVERITY[rule.action] if rule.action else 0 for rule in compiled], np.int64),
            np.array([rule.points for rule in compiled], np.int64),
            np.array([lanes.get(rule.id) == "first" for rule in compiled], np.bool_),
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
        if len(self._groups) > GROUPS_MAX:
            raise TooLargeError(f"more than {GROUPS_MAX:,} combinations of what fired; give fewer --trials or rules")

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
