"""What the decisions did to each kind of fraud: shares of its payments and of its money. Pure functions of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lianfang.engines.evaluate.outcomes import STOPS, total
from lianfang.kernel.errors import InputError
from lianfang.wire import SEVERITY


class KindFigures(NamedTuple):
    """One kind of fraud. Money in minor units of one currency; what is neither stopped nor challenged was missed."""

    kind: str
    payments: int
    stopped: int
    """Payments held or blocked."""
    challenged: int
    money: int
    money_stopped: int
    money_challenged: int


def by_kind(
    actions: NDArray[np.integer[Any]],
    amounts: NDArray[np.integer[Any]],
    kinds: NDArray[np.integer[Any]],
    names: Sequence[str],
) -> list[KindFigures]:
    """A line for each of `names` that occurs, most money first. `kinds` indexes `names`, -1: of no kind.

    `actions` by `SEVERITY` (allow 0 ... block 3), `amounts` in minor units of one currency, a payment each.
    """
    if not len(actions) == len(amounts) == len(kinds):
        raise InputError("actions, amounts and kinds differ in length")
    found = []
    for index, name in enumerate(names):
        of = kinds == index
        if of.any():
            stops, asks = actions[of] >= STOPS, actions[of] == SEVERITY["challenge"]
            sums = amounts[of]
            found.append(
                KindFigures(
                    name,
                    int(of.sum()),
                    int(stops.sum()),
                    int(asks.sum()),
                    total(sums),
                    total(sums[stops]),
                    total(sums[asks]),
                )
            )
    return sorted(found, key=lambda line: (-line.money, line.kind))
