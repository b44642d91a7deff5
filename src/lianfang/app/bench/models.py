"""`lianfang bench model`: what a score and its reasons cost, one row at a time; and the model of `bench decide`."""

from __future__ import annotations

import json
import random
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from lianfang.app.bench.report import Figure, publish
from lianfang.app.bench.scenario import features
from lianfang.engines.scoring import TrainedModel
from lianfang.infra.models import ModelFolder, seal
from lianfang.services.decide.models import Handed, Pair
from lianfang.wire import Input, Model, ModelKind, Trained, write

TREES: Final = 400
LEAVES: Final = 31
DEPTH: Final = 6
ROWS: Final = 4_000
SLICES: Final = 15
MADE_ON: Final = datetime(2026, 10, 1, tzinfo=UTC)


def _thresholds(draw: random.Random) -> float:
    return round(draw.lognormvariate(2, 2), 3)


def lightgbm_text(trees: int = TREES, leaves: int = LEAVES, inputs: int = 60) -> bytes:
    """Random trees grown leaf by leaf, as LightGBM writes them. Deeper and less even than most that were trained."""
    draw = random.Random(20_261_001)  # noqa: S311 - a benchmark's model
    made = [_tree(draw, i, leaves, inputs) for i in range(trees)]
    names = " ".join(f"Column_{i}" for i in range(inputs))
    head = (
        f"tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx={inputs - 1}\n"
        f"objective=binary sigmoid:1\nfeature_names={names}\nfeature_infos={' '.join(['none'] * inputs)}\n"
        f"tree_sizes={' '.join(str(len(tree)) for tree in made)}\n\n"
    )
    return f"{head}{''.join(made)}end of trees\n".encode()


def _tree(draw: random.Random, number: int, leaves: int, inputs: int) -> str:
    left, right, open_ = [-1], [-2], [(0, 0), (0, 1)]
    for split in range(1, leaves - 1):
        at, side = open_.pop(draw.randrange(len(open_)))
        children = left if side == 0 else right
        taken, children[at] = children[at], split
        left.append(taken)
        right.append(-1 - (split + 1))
        open_ += [(split, 0), (split, 1)]
    splits = leaves - 1
    lines: dict[str, list[Any]] = {
        "num_leaves": [leaves],
        "num_cat": [0],
        "split_feature": [draw.randrange(inputs) for _ in range(splits)],
        "threshold": [_thresholds(draw) for _ in range(splits)],
        "decision_type": [draw.choice((8, 10)) for _ in range(splits)],
        "left_child": left,
        "right_child": right,
        "leaf_value": [draw.gauss(-0.01, 0.02) for _ in range(leaves)],
        "leaf_count": [draw.randrange(20, 2_000) for _ in range(leaves)],
        "is_linear": [0],
        "shrinkage": [1],
    }
    text = "\n".join(f"{name}={' '.join(map(str, values))}" for name, values in lines.items())
    return f"Tree={number}\n{text}\n\n\n"


def catboost_json(trees: int = TREES, depth: int = DEPTH, inputs: int = 60) -> bytes:
    """Random symmetric trees, as CatBoost writes them."""
    draw = random.Random(20_261_002)  # noqa: S311 - a benchmark's model

    def split() -> dict[str, Any]:
        return {
            "split_type": "FloatFeature",
            "border": _thresholds(draw),
            "float_feature_index": draw.randrange(inputs),
        }

    made = [
        {
            "splits": [split() for _ in range(depth)],
            "leaf_values": [draw.gauss(-0.01, 0.02) for _ in range(1 << depth)],
            "leaf_weights": [draw.randrange(1, 1_000) for _ in range(1 << depth)],
        }
        for _ in range(trees)
    ]
    columns = [{"feature_index": i, "flat_feature_index": i, "nan_value_treatment": "AsFalse"} for i in range(inputs)]
    body = {"features_info": {"float_features": columns}, "oblivious_trees": made, "scale_and_bias": [1, [0]]}
    return json.dumps(body).encode()


def benchmark_model(kind: ModelKind = "lightgbm") -> ModelFolder:
    """400 random trees over the benchmark's 60 features."""
    declared = features()
    manifest = Model(
        name="bench",
        kind=kind,
        features=declared,
        inputs=tuple(Input(name=one.name, define=one.name) for one in declared),
        trained=Trained(created_at=MADE_ON, by="lianfang bench"),
    )
    raw = lightgbm_text() if kind == "lightgbm" else catboost_json()
    return seal(manifest, {manifest.trees: raw})


def handed() -> bytes:
    """The LightGBM model as the desk hands it to a decider."""
    folder = benchmark_model()
    return msgspec.msgpack.encode(Handed(model=Pair(write(folder.manifest), folder.trees)))


def bench_model(json_file: Path | None, rows: int = ROWS) -> None:
    """Measure, print, write."""
    found: dict[str, tuple[float, float]] = {}
    kinds: tuple[ModelKind, ...] = ("catboost", "lightgbm")
    for kind in kinds:
        found[kind] = costs(benchmark_model(kind), rows)
    reasons = max(cost for _, cost in found.values())
    figures = [
        Figure("score_us_oblivious", found["catboost"][0], f"us a row, {TREES} trees of depth {DEPTH}", "<= 5"),
        Figure("score_us_lightgbm", found["lightgbm"][0], f"us a row, {TREES} trees of {LEAVES} leaves", "<= 10"),
        Figure("reasons_us", reasons, "us, path attributions and three sentences, the slower of both", "<= 20"),
        Figure("reasons_us_oblivious", found["catboost"][1], "us"),
        Figure("reasons_us_lightgbm", found["lightgbm"][1], "us"),
    ]
    about = {"call": f"from Python, as the decider does, one row of 60 features a call; medians of {SLICES} slices"}
    publish("model", figures, about, json_file)


def costs(folder: ModelFolder, rows: int) -> tuple[float, float]:
    """Microseconds of a score, and of its reasons on top."""
    declared = folder.manifest.features
    model = TrainedModel(folder.manifest, folder.trees).bind((), declared)
    made = [np.ascontiguousarray(row) for row in _rows(rows, len(declared))]

    def score(row: NDArray[np.float64]) -> None:
        model((), row)

    def explain(row: NDArray[np.float64]) -> None:
        model((), row)
        model.why()

    plain = _us(score, made)
    return plain, _us(explain, made) - plain


def _rows(count: int, inputs: int) -> NDArray[np.float64]:
    draw = np.random.default_rng(7)
    rows = np.round(draw.lognormal(2, 2, (count, inputs)), 3)
    rows[draw.random(rows.shape) < 0.1] = np.nan
    return rows


def _us(work: Callable[[NDArray[np.float64]], None], rows: list[NDArray[np.float64]]) -> float:
    spent = []
    for row in rows[:200]:
        work(row)
    for _ in range(SLICES):
        began = time.perf_counter()
        for row in rows:
            work(row)
        spent.append((time.perf_counter() - began) / len(rows) * 1e6)
    return statistics.median(spent)
