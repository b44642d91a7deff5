"""The day so far and the last 24 hours, out of the counts: what pages for many eyes ask again and again, so read cheaply."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import tzinfo
from typing import Final

import msgspec

from lianfang.kernel.instant import DAY, HOUR, MINUTE, Instant
from lianfang.services.overview.rollup import Bucket, Counts, Rollup, local_midnight
from lianfang.wire import ACTIONS

SLOT: Final = 30 * MINUTE
SLOTS: Final = DAY // SLOT


class Slots(msgspec.Struct, frozen=True):
    """Decisions by action in stretches of `SLOT`: `starts` by time, each action as many counts. The last one still fills."""

    starts: tuple[int, ...]
    actions: dict[str, list[int]]


def today(rollup: Rollup, at: Instant, zone: tzinfo) -> Bucket:
    """Everything since midnight in `zone`. By the hour where the day begins with one: a 60th of the work."""
    begin = local_midnight(at, zone)
    if begin % HOUR:
        return rollup.total(begin, Instant(at + MINUTE))
    whole = Bucket()
    for _, bucket in rollup.range(begin, Instant(at + MINUTE), "hour"):
        whole.add(bucket)
    return whole


def slots(rollup: Rollup, at: Instant) -> Slots:
    """The last 24 hours, the stretch of now included."""
    last = at - at % SLOT
    starts = tuple(last - SLOT * (SLOTS - 1 - i) for i in range(SLOTS))
    actions: dict[str, list[int]] = {action: [0] * SLOTS for action in ACTIONS}
    for start, bucket in rollup.range(Instant(starts[0]), Instant(last + SLOT)):
        for action, counted in list(bucket.actions.items()):
            if action in actions:
                actions[action][(start - starts[0]) // SLOT] += counted
    return Slots(starts, actions)


def money_of(amounts: Counts, actions: Iterable[str]) -> list[tuple[str, int]]:
    """Minor units by currency of these actions, the largest first. `amounts`: by `action currency`, as a bucket has them."""
    wanted, found = frozenset(actions), Counts()
    for key, minor in amounts.items():
        action, _, currency = key.partition(" ")
        if action in wanted and currency:
            found[currency] = found.get(currency, 0) + minor
    return sorted(found.items(), key=lambda item: (-item[1], item[0]))
