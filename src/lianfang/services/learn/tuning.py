"""Which rules to keep and where the policy's thresholds lie, for the most money of fraud stopped within limits.

A search that can be followed by hand: rules are taken one by one, each time the one that stops the most money for each genuine
payment it wrongly stops; then each threshold in turn is moved to the best of a few places, until none moves. It finds a good
choice, not certainly the best. It sees one period only; what it is worth is for a later one to say.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

PLACES: Final = 24
"""Places that a threshold is tried at, by quantiles of what it is compared with."""
ROUNDS_MAX: Final = 6
NAMES: Final = ("challenge", "hold", "block")
STARTS: Final = 8
"""Sums of points, about so many, from which a payment is held when a search begins."""


class Seen(NamedTuple):
    """Payments of one period, those that are the same for every choice added together: an item a group."""

    fired: NDArray[np.bool_]
    """groups x rules: what fired, each rule as if it were in the lane `all`."""
    score: NDArray[np.float64]
    """NaN: no model."""
    payments: NDArray[np.int64]
    genuine: NDArray[np.int64]
    fraud_money: NDArray[np.float64]
    """Minor units of one currency."""


class Rules(NamedTuple):
    """What each rule asks for, an item a rule."""

    severity: NDArray[np.int64]
    points: NDArray[np.int64]
    first: NDArray[np.bool_]
    """Whether it is in the lane `first`."""


class Choice(NamedTuple):
    """A rule subset and thresholds."""

    kept: NDArray[np.bool_]
    points: tuple[int, int, int]
    """Sums from which a payment is challenged, held, blocked."""
    scores: tuple[float, float, float]


class Limits(NamedTuple):
    """Shares that must not be passed."""

    false_alarms: float
    """Of genuine payments, held or blocked."""
    challenges: float
    """Of all payments, challenged."""
    challenge_worth: float = 0.5
    """What a challenge of a fraud counts for, of a stop: how often it is thought to stop one. An assumption."""

    def used(self, found: Reach) -> float:
        """How much of the limits is used up, each a whole."""
        return found.false_alarms / max(self.false_alarms, 1e-9) + found.challenges / max(self.challenges, 1e-9)

    def worth(self, found: Reach) -> float:
        """What is maximised."""
        return found.money + self.challenge_worth * found.challenged


class Reach(NamedTuple):
    """What a choice does to a period."""

    money: float
    """Of fraud held or blocked."""
    challenged: float
    """Of fraud challenged."""
    false_alarms: float
    challenges: float


def actions_of(seen: Seen, rules: Rules, choice: Choice) -> NDArray[np.int64]:
    """The action of each group by `SEVERITY`, as the policy settles it where no list speaks."""
    counts = seen.fired & choice.kept
    first = np.flatnonzero(rules.first)
    if len(first):
        of = counts[:, first]
        counts[:, first] = of & (np.cumsum(of, axis=1) == 1)
    asked = (counts * rules.severity).max(axis=1, initial=0)
    points = counts @ rules.points
    for severity in (1, 2, 3):
        asked = np.maximum(asked, severity * (points >= choice.points[severity - 1]))
        asked = np.maximum(asked, severity * (seen.score >= choice.scores[severity - 1]))
    return np.asarray(asked, np.int64)


def reach(seen: Seen, rules: Rules, choice: Choice) -> Reach:
    """What this choice would have done."""
    actions = actions_of(seen, rules, choice)
    stopped, asked = actions >= 2, actions == 1
    return Reach(
        float(seen.fraud_money[stopped].sum()),
        float(seen.fraud_money[asked].sum()),
        float(seen.genuine[stopped].sum() / max(seen.genuine.sum(), 1)),
        float(seen.payments[asked].sum() / max(seen.payments.sum(), 1)),
    )


def within(found: Reach, limits: Limits) -> bool:
    """Whether a choice keeps the limits."""
    return found.false_alarms <= limits.false_alarms and found.challenges <= limits.challenges


def tune(seen: Seen, rules: Rules, start: Choice, limits: Limits) -> tuple[Choice, list[str]]:
    """The choice, and the steps to it, in words. `start.kept`: the rules that may be taken; its points are begun with."""
    best: tuple[Choice, list[str]] | None = None
    for hold in _starts(seen, rules, start):
        challenge, _, block = start.points
        points = (min(challenge, hold), hold, max(block, hold))
        found = _from(seen, rules, start._replace(points=points), limits)
        if best is None or limits.worth(reach(seen, rules, found[0])) > limits.worth(reach(seen, rules, best[0])):
            best = found
    assert best is not None
    return best


def _starts(seen: Seen, rules: Rules, start: Choice) -> list[int]:
    """Sums from which to hold, to begin a search at: as it is now, and a few more. A rule alone may do nothing, and that with
    another threshold much: so the search does not only go up from where it stands."""
    sums = _places(seen.fired[:, start.kept] @ rules.points[start.kept], whole=True)
    return list(dict.fromkeys([start.points[1], *sums[:: max(len(sums) // STARTS, 1)]]))


def _from(seen: Seen, rules: Rules, start: Choice, limits: Limits) -> tuple[Choice, list[str]]:
    steps = [f"hold from {start.points[1]} points"]
    choice = start._replace(kept=np.zeros(len(start.kept), np.bool_), scores=(np.inf, np.inf, np.inf))
    for _ in range(ROUNDS_MAX):
        before = limits.worth(reach(seen, rules, choice))
        choice = _take(seen, rules, choice, start.kept, limits, steps)
        choice = _move(seen, rules, choice, limits, steps)
        if limits.worth(reach(seen, rules, choice)) <= before:
            break
    return choice, steps


def _take(seen: Seen, rules: Rules, choice: Choice, may: NDArray[np.bool_], limits: Limits, steps: list[str]) -> Choice:
    """Rules, greedily: the most money for each share of the limits used up, as long as they hold."""
    now = reach(seen, rules, choice)
    while True:
        best: tuple[float, Choice, Reach, int] | None = None
        for rule in np.flatnonzero(may & ~choice.kept).tolist():
            kept = choice.kept.copy()
            kept[rule] = True
            one = choice._replace(kept=kept)
            found = reach(seen, rules, one)
            gain = limits.worth(found) - limits.worth(now)
            if gain <= 0 or not within(found, limits):
                continue
            worth = gain / max(limits.used(found) - limits.used(now), 1e-9)
            if best is None or worth > best[0]:
                best = worth, one, found, rule
        if best is None:
            return choice
        _, choice, now, rule = best
        steps.append(f"take rule {rule}: {said(now)}")


def _move(seen: Seen, rules: Rules, choice: Choice, limits: Limits, steps: list[str]) -> Choice:
    """Thresholds, one after the other; points only upwards of 1, each no higher than the next."""
    points = _places(seen.fired[:, choice.kept] @ rules.points[choice.kept], whole=True)
    scores = _places(seen.score, whole=False)
    for field, places in (("scores", scores), ("points", points)):
        for at in (1, 2, 0):  # holds first: they stop money
            now = reach(seen, rules, choice)
            for place in places:
                values = list(getattr(choice, field))
                values = [min(v, place) for v in values[:at]] + [place] + [max(v, place) for v in values[at + 1 :]]
                moved: Any = {field: tuple(values)}
                one = choice._replace(**moved)
                found = reach(seen, rules, one)
                if within(found, limits) and limits.worth(found) > limits.worth(now):
                    choice, now = one, found
                    steps.append(
                        f"{field}[{at}] at {place}: money {now.money:.0f}, false alarms {now.false_alarms:.5f}"
                    )
    return choice


def said(found: Reach) -> str:
    """For a step: what a choice does."""
    return (
        f"stopped {found.money:.0f}, challenged {found.challenged:.0f}, false alarms {found.false_alarms:.3%}, "
        f"challenges {found.challenges:.3%}"
    )


def _places(values: NDArray[Any], *, whole: bool) -> list[Any]:
    known = values[~np.isnan(values)] if not whole else values[values > 0]
    if not len(known):
        return []
    found = np.unique(np.quantile(known, np.linspace(0, 1, PLACES)))
    if whole:
        return sorted({max(int(np.ceil(value)), 1) for value in found})
    return [float(value) for value in found if 0 < value <= 1]
