"""Counts one payment in one ring: forgets what is too old, makes room, puts it in the order of time.

All take bare pointers. `desc` is the address of the ring's three words in its row (see `layout`).
"""

from __future__ import annotations

from numba import int64, njit

from lianfang.engines.features.layout import (
    COL_COUNT,
    COL_FIRST,
    COL_INT,
    COL_MASK,
    COL_MAX,
    COL_SUM,
    COL_VALUE,
    COLUMN_WORDS,
    EXCLUDED,
    LOW32,
    NEVER,
    SUM_MAX,
)
from lianfang.engines.features.memory import CLASS_MIN, TRUNCATED, give_block, take_block
from lianfang.engines.features.reading import last_seen


@njit(cache=True, nogil=True)
def _first_block(mem, desc, width):
    size_class = CLASS_MIN
    while (1 << size_class) < 2 * width:
        size_class += 1
    at = take_block(mem, size_class)
    if at == 0:
        return False
    mem[desc] = at
    mem[desc + 1] = ((1 << size_class) // width) << 8 | size_class
    mem[desc + 2] = 0
    return True


@njit(inline="always")
def _slide(mem, base, cap, columns, step, start, n):
    """Move records [start, start + n) to the front of every column."""
    for c in range(columns):
        column = base + c * cap * step
        for i in range(n * step):
            mem[column + i] = mem[column + start * step + i]


@njit(cache=True, nogil=True)
def _enlarge(mem, desc, columns, step, start, n):
    """The block is full at its end: slide, grow, or, when memory is full, forget the oldest record."""
    base = mem[desc]
    size_class = mem[desc + 1] & 255
    cap = mem[desc + 1] >> 8
    if 4 * start < cap:  # with a quarter free at the front, sliding is cheaper than growing, and rare enough
        at = take_block(mem, size_class + 1)
        if at != 0:
            new_cap = (2 << size_class) // (columns * step)
            for c in range(columns):
                for i in range(n * step):
                    mem[at + c * new_cap * step + i] = mem[base + (c * cap + start) * step + i]
            give_block(mem, base, size_class)
            mem[desc] = at
            mem[desc + 1] = new_cap << 8 | (size_class + 1)
            mem[desc + 2] = n
            return
        if start == 0:
            start = 1
            n -= 1
    _slide(mem, base, cap, columns, step, start, n)
    mem[desc + 2] = n


@njit(inline="always")
def _make_room(mem, desc, columns, step, records_max):
    """Room for one more record at the end of a ring. False when there is none to be had.

    A record is `columns` columns of `step` words: column by column (step 1), or record by record (columns 1).
    """
    if mem[desc] == 0:
        return _first_block(mem, desc, columns * step)
    start = mem[desc + 2] >> 32
    n = mem[desc + 2] & LOW32
    if n >= records_max:
        start += 1
        n -= 1
        mem[TRUNCATED] += 1
        mem[desc + 2] = start << 32 | n
    if start + n >= mem[desc + 1] >> 8:
        _enlarge(mem, desc, columns, step, start, n)
    return True


@njit(inline="always")
def _forget(mem, desc, before, step):
    """Drop records older than `before` from the front of a sorted ring; an emptied ring gives its block back."""
    base = mem[desc]
    if base == 0:
        return
    start = mem[desc + 2] >> 32
    n = mem[desc + 2] & LOW32
    if n > 0 and mem[base + start * step] >= before:
        return
    while n > 0 and mem[base + start * step] < before:
        start += 1
        n -= 1
    if n == 0:
        give_block(mem, base, mem[desc + 1] & 255)
        mem[desc] = 0
        mem[desc + 1] = 0
        start = 0
    mem[desc + 2] = start << 32 | n


@njit(cache=True, nogil=True)
def _open_gap(mem, base, cap, columns, step, position, end):
    """Shift records [position, end) one up in every column."""
    for c in range(columns):
        first = base + (c * cap + position) * step
        i = base + (c * cap + end) * step + step - 1
        while i >= first + step:
            mem[i] = mem[i - step]
            i -= 1


@njit(cache=True, nogil=True)
def count_payment(plan, mem, ring, desc, t, newest, mask, numbers, hashes):
    """Add this payment to a ring of single payments."""
    width = plan[ring + 1]
    oldest = max(newest, t) - plan[ring + 3]
    _forget(mem, desc, oldest, 1)
    if t < oldest or not _make_room(mem, desc, width, 1, plan[ring + 4]):
        return
    base = mem[desc]
    cap = mem[desc + 1] >> 8
    start = mem[desc + 2] >> 32
    n = mem[desc + 2] & LOW32
    end = start + n
    position = end
    while position > start and mem[base + position - 1] > t:
        position -= 1
    if position < end:
        _open_gap(mem, base, cap, width, 1, position, end)
    mem[base + position] = t
    spec = plan[ring + 5]
    column = base + cap
    for _ in range(1, width):
        what = plan[spec]
        if what == COL_INT:
            mem[column + position] = numbers[plan[spec + 1]]
        elif what == COL_MASK:
            mem[column + position] = mask
        elif what == COL_VALUE:
            where = plan[spec + 2]
            passes = where < 0 or (mask >> where) & 1 == 1
            mem[column + position] = int64(hashes[plan[spec + 1]]) if passes else 0
        else:  # COL_PREVIOUS, of the value column that stands before it
            values = base + plan[spec + 1] * cap
            own = mem[values + position]
            if own == 0:
                mem[column + position] = EXCLUDED
            else:
                mem[column + position] = last_seen(mem, base, values, start, position, own)
                for i in range(position + 1, end + 1):
                    if mem[values + i] == own:
                        mem[column + i] = t
                        break
        spec += COLUMN_WORDS
        column += cap
    mem[desc + 2] = start << 32 | (n + 1)


@njit(cache=True, nogil=True)
def _bucket_address(plan, mem, ring, desc, width, bucket):
    """Address of this bucket's record, made if it was not there; 0 when there is no room."""
    base = mem[desc]
    start = mem[desc + 2] >> 32
    end = start + (mem[desc + 2] & LOW32)
    position = end
    while position > start and mem[base + (position - 1) * width] > bucket:
        position -= 1
    if position > start and mem[base + (position - 1) * width] == bucket:
        return base + (position - 1) * width
    from_end = end - position
    if not _make_room(mem, desc, 1, width, plan[ring + 4]):
        return 0
    base = mem[desc]
    start = mem[desc + 2] >> 32
    n = mem[desc + 2] & LOW32
    position = max(start + n - from_end, start)
    _open_gap(mem, base, mem[desc + 1] >> 8, 1, width, position, start + n)
    mem[desc + 2] = start << 32 | (n + 1)
    at = base + position * width
    mem[at] = bucket
    for c in range(1, width):
        what = plan[plan[ring + 5] + (c - 1) * COLUMN_WORDS]
        mem[at + c] = 0 if what == COL_COUNT or what == COL_SUM else NEVER
    return at


@njit(cache=True, nogil=True)
def count_bucket(plan, mem, ring, desc, t, bucket, newest, mask, numbers):
    """Add this payment to its bucket."""
    width = plan[ring + 1]
    oldest = max(newest, t) - plan[ring + 3]
    _forget(mem, desc, oldest, width)
    if t < oldest:
        return
    at = _bucket_address(plan, mem, ring, desc, width, bucket)
    if at == 0:
        return
    spec = plan[ring + 5]
    for _ in range(1, width):
        at += 1
        where = plan[spec + 2]
        if where < 0 or (mask >> where) & 1 == 1:
            what = plan[spec]
            if what == COL_COUNT:
                mem[at] += 1
            elif what == COL_SUM:
                mem[at] = min(mem[at] + numbers[plan[spec + 1]], SUM_MAX)
            elif what == COL_MAX:
                mem[at] = max(mem[at], numbers[plan[spec + 1]])
            elif what == COL_FIRST:
                mem[at] = t if mem[at] == NEVER else min(mem[at], t)
            else:
                mem[at] = max(mem[at], t)
        spec += COLUMN_WORDS


@njit(cache=True, nogil=True)
def _forget_values(mem, desc, before):
    """Drop the values last seen before `before`. The ring is not sorted: a value moves in time, not in place."""
    base = mem[desc]
    cap = mem[desc + 1] >> 8
    kept = 0
    for i in range(mem[desc + 2]):
        if mem[base + i] >= before:
            mem[base + kept] = mem[base + i]
            mem[base + cap + kept] = mem[base + cap + i]
            kept += 1
    mem[desc + 2] = kept


@njit(cache=True, nogil=True)
def _replace_oldest(mem, desc, bucket, own):
    """The ring is full for good: the value seen longest ago makes room, unless this one is older still."""
    base = mem[desc]
    least = 0
    for i in range(1, mem[desc + 2]):
        if mem[base + i] < mem[base + least]:
            least = i
    mem[TRUNCATED] += 1
    if mem[base + least] <= bucket:
        mem[base + least] = bucket
        mem[base + (mem[desc + 1] >> 8) + least] = own


@njit(cache=True, nogil=True)
def count_value(plan, mem, ring, desc, t, bucket, newest, mask, hashes):
    """Remember this payment's value as seen in its bucket. Such a ring always starts at 0."""
    where = plan[plan[ring + 5] + 2]
    own = int64(hashes[plan[plan[ring + 5] + 1]])
    oldest = max(newest, t) - plan[ring + 3]
    if own == 0 or (where >= 0 and (mask >> where) & 1 == 0) or t < oldest:
        return
    base = mem[desc]
    cap = mem[desc + 1] >> 8
    n = mem[desc + 2]
    for i in range(n):
        if mem[base + cap + i] == own:
            mem[base + i] = max(mem[base + i], bucket)
            return
    if n > 0 and (n == cap or n >= plan[ring + 4]):
        _forget_values(mem, desc, oldest)
    if mem[desc + 2] >= plan[ring + 4]:
        _replace_oldest(mem, desc, bucket, own)
        return
    if not _make_room(mem, desc, 2, 1, plan[ring + 4] + 1):
        return
    base = mem[desc]
    n = mem[desc + 2]
    mem[base + n] = bucket
    mem[base + (mem[desc + 1] >> 8) + n] = own
    mem[desc + 2] = n + 1
