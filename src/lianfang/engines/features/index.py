"""The index: from a key's hash to its row, open addressing with linear probing, 8 bytes a slot, and the sweeps that expire.

A slot holds the upper 24 bits of the hash and the row's address; the row holds the whole hash.

A full index is not rehashed at once, which would stop payments for half a second at ten million keys: a larger one is
put beside it, each payment moves a few slots, and until all are moved a key is looked for in both and none expires.
"""

from __future__ import annotations

from typing import Final

from numba import int64, njit
from numba import uint64 as u

from lianfang.engines.features.layout import DESC_WORDS, HEADER_WORDS, KEY_WORDS, RING_WORDS, ROW_WORDS
from lianfang.engines.features.memory import EXPIRED, KEYS, MOVED, NEWEST, SWEEP, give_block, give_row
from lianfang.engines.native import pointer, prefetch

ADDRESS_BITS: Final = 40
ADDRESS: Final = (1 << ADDRESS_BITS) - 1
AHEAD: Final = 16
"""Slots ahead whose rows `sweep_all` asks for."""


@njit(inline="always")
def find(index, slots, mem, h):
    """Address of the row of hash `h`, or 0. `slots` is the number of slots less one."""
    i = h & slots
    while True:
        entry = index[i]
        if entry == u(0):
            return 0
        if entry >> u(ADDRESS_BITS) == h >> u(ADDRESS_BITS):
            row = int64(entry & u(ADDRESS))
            if mem[row] == int64(h):
                return row
        i = (i + u(1)) & slots


@njit(inline="always")
def guess(index, slots, h):
    """Where the row of hash `h` probably is, judged by the slot alone; 0 if there is none. For asking for it early."""
    i = h & slots
    while True:
        entry = index[i]
        if entry == u(0):
            return 0
        if entry >> u(ADDRESS_BITS) == h >> u(ADDRESS_BITS):
            return int64(entry & u(ADDRESS))
        i = (i + u(1)) & slots


@njit(inline="always")
def put(index, slots, h, row):
    """Point hash `h` at `row`. The caller keeps the index at most 90 % full."""
    i = h & slots
    while index[i] != u(0):
        i = (i + u(1)) & slots
    index[i] = ((h >> u(ADDRESS_BITS)) << u(ADDRESS_BITS)) | u(row)


@njit(inline="always")
def move(old, old_slots, index, slots, mem, steps):
    """Put the rows of the next `steps` slots of the old index into the new one. Whether that was the last of them."""
    first = mem[MOVED]
    last = min(first + steps, int64(old_slots) + 1)
    for i in range(first, last):
        prefetch(mem, int64(old[i] & u(ADDRESS)))
    for i in range(first, last):
        if old[i] != u(0):
            row = int64(old[i] & u(ADDRESS))
            put(index, slots, u(mem[row]), row)
    mem[MOVED] = last
    return last > int64(old_slots)


@njit(cache=True, nogil=True)
def move_all(old, index, mem):
    """Move all that is left (arrays)."""
    move(pointer(old), u(old.shape[0] - 1), pointer(index), u(index.shape[0] - 1), pointer(mem), old.shape[0])


@njit(inline="always")
def _drop(index, slots, mem, slot):
    """Empty one slot and close the gap behind it (backward shift)."""
    gap = slot
    i = (slot + u(1)) & slots
    while index[i] != u(0):
        home = u(mem[int64(index[i] & u(ADDRESS))]) & slots
        if ((i - home) & slots) >= ((i - gap) & slots):
            index[gap] = index[i]
            gap = i
        i = (i + u(1)) & slots
    index[gap] = u(0)


@njit(inline="always")
def _free(plan, mem, index, slots, slot, row):
    """Give back a row, its rings' blocks and its slot. Words given back."""
    key = mem[row + 1]
    at = HEADER_WORDS + key * KEY_WORDS
    words = plan[at + 2]
    for r in range(plan[at + 4]):
        desc = row + ROW_WORDS + r * DESC_WORDS
        if mem[desc] != 0:
            give_block(mem, mem[desc], mem[desc + 1] & 255)
            words += 1 << (mem[desc + 1] & 255)
    _drop(index, slots, mem, slot)
    give_row(mem, row, key)
    mem[KEYS] -= 1
    mem[EXPIRED] += 1
    return words


@njit(inline="always")
def sweep(plan, mem, index, slots, steps):
    """Look at the next `steps` slots and free the rows whose every window has passed."""
    slot = u(mem[SWEEP])
    for _ in range(steps):
        slot = (slot + u(1)) & slots
        entry = index[slot]
        if entry != u(0):
            row = int64(entry & u(ADDRESS))
            at = HEADER_WORDS + mem[row + 1] * KEY_WORDS
            if mem[row + 2] + plan[at + 3] < mem[NEWEST]:
                _free(plan, mem, index, slots, slot, row)
                slot = (slot - u(1)) & slots  # another entry may have moved here
    mem[SWEEP] = int64(slot)


@njit(inline="always")
def _free_rings(plan, mem, row, ring, rings):
    """Give back the blocks of those rings of a row whose windows have passed since its newest payment. Words given back."""
    words = 0
    desc = row + ROW_WORDS
    for _ in range(rings):
        if mem[desc] != 0 and mem[row + 2] + plan[ring + 3] < mem[NEWEST]:
            give_block(mem, mem[desc], mem[desc + 1] & 255)
            words += 1 << (mem[desc + 1] & 255)
            mem[desc] = 0
            mem[desc + 1] = 0
            mem[desc + 2] = 0
        desc += DESC_WORDS
        ring += RING_WORDS
    return words


@njit(cache=True, nogil=True)
def sweep_all(plan, mem, index):
    """Look at every slot (arrays): free rows as `sweep` does, and in those that stay every ring that no window reads any more.

    Words given back.
    """
    given = 0
    words, arena, slots = pointer(plan), pointer(mem), pointer(index)
    last = u(index.shape[0] - 1)
    i = 0
    while i < index.shape[0]:
        prefetch(arena, int64(slots[u(i + AHEAD) & last] & u(ADDRESS)))  # rows lie anywhere: ask early
        entry = slots[u(i)]
        i += 1
        if entry == u(0):
            continue
        row = int64(entry & u(ADDRESS))
        at = HEADER_WORDS + arena[row + 1] * KEY_WORDS
        if arena[row + 2] + words[at + 3] < arena[NEWEST]:
            given += _free(words, arena, slots, last, u(i - 1), row)
            i -= 1  # another entry may have moved here
        else:
            given += _free_rings(words, arena, row, words[at + 5], words[at + 4])
    return given
