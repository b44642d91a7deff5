"""One call from Python for all compiled work of a payment: a call costs 0.1 us and each array it takes 0.08.

The text it hashes is the payment's id, then the features' fields, then the subjects that lists are about, each once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numba import njit
from numba import uint64 as u
from numpy.typing import NDArray

from lianfang.engines.features import FeatureState, Plan
from lianfang.engines.features.kernel import FULL_NOW, GROW, observe
from lianfang.engines.keyed import HashKey, hash_fields, mix
from lianfang.engines.keyed.siphash import SEPARATOR
from lianfang.engines.lookup import EMPTY_TABLE, RecentIds, probe, recall
from lianfang.wire import SUBJECTS

FRESH: Final = -1
"""The payment was not answered before: its features are in `features`, and it is counted."""
ALREADY: Final = 0
"""Results from here on are the seq of the answer given before; nothing was counted."""

LIST_PATHS: Final = tuple(SUBJECTS)
SUBJECT_KINDS: Final = tuple(sorted(set(SUBJECTS.values())))


@njit(cache=True, nogil=True)
def _look_up(lists, kinds, places, hashes, groups):
    """Fill `groups` with the list group of each subject, -1 where there is none; whether there is any.

    Subject i has kind `kinds[i]` and hash `hashes[places[i]]`, 0 for null.
    """
    listed = False
    for i in range(kinds.shape[0]):
        h = hashes[places[i]]
        groups[i] = probe(lists, mix(h, u(kinds[i]))) if h != u(0) else -1
        listed = listed or groups[i] >= 0
    return listed


@njit(cache=True, nogil=True)
def look_up_many(lists, kinds, hashes):
    """How many rows of `hashes` uint64[n, kinds] stand on a list. For measuring `_look_up` without Python in between."""
    groups = np.empty(kinds.shape[0], np.int64)
    places = np.arange(kinds.shape[0])
    found = 0
    for i in range(hashes.shape[0]):
        found += _look_up(lists, kinds, places, hashes[i], groups)
    return found


@njit(cache=True, nogil=True)
def _journey(text, k0, k1, hashes, ids, ids_state, seq, lists, kinds, places, groups, plan, mem, index, numbers, t, mask, out):
    """Returns (seq answered before or -1, whether any list knows a subject, flags of `observe`)."""
    hash_fields(text, k0, k1, hashes)
    before = recall(ids, ids_state, hashes[0], seq)
    if before >= 0:
        return before, False, 0
    flags = observe(plan, mem, index, hashes[1:], numbers, t, mask, out)
    listed = lists.shape[0] > 4 and _look_up(lists, kinds, places, hashes, groups)
    return -1, listed, flags


class HotPath:
    """Feature state, answered ids and the list table of one decider, behind one call. Not thread-safe."""

    def __init__(self, plan: Plan, key: HashKey, *, memory_bytes: int, ids_remembered: int) -> None:
        self.state = FeatureState(plan, key, memory_bytes=memory_bytes)
        self.recent = RecentIds(ids_remembered)
        self.key = key
        self.lists = EMPTY_TABLE
        self.fields = tuple(dict.fromkeys(("id", *plan.fields, *LIST_PATHS)))
        self.groups: NDArray[np.int64] = np.full(len(LIST_PATHS), -1, np.int64)
        """For each of `LIST_PATHS`, the group of list entries its value belongs to, or -1."""
        self.listed = False
        """Whether any of them belongs to one."""
        self.full = False
        """Whether memory was full for some key of the payment last stepped."""
        self._hashes: NDArray[np.uint64] = np.zeros(len(self.fields), np.uint64)
        self._places = np.array([self.fields.index(path) for path in LIST_PATHS], np.int64)
        self._kinds = np.array([SUBJECT_KINDS.index(SUBJECTS[path]) + 1 for path in LIST_PATHS], np.int64)
        self._k0, self._k1 = np.uint64(key.k0), np.uint64(key.k1)

    def text(self, layout: Sequence[str]) -> Callable[[tuple[Any, ...]], bytes]:
        """A function from a row (in the order of `layout`) to the text that `step` hashes."""
        fields = [f"{{r[{layout.index(path)}] or ''}}" for path in self.fields]
        source = 'lambda r: f"' + repr(SEPARATOR)[1:-1].join(fields) + '".encode()'
        made: Callable[[tuple[Any, ...]], bytes] = eval(source, {})  # noqa: S307 - paths of our own catalogue only
        return made

    def step(self, text: bytes, seq: int, at: int, mask: int, numbers: Sequence[int]) -> int:
        """`FRESH`, or the seq of the earlier answer. Then `features`, `listed` and `groups` hold what was found."""
        state = self.state
        own = state.numbers
        for i, number in enumerate(numbers):
            own[i] = number
        before, self.listed, flags = _journey(
            text, self._k0, self._k1, self._hashes, self.recent.ids, self.recent.state, seq, self.lists, self._kinds,
            self._places, self.groups, state.plan.words, state.mem, state.index, own, at, mask, state.out,
        )  # fmt: skip
        self.full = flags & FULL_NOW != 0
        if flags & GROW:
            state.grow()
        return before  # type: ignore[no-any-return]

    @property
    def features(self) -> NDArray[np.float64]:
        """Feature values of the payment last stepped, float64[n]; NaN is null. Overwritten by the next."""
        return self.state.out

    def seen(self, payment_id: str) -> int:
        """The seq of the answer to a payment, or -1 if it is not remembered."""
        hashes: NDArray[np.uint64] = np.zeros(1, np.uint64)
        hash_fields(payment_id.encode(), self._k0, self._k1, hashes)
        return self.recent.peek(int(hashes[0]))


@njit(cache=True, nogil=True)
def _hash_all(text, offsets, kinds, k0, k1, out):
    one = np.zeros(1, np.uint64)
    for i in range(kinds.shape[0]):
        hash_fields(text[offsets[i] : offsets[i + 1]], k0, k1, one)
        out[i] = mix(one[0], u(kinds[i]))


def hash_subjects(values: bytes, offsets: NDArray[np.int64], kinds: NDArray[np.int64], key: HashKey) -> NDArray[np.uint64]:
    """Hashes uint64[n] of list subjects: value i is `values[offsets[i]:offsets[i + 1]]`, of `SUBJECT_KINDS[kinds[i] - 1]`."""
    out: NDArray[np.uint64] = np.zeros(len(kinds), np.uint64)
    _hash_all(np.frombuffer(values, np.uint8), offsets, kinds, np.uint64(key.k0), np.uint64(key.k1), out)
    return out
