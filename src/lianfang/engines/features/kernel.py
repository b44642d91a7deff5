"""One payment through all features: look up, read, then count it. Compiled by numba; the plan says what to do.

Nothing here allocates, and nothing depends on which features are declared, so a compiled kernel serves every rule set.
Meaning: docs/reference/features.md. Layouts: `plan` for the words, `memory` for the arena.

    row   hash, key, newest us, then per ring: block << 8 | size class, start << 32 | records
    ring  columns one after the other, each `capacity` long; column 0 is the time (or bucket), ascending
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit
from numba import uint64 as u

from lianfang.engines.features import memory as m
from lianfang.engines.features import plan as p
from lianfang.engines.features.memory import give_block, give_row, take_block, take_row
from lianfang.engines.features.prefetch import prefetch
from lianfang.engines.keyed import mix

NEVER: Final = -(1 << 63)
"""`last seen` of a value not seen before; the maximum of nothing."""
EXCLUDED: Final = (1 << 63) - 1
"""`last seen` of a payment that a distinct count leaves out."""
SUM_MAX: Final = 1 << 57
"""A bucket's sum stops here: 60 of them still fit 63 bits."""
SWEEP_STEPS: Final = 2
ROW_BITS: Final = 40
_LOW32: Final = (1 << 32) - 1

# numba freezes module constants when it compiles; it sees only plain names.
_BUMP, _KEYS, _SWEEP, _TRUNCATED, _EXPIRED, _NEWEST, _EVENTS = m.BUMP, m.KEYS, m.SWEEP, m.TRUNCATED, m.EXPIRED, m.NEWEST, m.EVENTS
_FULL, _SCRATCH, _SCRATCH_HASHES = m.FULL, m.SCRATCH, m.SCRATCH_HASHES
_CLASS_MIN = m.CLASS_MIN
_PAYMENTS, _BUCKETS = p.PAYMENTS, p.BUCKETS
_COL_INT, _COL_MASK, _COL_VALUE = p.COL_INT, p.COL_MASK, p.COL_VALUE
_COL_COUNT, _COL_SUM, _COL_MAX, _COL_FIRST, _COL_LAST = p.COL_COUNT, p.COL_SUM, p.COL_MAX, p.COL_FIRST, p.COL_LAST
_KEY_WORDS, _RING_WORDS, _COLUMN_WORDS, _FEATURE_WORDS = p.KEY_WORDS, p.RING_WORDS, p.COLUMN_WORDS, p.FEATURE_WORDS
_COUNT, _SUM, _MEAN, _MAX, _DISTINCT, _FIRST, _LAST = range(7)


@njit(inline="always")
def _find(index, mem, h):
    """Address of the row of hash `h`, or 0."""
    mask = np.uint64(index.shape[0] - 1)
    i = h & mask
    print_of = h >> np.uint64(ROW_BITS)
    while True:
        entry = index[i]
        if entry == np.uint64(0):
            return 0
        if entry >> np.uint64(ROW_BITS) == print_of:
            row = np.int64(entry & np.uint64((1 << ROW_BITS) - 1))
            if mem[u(row)] == np.int64(h):
                return row
        i = (i + np.uint64(1)) & mask


@njit(cache=True, nogil=True)
def put_index(index, h, row):
    """Point hash `h` at `row`. The caller keeps the index at most 70 % full."""
    mask = np.uint64(index.shape[0] - 1)
    i = h & mask
    while index[i] != np.uint64(0):
        i = (i + np.uint64(1)) & mask
    index[i] = ((h >> np.uint64(ROW_BITS)) << np.uint64(ROW_BITS)) | np.uint64(row)


@njit(cache=True, nogil=True)
def rehash(old, new, mem):
    """Every row of index `old` into the empty index `new`."""
    for i in range(old.shape[0]):
        if old[i] != np.uint64(0):
            row = np.int64(old[i] & np.uint64((1 << ROW_BITS) - 1))
            put_index(new, np.uint64(mem[u(row)]), row)


@njit(cache=True, nogil=True)
def _drop_index(index, mem, slot):
    """Empty one slot and close the gap behind it (linear probing, backward shift)."""
    mask = np.int64(index.shape[0] - 1)
    gap = slot
    i = (slot + 1) & mask
    while index[i] != np.uint64(0):
        row = np.int64(index[i] & np.uint64((1 << ROW_BITS) - 1))
        home = np.int64(np.uint64(mem[u(row)]) & np.uint64(mask))
        if ((i - home) & mask) >= ((i - gap) & mask):
            index[gap] = index[i]
            gap = i
        i = (i + 1) & mask
    index[gap] = np.uint64(0)


