"""What missed frauds have in common and honest payments have not: short conditions, as candidates for a person to judge.

Subgroup discovery by beam search (W. Klösgen, Explora, 1996): a conjunction is as good as the share of missed frauds it
covers exceeds the share of genuine payments it touches. Nothing found here decides anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

CUTS: Final = 9
"""Cut points of an input: its deciles among missed frauds, and as many among genuine payments."""
CONDITIONS_MAX: Final = 3
BEAM: Final = 40
FRAUDS_LEAST: Final = 10
"""A pattern covers at least so many missed frauds: fewer are a coincidence."""
GENUINE_LOOKED_AT: Final = 200_000
"""Of more genuine payments a seeded sample is looked at."""


class Condition(NamedTuple):
    """An input against a value; null is not true."""

    column: int
    op: Literal[">=", "<="]
    value: float

    def holds(self, columns: NDArray[np.float64]) -> Mask:
        """bool[rows]."""
        values = columns[:, self.column]
        found: Mask = values >= self.value if self.op == ">=" else values <= self.value
        return found


class Pattern(NamedTuple):
    """A conjunction. `frauds`: missed frauds it covers that no earlier pattern does; `touched`: share of genuine payments."""

    conditions: tuple[Condition, ...]
    frauds: int
    covered: int
    """All missed frauds it covers."""
    touched: float


def find_patterns(
    columns: NDArray[np.float64], missed: Mask, genuine: Mask, *, touched_most: float, keep: int = 10, seed: int = 1
) -> list[Pattern]:
    """At most `keep` patterns, each for frauds that those before it leave, that touch at most this share of the genuine.

    `columns` float64[rows, inputs], NaN for null; `missed`, `genuine` bool[rows].
    """
    honest = np.flatnonzero(genuine)
    if len(honest) > GENUINE_LOOKED_AT:
        honest = np.sort(np.random.default_rng(seed).choice(honest, GENUINE_LOOKED_AT, replace=False))
    frauds, others = columns[missed], columns[honest]
    if len(frauds) < FRAUDS_LEAST or not len(others):
        return []
    found: list[Pattern] = []
    left = np.ones(len(frauds), np.bool_)
    while len(found) < keep and left.sum() >= FRAUDS_LEAST:
        best = _best(frauds, others, left, touched_most)
        if best is None:
            break
        found.append(best)
        left &= ~_all(best.conditions, frauds)
    return found


def _all(conditions: Sequence[Condition], columns: NDArray[np.float64]) -> Mask:
    mask = np.ones(len(columns), np.bool_)
    for one in conditions:
        mask &= one.holds(columns)
    return mask


def _best(frauds: NDArray[np.float64], others: NDArray[np.float64], left: Mask, touched_most: float) -> Pattern | None:
    singles = _singles(frauds[left], others)
    of_frauds = [one.holds(frauds) for one in singles]
    of_others = [one.holds(others) for one in singles]
    beam: list[tuple[tuple[int, ...], Mask, Mask]] = [
        ((), np.ones(len(frauds), np.bool_), np.ones(len(others), np.bool_))
    ]
    best: tuple[int, tuple[int, ...], Mask, float] | None = None
    for _ in range(CONDITIONS_MAX):
        grown: list[tuple[float, tuple[int, ...], Mask, Mask]] = []
        for chosen, f, g in beam:
            for i in range(chosen[-1] + 1 if chosen else 0, len(singles)):
                both_f, both_g = f & of_frauds[i], g & of_others[i]
                covered, touched = int((both_f & left).sum()), float(both_g.mean())
                if covered < FRAUDS_LEAST:
                    continue
                grown.append((covered / left.sum() - touched, (*chosen, i), both_f, both_g))
                if touched <= touched_most and (best is None or covered > best[0]):
                    best = (covered, (*chosen, i), both_f, touched)
        grown.sort(key=lambda one: (-one[0], one[1]))
        beam = [(chosen, f, g) for _, chosen, f, g in grown[:BEAM]]
    if best is None:
        return None
    covered, chosen, mask, touched = best
    return Pattern(tuple(singles[i] for i in chosen), covered, int(mask.sum()), touched)


def _singles(frauds: NDArray[np.float64], others: NDArray[np.float64]) -> list[Condition]:
    """Every input against its cut points, both ways."""
    made: dict[Condition, None] = {}
    shares = np.arange(1, CUTS + 1) / (CUTS + 1)
    for column in range(frauds.shape[1]):
        for values in (frauds[:, column], others[:, column]):
            known = values[~np.isnan(values)]
            if len(known):
                for cut in np.unique(np.quantile(known, shares, method="higher")).tolist():
                    made[Condition(column, ">=", cut)] = None
                    made[Condition(column, "<=", cut)] = None
    return list(made)
