"""One payment through all features: find its keys, read every ring, then count it there. Compiled by numba.

Nothing here allocates, and nothing depends on which features are declared, so one compiled kernel serves every rule set.
The parts: `index` finds rows, `reading` reads rings, `counting` changes them, `memory` holds them, `layout` names the words.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import int64, njit
from numba import uint64 as u

from lianfang.engines.features.counting import count_bucket, count_payment, count_value
from lianfang.engines.features.index import find, guess, move, put, sweep
from lianfang.engines.features.layout import (
    BUCKETS,
    DESC_WORDS,
    FRAUDS,
    HEADER_WORDS,
    KEY_WORDS,
    LOW32,
    NEVER,
    PAYMENTS,
    RING_WORDS,
    ROW_WORDS,
)
from lianfang.engines.features.memory import EVENTS, FULL, KEYS, NEWEST, SCRATCH, SCRATCH_HASHES, take_row
from lianfang.engines.features.reading import read_buckets, read_payments, read_values
from lianfang.engines.keyed import mix
from lianfang.engines.native import prefetch

GROW: Final = 1
"""Flag: the index is becoming full; put a larger one beside it."""
FULL_NOW: Final = 2
"""Flag: memory was full for a key of this payment, whose features are null or count too little."""
MOVED_ALL: Final = 8
"""Flag: nothing is left in the old index; let go of it."""
MOVE_STEPS: Final = 4
"""Slots moved with each payment and key while the index grows: it is moved before the larger one can fill."""
SWEEP_STEPS: Final = 2
"""Index slots looked at for expired keys with each payment."""


@njit(inline="always")
def _new_row(plan, mem, index, slots, h, k):
    """A row for a key never seen, or 0 when memory or the index is full: its features then stay null."""
    row = take_row(mem, k, plan[HEADER_WORDS + k * KEY_WORDS + 2]) if mem[KEYS] * 10 < int64(slots) * 9 else 0
    if row == 0:
        mem[FULL] += 1
        return 0
    mem[row] = int64(h)
    mem[row + 1] = k
    mem[row + 2] = NEVER
    put(index, slots, h, row)
    mem[KEYS] += 1
    return row


@njit(cache=True, nogil=True)
def ask_for(plan, mem, index, slots, hashes):
    """The hash of each key, 0 for null, into the scratch words; ask for its slot of the index."""
    for k in range(plan[0]):
        at = HEADER_WORDS + k * KEY_WORDS
        h = hashes[plan[at]]
        if h != u(0):
            h = mix(h, u(k + 1))
            if plan[at + 1] >= 0:
                other = hashes[plan[at + 1]]
                h = mix(h, other) if other != u(0) else u(0)
        mem[SCRATCH_HASHES + k] = int64(h)
        if h != u(0):
            prefetch(index, int64(h & slots))


@njit(inline="always")
def _locate(plan, mem, index, slots, old, old_slots):
    """Find or make the row of each key, into the scratch words; 0 where the key is null or memory is full.

    Rounds, each asking for the lines the next one needs, so that they come together and not one after the other: index
    slots (`ask_for`), rows, the beginnings and ends of the rings' columns.
    """
    for k in range(plan[0]):
        h = u(mem[SCRATCH_HASHES + k])
        if h != u(0):
            row = guess(index, slots, h)
            for line in range(3):
                prefetch(mem, row + 8 * line)
    for k in range(plan[0]):
        h = u(mem[SCRATCH_HASHES + k])
        row = 0
        if h != u(0):
            row = find(index, slots, mem, h)
            if row == 0 and old_slots != u(0):
                row = find(old, old_slots, mem, h)
            if row == 0:
                row = _new_row(plan, mem, index, slots, h, k)
        mem[SCRATCH + k] = row
    for k in range(plan[0]):
        row = mem[SCRATCH + k]
        if row != 0:
            at = HEADER_WORDS + k * KEY_WORDS
            ring = plan[at + 5]
            desc = row + ROW_WORDS
            for _ in range(plan[at + 4]):
                _ask_for_ring(plan, mem, ring, desc)
                ring += RING_WORDS
                desc += DESC_WORDS


@njit(inline="always")
def _ask_for_ring(plan, mem, ring, desc):
    """Its oldest record, which may be forgotten, and its newest, behind which the next one goes."""
    base = mem[desc]
    start = mem[desc + 2] >> 32
    end = start + (mem[desc + 2] & LOW32)
    if plan[ring] & 3 == BUCKETS:
        prefetch(mem, base + start * plan[ring + 1])
        prefetch(mem, base + (end - 1) * plan[ring + 1])
    else:
        prefetch(mem, base + start)
        cap = mem[desc + 1] >> 8
        for c in range(plan[ring + 1]):
            prefetch(mem, base + end + c * cap)


@njit(cache=True, nogil=True)
def _observe(plan, mem, index, slots, old, old_slots, hashes, numbers, t, mask, out):
    _locate(plan, mem, index, slots, old, old_slots)
    for k in range(plan[0]):
        row = mem[SCRATCH + k]
        if row == 0:
            continue
        at = HEADER_WORDS + k * KEY_WORDS
        newest = mem[row + 2]
        if newest == NEVER:
            newest = t
        ring = plan[at + 5]
        desc = row + ROW_WORDS
        width = int64(0)
        bucket = t
        for _ in range(plan[at + 4]):
            base = mem[desc]
            cap = mem[desc + 1] >> 8
            start = mem[desc + 2] >> 32
            n = mem[desc + 2] & LOW32
            kind = plan[ring]
            if kind == PAYMENTS:
                read_payments(plan, mem, ring, base, cap, start, n, t, mask, numbers, hashes, out)
                count_payment(plan, mem, ring, desc, t, newest, mask, numbers, hashes)
            elif kind == FRAUDS + PAYMENTS:
                read_payments(plan, mem, ring, base, cap, start, n, t, mask, numbers, hashes, out)
            else:
                if plan[ring + 2] != width:  # one division for each width, not for each ring
                    width = plan[ring + 2]
                    bucket = t - t % width
                if kind == BUCKETS:
                    read_buckets(plan, mem, ring, base, start, n, t, bucket, mask, numbers, out)
                    count_bucket(plan, mem, ring, desc, t, bucket, newest, mask, numbers)
                elif kind == FRAUDS + BUCKETS:
                    read_buckets(plan, mem, ring, base, start, n, t, bucket, mask, numbers, out)
                else:
                    read_values(plan, mem, ring, base, cap, n, bucket, newest, mask, hashes, out)
                    count_value(plan, mem, ring, desc, t, bucket, newest, mask, hashes)
            ring += RING_WORDS
            desc += DESC_WORDS
        mem[row + 2] = max(newest, t)
    ratios = plan[3]
    for _ in range(plan[2]):
        bottom = out[plan[ratios + 2]]
        out[plan[ratios]] = out[plan[ratios + 1]] / bottom if bottom != 0 else np.nan
        ratios += 3
    mem[NEWEST] = max(mem[NEWEST], t)
    mem[EVENTS] += 1
    if old_slots != u(0):
        return move(old, old_slots, index, slots, mem, MOVE_STEPS * plan[0])
    sweep(plan, mem, index, slots, SWEEP_STEPS)
    return False


@njit(inline="always")
def _learn_key(plan, mem, ring, rings, desc, newest, t, mask, numbers, hashes):
    """Count a fraud in those rings of one key that count frauds."""
    for _ in range(rings):
        kind = plan[ring]
        if kind == FRAUDS + PAYMENTS:
            count_payment(plan, mem, ring, desc, t, newest, mask, numbers, hashes)
        elif kind == FRAUDS + BUCKETS:
            count_bucket(plan, mem, ring, desc, t, t - t % plan[ring + 2], newest, mask, numbers)
        ring += RING_WORDS
        desc += DESC_WORDS


@njit(inline="always")
def _counts_frauds(plan, ring, rings):
    for r in range(rings):  # noqa: SIM110 - numba
        if plan[ring + r * RING_WORDS] >= FRAUDS:
            return True
    return False


@njit(cache=True, nogil=True)
def learn(plan, mem, index, index_slots, old, old_slots, hashes, numbers, t, mask):
    """Count a payment that became known to be fraud at `t` (us), where frauds are counted. Bare pointers, as `observe`.

    After `ask_for`. `numbers`, `mask`: of the payment. Returns the flags `GROW`, `FULL_NOW`.
    """
    full_before = mem[FULL]
    slots = u(index_slots - 1)
    for k in range(plan[0]):
        at = HEADER_WORDS + k * KEY_WORDS
        h = u(mem[SCRATCH_HASHES + k])
        if h == u(0) or not _counts_frauds(plan, plan[at + 5], plan[at + 4]):
            continue
        row = find(index, slots, mem, h)
        if row == 0 and old_slots > 0:
            row = find(old, u(old_slots - 1), mem, h)
        if row == 0:
            row = _new_row(plan, mem, index, slots, h, k)
        if row == 0:
            continue
        newest = t if mem[row + 2] == NEVER else mem[row + 2]
        _learn_key(plan, mem, plan[at + 5], plan[at + 4], row + ROW_WORDS, newest, t, mask, numbers, hashes)
        mem[row + 2] = max(newest, t)
    mem[NEWEST] = max(mem[NEWEST], t)
    flags = FULL_NOW if mem[FULL] != full_before else 0
    return flags | GROW if mem[KEYS] * 10 >= index_slots * 7 and old_slots == 0 else flags


@njit(cache=True, nogil=True)
def observe(plan, mem, index, index_slots, old, old_slots, hashes, numbers, t, mask, out, outs):
    """Read all features as of `t` (us) into `out` float64[outs] (NaN is null), then count this payment. Bare pointers.

    After `ask_for`, which put the keys' hashes into the scratch words.

    `hashes` uint64[fields], 0 for null; `numbers` int64[integers]; `mask` bit i: filter i is true for this payment.
    `index` has `index_slots` slots; `old` the `old_slots` of the index it grows out of, 0 when it does not grow.
    Returns flags: `GROW`, `FULL_NOW`, `MOVED_ALL`.
    """
    for i in range(outs):
        out[i] = np.nan
    full_before = mem[FULL]
    behind = u(old_slots - 1) if old_slots > 0 else u(0)
    moved = _observe(plan, mem, index, u(index_slots - 1), old, behind, hashes, numbers, t, mask, out)
    flags = MOVED_ALL if moved else 0
    if mem[FULL] != full_before:
        flags |= FULL_NOW
    if mem[KEYS] * 10 >= index_slots * 7 and old_slots == 0:
        flags |= GROW
    return flags
