"""The shared tags a payment is looked up in: from a subject's 64-bit keyed hash to what the alliance says, 16 bytes a slot.

Unlike a list's table it changes while payments are decided: one subject at a time, in place, by the thread that decides.
It is at most 5/8 full: 10 million subjects take 268 MB. A hit is believed without comparing the value, which is not kept:
of 10 million, another subject's hash is met once in 10**12 lookups.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numba import uint64 as u
from numpy.typing import NDArray

from lianfang.engines.lookup.table import EMPTY_TABLE, Table, probe
from lianfang.kernel.errors import InputError

CATEGORIES_MAX: Final = 255
SLACK: Final = 8
"""One in so many more than there are fit in before it grows again."""
SETS_MAX: Final = 1 << 20
"""Different sets of contributors."""
_UNTIL_MAX: Final = (1 << 31) - 1


class Met(NamedTuple):
    """What the table says of one subject."""

    category: int
    """A number of the taxonomy, from 1."""
    severity: int
    """1 to 5."""
    contributors: int
    """Which set of members says so."""
    pending: bool
    """The log that carries it is not cosigned yet."""
    until: int
    """Minutes since 1970; from then on it says nothing."""


def packed(met: Met) -> int:
    """As one number below 2**63, never 0. Raises `InputError` past a limit."""
    fine = 0 < met.category <= CATEGORIES_MAX and 0 < met.severity <= 5 and 0 <= met.contributors < SETS_MAX
    if not fine or not 0 <= met.until <= _UNTIL_MAX:
        raise InputError(f"what a tag says is out of its bounds: {met}")
    high = met.until << 32 | met.contributors << 12
    return high | int(met.pending) << 11 | met.severity << 8 | met.category


def unpacked(value: int) -> Met:
    """`packed`, backwards."""
    return Met(value & 255, value >> 8 & 7, value >> 12 & (SETS_MAX - 1), bool(value >> 11 & 1), value >> 32)


@njit(cache=True, nogil=True)
def tag_at(table, h, minute):
    """The packed tag of hash `h` (not 0) that is valid at `minute`, or 0."""
    value = probe(table, h)
    return value if value > 0 and (value >> 32) > minute else 0


@njit(cache=True, nogil=True)
def _put(table, hashes, values):
    """Each hash to its value, 0 to forget it (its slot stays). How many slots were newly taken."""
    slots = u(table.shape[0] // 2 - 1)
    taken = 0
    for k in range(hashes.shape[0]):
        i = hashes[k] & slots
        while table[i * u(2)] != u(0) and table[i * u(2)] != hashes[k]:
            i = (i + u(1)) & slots
        if table[i * u(2)] == u(0):
            if values[k] == 0:
                continue
            table[i * u(2)] = hashes[k]
            taken += 1
        table[i * u(2) + u(1)] = u(values[k])
    return taken


@njit(cache=True, nogil=True)
def _move(old, new):
    """All that says something, into an empty table of another size. How many."""
    slots = u(new.shape[0] // 2 - 1)
    moved = 0
    for k in range(old.shape[0] // 2):
        if old[2 * k] == u(0) or old[2 * k + 1] == u(0):
            continue
        i = old[2 * k] & slots
        while new[i * u(2)] != u(0):
            i = (i + u(1)) & slots
        new[i * u(2)] = old[2 * k]
        new[i * u(2) + u(1)] = old[2 * k + 1]
        moved += 1
    return moved


class TagTable:
    """The table and how full it is. `words` is another array after it grew: whoever holds its address asks again."""

    def __init__(self, room_for: int = 0) -> None:
        self.words: Table = _empty(room_for) if room_for else EMPTY_TABLE.copy()
        self._taken = 0

    @property
    def taken(self) -> int:
        """Slots in use, those of forgotten subjects included until it grows."""
        return self._taken

    def put(self, hashes: NDArray[np.uint64], values: NDArray[np.int64]) -> None:
        """What is said of subjects from now on, hashes uint64[n] not 0, values int64[n] as `packed`; 0 forgets."""
        if len(self.words) <= len(EMPTY_TABLE) or (self._taken + len(hashes)) * 16 > len(self.words) * 5:
            self._grow(len(hashes))  # more than 5/8 of the slots, of two words each
        self._taken += int(_put(self.words, hashes, values))

    def _grow(self, more: int) -> None:
        """Room for what still says something, for `more`, and for some changes: moving all takes a while."""
        living = int(np.count_nonzero(self.words[1::2]))
        grown = _empty(living + living // SLACK + more)
        self._taken = int(_move(self.words, grown))
        self.words = grown

    def get(self, h: int, minute: int) -> int:
        """The packed tag of one hash at a minute, or 0. For tests and questions; the hot path has `tag_at`."""
        return int(tag_at(self.words, np.uint64(h), minute))


def _empty(room_for: int) -> Table:
    slots = 4  # more than the empty table's, which is never looked into
    while slots * 5 < room_for * 8:
        slots *= 2
    return np.zeros(2 * slots, np.uint64)
