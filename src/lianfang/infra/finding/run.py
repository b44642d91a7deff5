"""A run: the records of a stretch of the journal as sorted keys and plain columns, in memory or mapped from a file.

`keys` (ascending) and `rows` (beside them, ascending within a key) are the inverted index; the columns stand by row, rows by
seq. `blocks` keep least and most of time and amount of every `BLOCK` rows, so that most rows are never looked at.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import numpy as np
from isal.isal_zlib import crc32
from numpy.typing import NDArray

from lianfang.kernel.errors import EvidenceError

BLOCK: Final = 4_096
MERGE_POSTINGS: Final = 1 << 22
"""Postings held in memory while runs are merged: 50 MB."""
ROWS_MAX: Final = 1 << 24
"""Rows of one run: 16 million."""
_MAGIC: Final = b"LFFIND\xff\n"
_VERSION: Final = 1
_HEADER: Final = struct.Struct("<8sIIQQQQQI4x")
HEADER_BYTES: Final = 64
_ALIGN: Final = 64
Array = NDArray[Any]

COLUMNS: Final[tuple[tuple[str, str], ...]] = (
    ("seq", "<u8"), ("at", "<i8"), ("amount", "<i8"), ("currency", "<u2"), ("action", "u1"), ("kind", "u1"),
    ("channel", "u1"), ("flags", "u1"),
)  # fmt: skip
BLOCKS: Final = (("at_min", "<i8"), ("at_max", "<i8"), ("amount_min", "<i8"), ("amount_max", "<i8"))
OUTCOMES: Final = (("out_row", "<u4"), ("out_seq", "<u8"))
"""For each outcome: its row, and the seq of the decision it is about (0: not found)."""
POSTINGS: Final = (("keys", "<u8"), ("rows", "<u4"))


class Sizes(NamedTuple):
    """All that a file's layout follows from."""

    rows: int
    outcomes: int
    postings: int
    first: int
    last: int

    def arrays(self) -> Iterator[tuple[str, np.dtype[Any], int]]:
        """Name, type and length of every array, in the file's order."""
        blocks = -(-self.rows // BLOCK)
        for group, count in (
            (COLUMNS, self.rows),
            (BLOCKS, blocks),
            (OUTCOMES, self.outcomes),
            (POSTINGS, self.postings),
        ):
            for name, kind in group:
                yield name, np.dtype(kind), count

    def places(self) -> dict[str, tuple[int, np.dtype[Any], int]]:
        """Offset, type and length by name; under `end` the file's length."""
        found, at = {}, HEADER_BYTES
        for name, kind, count in self.arrays():
            found[name] = (at, kind, count)
            at += -(-kind.itemsize * count // _ALIGN) * _ALIGN
        found["end"] = (at, np.dtype("u1"), 0)
        return found


class Run:
    """Arrays by name. Whoever holds a mapped one can go on reading when its file is gone."""

    def __init__(self, arrays: dict[str, Array], sizes: Sizes) -> None:
        self.sizes = sizes
        self.arrays = arrays
        self.seq, self.at, self.amount = arrays["seq"], arrays["at"], arrays["amount"]
        self.currency, self.action, self.kind = arrays["currency"], arrays["action"], arrays["kind"]
        self.channel, self.flags = arrays["channel"], arrays["flags"]
        self.keys, self.rows = arrays["keys"], arrays["rows"]
        self.level = 0

    def __len__(self) -> int:
        return self.sizes.rows

    def slice_of(self, key: np.uint64) -> Array:
        """Rows that have this key, ascending."""
        low = int(self.keys.searchsorted(key, "left"))
        if low == len(self.keys) or self.keys[low] != key:
            return self.rows[:0]
        return self.rows[low : int(self.keys.searchsorted(key, "right"))]

    def row_of(self, seq: int) -> int:
        """The first row with a seq not below this one."""
        return int(self.seq.searchsorted(np.uint64(max(seq, 0))))

    def about(self, rows: Array) -> Array:
        """Seqs of the decisions that these outcomes are about; 0 where it is not known."""
        outcomes = self.arrays["out_row"]
        if not len(outcomes):
            return np.zeros(len(rows), np.uint64)
        at = np.minimum(outcomes.searchsorted(rows.astype(np.uint32)), len(outcomes) - 1)
        found: Array = np.where(outcomes[at] == rows, self.arrays["out_seq"][at], np.uint64(0))
        return found


def make_run(columns: dict[str, Array], keys: Array, owners: Array, outcomes: tuple[Array, Array]) -> Run:
    """A run of rows in order. `owners`: the row of each of `keys`, ascending."""
    order = np.argsort(keys, kind="stable")
    arrays = dict(columns)
    arrays["keys"], arrays["rows"] = keys[order], owners[order].astype(np.uint32)
    arrays["out_row"], arrays["out_seq"] = outcomes
    arrays |= _blocks(arrays["at"], arrays["amount"])
    seq = arrays["seq"]
    return Run(arrays, Sizes(len(seq), len(outcomes[0]), len(keys), int(seq[0]), int(seq[-1])))


def _blocks(at: Array, amount: Array) -> dict[str, Array]:
    starts = np.arange(0, len(at), BLOCK)
    return {
        "at_min": np.minimum.reduceat(at, starts),
        "at_max": np.maximum.reduceat(at, starts),
        "amount_min": np.minimum.reduceat(amount, starts),
        "amount_max": np.maximum.reduceat(amount, starts),
    }


def joined(runs: Sequence[Run], name: str) -> Array:
    """One array of several runs, one after another; rows are counted on."""
    parts = [run.arrays[name] for run in runs]
    if name != "out_row":
        return np.concatenate(parts)
    bases = _bases(runs)
    return np.concatenate([part + np.uint32(base) for part, base in zip(parts, bases, strict=True)])


def _bases(runs: Sequence[Run]) -> list[int]:
    return [0, *np.cumsum([len(run) for run in runs])[:-1].tolist()]


def merged_postings(runs: Sequence[Run], at_once: int = 0) -> Iterator[tuple[Array, Array]]:
    """Keys and rows of all runs in order, at most about `at_once` (without, `MERGE_POSTINGS`), and never half a key."""
    at_once = at_once or MERGE_POSTINGS
    bases = _bases(runs)
    done = [0] * len(runs)
    ends = [len(run.keys) for run in runs]
    share = max(at_once // max(len(runs), 1), 1)
    while done != ends:
        left = [i for i in range(len(runs)) if done[i] < ends[i]]
        # Up to the least key at which some run would come to its share: no run gives more than that, but for that key's own.
        limit = min(runs[i].keys[min(done[i] + share, ends[i]) - 1] for i in left)
        keys, rows = [], []
        for i in left:
            stop = int(runs[i].keys.searchsorted(limit, "right"))
            keys.append(runs[i].keys[done[i] : stop])
            rows.append(runs[i].rows[done[i] : stop] + np.uint32(bases[i]))
            done[i] = stop
        together = np.concatenate(keys)
        order = np.argsort(together, kind="stable")
        yield together[order], np.concatenate(rows)[order]


def merge(runs: Sequence[Run]) -> Run:
    """One run of several neighbours, in memory."""
    arrays = {name: joined(runs, name) for name, _ in (*COLUMNS, *OUTCOMES)}
    arrays |= _blocks(arrays["at"], arrays["amount"])
    pieces = list(merged_postings(runs))
    arrays["keys"] = np.concatenate([keys for keys, _ in pieces]) if pieces else runs[0].keys
    arrays["rows"] = np.concatenate([rows for _, rows in pieces]) if pieces else runs[0].rows
    return Run(arrays, sizes_of(runs))


def sizes_of(runs: Sequence[Run]) -> Sizes:
    """Of what they would be together."""
    sums = [sum(run.sizes[i] for run in runs) for i in range(3)]
    return Sizes(sums[0], sums[1], sums[2], runs[0].sizes.first, runs[-1].sizes.last)


def write_run(path: Path, runs: Sequence[Run], breathe: Callable[[], None] = lambda: None) -> tuple[int, ...]:
    """Runs as one file, synced; the checksum of each array. One column at a time in memory. `breathe`: called now and then."""
    sizes = sizes_of(runs)
    places = sizes.places()
    crcs: dict[str, int] = {}
    with path.open("wb") as file, path.open("r+b") as beside:
        file.truncate(places["end"][0])
        file.write(_header(sizes))
        for name, _ in (*COLUMNS, *OUTCOMES):
            crcs[name] = _put(file, places[name][0], joined(runs, name), 0)
            breathe()
        for name, array in _blocks(joined(runs, "at"), joined(runs, "amount")).items():
            crcs[name] = _put(file, places[name][0], array, 0)
        file.seek(places["keys"][0])
        beside.seek(places["rows"][0])
        crcs["keys"] = crcs["rows"] = 0
        for keys, rows in merged_postings(runs):
            crcs["keys"] = _put(file, -1, keys, crcs["keys"])
            crcs["rows"] = _put(beside, -1, rows, crcs["rows"])
            breathe()
        file.flush()
        beside.flush()
        os.fsync(file.fileno())
    return tuple(crcs[name] for name, _, _ in sizes.arrays())


def _put(file: BinaryIO, offset: int, array: Array, crc: int) -> int:
    raw = memoryview(np.ascontiguousarray(array).data).cast("B") if len(array) else memoryview(b"")
    if offset >= 0:
        file.seek(offset)
    file.write(raw)
    return crc32(raw, crc)


def _header(sizes: Sizes) -> bytes:
    fields = (_MAGIC, _VERSION, HEADER_BYTES, *sizes)
    return _HEADER.pack(*fields, crc32(_HEADER.pack(*fields, 0)))


def open_run(path: Path, sizes: Sizes) -> Run:
    """Maps a file that must have these sizes. Raises `EvidenceError` for another, `FileNotFoundError` for none."""
    places = sizes.places()
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size != places["end"][0] or file.read(HEADER_BYTES) != _header(sizes).ljust(
            HEADER_BYTES, b"\0"
        ):
            raise EvidenceError(
                f"{path} is not the run that the manifest beside it names; remove the folder: it is built anew"
            )
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    arrays = {
        name: np.frombuffer(mapped, kind, count, at) for name, (at, kind, count) in places.items() if name != "end"
    }
    return Run(arrays, sizes)


def check_run(path: Path, run: Run, crcs: Sequence[int]) -> None:
    """Reads all of it. Raises `EvidenceError` where bytes are not those that were written."""
    for (name, _, _), crc in zip(run.sizes.arrays(), crcs, strict=True):
        array = run.arrays[name]
        if crc32(memoryview(array.data).cast("B") if len(array) else b"") != crc:
            raise EvidenceError(f"{path} is damaged ({name}); remove the folder: it is built anew from the journal")
