"""Reads the features of one ring as of a moment. Changes nothing. Meaning: docs/reference/features.md.

All take bare pointers. `base` is the block's address, `cap` its capacity; records [start, start + n) are in use. Payments and
values stand column by column, so that long rings are summed by vector instructions; buckets record by record, so that a
payment touches one line of each.
"""

from __future__ import annotations

import numpy as np
from numba import float64, int64, njit

from lianfang.engines.features.layout import (
    COLUMN_WORDS,
    COUNT,
    DISTINCT,
    FEATURE_WORDS,
    FIRST,
    LAST,
    MAX,
    MEAN,
    NEVER,
    SUM,
)


@njit(inline="always")
def first_at_least(mem, column, lo, hi, edge, step):
    """Smallest i in [lo, hi] with column[i] >= edge, searched from the end: windows are mostly short.

    `step`: words from one record to the next.
    """
    if hi - lo > 32:
        while lo < hi:
            middle = (lo + hi) >> 1
            if mem[column + middle * step] < edge:
                lo = middle + 1
            else:
                hi = middle
        return lo
    while hi > lo and mem[column + (hi - 1) * step] >= edge:
        hi -= 1
    return hi


@njit(inline="always")
def last_seen(mem, times, values, lo, hi, value):
    """Time of the last record in [lo, hi) whose value is `value`, or NEVER."""
    i = hi - 1
    while i >= lo:
        if mem[values + i] == value:
            return mem[times + i]
        i -= 1
    return NEVER


@njit(inline="always")
def _combine(aggregate, c, s, top):
    if aggregate == COUNT:
        return float64(c)
    if aggregate == SUM:
        return float64(s)
    if c == 0:
        return np.nan
    return s / c if aggregate == MEAN else float64(top)


@njit(inline="always")
def _distinct(mem, seen, values, times, lo, hi, edge, including, own):
    """A value is new in the window where it was last seen before the window began."""
    c = 0
    for i in range(lo, hi):
        c += mem[seen + i] < edge
    if including and own != 0 and last_seen(mem, times, values, lo, hi, own) == NEVER:
        c += 1
    return float64(c)


@njit(inline="always")
def _since(mem, times, masks, lo, hi, t, aggregate, where, including):
    """Seconds since the first or last payment that passes."""
    found = NEVER
    if where < 0:
        if lo < hi:
            found = mem[times + lo] if aggregate == FIRST else mem[times + hi - 1]
    else:
        for i in range(hi - lo):
            k = lo + i if aggregate == FIRST else hi - 1 - i
            if (mem[masks + k] >> where) & 1:
                found = mem[times + k]
                break
    if including and (found == NEVER or aggregate == LAST):
        found = t
    return (t - found) / 1e6 if found != NEVER else np.nan


@njit(inline="always")
def _total(mem, numbers, masks, lo, hi, aggregate, where, including, own):
    """count, sum, mean, max."""
    c = 0
    s = int64(0)
    top = NEVER
    if where < 0:
        c = hi - lo
        if aggregate == MAX:
            for i in range(lo, hi):
                top = max(top, mem[numbers + i])
        elif aggregate != COUNT:
            for i in range(lo, hi):
                s += mem[numbers + i]
    else:
        for i in range(lo, hi):
            if (mem[masks + i] >> where) & 1:
                c += 1
                if aggregate != COUNT:
                    s += mem[numbers + i]
                    top = max(top, mem[numbers + i])
    if including:
        c += 1
        s += own
        top = max(top, own)
    return _combine(aggregate, c, s, top)


