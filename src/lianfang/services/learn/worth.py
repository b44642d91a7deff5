"""A tally as figures: what each rule, list and score is worth, and the whole set, with intervals (docs/reference/backtest.md)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lianfang.kernel.instant import DAY
from lianfang.services.learn.backtest import CHALLENGED, FRAUD, GENUINE, STOPPED, TOUCHED, UNKNOWN, WHOLE, Tally
from lianfang.services.learn.intervals import Share, by_day, wilson
from lianfang.services.learn.overlap import Together


class Sum(NamedTuple):
    """Minor units, with a 95 % interval by day; NaN where there are too few days."""

    value: int
    low: float
    high: float


class MoneyWorth(NamedTuple):
    """Of the payments counted, in minor units of one currency."""

    stopped: Sum
    """Fraud held or blocked."""
    wrongly_stopped: Sum
    """Genuine money held or blocked."""
    challenged: int
    """Fraud challenged: stopped or not, as the customer answered."""
    wrongly_challenged: int
    missed: int
    """Fraud allowed though it was hit (a rule in shadow, say); of the whole: all fraud allowed."""


class Worth(NamedTuple):
    """One item over the period. Of the whole, a hit is a payment not allowed."""

    name: str
    hits: int
    frauds: int
    genuine: int
    unknown: int
    """Of the hits, those whose label is not known yet: in no share below."""
    challenged: int
    stopped: int
    """Of the hits, those that were held or blocked: alerts."""
    precision: Share
    """frauds / (frauds + genuine)."""
    recall: Share
    """frauds / all known frauds."""
    false_alarms: Share
    """genuine / all known genuine payments."""
    hours: float
    """Of analysts, for the alerts."""
    money: tuple[MoneyWorth, ...]
    """By currency."""
    alone: tuple[int, int, int]
    """Frauds, genuine, unknown on which nothing else fired."""
    beside: tuple[Together, ...]


class Week(NamedTuple):
    """One week of the whole set, or of an item."""

    begins: int
    """Monday, an instant."""
    payments: int
    frauds: int
    unknown: int
    worth_hits: int
    worth_frauds: int
    worth_genuine: int
    stopped: tuple[int, ...]
    """Money of fraud held or blocked, by currency."""
    wrongly_stopped: tuple[int, ...]


def worths(tally: Tally, names: tuple[str, ...], minutes: float, seed: int) -> tuple[Worth, ...]:
    """The whole first, then each item. `names` of the items; `minutes` of an analyst an alert."""
    counts = tally.counts.sum(axis=0)
    sums = [tally.money(currency) for currency in range(tally.currencies)]
    spans = [_spans(tally, currency, seed) for currency in range(tally.currencies)]
    known = counts[WHOLE].sum(axis=1)
    made = []
    for item, name in enumerate(("", *names)):
        of = counts[item]
        hit = of[:, TOUCHED] if item == WHOLE else of
        frauds, genuine, unknown = (int(hit[label].sum()) for label in (FRAUD, GENUINE, UNKNOWN))
        stopped = int(of[:, STOPPED].sum())
        alone = tally.overlap.alone[item]
        made.append(
            Worth(
                name,
                frauds + genuine + unknown,
                frauds,
                genuine,
                unknown,
                int(of[:, CHALLENGED].sum()),
                stopped,
                wilson(frauds, frauds + genuine),
                wilson(frauds, int(known[FRAUD])),
                wilson(genuine, int(known[GENUINE])),
                stopped * minutes / 60,
                tuple(_money(sums[c][item], spans[c][:, :, item]) for c in range(tally.currencies)),
                (int(alone[FRAUD]), int(alone[GENUINE]), int(alone[UNKNOWN])),
                () if item == WHOLE else tuple(tally.overlap.beside(item)),
            )
        )
    return tuple(made)


def _spans(tally: Tally, currency: int, seed: int) -> NDArray[np.float64]:
    """Intervals of money stopped and wrongly stopped, float64[2 of low and high, 2 of fraud and genuine, items]."""
    daily = tally.money_by_day(currency, slice(None))
    stopped = daily[:, :, :, STOPPED].sum(axis=3)[:, :, [FRAUD, GENUINE]]
    columns = stopped.transpose(0, 2, 1).reshape(tally.days, -1)
    return by_day(columns, seed).reshape(2, 2, tally.items)


def _money(of: Any, span: NDArray[np.float64]) -> MoneyWorth:
    def stopped(label: int, place: int) -> Sum:
        return Sum(int(of[label, STOPPED].sum()), float(span[0, place]), float(span[1, place]))

    return MoneyWorth(
        stopped(FRAUD, 0),
        stopped(GENUINE, 1),
        int(of[FRAUD, CHALLENGED]),
        int(of[GENUINE, CHALLENGED]),
        int(of[FRAUD, 0]),
    )


def weeks(tally: Tally, item: int = WHOLE) -> tuple[Week, ...]:
    """The weeks that the period touches, each from a Monday; the first and the last may be short."""
    begins, of = tally.weeks()
    whole, own = (_by_week(tally.counts[:, one], of, len(begins)) for one in (WHOLE, item))
    hit = own[:, :, TOUCHED] if item == WHOLE else own
    money = []
    for currency in range(tally.currencies):
        daily = tally.money_by_day(currency, slice(item, item + 1))[:, 0]
        money.append(_by_week(daily, of, len(begins))[:, :, STOPPED].sum(axis=2))
    return tuple(
        Week(
            int(begins[w]) * DAY,
            int(whole[w].sum()),
            int(whole[w, FRAUD].sum()),
            int(whole[w, UNKNOWN].sum()),
            int(hit[w].sum()),
            int(hit[w, FRAUD].sum()),
            int(hit[w, GENUINE].sum()),
            tuple(int(one[w, FRAUD]) for one in money),
            tuple(int(one[w, GENUINE]) for one in money),
        )
        for w in range(len(begins))
    )


def _by_week(daily: NDArray[Any], of: NDArray[np.int64], weeks_: int) -> NDArray[Any]:
    found = np.zeros((weeks_, *daily.shape[1:]), daily.dtype)
    np.add.at(found, of, daily)
    return found
