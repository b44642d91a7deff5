"""Straight payments: all that arrived before are not later, all that arrive after are not earlier. Window functions suffice.

For them order of arrival and order of time agree, so a frame over time holds just what the decider had counted, and nothing
in it was forgotten: a ring remembers an hour more than its longest window.
"""

from __future__ import annotations

from typing import Any

import ibis

from lianfang.engines.features.declare import Windowed
from lianfang.engines.features.offline.parts import (
    SEQ,
    TIME,
    Column,
    Group,
    Table,
    as_value,
    floor_to,
    found_in,
    joined,
)
from lianfang.engines.features.plan import bucket_width_s
from lianfang.kernel.instant import SECOND


def windows(group: Group, *, sets: bool = False) -> Table:
    """SEQ and the features of all of the group's events; right for straight payments.

    `sets`: count distinct values by collecting sets, for backends without distinct window functions (Spark).
    """
    widths = sorted({bucket_width_s(one.window_s) * SECOND for one in group.features if not one.exact})
    events = group.events.mutate(**{_bucket(width): floor_to(group.events[TIME], width) for width in widths})
    fresh = {
        f"_new_{one.name}": _new(events, group, one)
        for one in group.features
        if one.aggregate == "distinct" and not one.exact
    }
    if fresh:
        events = events.mutate(**fresh)
    values = {one.name: _value(events, group, one, sets) for one in group.features}
    return events.select(SEQ, **values)


def _bucket(width: int) -> str:
    return f"_b{width}"


def _value(events: Table, group: Group, one: Windowed, sets: bool) -> Column:
    at = events[TIME]
    counted = events[group.counted[one.name]]
    window = one.window_s * SECOND
    if one.exact:
        frame = ibis.range_window(group_by=group.by, order_by=TIME, preceding=(window, 1))
        if one.aggregate == "distinct":
            number = _distinct(counted, frame, sets)
            if one.including:
                number = number + _unseen(events, group, one)
            return as_value(one, number, None, at)
        number, count = found_in(one, counted).over(frame), counted.count().over(frame)
        return _with_own(one, number, count, counted, at)
    width = bucket_width_s(one.window_s) * SECOND
    name = _bucket(width)
    whole = ibis.range_window(group_by=group.by, order_by=name, preceding=(window, width))
    begun = ibis.rows_window(group_by=[*group.by, name], order_by=[TIME, SEQ], preceding=(None, 1))
    if one.aggregate == "distinct":
        number = _distinct(counted, whole, sets) + events[f"_new_{one.name}"].sum().over(begun).fill_null(0)
        if one.including:
            number = number + events[f"_new_{one.name}"]
        return as_value(one, number, None, at)
    number = joined(one, found_in(one, counted).over(whole), found_in(one, counted).over(begun))
    count = counted.count().over(whole).fill_null(0) + counted.count().over(begun).fill_null(0)
    return _with_own(one, number, count, counted, at)


def _with_own(one: Windowed, number: Column, count: Column, counted: Column, at: Column) -> Column:
    """The value, with the payment's own part where the declaration says so."""
    if one.including:
        own = counted.notnull().ifelse(1, 0)
        number = joined(one, number, own if one.aggregate == "count" else counted)
        count = count.fill_null(0) + own
    return as_value(one, number, count, at)


def _distinct(counted: Column, frame: Any, sets: bool) -> Column:
    if sets:
        return counted.collect().over(frame).unique().length().fill_null(0)
    return counted.nunique().over(frame).fill_null(0)


def _unseen(events: Table, group: Group, one: Windowed) -> Column:
    """1 where the payment's own value is none of those in its exact window, else 0."""
    name = group.counted[one.name]
    earlier = ibis.range_window(group_by=[*group.by, name], order_by=TIME, preceding=(None, 1))
    last = events[TIME].max().over(earlier)
    seen = (last >= events[TIME] - one.window_s * SECOND).fill_null(False)
    return (events[name].notnull() & ~seen).ifelse(1, 0)


def _new(events: Table, group: Group, one: Windowed) -> Column:
    """1 where the value was last seen before the window that ends in this bucket, or never; else 0.

    All payments of a bucket have the same lower edge, so a value that is new once is new for all that come after in it.
    """
    name, bucket = group.counted[one.name], _bucket(bucket_width_s(one.window_s) * SECOND)
    earlier = ibis.rows_window(group_by=[*group.by, name], order_by=[TIME, SEQ], preceding=(None, 1))
    last = events[bucket].max().over(earlier)
    seen = (last >= events[bucket] - one.window_s * SECOND).fill_null(False)
    return (events[name].notnull() & ~seen).ifelse(1, 0)
