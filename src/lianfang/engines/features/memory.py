"""The arena that rows and rings live in: one int64 array, blocks in power-of-two sizes, freed blocks reused.

No Python object is held per key. The first words are bookkeeping; an address is the index of a word. `mem` is a bare
pointer here: every address comes from `take_block` or `take_row`, which never give one past the end.
"""

from __future__ import annotations

from typing import Final

from numba import njit

BUMP: Final = 0
"""Next word never used."""
KEYS: Final = 1
SWEEP: Final = 2
"""Where the sweep for expired keys stands in the index."""
TRUNCATED: Final = 3
"""Times a busy key had to forget payments inside its windows (EVENTS_MAX, VALUES_MAX)."""
FULL: Final = 4
"""Times memory or the index was full and something was not counted."""
EXPIRED: Final = 5
NEWEST: Final = 6
"""Newest time counted, microseconds."""
EVENTS: Final = 7
TOTAL: Final = 8
"""Words there are."""
MOVED: Final = 9
"""While the index grows: slots of the old one already moved."""
FREE_BLOCKS: Final = 16
"""Heads of the free lists by log2 of words: 16 + 4 .. 16 + 40."""
FREE_ROWS: Final = 64
"""Heads of the free lists of rows, by key."""
SCRATCH: Final = FREE_ROWS + 512
"""Row addresses of the payment in hand, by key; its key hashes follow."""
SCRATCH_HASHES: Final = SCRATCH + 512
FIRST_WORD: Final = SCRATCH_HASHES + 512
CLASS_MIN: Final = 3
"""The smallest ring has 8 words, one cache line."""


@njit(inline="always")
def take_block(mem, size_class):
    """Address of a block of 2**size_class words, or 0 when memory is full."""
    head = mem[FREE_BLOCKS + size_class]
    if head != 0:
        mem[FREE_BLOCKS + size_class] = mem[head]
        return head
    words = 1 << size_class
    at = (mem[BUMP] + 7) & ~7  # blocks begin on a cache line
    if at + words > mem[TOTAL]:
        mem[FULL] += 1
        return 0
    mem[BUMP] = at + words
    return at


@njit(inline="always")
def give_block(mem, at, size_class):
    """Return a block."""
    mem[at] = mem[FREE_BLOCKS + size_class]
    mem[FREE_BLOCKS + size_class] = at


@njit(inline="always")
def take_row(mem, key, words):
    """Address of a zeroed row of one key, or 0 when memory is full."""
    head = mem[FREE_ROWS + key]
    if head != 0:
        mem[FREE_ROWS + key] = mem[head]
    else:
        head = mem[BUMP]
        if head + words > mem[TOTAL]:
            mem[FULL] += 1
            return 0
        mem[BUMP] = head + words
    for i in range(words):
        mem[head + i] = 0
    return head


@njit(inline="always")
def give_row(mem, at, key):
    """Return a row."""
    mem[at] = mem[FREE_ROWS + key]
    mem[FREE_ROWS + key] = at
