"""Where a score becomes an action: thresholds for a stated aim, and what the money does along all of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lianfang.kernel.errors import InputError

Floats = NDArray[np.float64]
Labels = NDArray[np.integer[Any]]


class Reached(NamedTuple):
    """A threshold and what reaches it."""

    score: float
    """Payments with at least this score are touched."""
    recall: float
    false_alarms: float
    """Share of genuine payments that reach it."""


def threshold_for(scores: Floats, labels: Labels, false_alarms: float) -> Reached:
    """The lowest threshold at which at most that share of genuine payments is touched.

    Scores equal to each other stand or fall together. Where not even the highest score qualifies, the threshold lies just
    above it and catches nothing. Raises `InputError` without a genuine payment or with a share outside 0..1.
    """
    genuine = np.sort(scores[labels == 0])[::-1]
    if not len(genuine) or not 0 <= false_alarms <= 1:
        raise InputError("a threshold is chosen with genuine payments, for a share between 0 and 1")
    allowed = int(np.floor(false_alarms * len(genuine) + 1e-9))
    if allowed >= len(genuine):
        at = float(scores.min())
    else:
        above = scores[
            scores > genuine[allowed]
        ]  # the first genuine payment too many, and all that tie with it, stay out
        at = float(above.min()) if len(above) else float(np.nextafter(genuine[allowed], np.inf))
    return reached(scores, labels, at)


def reached(scores: Floats, labels: Labels, at: float) -> Reached:
    """What a given threshold catches; NaN where there is nothing to catch."""
    hit = scores >= at
    frauds, genuine = labels == 1, labels == 0
    return Reached(
        at,
        float(hit[frauds].mean()) if frauds.any() else float("nan"),
        float(hit[genuine].mean()) if genuine.any() else float("nan"),
    )


class MoneyCurve(NamedTuple):
    """Along all thresholds, the strictest first, float64[n] each."""

    false_alarms: Floats
    """Share of genuine payments touched."""
    stopped: Floats
    """Share of the money of fraud."""
    wrongly: Floats
    """Share of genuine money."""


def money_curve(scores: Floats, labels: Labels, amounts: NDArray[np.integer[Any]]) -> MoneyCurve:
    """Money touched at each distinct score. Amounts in minor units of one currency; labels 1 and 0, others left out."""
    known = labels >= 0
    order = np.argsort(-scores[known], kind="stable")
    score, fraud = scores[known][order], labels[known][order] == 1
    amount = amounts[known][order].astype(np.float64)
    ends = np.flatnonzero(np.r_[score[1:] != score[:-1], True]) if len(score) else np.zeros(0, np.int64)

    def share(values: Floats) -> Floats:
        sums = np.cumsum(values)
        return np.asarray(sums[ends] / sums[-1] if len(sums) and sums[-1] else np.zeros(len(ends)))

    return MoneyCurve(share((~fraud).astype(np.float64)), share(amount * fraud), share(amount * ~fraud))
