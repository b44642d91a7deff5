"""Which values of named parameters stop more money within the limits: tried one at a time, each on all that rules saw.

A rule that reads a moved parameter is another rule from then on, so the other parameters that it reads wait for the next
round, which looks again. As in `tuning`, a good choice is found, not certainly the best, and on one period only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lianfang.services.learn.tuning import Choice, Limits, Reach, Rules, Seen, reach, said, within

GIVES_UP: Final = 0.999
"""A value that stops this share of the money is as good, where it ..."""
FREES: Final = 0.9
"""... uses no more than this share of the limits: what it leaves can be spent on other rules."""


class Variant(NamedTuple):
    """A value of a parameter, and what its rules would have done: rule to the column of `fired` that says so."""

    parameter: str
    value: int | float
    columns: Mapping[int, int]


class Moved(NamedTuple):
    """Where the parameters went, and what the rules see then."""

    values: dict[str, int | float]
    fired: NDArray[np.bool_]
    choice: Choice
    """With the rules that were taken for it."""
    steps: list[str]


def move(
    seen: Seen, fired: NDArray[np.bool_], rules: Rules, choice: Choice, limits: Limits, variants: Sequence[Variant]
) -> Moved:
    """`seen` of the rules as they are; `fired` bool[groups, rules and all variants]. Each parameter moves at most once,
    the one that helps most first.
    """
    now = reach(seen, rules, choice)
    values: dict[str, int | float] = {}
    steps: list[str] = []
    settled: set[int] = set()
    left = list(variants)
    while True:
        best: tuple[Reach, Variant, Seen, Choice] | None = None
        for one in left:
            trial = seen._replace(fired=_with(seen.fired, fired, one))
            for given in (choice, _taking(choice, one)):
                found = reach(trial, rules, given)
                if within(found, limits) and _better(found, best[0] if best else now, limits):
                    best = found, one, trial, given
        if best is None:
            return Moved(values, seen.fired, choice, steps)
        now, chosen, seen, choice = best
        values[chosen.parameter] = chosen.value
        settled |= set(chosen.columns)
        left = [one for one in left if one.parameter != chosen.parameter and not settled & set(one.columns)]
        steps.append(f"param.{chosen.parameter} to {chosen.value}: {said(now)}")


def _taking(choice: Choice, one: Variant) -> Choice:
    """With its rules, where they were left out: what is not worth taking as it is may be with another value."""
    kept = choice.kept.copy()
    kept[list(one.columns)] = True
    return choice._replace(kept=kept)


def _with(base: NDArray[np.bool_], fired: NDArray[np.bool_], one: Variant) -> NDArray[np.bool_]:
    changed = base.copy()
    for rule, column in one.columns.items():
        changed[:, rule] = fired[:, column]
    return changed


def _better(found: Reach, than: Reach, limits: Limits) -> bool:
    """More money; or as good as the same, for clearly less of the limits."""
    if limits.worth(found) > limits.worth(than):
        return True
    frees = limits.used(found) <= FREES * limits.used(than) and limits.used(found) < limits.used(than)
    return frees and limits.worth(found) >= GIVES_UP * limits.worth(than)


def places(values: NDArray[np.float64], frauds: NDArray[np.bool_], low: float, high: float, many: int) -> list[float]:
    """At most `many` values between two bounds, ascending: by quantiles of what is compared, of frauds and of the rest.

    `values` float64[rows], NaN for null; `frauds` bool[rows]. Where too few lie within, the bounds are divided evenly.
    """
    inside = (values >= low) & (values <= high)
    found: list[float] = []
    for on, share in ((inside & frauds, many - many // 2), (inside & ~frauds, many // 2)):
        if on.any() and share:
            at = np.arange(1, share + 1) / (share + 1)
            found += np.quantile(values[on], at, method="nearest").tolist()
    distinct = sorted(set(found))
    if len(distinct) < many:
        evenly = np.linspace(low, high, many - len(distinct) + 2)[1:-1].tolist()
        distinct = sorted({*distinct, *evenly})
    return distinct[:many]
