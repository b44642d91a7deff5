"""The lists in force, ready to be looked up: a compiled table for all payments, the entries themselves for the hits."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lianfang.engines.hotpath.journey import LIST_PATHS, SUBJECT_KINDS, hash_subjects
from lianfang.engines.keyed import HashKey
from lianfang.engines.lookup import EMPTY_TABLE, build_table
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import instant
from lianfang.wire import SIDES, SUBJECTS, ListEntry

_NAME = pa.dictionary(pa.int32(), pa.string())
LIST_SCHEMA: Final = pa.schema(
    [
        ("list", _NAME),
        ("effect", _NAME),
        ("subject", _NAME),
        ("value", pa.large_string()),
        ("purpose", _NAME),
        ("source", _NAME),
        ("valid_from", pa.int64()),
        ("valid_until", pa.int64()),
        ("side", _NAME),
    ]
)
"""How entries travel from the desk to the decider. Times in microseconds, null for open."""
_EITHER: Final = pa.scalar("both", pa.string())


class ListHit(NamedTuple):
    """A payment's subject found on a list."""

    path: str
    list: str
    effect: str
    purpose: str
    source: str


def list_table(entries: Iterable[ListEntry]) -> pa.Table:
    """Entries as a table of `LIST_SCHEMA`."""

    def us(at: datetime | None) -> int | None:
        return None if at is None else instant(at)

    rows = [
        (e.list, e.effect, e.subject, e.value, e.purpose, e.source, us(e.valid_from), us(e.valid_until), e.side)
        for e in entries
    ]
    columns = list(zip(*rows, strict=True)) or [()] * len(LIST_SCHEMA)
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, LIST_SCHEMA, strict=True)], schema=LIST_SCHEMA)


class ListBook:
    """All entries of all lists. `table` is what `HotPath.lists` takes; `hits` answers for a group it found."""

    def __init__(self, entries: pa.Table, key: HashKey, version: str) -> None:
        self.version = version
        self.size = entries.num_rows
        if "side" not in entries.schema.names:  # published before sides were: the desk has not written it anew yet
            entries = entries.append_column(
                LIST_SCHEMA.field("side"), pa.repeat(_EITHER, self.size).dictionary_encode()
            )
        entries = entries.unify_dictionaries()  # pieces made apart number their words apart
        self.effects: dict[str, str] = _effects(entries)
        self._rows = entries.combine_chunks()
        self.table = EMPTY_TABLE
        self._order: NDArray[np.int64] = np.empty(0, np.int64)
        self._starts: NDArray[np.int64] = np.zeros(1, np.int64)
        if self.size:
            self._index(key)

    @property
    def names(self) -> frozenset[str]:
        """The lists there are."""
        return frozenset(self.effects)

    def _index(self, key: HashKey) -> None:
        values = self._rows["value"].combine_chunks()
        values = values.chunk(0) if isinstance(values, pa.ChunkedArray) else values
        _, offsets, data = values.buffers()
        starts = np.frombuffer(offsets, np.int64)[values.offset : values.offset + self.size + 1]
        subjects = self._rows["subject"].combine_chunks()
        subjects = subjects.chunk(0) if isinstance(subjects, pa.ChunkedArray) else subjects
        of = np.array(
            [SUBJECT_KINDS.index(s) + 1 if s in SUBJECT_KINDS else 0 for s in subjects.dictionary.to_pylist()]
        )
        kinds = of[subjects.indices.to_numpy()].astype(np.int64)
        hashes = hash_subjects(bytes(data), starts, kinds, key)
        self._order = np.argsort(hashes, kind="stable")
        unique, first = np.unique(hashes[self._order], return_index=True)
        self._starts = np.append(first, self.size)
        self.table = build_table(unique, np.arange(len(unique), dtype=np.int64))

    def hits(self, path_index: int, group: int, value: str, at: int) -> list[ListHit]:
        """Entries of one group that are really about `value`, and in force at `at` (us)."""
        path = LIST_PATHS[path_index]
        found = []
        for row in self._order[self._starts[group] : self._starts[group + 1]].tolist():
            e = self._entry(row)
            if e["value"] != value or e["subject"] != SUBJECTS[path]:
                continue  # another value with the same hash
            if e["side"] not in ("both", SIDES[path]):
                continue
            begun = e["valid_from"] is None or e["valid_from"] <= at
            if begun and (e["valid_until"] is None or at < e["valid_until"]):
                found.append(ListHit(path, e["list"], e["effect"], e["purpose"], e["source"]))
        return found

    def _entry(self, row: int) -> dict[str, Any]:
        return {name: self._rows[name][row].as_py() for name in LIST_SCHEMA.names}


def _effects(entries: pa.Table) -> dict[str, str]:
    pairs = entries.select(["list", "effect"]).group_by(["list", "effect"]).aggregate([]).to_pylist()
    effects: dict[str, str] = {}
    for pair in pairs:
        if effects.setdefault(pair["list"], pair["effect"]) != pair["effect"]:
            raise InputError(f"the entries of the list {pair['list']} have different effects")
    return effects
