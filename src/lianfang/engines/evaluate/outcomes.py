"""What the decisions did: money stopped and wrongly stopped, and what each rule caught. Labels as in `ranking`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lianfang.kernel.errors import InputError
from lianfang.wire import SEVERITY

STOPS: Final = SEVERITY["hold"]
"""From here an action keeps the money where it is; a challenge only asks."""
_LOW_BITS: Final = 24


class Money(NamedTuple):
    """Minor units of one currency, by what the decision did and what the payment was."""

    stopped: int
    """Fraud held or blocked."""
    challenged: int
    """Fraud challenged: stopped or not, as the customer answered."""
    missed: int
    """Fraud allowed."""
    wrongly_stopped: int
    """Genuine money held or blocked."""
    wrongly_challenged: int


def money(
    actions: NDArray[np.integer[Any]], amounts: NDArray[np.integer[Any]], labels: NDArray[np.integer[Any]]
) -> Money:
    """`actions` by `SEVERITY` (allow 0 ... block 3), `amounts` in minor units of one currency, a payment each."""
    if not len(actions) == len(amounts) == len(labels):
        raise InputError("actions, amounts and labels differ in length")
    fraud, genuine = labels == 1, labels == 0
    stops = actions >= STOPS
    asks = actions == SEVERITY["challenge"]
    return Money(
        stopped=total(amounts[fraud & stops]),
        challenged=total(amounts[fraud & asks]),
        missed=total(amounts[fraud & ~stops & ~asks]),
        wrongly_stopped=total(amounts[genuine & stops]),
        wrongly_challenged=total(amounts[genuine & asks]),
    )


def total(amounts: NDArray[np.integer[Any]]) -> int:
    """Their sum, past 63 bits too."""
    # In two halves: a few thousand amounts of 10**15 would run out of 63 bits.
    high = int((amounts >> _LOW_BITS).sum(dtype=np.int64))
    low = int((amounts & ((1 << _LOW_BITS) - 1)).sum(dtype=np.int64))
    return (high << _LOW_BITS) + low


class RuleFigures(NamedTuple):
    """One rule over a history. Precision and recall count labelled payments only; NaN where there are none."""

    rule: str
    hits: int
    fraud: int
    genuine: int
    unknown: int
    precision: float
    """fraud / (fraud + genuine)."""
    recall: float
    """fraud / all frauds of the history."""


class RuleTally:
    """Counts what each rule fired on, a batch at a time. Memory: three counters a rule."""

    def __init__(self, rules: Sequence[str]) -> None:
        self._rules = tuple(rules)
        self._counts = np.zeros((3, len(rules)), np.int64)
        self._frauds = 0

    def add(
        self,
        rules: NDArray[np.integer[Any]],
        payments: NDArray[np.integer[Any]],
        labels: NDArray[np.integer[Any]],
    ) -> None:
        """A batch: pairs of (index of a rule that fired, index of its payment in the batch), and the batch's labels."""
        of_hits = labels[payments]
        for row, label in enumerate((-1, 0, 1)):
            self._counts[row] += np.bincount(rules[of_hits == label], minlength=len(self._rules))
        self._frauds += int((labels == 1).sum())

    def figures(self) -> list[RuleFigures]:
        """One line a rule, in the order given."""
        return [self._figures(index, rule) for index, rule in enumerate(self._rules)]

    def _figures(self, index: int, rule: str) -> RuleFigures:
        unknown, genuine, fraud = (int(count) for count in self._counts[:, index])
        judged = fraud + genuine
        precision = fraud / judged if judged else float("nan")
        recall = fraud / self._frauds if self._frauds else float("nan")
        return RuleFigures(rule, judged + unknown, fraud, genuine, unknown, precision, recall)
