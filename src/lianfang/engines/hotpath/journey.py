"""One call from Python for all compiled work of a payment: a call costs 0.1 us and each array it takes 0.08.

The text it hashes is the payment's id, then the features' fields, then the subjects that lists are about, each once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numba import carray, njit  # type: ignore[attr-defined]
from numba import uint64 as u
from numpy.typing import NDArray

from lianfang.engines.features import FeatureState, Plan
from lianfang.engines.features.kernel import FULL_NOW, ask_for, learn, observe
from lianfang.engines.keyed import HashKey, hash_fields, mix
from lianfang.engines.keyed.siphash import SEPARATOR
from lianfang.engines.lookup import EMPTY_TABLE, RecentIds, Table, TagTable, mark, prefetch_id, probe, recall, tag_at
from lianfang.engines.native import float64s, int64s, pointer, prefetch, uint64s
from lianfang.engines.rules import EMPTY_SCREEN, Screen, screen
from lianfang.engines.rules.screening import TAGGED
from lianfang.engines.rules.sieve import STACK
from lianfang.wire import SUBJECTS

FRESH: Final = -1
"""The payment was not answered before: its features are in `features`, and it is counted."""
LEARNT: Final = -2
"""In `Steps.before`: no payment, but an outcome that was counted, or that had been counted before."""
LISTED: Final = 4
"""Flag of `Steps`, beside `FULL_NOW`: a list knows a subject of the payment."""
TAGGED_NOW: Final = 8
"""Flag of `Steps`: the alliance says something of a subject of the payment."""
FLAG_BITS: Final = 8
"""Above the flags stands how many rules may be true."""
NO_CANDIDATES: Final[list[int]] = []

LIST_PATHS: Final = tuple(SUBJECTS)
SUBJECT_KINDS: Final = tuple(sorted(set(SUBJECTS.values())))


@njit(cache=True, nogil=True)
def _ask_for_subjects(lists, tags, kinds, places, hashes, groups):
    """The hash of each subject, into `groups`; ask for its slots in both tables. 0 for null."""
    slots = u(lists.shape[0] // 2 - 1)
    table = pointer(lists)
    tag_slots = u(tags.shape[0] // 2 - 1)
    tag_table = pointer(tags)
    for i in range(kinds.shape[0]):
        h = hashes[places[i]]
        if h != u(0):
            h = mix(h, u(kinds[i]))
            prefetch(table, np.int64((h & slots) * u(2)))
            prefetch(tag_table, np.int64((h & tag_slots) * u(2)))
        groups[i] = np.int64(h)


@njit(cache=True, nogil=True)
def _look_up(lists, groups):
    """After `_ask_for_subjects`: the list group of each subject, -1 where there is none; whether there is any."""
    listed = False
    for i in range(groups.shape[0]):
        groups[i] = probe(lists, u(groups[i])) if groups[i] != 0 else -1
        listed = listed or groups[i] >= 0
    return listed


@njit(cache=True, nogil=True)
def _look_up_tags(tags, groups, minute, met):
    """Before `_look_up`, which overwrites the hashes: the packed tag of each subject into `met`, 0 for none; whether any."""
    tagged = False
    for i in range(groups.shape[0]):
        met[i] = tag_at(tags, u(groups[i]), minute) if groups[i] != 0 else 0
        tagged = tagged or met[i] != 0
    return tagged


@njit(cache=True, nogil=True)
def look_up_many(lists, kinds, hashes):
    """How many rows of `hashes` uint64[n, kinds] stand on a list. For measuring `_look_up` without Python in between."""
    groups = np.empty(kinds.shape[0], np.int64)
    places = np.arange(kinds.shape[0])
    found = 0
    for i in range(hashes.shape[0]):
        _ask_for_subjects(lists, lists, kinds, places, hashes[i], groups)
        found += _look_up(lists, groups)
    return found


# Words of the context: addresses, sizes and the key, passed as one array because each array in a call costs 80 ns.
_HASHES, _IDS, _IDS_STATE, _LISTS, _KINDS, _PLACES, _GROUPS, _PLAN, _MEM, _INDEX, _NUMBERS, _OUT = range(12)
_N_HASHES, _N_IDS, _N_LISTS, _N_PATHS, _N_INDEX, _N_OUT, _K0, _K1, _OLD, _N_OLD = range(12, 22)
_SCREEN, _SCREEN_NUMBERS, _STACK_AT, _FOUND, _AMOUNT_AT = range(22, 27)
_TAGS, _N_TAGS, _MET, _TAGGED_HINT = range(27, 31)
_WORDS: Final = 31
_MINUTE_US: Final = 60_000_000


@njit(cache=True, nogil=True)
def _journey(text, context, seq, t, mask, hints):
    """The seq of the earlier answer (>= 0), or -1 less the flags: `observe`, `LISTED`, `TAGGED_NOW`; how many rules may be true.

    Memory is the cost here, so everything that the hashes tell the place of is asked for before anything is looked at.
    """
    hashes = carray(uint64s(context[_HASHES]), (context[_N_HASHES],))
    hash_fields(text, u(context[_K0]), u(context[_K1]), hashes)
    ids = carray(uint64s(context[_IDS]), (3, context[_N_IDS]))
    prefetch_id(ids, hashes[0])
    plan, mem, index = int64s(context[_PLAN]), int64s(context[_MEM]), uint64s(context[_INDEX])
    keys = uint64s(context[_HASHES] + 8)
    ask_for(plan, mem, index, u(context[_N_INDEX] - 1), keys)
    paths = (context[_N_PATHS],)
    lists = carray(uint64s(context[_LISTS]), (context[_N_LISTS],))
    groups = carray(int64s(context[_GROUPS]), paths)
    tags = carray(uint64s(context[_TAGS]), (context[_N_TAGS],))
    if context[_N_LISTS] > 4 or context[_N_TAGS] > 4:
        places, kinds = carray(int64s(context[_PLACES]), paths), carray(int64s(context[_KINDS]), paths)
        _ask_for_subjects(lists, tags, kinds, places, hashes, groups)
    before = recall(ids, carray(int64s(context[_IDS_STATE]), (2,)), hashes[0], seq)
    if before >= 0:
        return before
    flags = observe(
        plan,
        mem,
        index,
        context[_N_INDEX],
        uint64s(context[_OLD]),
        context[_N_OLD],
        keys,
        int64s(context[_NUMBERS]),
        t,
        mask,
        float64s(context[_OUT]),
        context[_N_OUT],
    )
    if context[_N_TAGS] > 4 and _look_up_tags(tags, groups, t // _MINUTE_US, carray(int64s(context[_MET]), paths)):
        flags |= TAGGED_NOW
        hints |= context[_TAGGED_HINT]
    listed = context[_N_LISTS] > 4 and _look_up(lists, groups)
    if listed:
        flags |= LISTED
    may_be = screen(
        int64s(context[_SCREEN]),
        float64s(context[_SCREEN_NUMBERS]),
        context[_STACK_AT],
        float64s(context[_OUT]),
        np.float64(int64s(context[_NUMBERS])[context[_AMOUNT_AT]]) if context[_AMOUNT_AT] >= 0 else np.nan,
        listed,
        hints,
        int64s(context[_FOUND]),
    )
    return -1 - (flags | may_be << FLAG_BITS)


@njit(cache=True, nogil=True)
def _learn(text, context, t, mask):
    """Count the payment of this text as known to be fraud at `t`, once: the flags of `learn`, -1 where it was not counted."""
    hashes = carray(uint64s(context[_HASHES]), (context[_N_HASHES],))
    hash_fields(text, u(context[_K0]), u(context[_K1]), hashes)
    ids = carray(uint64s(context[_IDS]), (3, context[_N_IDS]))
    if not mark(ids, carray(int64s(context[_IDS_STATE]), (2,)), hashes[0]):
        return -1
    plan, mem, index = int64s(context[_PLAN]), int64s(context[_MEM]), uint64s(context[_INDEX])
    keys = uint64s(context[_HASHES] + 8)
    ask_for(plan, mem, index, u(context[_N_INDEX] - 1), keys)
    return learn(
        plan,
        mem,
        index,
        context[_N_INDEX],
        uint64s(context[_OLD]),
        context[_N_OLD],
        keys,
        int64s(context[_NUMBERS]),
        t,
        mask,
    )


@njit(cache=True, nogil=True)
def _journeys(texts, ends, context, seqs, times, masks, numbers, before, flags, groups, out):
    """`_journey` for n payments in turn, without Python in between. `texts[ends[i - 1]:ends[i]]` is the text of payment i."""
    own = carray(int64s(context[_NUMBERS]), (numbers.shape[1],))
    features = carray(float64s(context[_OUT]), (context[_N_OUT],))
    found = carray(int64s(context[_GROUPS]), (context[_N_PATHS],))
    start = 0
    for i in range(times.shape[0]):
        own[:] = numbers[i]
        if seqs[i] < 0:
            _learn(texts[start : ends[i]], context, times[i], masks[i])
            before[i] = LEARNT
            start = ends[i]
            continue
        answered = _journey(texts[start : ends[i]], context, seqs[i], times[i], masks[i], 0)
        before[i] = max(answered, -1)
        start = ends[i]
        if answered < 0:
            flags[i] = -1 - answered
            if flags[i] & LISTED:
                groups[i] = found
            out[i] = features


class Steps(NamedTuple):
    """What `HotPath.step_many` found, an item a payment; after `before` is not `FRESH`, the rest of its item means nothing."""

    before: NDArray[np.int64]
    flags: NDArray[np.int64]
    """`FULL_NOW` and `LISTED`, as bits."""
    groups: NDArray[np.int64]
    """n x paths; only where `LISTED`."""
    features: NDArray[np.float64]
    """n x features."""


class HotPath:
    """Feature state, answered ids and the list table of one decider, behind one call. Not thread-safe."""

    def __init__(self, plan: Plan, key: HashKey, *, memory_bytes: int, ids_remembered: int) -> None:
        self.state = FeatureState(plan, key, memory_bytes=memory_bytes)
        self.recent = RecentIds(ids_remembered)
        self.key = key
        self.fields = tuple(dict.fromkeys(("id", *plan.fields, *LIST_PATHS)))
        self.groups: NDArray[np.int64] = np.full(len(LIST_PATHS), -1, np.int64)
        """For each of `LIST_PATHS`, the group of list entries its value belongs to, or -1."""
        self.listed = False
        """Whether any of them belongs to one."""
        self.full = False
        """Whether memory was full for some key of the payment last stepped."""
        self.candidates: list[int] | None = NO_CANDIDATES
        """Of the screen in force, the rules that may be true of the payment last stepped; None: not told."""
        self._screen = EMPTY_SCREEN
        self._found: NDArray[np.int64] = np.zeros(1, np.int64)
        self._lists = EMPTY_TABLE
        self.tagged = False
        """Whether the alliance says something of a subject of the payment last stepped."""
        self.met: NDArray[np.int64] = np.zeros(len(LIST_PATHS), np.int64)
        """For each of `LIST_PATHS`, what it says, packed, or 0; only where `tagged`."""
        self._tags = TagTable()
        self._hashes: NDArray[np.uint64] = np.zeros(len(self.fields), np.uint64)
        self._places = np.array([self.fields.index(path) for path in LIST_PATHS], np.int64)
        self._kinds = np.array([SUBJECT_KINDS.index(SUBJECTS[path]) + 1 for path in LIST_PATHS], np.int64)
        self._numbers = self.state.numbers.data
        """The integers of the payment in hand; set item by item at half the cost of an array's."""
        self._context: NDArray[np.int64] = np.zeros(_WORDS, np.int64)
        self._wire()

    def _wire(self) -> None:
        """Write down where everything is now. Needed whenever one of the arrays is another one."""
        state, context = self.state, self._context
        arrays = (
            self._hashes, self.recent.ids, self.recent.state, self._lists, self._kinds, self._places, self.groups,
            state.plan.words, state.mem, state.index, state.numbers, state.out,
        )  # fmt: skip
        context[: len(arrays)] = [array.ctypes.data for array in arrays]
        sizes = (
            len(self._hashes),
            self.recent.ids.shape[1],
            len(self._lists),
            len(LIST_PATHS),
            len(state.index),
            len(state.out),
        )
        context[_N_HASHES : _N_HASHES + len(sizes)] = sizes
        context[_OLD], context[_N_OLD] = state.old_index.ctypes.data, len(state.old_index)
        sifted = self._screen
        context[_SCREEN : _SCREEN + 5] = (
            sifted.words.ctypes.data,
            sifted.numbers.ctypes.data,
            len(sifted.numbers) - STACK,
            self._found.ctypes.data,
            state.plan.integers.index("amount") if "amount" in state.plan.integers else -1,
        )
        hint = sifted.hints.index(TAGGED) if TAGGED in sifted.hints else -1
        context[_TAGS : _TAGS + 4] = (
            self._tags.words.ctypes.data,
            len(self._tags.words),
            self.met.ctypes.data,
            1 << hint if hint >= 0 else 0,
        )
        context.view(np.uint64)[_K0], context.view(np.uint64)[_K1] = self.key

    @property
    def lists(self) -> Table:
        """The table of list subjects in force."""
        return self._lists

    @lists.setter
    def lists(self, table: Table) -> None:
        self._lists = table
        self._wire()

    @property
    def tags(self) -> TagTable:
        """The table of shared tags in force. After it was changed, `tags_changed`."""
        return self._tags

    @tags.setter
    def tags(self, table: TagTable) -> None:
        self._tags = table
        self._wire()

    def tags_changed(self) -> None:
        """The table's words may lie elsewhere now."""
        self._wire()

    @property
    def screen(self) -> Screen:
        """The rules that `candidates` speaks of."""
        return self._screen

    @screen.setter
    def screen(self, sifted: Screen) -> None:
        self._screen = sifted
        self._found = np.zeros(max(sifted.rules, 1), np.int64)
        self._wire()

    def text(self, layout: Sequence[str]) -> Callable[[tuple[Any, ...]], bytes]:
        """A function from a row (in the order of `layout`) to the text that `step` hashes."""
        fields = [f"{{r[{layout.index(path)}] or ''}}" for path in self.fields]
        source = 'lambda r: f"' + repr(SEPARATOR)[1:-1].join(fields) + '".encode()'
        made: Callable[[tuple[Any, ...]], bytes] = eval(source, {})  # noqa: S307 - paths of our own catalogue only
        return made

    def step(self, text: bytes, seq: int, at: int, mask: int, numbers: Sequence[int], hints: int = 0) -> int:
        """`FRESH`, or the seq of the earlier answer. Then `features`, `listed`, `groups`, `candidates` hold what was found.

        `hints`: of the screen in force.
        """
        own, i = self._numbers, 0
        for number in numbers:
            own[i] = number
            i += 1  # noqa: SIM113 - `enumerate` costs more than this
        before: int = _journey(text, self._context, seq, at, mask, hints)
        if before == FRESH:
            self.listed = self.full = self.tagged = False
            self.candidates = NO_CANDIDATES
            return FRESH
        if before >= 0:
            return before
        flags = -1 - before
        self.candidates = self._found[: flags >> FLAG_BITS].tolist()
        self.listed = flags & LISTED != 0
        self.tagged = flags & TAGGED_NOW != 0
        self.full = flags & FULL_NOW != 0
        if self.state.mind(flags):
            self._wire()
        return FRESH

    def learn(self, text: bytes, at: int, mask: int, numbers: Sequence[int]) -> bool:
        """Count an earlier payment as known to be fraud at `at`. False if it is not remembered or was counted before."""
        for i, number in enumerate(numbers):
            self._numbers[i] = number
        flags: int = _learn(text, self._context, at, mask)
        if flags < 0:
            return False
        if self.state.mind(flags):
            self._wire()
        return True

    def step_many(
        self,
        texts: Sequence[bytes],
        seqs: NDArray[np.int64],
        at: NDArray[np.int64],
        masks: NDArray[np.int64],
        numbers: NDArray[np.int64],
    ) -> Steps:
        """`step` for payments in turn; `numbers` int64[n, integers]. For histories and restarts, not for the door.

        A seq below 0 is an outcome: the text, numbers and mask are of the payment that became known to be fraud at `at`.
        """
        n = len(texts)
        room = len(self.state.index) * 7 // 10
        while self.state.keys + n * self.state.plan.keys > room:  # no growth half-way
            self.state.grow()
            room = len(self.state.index) * 7 // 10
        self.state.finish_growing()
        self._wire()
        before: NDArray[np.int64] = np.empty(n, np.int64)
        flags: NDArray[np.int64] = np.zeros(n, np.int64)
        groups: NDArray[np.int64] = np.empty((n, len(LIST_PATHS)), np.int64)
        out: NDArray[np.float64] = np.empty((n, len(self.state.out)))
        ends: NDArray[np.int64] = np.cumsum([len(text) for text in texts], dtype=np.int64)
        joined = np.frombuffer(b"".join(texts), np.uint8)
        _journeys(joined, ends, self._context, seqs, at, masks, numbers, before, flags, groups, out)
        return Steps(before, flags, groups, out)

    def reclaim(self) -> None:
        """`FeatureState.reclaim`: for histories in the order of time, between two calls of `step_many`."""
        if self.state.reclaim():
            self._wire()

    def take(self, steps: Steps, i: int) -> None:
        """Make item `i` of `step_many` the payment last stepped, as far as judging it needs."""
        flags = steps.flags[i]
        self.candidates = None
        self.full = bool(flags & FULL_NOW)
        self.tagged = False  # a history's payments were not met by the tags of today
        self.listed = bool(flags & LISTED)
        if self.listed:
            self.groups[:] = steps.groups[i]

    def restore(self, read_into: Callable[[memoryview], int], read: Callable[[int], bytes]) -> dict[str, Any]:
        """Take up a snapshot of the state and of the ids; its note. Raises `EvidenceError`."""
        note = self.state.restore(read_into)
        self.recent.restore(read)
        self._wire()
        return note

    @property
    def features(self) -> NDArray[np.float64]:
        """Feature values of the payment last stepped, float64[n]; NaN is null. Overwritten by the next."""
        return self.state.out

    def seen(self, payment_id: str) -> int:
        """The seq of the answer to a payment, or -1 if it is not remembered."""
        hashes: NDArray[np.uint64] = np.zeros(1, np.uint64)
        hash_fields(payment_id.encode(), np.uint64(self.key.k0), np.uint64(self.key.k1), hashes)
        return self.recent.peek(int(hashes[0]))


@njit(cache=True, nogil=True)
def _hash_all(text, offsets, kinds, k0, k1, out):
    one = np.zeros(1, np.uint64)
    for i in range(kinds.shape[0]):
        hash_fields(text[offsets[i] : offsets[i + 1]], k0, k1, one)
        out[i] = mix(one[0], u(kinds[i]))


def hash_subjects(
    values: bytes, offsets: NDArray[np.int64], kinds: NDArray[np.int64], key: HashKey
) -> NDArray[np.uint64]:
    """Hashes uint64[n] of list subjects: value i is `values[offsets[i]:offsets[i + 1]]`, of `SUBJECT_KINDS[kinds[i] - 1]`."""
    out: NDArray[np.uint64] = np.zeros(len(kinds), np.uint64)
    _hash_all(np.frombuffer(values, np.uint8), offsets, kinds, np.uint64(key.k0), np.uint64(key.k1), out)
    return out
