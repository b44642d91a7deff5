"""An open-addressing table from a 64-bit keyed hash to a number; 16 bytes a slot, at most half full, never changed.

A hit is a hint: the caller compares the value itself, so two values with one hash can never be confused.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit
from numba import uint64 as u
from numpy.typing import NDArray

from lianfang.kernel.errors import InputError

Table = NDArray[np.uint64]
EMPTY_TABLE: Final[Table] = np.zeros(4, np.uint64)


@njit(cache=True, nogil=True)
def probe(table, h):
    """The number that hash `h` (not 0) stands for, or -1. `table` is uint64[2 * slots]: hash, number, hash, number ..."""
    slots = u(table.shape[0] // 2 - 1)
    i = h & slots
    while True:
        found = table[i * u(2)]
        if found == h:
            return np.int64(table[i * u(2) + u(1)])
        if found == u(0):
            return -1
        i = (i + u(1)) & slots


@njit(cache=True, nogil=True)
def _fill(table, hashes, numbers):
    slots = u(table.shape[0] // 2 - 1)
    for k in range(hashes.shape[0]):
        i = hashes[k] & slots
        while table[i * u(2)] != u(0):
            if table[i * u(2)] == hashes[k]:
                return k
            i = (i + u(1)) & slots
        table[i * u(2)] = hashes[k]
        table[i * u(2) + u(1)] = u(numbers[k])
    return -1


def build_table(hashes: NDArray[np.uint64], numbers: NDArray[np.int64]) -> Table:
    """A table of distinct, non-zero `hashes` uint64[n] to non-negative `numbers` int64[n]."""
    slots = 4  # more than the empty table's, which is never looked into
    while slots < 2 * len(hashes):
        slots *= 2
    table: Table = np.zeros(2 * slots, np.uint64)
    if (twice := _fill(table, hashes, numbers)) >= 0:
        raise InputError("a hash stands twice in a lookup table", f"entry {twice}")
    return table
