"""`FeatureState`: the live numbers of one decider, their memory, their snapshot."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numba import njit
from numpy.typing import NDArray

from lianfang.engines.features import kernel, memory
from lianfang.engines.features.index import move_all, sweep_all
from lianfang.engines.features.kernel import learn as kernel_learn
from lianfang.engines.features.kernel import observe as kernel_observe
from lianfang.engines.features.plan import Plan
from lianfang.engines.keyed import HashKey, hash_fields
from lianfang.engines.keyed.siphash import SEPARATOR
from lianfang.engines.native import pointer
from lianfang.kernel.errors import EvidenceError, InputError

INDEX_MIN: Final = 1 << 16
RECLAIM_SHARE: Final = 1 / 16
"""`reclaim` looks through all keys when so large a share of the arena was taken since it last did ..."""
RECLAIM_WORDS: Final = 1 << 23
"""... and so many words at least (64 MiB)."""
_MAGIC: Final = b"LFFS0001"


@njit(cache=True, nogil=True)
def _observe_arrays(plan, mem, index, old, hashes, numbers, at, mask, out, flags):
    kernel.ask_for(pointer(plan), pointer(mem), pointer(index), np.uint64(index.shape[0] - 1), pointer(hashes))
    flags[0] = kernel_observe(
        pointer(plan), pointer(mem), pointer(index), index.shape[0], pointer(old), old.shape[0], pointer(hashes),
        pointer(numbers), at, mask, pointer(out), out.shape[0],
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _learn_arrays(plan, mem, index, old, hashes, numbers, at, mask, flags):
    kernel.ask_for(pointer(plan), pointer(mem), pointer(index), np.uint64(index.shape[0] - 1), pointer(hashes))
    flags[0] = kernel_learn(
        pointer(plan), pointer(mem), pointer(index), index.shape[0], pointer(old), old.shape[0], pointer(hashes),
        pointer(numbers), at, mask,
    )  # fmt: skip


class _Header(msgspec.Struct, frozen=True):
    signature: str
    words: int
    index_slots: int
    note: dict[str, Any]


class FeatureState:
    """All keys' windows in one arena. Not thread-safe: it belongs to the decider.

    `memory_bytes` is reserved, not used, until keys come; when it is full, new keys' features are null and counted in
    `full` rather than wrong.
    """

    def __init__(self, plan: Plan, key: HashKey, *, memory_bytes: int = 4 << 30) -> None:
        self.plan = plan
        self.mem: NDArray[np.int64] = _reserve(memory_bytes)
        self.mem[memory.BUMP] = memory.FIRST_WORD
        self.mem[memory.TOTAL] = len(self.mem)
        self.index: NDArray[np.uint64] = np.zeros(INDEX_MIN, np.uint64)
        self.old_index: NDArray[np.uint64] = np.zeros(0, np.uint64)
        """The index that this one grows out of; empty when it does not grow."""
        self.hashes: NDArray[np.uint64] = np.zeros(max(len(plan.fields), 1), np.uint64)
        self.numbers: NDArray[np.int64] = np.zeros(max(len(plan.integers), 1), np.int64)
        self._flags: NDArray[np.int64] = np.zeros(1, np.int64)
        self.out: NDArray[np.float64] = np.full(len(plan.names), np.nan)
        self._k0, self._k1 = np.uint64(key.k0), np.uint64(key.k1)
        self._reclaim_at = RECLAIM_WORDS

    def observe(self, text: bytes, numbers: Sequence[int], at: int, mask: int = 0) -> list[float]:
        """Features of a payment at `at` (us) in the order of the plan's names; NaN is null. Then it is counted.

        `text`: the plan's fields, separated, as `feed` makes it. `numbers`: the plan's integers.
        """
        for i, number in enumerate(numbers):
            self.numbers[i] = number
        hash_fields(text, self._k0, self._k1, self.hashes)
        _observe_arrays(
            self.plan.words,
            self.mem,
            self.index,
            self.old_index,
            self.hashes,
            self.numbers,
            at,
            mask,
            self.out,
            self._flags,
        )
        self.mind(int(self._flags[0]))
        return self.out.tolist()  # type: ignore[no-any-return]

    def learn(self, text: bytes, numbers: Sequence[int], at: int, mask: int = 0) -> None:
        """Count an earlier payment that became known to be fraud at `at` (us). Arguments as of `observe`, of that payment."""
        for i, number in enumerate(numbers):
            self.numbers[i] = number
        hash_fields(text, self._k0, self._k1, self.hashes)
        _learn_arrays(
            self.plan.words, self.mem, self.index, self.old_index, self.hashes, self.numbers, at, mask, self._flags
        )
        self.mind(int(self._flags[0]))

    def mind(self, flags: int) -> bool:
        """Do what the kernel's flags ask for. Whether the index is another array now."""
        if flags & kernel.MOVED_ALL:
            self.old_index = np.zeros(0, np.uint64)
        if flags & kernel.GROW:
            self.grow()
        return flags & (kernel.MOVED_ALL | kernel.GROW) != 0

    def grow(self) -> None:
        """Put an index twice as large beside this one; payments move what is in it, a few slots each."""
        self.finish_growing()
        self.old_index = self.index
        self.index = np.zeros(2 * len(self.index), np.uint64)
        self.mem[memory.MOVED] = 0

    def finish_growing(self) -> None:
        """Move what is left at once."""
        if len(self.old_index):
            move_all(self.old_index, self.index, self.mem)
            self.old_index = np.zeros(0, np.uint64)

    def reclaim(self) -> bool:
        """Give back, when enough was taken to be worth a look, what no window reads any more. Whether it looked.

        For histories, between payments: it stops for as long as all keys take, half a second at five million. Changes no
        feature of a payment that is at most `LATE_S` older than the newest counted; an older one finds less than it would have.
        """
        if self.mem[memory.BUMP] < self._reclaim_at:
            return False
        self.finish_growing()
        given = int(sweep_all(self.plan.words, self.mem, self.index))
        used = int(self.mem[memory.BUMP])
        # What is given back is taken again first, and only then does the arena grow.
        self._reclaim_at = used + max(RECLAIM_WORDS - given, int(used * RECLAIM_SHARE) - given, 1)
        return True

    @property
    def keys(self) -> int:
        """Keys with anything to remember."""
        return int(self.mem[memory.KEYS])

    @property
    def arena_bytes(self) -> int:
        """The arena up to its highest word ever used."""
        return int(self.mem[memory.BUMP]) * 8

    @property
    def used_bytes(self) -> int:
        """Memory in use: arena and index."""
        return self.arena_bytes + self.index.nbytes + self.old_index.nbytes

    @property
    def counters(self) -> dict[str, int]:
        """Figures for `/metrics`."""
        names = {"keys": memory.KEYS, "events": memory.EVENTS, "truncated": memory.TRUNCATED}
        names |= {"full": memory.FULL, "expired": memory.EXPIRED}
        return {name: int(self.mem[word]) for name, word in names.items()}

    def snapshot(self, write: Callable[[Any], Any], note: dict[str, Any]) -> None:
        """Write the whole state through `write` (a file's), with a `note` such as the journal's position."""
        self.finish_growing()
        words = int(self.mem[memory.BUMP])
        header = msgspec.json.encode(_Header(self.plan.signature, words, len(self.index), note))
        write(_MAGIC + len(header).to_bytes(8, "little") + header)
        write(self.index.data.cast("B"))
        write(self.mem[:words].data.cast("B"))

    def restore(self, read_into: Callable[[memoryview], int]) -> dict[str, Any]:
        """Read what `snapshot` wrote and return its note. Raises `EvidenceError`; the state is then unusable."""
        head = bytearray(16)
        _fill(read_into, memoryview(head))
        if head[:8] != _MAGIC:
            raise EvidenceError("this is not a snapshot of feature state")
        raw = bytearray(int.from_bytes(head[8:], "little"))
        _fill(read_into, memoryview(raw))
        header = msgspec.json.decode(raw, type=_Header)
        if header.signature != self.plan.signature:
            raise EvidenceError("the snapshot was made with other feature declarations")
        if header.words > len(self.mem):
            raise InputError(f"the snapshot needs {header.words * 8} bytes of feature memory; raise the setting")
        self.index = np.zeros(header.index_slots, np.uint64)
        self.old_index = np.zeros(0, np.uint64)
        _fill(read_into, self.index.data.cast("B"))
        total = len(self.mem)
        _fill(read_into, self.mem[: header.words].data.cast("B"))
        self.mem[memory.TOTAL] = total
        return header.note


def feed_source(plan: Plan, layout: Sequence[str], row: str = "r") -> str:
    """Python source of the expression that makes a plan's separated text from a row tuple named `row`."""
    fields = [f"{{{row}[{layout.index(path)}] or ''}}" for path in plan.fields]
    return 'f"' + repr(SEPARATOR)[1:-1].join(fields) + '".encode()'


def feed(plan: Plan, layout: Sequence[str]) -> Callable[[tuple[Any, ...]], bytes]:
    """A function from a row tuple (in the order of `layout`) to the separated text that `observe` hashes."""
    made: Callable[[tuple[Any, ...]], bytes] = eval(f"lambda r: {feed_source(plan, layout)}", {})  # noqa: S307
    return made


def _reserve(size: int) -> NDArray[np.int64]:
    """Zeroed memory that costs nothing until touched; huge pages where the system has them (fewer TLB misses)."""
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0)
    area = mmap.mmap(-1, size // 8 * 8, flags=flags)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        area.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(area, np.int64)


def _fill(read_into: Callable[[memoryview], int], view: memoryview) -> None:
    while len(view):
        got = read_into(view[: 1 << 24])
        if not got:
            raise EvidenceError("the snapshot ends too early")
        view = view[got:]
