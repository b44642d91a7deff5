"""A replay's trace: a Parquet row a payment with everything the engine saw and answered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lianfang.infra.history import HistoryBatch
from lianfang.kernel.errors import DependencyError
from lianfang.services.decide import Judged
from lianfang.wire import ACTIONS


class Trace:
    """Writes batch after batch. The file has its name when it is whole."""

    def __init__(self, path: Path, features: Sequence[str]) -> None:
        columns: list[tuple[str, Any]] = [
            ("id", pa.string()),
            ("time", pa.timestamp("us", tz="UTC")),
            ("amount", pa.int64()),
            ("currency", pa.string()),
            ("action", pa.dictionary(pa.int8(), pa.string())),
            ("points", pa.int64()),
            ("score", pa.float64()),
            ("risk", pa.int64()),
            ("label", pa.int8()),
            ("repeated", pa.bool_()),
            ("reasons", pa.list_(pa.string())),
            ("shadow", pa.list_(pa.string())),
        ]
        self._schema = pa.schema(columns + [(f"feature.{name}", pa.float64()) for name in features])
        self._partial = path.with_name(path.name + ".partial")
        self._partial.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._writer: Any = pq.ParquetWriter(self._partial, self._schema, compression="zstd")

    @classmethod
    @contextmanager
    def to(cls, path: Path | None, features: Sequence[str]) -> Iterator[Trace | None]:
        """A trace to `path`, or None for none."""
        if path is None:
            yield None
            return
        try:
            trace = cls(path, features)
            try:
                yield trace
            finally:
                trace._writer.close()
            trace._partial.replace(path)
        except OSError as why:
            raise DependencyError(f"writing the trace failed: {why}") from why

    def add(self, batch: HistoryBatch, place: slice, judged: Judged, labels: NDArray[np.int8]) -> None:
        """Rows of one stretch."""
        rows = len(judged.actions)
        reasons: list[list[str]] = [[]] * rows
        shadow: list[list[str]] = [[]] * rows
        for row, why in judged.reasons:
            reasons[row] = [reason.name for reason in why]
        for row, aside in judged.shadow:
            shadow[row] = list(aside)
        arrays = [
            pa.array(batch.columns["id"][place], pa.string()),
            pa.array(batch.columns["time"][place], pa.int64()).cast(pa.timestamp("us", tz="UTC")),
            pa.array(batch.columns["amount"][place], pa.int64()),
            pa.array(batch.columns["currency"][place], pa.string()),
            pa.DictionaryArray.from_arrays(judged.actions, pa.array(ACTIONS)),
            pa.array(judged.points),
            pa.array(judged.scores, mask=np.isnan(judged.scores)),
            pa.array(judged.risk),
            pa.array(labels),
            pa.array(judged.repeated),
            pa.array(reasons, pa.list_(pa.string())),
            pa.array(shadow, pa.list_(pa.string())),
            *(pa.array(column, mask=np.isnan(column)) for column in judged.features.T),
        ]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
