"""What windows and pairs share: one key's features, what they count, and what the decider's rings remember."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import ibis

from lianfang.engines.features.declare import Windowed
from lianfang.engines.features.plan import LATE_S, bucket_width_s
from lianfang.kernel.instant import SECOND

Table = Any
Column = Any
"""Ibis has no types that say more."""

SEQ: Final = "seq"
"""int64: the order of arrival, of payments and outcomes together."""
TIME: Final = "time"
FRAUD: Final = "_fraud"
"""Whether an event is a payment's becoming known to be fraud, at `time`."""
KEYS: Final = ("_k0", "_k1")


@dataclass(frozen=True)
class Ring:
    """What the decider counts together: a source, and a bucket width (0: single payments) or one distinct count."""

    source: str
    width_us: int
    values: tuple[str, str] | None
    """Field and `where` of a distinct count over buckets."""
    retain_us: int
    """How far back of the newest event it remembers."""


def ring_of(one: Windowed, features: Sequence[Windowed]) -> Ring:
    """The ring of a feature among those of its key: it remembers as long as the longest of them, and a little more."""
    name = _ring_name(one)
    longest = max(other.window_s for other in features if _ring_name(other) == name)
    return Ring(name[0], name[1], name[2], (longest + LATE_S) * SECOND + name[1])


def _ring_name(one: Windowed) -> tuple[str, int, tuple[str, str] | None]:
    if one.exact:
        return one.source, 0, None
    values = (one.value, one.where) if one.aggregate == "distinct" else None
    return one.source, bucket_width_s(one.window_s) * SECOND, values


@dataclass(frozen=True)
class Group:
    """All features of one key, over `events`: columns KEYS, SEQ, TIME, FRAUD and those that `counted` names."""

    keys: tuple[str, ...]
    features: tuple[Windowed, ...]
    events: Table
    counted: Mapping[str, str]
    """Feature to the column with what it counts: 1, the number, the text or the time; null where it does not count."""

    @property
    def by(self) -> list[str]:
        """The key's columns of `events`."""
        return list(KEYS[: len(self.keys)])

    @property
    def frauds(self) -> bool:
        """Whether any of them counts frauds."""
        return any(one.source == "frauds" for one in self.features)


def floor_to(at: Column, width_us: int) -> Column:
    """The bucket of an instant: times are after 1970."""
    return at - at % width_us


def as_value(one: Windowed, number: Column, count: Column | None, at: Column) -> Column:
    """The feature's float of what was found: its count, sum, maximum or instant (null: nothing); null where nothing is known."""
    match one.aggregate:
        case "count" | "distinct" | "sum":
            return number.fill_null(0).cast("float64")
        case "mean":
            known = count.fill_null(0)  # type: ignore[union-attr]
            return (known > 0).ifelse(number.cast("float64") / known.nullif(0).cast("float64"), ibis.null("float64"))
        case "max":
            return number.cast("float64")
        case _:
            since = at - number
            return (since > 0).ifelse(since, since * 0).cast("float64") / 1e6


def joined(one: Windowed, a: Column, b: Column) -> Column:
    """What was found in two sets together; null is nothing. Not for distinct counts."""
    if one.aggregate in ("count", "distinct", "sum", "mean"):
        return a.fill_null(0) + b.fill_null(0)
    pick = ibis.least if one.aggregate == "first" else ibis.greatest
    return ibis.coalesce(pick(ibis.coalesce(a, b), ibis.coalesce(b, a)), a, b)


def found_in(one: Windowed, counted: Column) -> Column:
    """The aggregate over what it counts: an int64, null where there is nothing."""
    match one.aggregate:
        case "count":
            return counted.count()
        case "sum" | "mean":
            return counted.sum()
        case "first":
            return counted.min()
        case _:
            return counted.max()