@njit(cache=True, nogil=True)
def sweep(plan, mem, index, steps):
    """Look at the next `steps` slots and free the rows whose every window has passed."""
    slot = mem[_SWEEP]
    for _ in range(steps):
        slot = (slot + 1) & (index.shape[0] - 1)
        entry = index[slot]
        if entry != np.uint64(0):
            row = np.int64(entry & np.uint64((1 << ROW_BITS) - 1))
            key = mem[u(row + 1)]
            at = 4 + key * _KEY_WORDS
            if mem[u(row + 2)] + plan[u(at + 3)] < mem[_NEWEST]:
                for r in range(plan[u(at + 4)]):
                    block = mem[u(row + 3 + 2 * r)]
                    if block != 0:
                        give_block(mem, block >> 8, block & 255)
                _drop_index(index, mem, slot)
                slot -= 1  # another entry may have moved here
                give_row(mem, row, key)
                mem[_KEYS] -= 1
                mem[_EXPIRED] += 1
    mem[_SWEEP] = slot


@njit(inline="always")
def _first_at_least(mem, base, lo, hi, edge):
    """Smallest i in [lo, hi] with column[i] >= edge, searched from the end: windows are mostly short."""
    if hi - lo > 32:
        while lo < hi:
            middle = (lo + hi) >> 1
            if mem[u(base + middle)] < edge:
                lo = middle + 1
            else:
                hi = middle
        return lo
    while hi > lo and mem[u(base + hi - 1)] >= edge:
        hi -= 1
    return hi


@njit(inline="always")
def _last_seen(mem, times, values, lo, hi, value):
    """Time of the last record in [lo, hi) whose value is `value`, or NEVER."""
    i = hi - 1
    while i >= lo:
        if mem[u(values + i)] == value:
            return mem[u(times + i)]
        i -= 1
    return NEVER


@njit(cache=True, nogil=True)
def _read_payments(plan, mem, ring, block, cap, start, n, t, mask, numbers, hashes, out):
    """Features over single payments in [t - window, t)."""
    hi = _first_at_least(mem, block, start, start + n, t)
    lo = hi
    columns = plan[u(ring + 5)]
    for f in range(plan[u(ring + 6)]):
        at = plan[u(ring + 7)] + f * _FEATURE_WORDS
        aggregate = plan[u(at)]
        edge = t - plan[u(at + 1)]
        where = plan[u(at + 2)]
        column = plan[u(at + 3)]
        second = plan[u(at + 4)]
        passes = where < 0 or (mask >> where) & 1 == 1
        including = plan[u(at + 5)] == 1 and passes
        lo = _first_at_least(mem, block, start, lo, edge)
        value = np.nan
        if aggregate == _DISTINCT:
            seen = block + second * cap
            c = 0
            for i in range(lo, hi):
                c += mem[u(seen + i)] < edge
            if including:
                v = np.int64(hashes[u(plan[u(columns + (column - 1) * _COLUMN_WORDS + 1)])])
                if v != 0 and _last_seen(mem, block, block + column * cap, lo, hi, v) == NEVER:
                    c += 1
            value = np.float64(c)
        elif aggregate == _FIRST or aggregate == _LAST:
            found = NEVER
            if where < 0:
                if lo < hi:
                    found = mem[u(block + lo)] if aggregate == _FIRST else mem[u(block + hi - 1)]
            else:
                masks = block + second * cap
                for i in range(lo, hi):
                    if (mem[u(masks + i)] >> where) & 1:
                        found = mem[u(block + i)]
                        if aggregate == _FIRST:
                            break
            if including and (found == NEVER or aggregate == _LAST):
                found = t
            if found != NEVER:
                value = (t - found) / 1e6
        else:
            c = 0
            s = 0
            top = NEVER
            numbers_at = block + column * cap
            if where < 0:
                c = hi - lo
                if aggregate == _MAX:
                    for i in range(lo, hi):
                        top = max(top, mem[u(numbers_at + i)])
                elif aggregate != _COUNT:
                    for i in range(lo, hi):
                        s += mem[u(numbers_at + i)]
            else:
                masks = block + second * cap
                for i in range(lo, hi):
                    if (mem[u(masks + i)] >> where) & 1:
                        c += 1
                        if aggregate != _COUNT:
                            s += mem[u(numbers_at + i)]
                            top = max(top, mem[u(numbers_at + i)])
            if including:
                c += 1
                if aggregate != _COUNT:
                    own = numbers[u(plan[u(columns + (column - 1) * _COLUMN_WORDS + 1)])]
                    s += own
                    top = max(top, own)
            value = _combine(aggregate, c, s, top)
        out[plan[u(at + 6)]] = value


