"""The meaning of a feature, written the slow and obvious way: a list of all payments, searched anew each time.

This is docs/reference/features.md as code. The kernel must give the same numbers, to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from lianfang.engines.features import Declared, Ratio, Windowed, bucket_width_s
from lianfang.engines.features.plan import EVENTS_MAX, LATE_S
from lianfang.kernel.instant import SECOND

NULL = math.nan


class Event(NamedTuple):
    """One payment: values by path, and its time in microseconds."""

    at: int
    values: dict[str, str | int | None]
    fraud: bool = False
    """An earlier payment that became known to be fraud at `at`."""


class Reference:
    """Counts in arrival order. `events_max` as the kernel's."""

    def __init__(self, declared: Sequence[Declared], events_max: int = EVENTS_MAX) -> None:
        self.declared = declared
        self.events_max = events_max
        self.arrived: list[Event] = []

    def observe(self, event: Event) -> list[float]:
        named = {d.name: self.value(d, event) for d in self.declared if isinstance(d, Windowed)}
        out = []
        for d in self.declared:
            if isinstance(d, Ratio):
                bottom = named[d.bottom]
                out.append(named[d.top] / bottom if bottom not in (0, NULL) and bottom == bottom else NULL)
            else:
                out.append(named[d.name])
        self.arrived.append(event)
        return out

    def learn(self, event: Event) -> None:
        self.arrived.append(event._replace(fraud=True))

    def value(self, d: Windowed, now: Event) -> float:
        key = self.key(d, now)
        if None in key:
            return NULL
        return self.aggregate(d, self.window(d, key, now), now)

    def window(self, d: Windowed, key: list[str | int | None], now: Event) -> list[Event]:
        """The payments that count: arrived before, same key, inside the window, not yet forgotten."""
        width = SECOND if d.exact else bucket_width_s(d.window_s) * SECOND
        retain = (max(o.window_s for o in self.ring(d)) + LATE_S) * SECOND + (0 if d.exact else width)
        kept: list[Event] = []
        newest = None
        frauds = any(isinstance(o, Windowed) and o.keys == d.keys and o.source == "frauds" for o in self.declared)
        for e in (e for e in self.arrived if self.key(d, e) == key and (frauds or not e.fraud)):
            newest = e.at if newest is None else max(newest, e.at)  # a key forgets by the newest time it has seen
            if e.fraud != (d.source == "frauds"):
                continue
            oldest = newest - retain
            kept = [k for k in kept if (k.at if d.exact else k.at // width * width) >= oldest]
            if e.at >= oldest:
                kept = [*kept[-self.events_max + 1 :], e] if d.exact else [*kept, e]
                kept.sort(key=lambda k: k.at)
        if d.aggregate == "distinct" and not d.exact and newest is not None:
            # Values are forgotten when they are read, not only when one is counted: a fraud learnt later makes the key newer.
            kept = [k for k in kept if k.at // width * width >= newest - retain]
        if d.exact:
            return [e for e in kept if now.at - d.window_s * SECOND <= e.at < now.at]
        edge = (now.at - d.window_s * SECOND) // width * width
        return [e for e in kept if e.at >= edge]

    def ring(self, d: Windowed) -> list[Windowed]:
        """The features that are counted together, and so remember as long as the longest of them."""
        same = [
            o
            for o in self.declared
            if isinstance(o, Windowed) and (o.keys, o.exact, o.source) == (d.keys, d.exact, d.source)
        ]
        if d.exact:
            return same
        same = [o for o in same if bucket_width_s(o.window_s) == bucket_width_s(d.window_s)]
        if d.aggregate != "distinct":
            return [o for o in same if o.aggregate != "distinct"]
        return [o for o in same if o.aggregate == "distinct" and (o.value, o.where) == (d.value, d.where)]

    def aggregate(self, d: Windowed, window: list[Event], now: Event) -> float:
        counted = [e for e in window if self.passes(d, e)]
        if d.including and self.passes(d, now):
            counted = [*counted, now]
        numbers = [
            v for e in counted if d.aggregate in ("sum", "mean", "max") and isinstance(v := e.values[d.value], int)
        ]
        match d.aggregate:
            case "count":
                return float(len(counted))
            case "sum":
                return float(sum(numbers))
            case "mean":
                return sum(numbers) / len(numbers) if numbers else NULL
            case "max":
                return float(max(numbers)) if numbers else NULL
            case "distinct":
                return float(len({e.values[d.value] for e in counted} - {None}))
            case "first":
                return max(now.at - min(e.at for e in counted), 0) / 1e6 if counted else NULL
            case _:
                return max(now.at - max(e.at for e in counted), 0) / 1e6 if counted else NULL

    @staticmethod
    def key(d: Windowed, e: Event) -> list[str | int | None]:
        return [e.values[path] for path in d.keys]

    @staticmethod
    def passes(d: Windowed, e: Event) -> bool:
        if d.where and not WHERES[d.where](e.values):
            return False
        return not (d.aggregate in ("sum", "mean", "max") and e.values[d.value] is None)


def _more_than_fifty(values: dict[str, str | int | None]) -> bool:
    amount = values["amount"]
    return isinstance(amount, int) and amount > 50


WHERES: dict[str, Callable[[dict[str, str | int | None]], bool]] = {
    'kind == "qr"': lambda v: v["kind"] == "qr",
    "amount > 50": _more_than_fifty,
    'channel == "web"': lambda v: v["channel"] == "web",
}
