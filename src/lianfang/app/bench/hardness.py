"""How hard the world is: what each single feature, a plain regression and a learner can tell of its fraud.

Rows are payments, in the order of time; the first part of a history only fills the windows. Nothing here knows how the
world is made: it reads a history file and what the real feature engine counted over it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lianfang.engines.evaluate import auc, average_precision
from lianfang.kernel.instant import DAY, HOUR, SECOND

compute: Any = pyarrow.compute
Floats = NDArray[np.float64]

LOCAL: Final = 8 * HOUR
KNOWN_LEAST: Final = 200
"""Frauds among the rows where a feature is known, for its figure there to count."""
_SINCE: Final = ("session.payee_added", "session.started", "device.first_seen")
_FLAGS: Final = ("device.rooted", "network.vpn", "session.screen_shared", "session.call_in_progress")
_NUMBERS: Final = ("session.failed_attempts", "place.latitude", "place.longitude", "merchant.category")
_WORDS: Final = ("kind", "channel", "session.authentication", "device.os")
_PRESENT: Final = (
    "payee.account",
    "payee.phone",
    "device.id",
    "merchant.id",
    "network.wifi",
    "memo",
    "card",
    "session.payee_added",
    "surroundings",
)
COLUMNS: Final = tuple(
    dict.fromkeys(
        (
            "time",
            "amount",
            "payer.member",
            "payee.member",
            *_SINCE,
            *_FLAGS,
            *_NUMBERS,
            *_WORDS,
            *_PRESENT,
            "label",
            "label_kind",
        )
    )
)


class Single(NamedTuple):
    """One feature alone: the better of high and low. Null counts as the lowest value in `over_all`."""

    name: str
    over_all: float
    where_known: float
    """Among payments that have it; NaN where too few frauds do."""

    @property
    def worst(self) -> float:
        """The larger of the two."""
        return float(np.nanmax([self.over_all, self.where_known]))


def field_features(path: Path) -> tuple[dict[str, Floats], NDArray[np.int8], NDArray[Any]]:
    """Every field of the history as numbers, NaN for null; labels; kinds of crime (None for genuine)."""
    table = pq.read_table(path, columns=list(COLUMNS))
    found = dict(_fields(table))
    return found, table["label"].to_numpy().astype(np.int8), np.array(table["label_kind"].to_pylist(), object)


def _fields(table: pa.Table) -> Iterator[tuple[str, Floats]]:
    time = table["time"].cast(pa.int64()).to_numpy()
    amount = table["amount"].to_numpy().astype(np.float64)
    yield "amount", amount
    yield "amount is whole yuan", (amount % 100 == 0).astype(np.float64)
    yield "amount is whole hundreds", (amount % 10_000 == 0).astype(np.float64)
    local = time + LOCAL
    yield "hour", (local % DAY // HOUR).astype(np.float64)
    yield "weekday", (local // DAY % 7).astype(np.float64)
    yield "is at night", (local % DAY // HOUR < 6).astype(np.float64)
    for name in _SINCE:
        yield f"seconds since {name}", (time - _floats(table[name].cast(pa.int64()))) / SECOND
    for name in _FLAGS:
        yield name, _floats(table[name].cast(pa.int8()))
    for name in _NUMBERS:
        yield name, _floats(table[name])
    for name in _WORDS:
        words = table[name].combine_chunks().dictionary_encode()
        codes = words.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        for place, word in enumerate(words.dictionary.to_pylist()):
            yield f"{name} is {word}", (codes == place).astype(np.float64)
    for name in _PRESENT:
        yield f"{name} is there", table[name].is_valid().to_numpy().astype(np.float64)
    for code in ("screen_share", "remote_control_app", "new_device", "emulator", "unknown_app"):
        found = compute.match_substring(table["surroundings"], code).fill_null(False)
        yield f"finding {code}", found.to_numpy().astype(np.float64)
    same = compute.equal(table["payer.member"], table["payee.member"])
    yield "payer and payee at one member", _floats(same.cast(pa.int8()))


def _floats(column: Any) -> Floats:
    made: Floats = column.cast(pa.float64()).to_numpy()
    return made


def traced_features(trace: Path) -> dict[str, Floats]:
    """What the engine counted, by the declared features' names."""
    schema = pq.read_schema(trace)
    names = [name for name in schema.names if name.startswith("feature.")]
    table = pq.read_table(trace, columns=names)
    return {name.removeprefix("feature."): _floats(table[name]) for name in names}


def single_aucs(features: dict[str, Floats], labels: NDArray[np.int8]) -> list[Single]:
    """Each feature alone, the strongest first."""
    made = [_single(name, values, labels) for name, values in features.items()]
    return sorted(made, key=lambda one: -one.worst)


def _single(name: str, values: Floats, labels: NDArray[np.int8]) -> Single:
    known = ~np.isnan(values)
    lowest = np.where(known, values, -np.inf)
    there = float("nan")
    if int(labels[known].sum()) >= KNOWN_LEAST and not known.all():
        there = _either(auc(values[known], labels[known]))
    return Single(name, _either(auc(lowest, labels)), there)


def _either(value: float) -> float:
    return max(value, 1 - value)


def baseline_ap(features: dict[str, Floats], labels: NDArray[np.int8], train: slice, test: slice) -> float:
    """Average precision of a logistic regression on amount (its logarithm), hour and kind; trained before, tested after."""
    hour = features["hour"]
    kinds = [values for name, values in features.items() if name.startswith("kind is ")]
    columns = [np.log1p(features["amount"]), np.sin(hour * np.pi / 12), np.cos(hour * np.pi / 12), *kinds]
    design = np.column_stack([np.ones(len(labels)), *columns])
    weights = logistic(design[train], labels[train].astype(np.float64))
    return average_precision(design[test] @ weights, labels[test])


def logistic(design: Floats, labels: Floats, ridge: float = 1e-3, steps: int = 25) -> Floats:
    """Weights of a logistic regression by Newton's method (Hastie, Tibshirani and Friedman, 4.4.1), a little ridge."""
    weights = np.zeros(design.shape[1])
    for _ in range(steps):
        chance = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        curve = design.T @ (design * (chance * (1 - chance))[:, None]) + ridge * np.eye(len(weights))
        step = np.asarray(np.linalg.solve(curve, design.T @ (labels - chance) - ridge * weights), np.float64)
        weights = np.asarray(weights + step, np.float64)
        if float(np.abs(step).max()) < 1e-8:
            break
    return weights


def learnable_ap(features: dict[str, Floats], labels: NDArray[np.int8], train: slice, test: slice) -> float:
    """Average precision of gradient boosting on all features together; NaN where scikit-learn is not installed."""
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier
    except ImportError:
        return float("nan")
    matrix = np.column_stack(list(features.values())).astype(np.float32)
    model = HistGradientBoostingClassifier(
        max_iter=250, learning_rate=0.05, max_leaf_nodes=31, min_samples_leaf=40, l2_regularization=1.0, random_state=1
    )
    model.fit(matrix[train], labels[train])
    return average_precision(model.predict_proba(matrix[test])[:, 1], labels[test])