@njit(inline="always")
def _combine(aggregate, c, s, top):
    if aggregate == _COUNT:
        return np.float64(c)
    if aggregate == _SUM:
        return np.float64(s)
    if c == 0:
        return np.nan
    return s / c if aggregate == _MEAN else np.float64(top)


@njit(cache=True, nogil=True)
def _read_buckets(plan, mem, ring, block, cap, start, n, t, mask, numbers, out):
    """Features over buckets from floor(t - window) on."""
    hi = start + n
    lo = hi
    width = plan[u(ring + 2)]
    columns = plan[u(ring + 5)]
    for f in range(plan[u(ring + 6)]):
        at = plan[u(ring + 7)] + f * _FEATURE_WORDS
        aggregate = plan[u(at)]
        edge = (t - plan[u(at + 1)]) // width * width
        where = plan[u(at + 2)]
        base = block + plan[u(at + 3)] * cap
        second = block + plan[u(at + 4)] * cap
        including = plan[u(at + 5)] == 1 and (where < 0 or (mask >> where) & 1 == 1)
        lo = _first_at_least(mem, block, start, lo, edge)
        value = np.nan
        if aggregate == _FIRST or aggregate == _LAST:
            found = NEVER
            for i in range(hi - lo):
                x = mem[u(base + (lo + i if aggregate == _FIRST else hi - 1 - i))]
                if x != NEVER:
                    found = x
                    break
            if including and (found == NEVER or aggregate == _LAST):
                found = max(t, found)
            if found != NEVER:
                value = max(t - found, 0) / 1e6
        else:
            c = 0
            s = 0
            top = NEVER
            for i in range(lo, hi):
                x = mem[u(base + i)]
                if aggregate == _MAX:
                    top = max(top, x)
                else:
                    s += x
                    if aggregate == _MEAN:
                        c += mem[u(second + i)]
            if including:
                c += 1
                own = 1
                if aggregate != _COUNT:
                    own = numbers[u(plan[u(columns + (plan[u(at + 3)] - 1) * _COLUMN_WORDS + 1)])]
                s += own
                top = max(top, own)
            if aggregate == _COUNT or aggregate == _SUM:
                value = np.float64(s)
            elif aggregate == _MEAN:
                value = s / c if c > 0 else np.nan
            elif top != NEVER:
                value = np.float64(top)
        out[plan[u(at + 6)]] = value


