"""Which payments were answered, and where: the last N ids at least, 2 N at most, 24 bytes each at half load.

Three generations: ids go into the younger; when it is full the oldest is forgotten, and the third, emptied a little with
each id until then, becomes the younger. Nothing is moved or deleted singly, so the cost of a payment stays the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numba import njit
from numba import uint64 as u
from numpy.typing import NDArray

from lianfang.engines.native import pointer, prefetch
from lianfang.kernel.errors import EvidenceError

MARK: Final = 1 << 63
"""Beside the seq of an id: it was marked."""


@njit(cache=True, nogil=True)
def prefetch_id(ids, h):
    """Ask for the slot of id hash `h` in every generation; `ids` as in `recall`."""
    table = pointer(ids)
    at = (h & u(ids.shape[1] // 2 - 1)) * u(2)
    for generation in range(3):
        prefetch(table, np.int64(at) + generation * ids.shape[1])


@njit(inline="always")
def _find(ids, state, h):
    """The seq of id hash `h` in the younger generation or the one before, or -1."""
    slots = u(ids.shape[1] // 2 - 1)
    for back in range(2):
        generation = (state[0] + 2 * back) % 3
        i = h & slots
        while ids[generation, i * u(2)] != u(0):
            if ids[generation, i * u(2)] == h:
                return np.int64(ids[generation, i * u(2) + u(1)] & u(MARK - 1))
            i = (i + u(1)) & slots
    return -1


@njit(cache=True, nogil=True)
def recall(ids, state, h, seq):
    """The seq remembered for id hash `h`, or -1 after remembering `seq` for it.

    `ids` uint64[3, 2 * slots]; `state` int64[2]: the younger generation, and how many it holds. Before it stands the
    older one, after it the one that is being emptied: 4 words with each id, all of it by the time it is needed.
    """
    before = _find(ids, state, h)
    if before >= 0:
        return before
    slots = u(ids.shape[1] // 2 - 1)
    if state[1] * 4 >= ids.shape[1]:
        state[0] = (state[0] + 1) % 3
        state[1] = 0
    empty = (state[0] + 1) % 3
    first = state[1] * 4
    for word in range(first, first + 4):
        ids[empty, word] = u(0)
    i = h & slots
    while ids[state[0], i * u(2)] != u(0):
        i = (i + u(1)) & slots
    ids[state[0], i * u(2)] = h
    ids[state[0], i * u(2) + u(1)] = u(seq)
    state[1] += 1
    return -1


@njit(cache=True, nogil=True)
def mark(ids, state, h):
    """Mark id hash `h`. Whether it is remembered and was not marked before."""
    slots = u(ids.shape[1] // 2 - 1)
    for back in range(2):
        generation = (state[0] + 2 * back) % 3
        i = h & slots
        while ids[generation, i * u(2)] != u(0):
            if ids[generation, i * u(2)] == h:
                before = ids[generation, i * u(2) + u(1)]
                ids[generation, i * u(2) + u(1)] = before | u(MARK)
                return before < u(MARK)
            i = (i + u(1)) & slots
    return False


@njit(cache=True, nogil=True)
def _peek(ids, state, h):
    return _find(ids, state, h)


class RecentIds:
    """The ids that repeat the same answer. `remember`: how many at least, rounded up to a power of two."""

    def __init__(self, remember: int) -> None:
        slots = 2
        while slots < 2 * remember:
            slots *= 2
        self.ids: NDArray[np.uint64] = np.zeros((3, 2 * slots), np.uint64)
        self.state: NDArray[np.int64] = np.zeros(2, np.int64)

    def peek(self, h: int) -> int:
        """The seq of id hash `h`, or -1."""
        return int(_peek(self.ids, self.state, np.uint64(h)))

    def snapshot(self, write: Callable[[Any], Any]) -> None:
        """Write all through `write`."""
        write(np.array(self.ids.shape, np.int64).tobytes())
        write(self.state.data.cast("B"))
        write(self.ids.data.cast("B"))

    def restore(self, read: Callable[[int], bytes]) -> None:
        """Read what `snapshot` wrote. Raises `EvidenceError` if its size is another."""
        shape = np.frombuffer(read(16), np.int64)
        if tuple(shape) != self.ids.shape:
            raise EvidenceError("the snapshot remembers another number of ids")
        self.state[:] = np.frombuffer(read(16), np.int64)
        self.ids[:] = np.frombuffer(read(self.ids.nbytes), np.uint64).reshape(self.ids.shape)
