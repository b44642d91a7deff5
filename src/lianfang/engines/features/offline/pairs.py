"""Crooked payments, those around late arrivals: each is paired with what its key had seen before, and what it still knew.

Few payments are late, so pairs may cost what they cost; the rules of forgetting are the decider's, ring by ring.
"""

from __future__ import annotations

from functools import reduce
from operator import and_
from typing import Any

import ibis

from lianfang.engines.features.declare import Windowed
from lianfang.engines.features.offline.parts import (
    FRAUD,
    SEQ,
    TIME,
    Column,
    Group,
    Ring,
    Table,
    as_value,
    floor_to,
    joined,
    ring_of,
)
from lianfang.kernel.instant import SECOND


def pairs(group: Group, crooked: Table) -> Table:
    """SEQ and the features of the group's crooked payments (`crooked`: rows of its events with `order_of`'s columns)."""
    ring = {one.name: ring_of(one, group.features) for one in group.features}
    kept = sorted({group.counted[one.name] for one in group.features})
    left = crooked.select(
        SEQ, TIME, *group.by, *kept, "_newest", "_newest_payments", "_newest_frauds", "_last", "_last_frauds"
    )
    events = order_of(group)
    right = events.select(
        e_seq=SEQ,
        e_time=TIME,
        e_fraud=FRAUD,
        e_run="_run",
        **{f"e{k}": k for k in group.by},
        **{f"e_{c}": c for c in kept},
    )
    reach = max(one.window_s * SECOND + ring[one.name].width_us for one in group.features)
    on = [left[key] == right[f"e{key}"] for key in group.by]
    both = left.left_join(right, [*on, right.e_seq < left[SEQ], right.e_time >= left[TIME] - reach])
    values: dict[str, Any] = {}
    for one in group.features:
        values |= _found(both, group, one, ring[one.name])
    by = [SEQ, TIME, *kept]
    found = both.group_by(by).aggregate(**values)
    return found.select(SEQ, **{one.name: _value(found, group, one) for one in group.features})


def order_of(group: Group) -> Table:
    """The events with what the decider knew of their key when they arrived.

    `_run` newest time up to and with this; `_newest` before this; `_newest_payments`, `_newest_frauds`: before this, as it
    was when last one of these was counted, which is when the ring forgot; `_last`, `_last_frauds`: the seq of that.
    """
    events = group.events
    up_to = ibis.rows_window(group_by=group.by, order_by=SEQ, preceding=(None, 0))
    before = ibis.rows_window(group_by=group.by, order_by=SEQ, preceding=(None, 1))
    events = events.mutate(_run=events[TIME].max().over(up_to))
    fraud = events[FRAUD]
    return events.mutate(
        _newest=events[TIME].max().over(before),
        _newest_payments=fraud.ifelse(ibis.null("int64"), events._run).max().over(before),
        _newest_frauds=fraud.ifelse(events._run, ibis.null("int64")).max().over(before),
        _last=fraud.ifelse(ibis.null("int64"), events[SEQ]).max().over(before),
        _last_frauds=fraud.ifelse(events[SEQ], ibis.null("int64")).max().over(before),
    )


def _found(both: Table, group: Group, one: Windowed, ring: Ring) -> dict[str, Column]:
    """The feature's aggregates over the pairs in its window, and what including the payment itself needs."""
    inside = reduce(and_, _inside(both, one, ring))
    counted = inside.ifelse(both[f"e_{group.counted[one.name]}"], ibis.null(both[group.counted[one.name]].type()))
    name = f"_{one.name}"
    match one.aggregate:
        case "distinct":
            own = (counted == both[group.counted[one.name]]).fill_null(False).ifelse(1, 0)
            return {name: counted.nunique(), f"{name}_own": own.max()}
        case "count":
            return {name: counted.count()}
        case "mean":
            return {name: counted.sum(), f"{name}_count": counted.count()}
        case "sum":
            return {name: counted.sum()}
        case "first":
            return {name: counted.min()}
        case _:
            return {name: counted.max()}


def _inside(both: Table, one: Windowed, ring: Ring) -> list[Column]:
    frauds = one.source == "frauds"
    at, window = both[TIME], one.window_s * SECOND
    known = both._newest_frauds if frauds else both._newest_payments
    tests = [both.e_fraud == ibis.literal(frauds), both.e_time >= both.e_run - ring.retain_us]
    if one.exact:
        return [*tests, both.e_time >= at - window, both.e_time < at, both.e_time >= known - ring.retain_us]
    bucket = floor_to(both.e_time, ring.width_us)
    tests.append(bucket >= floor_to(at, ring.width_us) - window)
    if ring.values is not None:
        return [*tests, bucket >= both._newest - ring.retain_us]
    # What was counted last is still there, though its bucket may be forgotten with the next.
    last = both.e_seq == (both._last_frauds if frauds else both._last)
    return [*tests, last | (bucket >= known - ring.retain_us)]


def _value(found: Table, group: Group, one: Windowed) -> Column:
    number = found[f"_{one.name}"]
    own = found[group.counted[one.name]]
    count = found[f"_{one.name}_count"] if one.aggregate == "mean" else None
    if one.including:
        here = own.notnull().ifelse(1, 0)
        if one.aggregate == "distinct":
            number = number + (own.notnull() & (found[f"_{one.name}_own"] == 0)).ifelse(1, 0)
        else:
            number = joined(one, number, here if one.aggregate == "count" else own)
        count = count + here if count is not None else None
    return as_value(one, number, count, found[TIME])