@njit(cache=True, nogil=True)
def _read_values(plan, mem, ring, block, cap, start, n, t, newest, mask, hashes, out):
    """Distinct values last seen in buckets from floor(t - window) on, and not before what buckets remember."""
    hi = start + n
    width = plan[u(ring + 2)]
    column = plan[u(ring + 5)]
    for f in range(plan[u(ring + 6)]):
        at = plan[u(ring + 7)] + f * _FEATURE_WORDS
        edge = max((t - plan[u(at + 1)]) // width * width, newest - plan[u(ring + 3)])
        where = plan[u(at + 2)]
        c = 0
        for i in range(start, hi):
            c += mem[u(block + i)] >= edge
        if plan[u(at + 5)] == 1 and (where < 0 or (mask >> where) & 1 == 1):
            v = np.int64(hashes[u(plan[u(column + 1)])])
            if v != 0 and _last_seen(mem, block, block + cap, start, hi, v) < edge:
                c += 1
        out[plan[u(at + 6)]] = np.float64(c)


@njit(cache=True, nogil=True)
def _make_room(mem, desc, width, records_max):
    """Room for one more record at the end of a ring: slide, grow, or forget the oldest. False when there is none."""
    block = mem[u(desc)]
    if block == 0:
        size_class = _CLASS_MIN
        while (1 << size_class) < 2 * width:
            size_class += 1
        at = take_block(mem, size_class)
        if at == 0:
            return False
        mem[u(desc)] = at << 8 | size_class
        mem[u(desc + 1)] = 0
        return True
    size_class = block & 255
    block >>= 8
    cap = (1 << size_class) // width
    start = mem[u(desc + 1)] >> 32
    n = mem[u(desc + 1)] & _LOW32
    if n >= records_max:
        start += 1
        n -= 1
        mem[_TRUNCATED] += 1
    if start + n < cap:
        mem[u(desc + 1)] = start << 32 | n
        return True
    if 4 * start >= cap:  # a quarter is free at the front: sliding costs less than a copy, and is rare enough
        for c in range(width):
            base = block + c * cap
            for i in range(n):
                mem[u(base + i)] = mem[u(base + start + i)]
        mem[u(desc + 1)] = n
        return True
    at = take_block(mem, size_class + 1)
    if at == 0:
        start += 1
        n -= 1
        for c in range(width):
            base = block + c * cap
            for i in range(n):
                mem[u(base + i)] = mem[u(base + start + i)]
        mem[u(desc + 1)] = n
        return True
    new_cap = (2 << size_class) // width
    for c in range(width):
        for i in range(n):
            mem[u(at + c * new_cap + i)] = mem[u(block + c * cap + start + i)]
    give_block(mem, block, size_class)
    mem[u(desc)] = at << 8 | (size_class + 1)
    mem[u(desc + 1)] = n
    return True


@njit(inline="always")
def _forget(mem, desc, before):
    """Drop records older than `before` from the front of a sorted ring; an emptied ring gives its block back."""
    block = mem[u(desc)] >> 8
    start = mem[u(desc + 1)] >> 32
    n = mem[u(desc + 1)] & _LOW32
    while n > 0 and mem[u(block + start)] < before:
        start += 1
        n -= 1
    if n == 0:
        if mem[u(desc)] != 0:
            give_block(mem, block, mem[u(desc)] & 255)
        mem[u(desc)] = 0
        start = 0
    mem[u(desc + 1)] = start << 32 | n


@njit(inline="always")
def _open_gap(mem, block, cap, width, position, end):
    """Shift records [position, end) one up in every column."""
    for c in range(width):
        base = block + c * cap
        i = end
        while i > position:
            mem[u(base + i)] = mem[u(base + i - 1)]
            i -= 1


@njit(cache=True, nogil=True)
def _count_payment(plan, mem, ring, desc, t, newest, mask, numbers, hashes):
    """Add this payment to a ring of single payments, in the order of time."""
    width = plan[u(ring + 1)]
    oldest = max(newest, t) - plan[u(ring + 3)]
    _forget(mem, desc, oldest)
    if t < oldest or not _make_room(mem, desc, width, plan[u(ring + 4)]):
        return
    block = mem[u(desc)] >> 8
    cap = (1 << (mem[u(desc)] & 255)) // width
    start = mem[u(desc + 1)] >> 32
    n = mem[u(desc + 1)] & _LOW32
    end = start + n
    position = end
    while position > start and mem[u(block + position - 1)] > t:
        position -= 1
    if position < end:
        _open_gap(mem, block, cap, width, position, end)
    mem[u(block + position)] = t
    for c in range(1, width):
        spec = plan[u(ring + 5)] + (c - 1) * _COLUMN_WORDS
        what = plan[u(spec)]
        base = block + c * cap
        if what == _COL_INT:
            mem[u(base + position)] = numbers[u(plan[u(spec + 1)])]
        elif what == _COL_MASK:
            mem[u(base + position)] = mask
        elif what == _COL_VALUE:
            where = plan[u(spec + 2)]
            passes = where < 0 or (mask >> where) & 1 == 1
            mem[u(base + position)] = np.int64(hashes[u(plan[u(spec + 1)])]) if passes else 0
        else:  # COL_PREVIOUS, of the value column that stands before it
            values = block + plan[u(spec + 1)] * cap
            v = mem[u(values + position)]
            if v == 0:
                mem[u(base + position)] = EXCLUDED
            else:
                mem[u(base + position)] = _last_seen(mem, block, values, start, position, v)
                for i in range(position + 1, end + 1):
                    if mem[u(values + i)] == v:
                        mem[u(base + i)] = t
                        break
    mem[u(desc + 1)] = start << 32 | (n + 1)


@njit(cache=True, nogil=True)
def _count_bucket(plan, mem, ring, desc, t, newest, mask, numbers):
    """Add this payment to its bucket."""
    width = plan[u(ring + 1)]
    oldest = max(newest, t) - plan[u(ring + 3)]
    _forget(mem, desc, oldest)
    if t < oldest:
        return
    bucket = t // plan[u(ring + 2)] * plan[u(ring + 2)]
    block = mem[u(desc)] >> 8
    cap = (1 << (mem[u(desc)] & 255)) // width
    start = mem[u(desc + 1)] >> 32
    position = start + (mem[u(desc + 1)] & _LOW32)
    while position > start and mem[u(block + position - 1)] > bucket:
        position -= 1
    if position > start and mem[u(block + position - 1)] == bucket:
        position -= 1
    else:
        from_end = start + (mem[u(desc + 1)] & _LOW32) - position
        if not _make_room(mem, desc, width, plan[u(ring + 4)]):
            return
        block = mem[u(desc)] >> 8
        cap = (1 << (mem[u(desc)] & 255)) // width
        start = mem[u(desc + 1)] >> 32
        n = mem[u(desc + 1)] & _LOW32
        position = max(start + n - from_end, start)
        _open_gap(mem, block, cap, width, position, start + n)
        mem[u(desc + 1)] = start << 32 | (n + 1)
        mem[u(block + position)] = bucket
        for c in range(1, width):
            what = plan[u(plan[u(ring + 5)] + (c - 1) * _COLUMN_WORDS)]
            mem[u(block + c * cap + position)] = 0 if what == _COL_COUNT or what == _COL_SUM else NEVER
    for c in range(1, width):
        spec = plan[u(ring + 5)] + (c - 1) * _COLUMN_WORDS
        what = plan[u(spec)]
        where = plan[u(spec + 2)]
        if where >= 0 and (mask >> where) & 1 == 0:
            continue
        at = block + c * cap + position
        if what == _COL_COUNT:
            mem[u(at)] += 1
        elif what == _COL_SUM:
            mem[u(at)] = min(mem[u(at)] + numbers[u(plan[u(spec + 1)])], SUM_MAX)
        elif what == _COL_MAX:
            mem[u(at)] = max(mem[u(at)], numbers[u(plan[u(spec + 1)])])
        elif what == _COL_FIRST:
            mem[u(at)] = t if mem[u(at)] == NEVER else min(mem[u(at)], t)
        else:
            mem[u(at)] = max(mem[u(at)], t)


@njit(cache=True, nogil=True)
def _count_value(plan, mem, ring, desc, t, newest, mask, hashes):
    """Remember this payment's value as seen in its bucket. The ring is not sorted: a value moves in time, not in place."""
    where = plan[u(plan[u(ring + 5)] + 2)]
    v = np.int64(hashes[u(plan[u(plan[u(ring + 5)] + 1)])])
    if v == 0 or (where >= 0 and (mask >> where) & 1 == 0):
        return
    oldest = max(newest, t) - plan[u(ring + 3)]
    if t < oldest:
        return
    bucket = t // plan[u(ring + 2)] * plan[u(ring + 2)]
    block = mem[u(desc)] >> 8
    cap = (1 << (mem[u(desc)] & 255)) // 2
    n = mem[u(desc + 1)] & _LOW32
    for i in range(n):
        if mem[u(block + cap + i)] == v:
            mem[u(block + i)] = max(mem[u(block + i)], bucket)
            return
    if n == cap or n >= plan[u(ring + 4)]:
        kept = 0
        for i in range(n):
            if mem[u(block + i)] >= oldest:
                mem[u(block + kept)] = mem[u(block + i)]
                mem[u(block + cap + kept)] = mem[u(block + cap + i)]
                kept += 1
        n = kept
        mem[u(desc + 1)] = n
    if n >= plan[u(ring + 4)]:
        least = 0
        for i in range(1, n):
            if mem[u(block + i)] < mem[u(block + least)]:
                least = i
        mem[_TRUNCATED] += 1
        if mem[u(block + least)] <= bucket:
            mem[u(block + least)] = bucket
            mem[u(block + cap + least)] = v
        return
    if not _make_room(mem, desc, 2, plan[u(ring + 4)] + 1):
        return
    block = mem[u(desc)] >> 8
    cap = (1 << (mem[u(desc)] & 255)) // 2
    n = mem[u(desc + 1)] & _LOW32
    mem[u(block + n)] = bucket
    mem[u(block + cap + n)] = v
    mem[u(desc + 1)] = n + 1


@njit(cache=True, nogil=True)
def _locate(plan, mem, index, hashes, t):
    """Find or make the row of each key, into the scratch words; 0 where the key is null or memory is full.

    Three rounds, each asking for the lines the next one needs: index slots, rows, the ends of the rings' columns.
    """
    slots = np.uint64(index.shape[0] - 1)
    for k in range(plan[0]):
        at = 4 + k * _KEY_WORDS
        h = hashes[u(plan[u(at)])]
        if h != u(0):
            h = mix(h, u(k + 1))
            if plan[u(at + 1)] >= 0:
                other = hashes[u(plan[u(at + 1)])]
                h = mix(h, other) if other != u(0) else u(0)
        mem[u(_SCRATCH_HASHES + k)] = np.int64(h)
        if h != u(0):
            prefetch(index, np.int64(h & slots))
    for k in range(plan[0]):
        h = u(mem[u(_SCRATCH_HASHES + k)])
        row = 0
        if h != u(0):
            row = _find(index, mem, h)
            if row == 0:
                row = _new_row(plan, mem, index, h, k)
            else:
                prefetch(mem, row + 8)
        mem[u(_SCRATCH + k)] = row
    for k in range(plan[0]):
        row = mem[u(_SCRATCH + k)]
        if row != 0:
            at = 4 + k * _KEY_WORDS
            for r in range(plan[u(at + 4)]):
                width = plan[u(plan[u(at + 5)] + r * _RING_WORDS + 1)]
                desc = row + 3 + 2 * r
                block = mem[u(desc)] >> 8
                cap = (1 << (mem[u(desc)] & 255)) // width
                end = (mem[u(desc + 1)] >> 32) + (mem[u(desc + 1)] & _LOW32)
                for c in range(width):
                    prefetch(mem, block + c * cap + end - 1)


@njit(cache=True, nogil=True)
def _new_row(plan, mem, index, h, k):
    """A row for a key never seen, or 0 when memory or the index is full: its features then stay null."""
    row = 0 if mem[_KEYS] * 10 >= index.shape[0] * 9 else take_row(mem, k, plan[u(4 + k * _KEY_WORDS + 2)])
    if row == 0:
        mem[_FULL] += 1
        return 0
    mem[u(row)] = np.int64(h)
    mem[u(row + 1)] = k
    mem[u(row + 2)] = NEVER
    put_index(index, h, row)
    mem[_KEYS] += 1
    return row


@njit(cache=True, nogil=True)
def observe(plan, mem, index, hashes, numbers, t, mask, out):
    """Read all features as of `t` (us) into `out` float64[n] (NaN is null), then count this payment.

    `hashes` uint64[fields], 0 for null; `numbers` int64[integers]; `mask` bit i: filter i is true for this payment.
    Returns whether the index has become too full: call `rehash` into a larger one.
    """
    for i in range(out.shape[0]):
        out[i] = np.nan
    _locate(plan, mem, index, hashes, t)
    for k in range(plan[0]):
        row = mem[u(_SCRATCH + k)]
        if row == 0:
            continue
        at = 4 + k * _KEY_WORDS
        newest = mem[u(row + 2)]
        if newest == NEVER:
            newest = t
        for r in range(plan[u(at + 4)]):
            ring = plan[u(at + 5)] + r * _RING_WORDS
            desc = row + 3 + 2 * r
            block = mem[u(desc)] >> 8
            start = mem[u(desc + 1)] >> 32
            n = mem[u(desc + 1)] & _LOW32
            cap = (1 << (mem[u(desc)] & 255)) // plan[u(ring + 1)]
            if plan[u(ring)] == _PAYMENTS:
                _read_payments(plan, mem, ring, block, cap, start, n, t, mask, numbers, hashes, out)
                _count_payment(plan, mem, ring, desc, t, newest, mask, numbers, hashes)
            elif plan[u(ring)] == _BUCKETS:
                _read_buckets(plan, mem, ring, block, cap, start, n, t, mask, numbers, out)
                _count_bucket(plan, mem, ring, desc, t, newest, mask, numbers)
            else:
                _read_values(plan, mem, ring, block, cap, start, n, t, newest, mask, hashes, out)
                _count_value(plan, mem, ring, desc, t, newest, mask, hashes)
        mem[u(row + 2)] = max(newest, t)
    ratios = plan[3]
    for r in range(plan[2]):
        bottom = out[plan[u(ratios + 3 * r + 2)]]
        out[plan[u(ratios + 3 * r)]] = out[plan[u(ratios + 3 * r + 1)]] / bottom if bottom != 0 else np.nan
    mem[_NEWEST] = max(mem[_NEWEST], t)
    mem[_EVENTS] += 1
    sweep(plan, mem, index, SWEEP_STEPS)
    return mem[_KEYS] * 10 >= index.shape[0] * 7
