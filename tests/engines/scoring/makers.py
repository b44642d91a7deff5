"""Models to score: random trees in LightGBM's text, and models trained by the libraries on random rows."""

from __future__ import annotations

import json
import random
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lianfang.engines.scoring import TrainedModel, Trees
from lianfang.engines.scoring.calibrate import calibration_numbers
from lianfang.engines.scoring.forest import Forest
from lianfang.wire import Calibration, Feature, Input, Model, Trained, Uncalibrated

AWKWARD = (0.0, -0.0, float("nan"), float("inf"), float("-inf"), 5e-324, -5e-324, 1e-35, -1e-35, 1.0000000180025095e-35,
           9.999999e-36, 2.3e-308, 1e300, -1e300, 1.0, -1.0)  # fmt: skip


def model(inputs: int = 4, kind: Any = "lightgbm", calibration: Calibration | None = None) -> Model:
    """A manifest whose inputs are features `f0`, `f1`, ..."""
    return Model(
        name="made",
        kind=kind,
        features=tuple(
            Feature(name=f"f{i}", define=f"count of payments by payer.account over {i + 1}h") for i in range(inputs)
        ),
        inputs=tuple(Input(name=f"f{i}", define=f"f{i}", zh=f"数{i}", en=f"number {i}") for i in range(inputs)),
        calibration=calibration or Uncalibrated(),
        trained=Trained(created_at=datetime(2026, 5, 1, tzinfo=UTC)),
    )


def trees_of(forest: Forest, calibration: Calibration | None = None) -> Trees:
    return Trees(forest, calibration_numbers(calibration or Uncalibrated()))


def trained(
    raw: bytes, inputs: int = 4, kind: Any = "lightgbm", calibration: Calibration | None = None
) -> TrainedModel:
    return TrainedModel(model(inputs, kind, calibration), raw)


def head(inputs: int) -> str:
    names = " ".join(f"Column_{i}" for i in range(inputs))
    infos = " ".join(["[-1e+300:1e+300]"] * inputs)
    return (
        f"tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx={inputs - 1}\n"
        f"objective=binary sigmoid:1\nfeature_names={names}\nfeature_infos={infos}\n"
    )


def random_tree(draw: random.Random, number: int, inputs: int, leaves: int) -> str:
    """One tree grown leaf by leaf, with every kind of missing value, thresholds awkward and plain."""
    left, right = [-1], [-2]
    for split in range(1, leaves - 1):
        at = draw.randrange(split)
        side = left if draw.random() < 0.5 else right
        while side[at] >= 0:  # take the place of a leaf
            at = draw.randrange(split)
            side = left if draw.random() < 0.5 else right
        taken, side[at] = side[at], split
        left.append(taken)
        right.append(-1 - (split + 1))
    splits = leaves - 1
    left, right = (left, right) if splits else ([], [])
    finite = [v for v in AWKWARD if v == v and abs(v) < 1e301]
    lines: dict[str, list[Any]] = {
        "num_leaves": [leaves],
        "num_cat": [0],
        "split_feature": [draw.randrange(inputs) for _ in range(splits)],
        "split_gain": [1] * splits,
        "threshold": [draw.choice(finite) if draw.random() < 0.3 else draw.gauss(0, 1) for _ in range(splits)],
        "decision_type": [draw.choice((0, 2, 4, 6, 8, 10)) for _ in range(splits)],
        "left_child": left,
        "right_child": right,
        "leaf_value": [draw.gauss(0, 0.3) for _ in range(leaves)],
        "leaf_weight": [1] * leaves,
        "leaf_count": [draw.randrange(1, 50) for _ in range(leaves)],
        "internal_value": [0] * splits,
        "internal_weight": [0] * splits,
        "internal_count": [2] * splits,
        "is_linear": [0],
        "shrinkage": [1],
    }
    text = "\n".join(f"{name}={' '.join(str(value) for value in values)}" for name, values in lines.items())
    return f"Tree={number}\n{text}\n\n\n"


def random_lightgbm(seed: int, inputs: int = 4, trees: int = 11) -> bytes:
    """LightGBM's text of random trees, which LightGBM itself reads."""
    draw = random.Random(seed)
    made = [random_tree(draw, i, inputs, draw.choice((1, 2, 3, 8, 31))) for i in range(trees)]
    sizes = " ".join(str(len(tree)) for tree in made)
    return f"{head(inputs)}tree_sizes={sizes}\n\n{''.join(made)}end of trees\n\nfeature_importances:\n".encode()


def rows(seed: int, inputs: int = 4, count: int = 200) -> NDArray[np.float64]:
    """Random rows, a third of them awkward values."""
    draw = np.random.default_rng(seed)
    made = draw.normal(size=(count, inputs))
    awkward = draw.random(made.shape) < 0.35
    made[awkward] = draw.choice(np.array(AWKWARD), awkward.sum())
    return made


def catboost_model(seed: int, folder: Path, inputs: int = 4, *, depth: int = 6, nan_mode: str = "Min") -> Any:
    """A CatBoost classifier, and the paths of its JSON and of its binary."""
    from catboost import CatBoostClassifier

    draw = np.random.default_rng(seed)
    x = draw.normal(size=(400, inputs))
    x[draw.random(x.shape) < 0.1] = np.nan if nan_mode != "Forbidden" else 0.0
    y = (np.nan_to_num(x).sum(axis=1) + draw.normal(size=400) > 0).astype(int)
    made = CatBoostClassifier(
        iterations=30,
        depth=depth,
        nan_mode=nan_mode,
        verbose=0,
        thread_count=1,
        random_seed=seed,
        allow_writing_files=False,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made.fit(x, y)
    made.save_model(str(folder / "trees.json"), format="json")
    made.save_model(str(folder / "model.cbm"))
    return made


def small_catboost(**changes: Any) -> bytes:
    """A hand-written CatBoost model of one tree with two splits over two inputs."""
    body = {
        "features_info": {
            "float_features": [
                {
                    "feature_index": i,
                    "flat_feature_index": i,
                    "has_nans": False,
                    "nan_value_treatment": "AsIs",
                    "borders": [0.5],
                }
                for i in range(2)
            ]
        },
        "oblivious_trees": [
            {
                "leaf_values": [0.1, 0.2, 0.3, 0.4],
                "leaf_weights": [4, 3, 2, 1],
                "splits": [
                    {"split_type": "FloatFeature", "border": 0.5, "float_feature_index": 0},
                    {"split_type": "FloatFeature", "border": 0.5, "float_feature_index": 1},
                ],
            }
        ],
        "scale_and_bias": [2.0, [0.25]],
    }
    return json.dumps({**body, **changes}).encode()