@njit(cache=True, nogil=True)
def read_payments(plan, mem, ring, base, cap, start, n, t, mask, numbers, hashes, out):
    """Features over single payments in [t - window, t)."""
    hi = first_at_least(mem, base, start, start + n, t, 1)
    lo = hi
    columns = plan[ring + 5]
    at = plan[ring + 7]
    for _ in range(plan[ring + 6]):
        aggregate = plan[at]
        edge = t - plan[at + 1]
        where = plan[at + 2]
        column = plan[at + 3]
        second = base + plan[at + 4] * cap
        including = plan[at + 5] == 1 and (where < 0 or (mask >> where) & 1 == 1)
        lo = first_at_least(mem, base, start, lo, edge, 1)
        argument = plan[columns + (column - 1) * COLUMN_WORDS + 1] if column > 0 else 0
        if aggregate == DISTINCT:
            oldest = (
                max(edge, mem[base + start]) if n > 0 else edge
            )  # what was seen in a payment forgotten is new again
            value = _distinct(
                mem, second, base + column * cap, base, lo, hi, oldest, including, int64(hashes[argument])
            )
        elif aggregate == FIRST or aggregate == LAST:
            value = _since(mem, base, second, lo, hi, t, aggregate, where, including)
        else:
            value = _total(mem, base + column * cap, second, lo, hi, aggregate, where, including, numbers[argument])
        out[plan[at + 6]] = value
        at += FEATURE_WORDS


@njit(cache=True, nogil=True)
def read_buckets(plan, mem, ring, base, start, n, t, bucket, mask, numbers, out):
    """Features over buckets from floor(t - window) on. `bucket` is floor(t); windows are whole buckets long."""
    hi = start + n
    lo = hi
    width = plan[ring + 1]
    columns = plan[ring + 5]
    at = plan[ring + 7]
    for _ in range(plan[ring + 6]):
        aggregate = plan[at]
        where = plan[at + 2]
        column = base + plan[at + 3]
        second = base + plan[at + 4]
        including = plan[at + 5] == 1 and (where < 0 or (mask >> where) & 1 == 1)
        lo = first_at_least(mem, base, start, lo, bucket - plan[at + 1], width)
        if aggregate == FIRST or aggregate == LAST:
            found = NEVER
            for i in range(hi - lo):
                found = mem[column + (lo + i if aggregate == FIRST else hi - 1 - i) * width]
                if found != NEVER:
                    break
            if including and (found == NEVER or aggregate == LAST):
                found = max(t, found)
            value = max(t - found, 0) / 1e6 if found != NEVER else np.nan
        elif aggregate == MAX:
            top = NEVER
            for i in range(lo, hi):
                top = max(top, mem[column + i * width])
            if including:
                top = max(top, numbers[plan[columns + (plan[at + 3] - 1) * COLUMN_WORDS + 1]])
            value = float64(top) if top != NEVER else np.nan
        else:
            s = int64(0)
            c = 0
            for i in range(lo, hi):
                s += mem[column + i * width]
            if aggregate == MEAN:
                for i in range(lo, hi):
                    c += mem[second + i * width]
            if including:
                c += 1
                s += 1 if aggregate == COUNT else numbers[plan[columns + (plan[at + 3] - 1) * COLUMN_WORDS + 1]]
            value = float64(s) if aggregate != MEAN else (s / c if c > 0 else np.nan)
        out[plan[at + 6]] = value
        at += FEATURE_WORDS


@njit(cache=True, nogil=True)
def read_values(plan, mem, ring, base, cap, n, bucket, newest, mask, hashes, out):
    """Distinct values last seen in buckets from floor(t - window) on, and not before what buckets remember."""
    at = plan[ring + 7]
    for _ in range(plan[ring + 6]):
        edge = max(bucket - plan[at + 1], newest - plan[ring + 3])
        where = plan[at + 2]
        c = 0
        for i in range(n):
            c += mem[base + i] >= edge
        if plan[at + 5] == 1 and (where < 0 or (mask >> where) & 1 == 1):
            own = int64(hashes[plan[plan[ring + 5] + 1]])
            if own != 0 and last_seen(mem, base, base + cap, 0, n, own) < edge:
                c += 1
        out[plan[at + 6]] = float64(c)
        at += FEATURE_WORDS
