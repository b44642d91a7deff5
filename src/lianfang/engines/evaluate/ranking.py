"""How well a score puts fraud above the rest. Labels: 1 fraud, 0 genuine, -1 unknown; unknown rows are left out.

Ties are handled by whole groups: payments with one score stand or fall together, so the order of rows never matters.
All of these are NaN where the labels cannot answer (no fraud, or nothing else).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lianfang.kernel.errors import InputError

FALSE_ALARM_RATES: Final = (0.001, 0.003, 0.01)
CARDS_A_DAY: Final = 100
"""The handbook's CardPrecision@100."""

Scores = NDArray[np.floating[Any]] | NDArray[np.integer[Any]]
Labels = NDArray[np.integer[Any]]


def auc(scores: Scores, labels: Labels) -> float:
    """Probability that a random fraud scores above a random genuine payment, ties counting one half (Mann-Whitney)."""
    caught, alarms = _groups(scores, labels)
    if not caught.size or not caught.sum() or not alarms.sum():
        return float("nan")
    above = np.cumsum(caught) - caught
    return float(((above + caught / 2.0) * alarms).sum() / (float(caught.sum()) * float(alarms.sum())))


def average_precision(scores: Scores, labels: Labels) -> float:
    """Sum over thresholds of (recall gained) x (precision there), without interpolation: scikit-learn's definition."""
    caught, alarms = _groups(scores, labels)
    if not caught.size or not caught.sum():
        return float("nan")
    hits = np.cumsum(caught)
    precision = hits / (hits + np.cumsum(alarms))
    return float((caught * precision).sum() / hits[-1])


def recall_at_false_alarm_rates(
    scores: Scores, labels: Labels, rates: Sequence[float] = FALSE_ALARM_RATES
) -> dict[float, float]:
    """Per rate, the largest share of fraud caught by a threshold that flags at most that share of genuine payments."""
    caught, alarms = _groups(scores, labels)
    if not caught.size or not caught.sum() or not alarms.sum():
        return dict.fromkeys(rates, float("nan"))
    recall = np.concatenate(([0.0], np.cumsum(caught) / caught.sum()))
    false_alarms = np.concatenate(([0], np.cumsum(alarms)))
    genuine = int(alarms.sum())
    # Compared as counts: 0.1 % of 1,000 is one payment, whatever the floats say.
    allowed = [int(np.floor(rate * genuine + 1e-9)) for rate in rates]
    places = np.searchsorted(false_alarms, allowed, side="right") - 1
    return {rate: float(recall[place]) for rate, place in zip(rates, places, strict=True)}


def card_precision_at(
    scores: Scores,
    labels: Labels,
    days: NDArray[np.integer[Any]],
    cards: NDArray[Any] | Sequence[Any],
    k: int = CARDS_A_DAY,
) -> float:
    """Fraud Detection Handbook, 4.3: of the `k` cards a day with the highest score, the share with a fraud that day.

    A card's score is its highest of the day. Fraudulent cards found on one day are dropped from later days. The mean
    over the days that have payments; the divisor is always `k`. Cards with equal scores stand in order of their ids.
    """
    if k < 1:
        raise InputError("at least one card a day is checked", "k")
    _, card = np.unique(np.asarray(cards), return_inverse=True)
    known = labels >= 0
    card, scores, labels, days = card[known], np.asarray(scores, np.float64)[known], labels[known], days[known]
    if not len(card):
        return float("nan")
    found = np.zeros(int(card.max()) + 1, np.bool_)
    order = np.lexsort((-scores, card, days))
    card, scores, labels, days = card[order], scores[order], labels[order], days[order]
    starts = np.flatnonzero(np.r_[True, (card[1:] != card[:-1]) | (days[1:] != days[:-1])])
    fraud = np.maximum.reduceat(labels, starts) > 0
    card, best, days = card[starts], scores[starts], days[starts]
    precision = []
    for day in np.unique(days):
        rows = np.flatnonzero((days == day) & ~found[card])
        top = rows[np.argsort(-best[rows], kind="stable")[:k]]
        hit = card[top[fraud[top]]]
        found[hit] = True
        precision.append(len(hit) / k)
    return float(np.mean(precision))


def _groups(scores: Scores, labels: Labels) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Frauds and genuine payments at each distinct score, highest first. Raises `InputError` for a NaN."""
    if len(scores) != len(labels):
        raise InputError(f"{len(scores)} scores for {len(labels)} labels")
    known = np.asarray(labels) >= 0
    kept = np.asarray(scores, np.float64)[known]
    if np.isnan(kept).any():
        raise InputError("a score is not a number")
    fraud = (np.asarray(labels)[known] == 1).astype(np.int64)
    order = np.argsort(-kept, kind="stable")
    kept, fraud = kept[order], fraud[order]
    if not len(kept):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    starts = np.flatnonzero(np.r_[True, kept[1:] != kept[:-1]])
    caught = np.add.reduceat(fraud, starts)
    sizes = np.diff(np.r_[starts, len(kept)])
    return caught, sizes - caught
