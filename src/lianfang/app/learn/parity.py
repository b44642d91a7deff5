"""One definition, two computations: how often the decider's features and those over stored history differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lianfang.app.replay.run import MEMORY_BYTES, REPLAY_KEY
from lianfang.engines.features import declare
from lianfang.engines.features.offline import DOUBTFUL, SEQ, columns_needed, feature_table
from lianfang.engines.features.offline.placing import NOT_FRAUD, Placed, place
from lianfang.engines.scoring import NoModel
from lianfang.infra.history import FRAUD, Mapping, read_history
from lianfang.kernel.errors import InputError
from lianfang.services.decide import LIST_SCHEMA, ListBook, Replayer, hot_path, rule_book
from lianfang.wire import Feature, RuleSet, catalogue

SAMPLES_MAX: Final = 20
BATCH: Final = 65_536
_TYPES: Final = {"text": pa.string(), "int": pa.int64(), "float": pa.float64(), "bool": pa.bool_(), "time": pa.int64()}


@dataclass
class Parity:
    """What came of comparing. A number differs if it is not the same to the last bit, or null on one side only."""

    payments: int
    compared: int
    """Numbers compared: payments that are not doubtful, times features."""
    doubtful: int
    """Payments left out because the decider's memory was at a limit for them, or they came later than it remembers."""
    by_feature: dict[str, int] = field(default_factory=dict)
    """How many numbers of a feature differ, where any does."""
    samples: list[tuple[str, str, float, float]] = field(default_factory=list)
    """(payment's id, feature, the decider's number, the other) of the first that differ."""

    @property
    def differences(self) -> int:
        """How many numbers differ."""
        return sum(self.by_feature.values())


def payments_table(path: Path, mapping: Mapping, features: Sequence[Feature], limit: int | None = None) -> pa.Table:
    """A history's payments in its order, with what `differences` needs: `id`, `time`, the fields read, `known_at`."""
    needed = [name for name in columns_needed(declare(features)) if name != SEQ]
    wanted = list(dict.fromkeys(("id", "time", *needed)))
    parts: list[pa.Table] = []
    rows = 0
    for batch in read_history(path, mapping, wanted):
        arrays = {name: pa.array(batch.columns[name], _type(name)) for name in wanted}
        known: NDArray[np.int64] = np.full(batch.rows, NOT_FRAUD, np.int64)
        if batch.labels is not None and batch.known_at is not None:
            known = np.where(batch.labels == FRAUD, batch.known_at, NOT_FRAUD)
        parts.append(pa.table({**arrays, "known_at": known}))
        rows += batch.rows
        if limit is not None and rows >= limit:
            break
    if not parts:
        raise InputError("the history has no payments", str(path))
    whole = pa.concat_tables(parts)
    return whole if limit is None else whole.slice(0, limit)


def differences(features: Sequence[Feature], payments: pa.Table, *, backend: Any = None, sets: bool = False) -> Parity:
    """Compute every feature both ways. `payments` as `payments_table` gives it, each id once.

    `backend`: an Ibis connection, DuckDB by default; `sets` for one without distinct window functions. Raises `InputError`.
    """
    placed = place(payments["time"].to_numpy(), payments["known_at"].to_numpy())
    live = _live(features, payments)
    stored = stored_features(features, payments, placed, backend=backend, sets=sets)
    sure = ~stored[DOUBTFUL].to_numpy(zero_copy_only=False)
    found = Parity(len(live), int(sure.sum()) * len(features), int((~sure).sum()))
    for i, feature in enumerate(features):
        ours, theirs = live[:, i], stored[feature.name].to_numpy(zero_copy_only=False).astype(np.float64)
        wrong = np.flatnonzero(sure & (ours != theirs) & ~(np.isnan(ours) & np.isnan(theirs)))
        if len(wrong):
            found.by_feature[feature.name] = len(wrong)
            room = SAMPLES_MAX - len(found.samples)
            found.samples += [
                (payments["id"][int(row)].as_py(), feature.name, float(ours[row]), float(theirs[row]))
                for row in wrong[:room]
            ]
    return found


def stored_features(
    features: Sequence[Feature], payments: pa.Table, placed: Placed, *, backend: Any = None, sets: bool = False
) -> pa.Table:
    """Every feature over the stored payments, in their order, and DOUBTFUL."""
    known = pa.table({"seq": placed.of, "known_seq": placed.known_seq, "known_at": placed.known_at})
    numbered = payments.drop_columns(["known_at"]).append_column(SEQ, pa.array(placed.seq))
    if backend is None:
        made = feature_table(declare(features), ibis.memtable(numbered), ibis.memtable(known), sets=sets)
        return ibis.duckdb.connect().to_pyarrow(made).sort_by(SEQ)
    with TemporaryDirectory() as folder:  # as files: handed over in memory, Spark makes texts of nulls
        tables = []
        for name, table in (("payments", numbered), ("frauds", known)):
            pq.write_table(table, f"{folder}/{name}.parquet")
            tables.append(backend.read_parquet(f"{folder}/{name}.parquet"))
        return backend.to_pyarrow(feature_table(declare(features), *tables, sets=sets)).sort_by(SEQ)


def _live(features: Sequence[Feature], payments: pa.Table) -> NDArray[np.float64]:
    """The decider's own numbers, float64[payments, features]; NaN is null."""
    book = rule_book(RuleSet(features=tuple(features)), ListBook(LIST_SCHEMA.empty_table(), REPLAY_KEY, "none"))
    hot = hot_path(book, REPLAY_KEY, memory_bytes=MEMORY_BYTES, ids_remembered=2 * len(payments))
    replayer = Replayer(book, hot, NoModel())
    parts = []
    for start in range(0, len(payments), BATCH):
        part = payments.slice(start, BATCH)
        has = set(part.column_names)
        columns = [part[path].to_pylist() if path in has else repeat(None, len(part)) for path in book.layout[:-1]]
        judged = replayer.judge(
            list(zip(*columns, repeat(0), strict=False)), part["known_at"].to_numpy(), features=True
        )
        if judged.repeated.any():
            raise InputError("a payment's id stands twice in the history; keep the first", "id")
        parts.append(judged.features)
    return np.concatenate(parts)


def _type(path: str) -> pa.DataType:
    known = catalogue().get(path)
    if known is not None:
        return _TYPES[known.type]
    if path == "surroundings":
        return pa.list_(pa.string())
    return {"number": pa.float64(), "flag": pa.bool_()}.get(path.rpartition(":")[2], pa.string())
