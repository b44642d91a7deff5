"""Reads CatBoost's own JSON (`save_model(path, format="json")`) into arrays. Refuses what the walker does not compute.

The format: CatBoost 1.2, `catboost/libs/model/model_export/json_model_helpers.cpp`.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from lianfang.engines.scoring.errors import ModelError
from lianfang.engines.scoring.forest import Oblivious, refuse_foreign_inputs, refuse_infinite
from lianfang.kernel import limits


class _Split(msgspec.Struct, frozen=True):
    split_type: str
    border: float = 0.0
    float_feature_index: int = -1


class _Tree(msgspec.Struct, frozen=True):
    leaf_values: list[float]
    splits: list[_Split] | None = None
    leaf_weights: list[float] | None = None


class _Float(msgspec.Struct, frozen=True):
    feature_index: int
    flat_feature_index: int
    nan_value_treatment: Literal["AsIs", "AsFalse", "AsTrue"] = "AsIs"


class _Features(msgspec.Struct, frozen=True):
    float_features: list[_Float] = []
    categorical_features: list[Any] | None = None
    text_features: list[Any] | None = None
    embedding_features: list[Any] | None = None


class _File(msgspec.Struct, frozen=True):
    features_info: _Features
    oblivious_trees: list[_Tree] | None = None
    trees: list[Any] | None = None
    scale_and_bias: tuple[float, list[float]] = (1.0, [0.0])


_decode: Final = msgspec.json.Decoder(_File).decode
FLOAT32_MAX: Final = float(np.finfo(np.float32).max)


def read_catboost(raw: bytes) -> Oblivious:
    """The trees of a binary classifier on numbers. Raises `ModelError` naming the tree."""
    try:
        file = _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as why:
        raise ModelError(f"this is not CatBoost's JSON: {why}", "trees.json") from why
    about = file.features_info
    for kind, found in (
        ("categories", about.categorical_features),
        ("texts", about.text_features),
        ("embeddings", about.embedding_features),
    ):
        if found:
            raise ModelError(f"it reads {kind}; give the trees numbers and conditions only", "features_info")
    if file.trees or not file.oblivious_trees:
        raise ModelError("its trees are not symmetric; train with grow_policy=SymmetricTree", "oblivious_trees")
    if len(file.oblivious_trees) > limits.MODEL_TREES_MAX:
        raise ModelError(f"more than {limits.MODEL_TREES_MAX:,} trees", "oblivious_trees")
    columns, nan_high = _columns(about.float_features)
    trees = [_tree(tree, f"oblivious_trees[{i}]", columns) for i, tree in enumerate(file.oblivious_trees)]
    leaves = sum(len(tree["value"]) for tree in trees)
    if leaves > limits.MODEL_NODES_MAX:
        raise ModelError(f"the trees have {leaves:,} leaves; at most {limits.MODEL_NODES_MAX:,}", "oblivious_trees")
    scale, bias = file.scale_and_bias
    if len(bias) != 1 or not np.isfinite([scale, *bias]).all():
        raise ModelError("scale and bias are two numbers: a model here has one score", "scale_and_bias")
    return Oblivious(
        inputs=len(nan_high),
        split_start=np.cumsum([0, *(len(tree["feature"]) for tree in trees)], dtype=np.int64),
        leaf_start=np.cumsum([0, *(len(tree["value"]) for tree in trees)], dtype=np.int64),
        nan_high=nan_high,
        scale=scale,
        bias=bias[0],
        **{name: np.concatenate([tree[name] for tree in trees]) for name in trees[0]},
    )


def _columns(features: list[_Float]) -> tuple[dict[int, int], NDArray[np.bool_]]:
    """CatBoost's number of a float feature to our column; which columns read NaN as above everything."""
    if len(features) > limits.MODEL_INPUTS_MAX:
        raise ModelError(f"at most {limits.MODEL_INPUTS_MAX} inputs", "features_info")
    columns = {one.feature_index: one.flat_feature_index for one in features}
    if sorted(columns.values()) != list(range(len(features))) or len(columns) != len(features):
        raise ModelError("the float features are not numbered 0, 1, 2, ... each once", "features_info")
    high: NDArray[np.bool_] = np.zeros(len(features), np.bool_)
    for one in features:
        high[one.flat_feature_index] = one.nan_value_treatment == "AsTrue"
    return columns, high


def _tree(tree: _Tree, where: str, columns: dict[int, int]) -> dict[str, NDArray[Any]]:
    splits = tree.splits or []
    if len(splits) > limits.MODEL_DEPTH_MAX:
        raise ModelError(f"it is {len(splits)} deep; at most {limits.MODEL_DEPTH_MAX}", where)
    for split in splits:
        if split.split_type != "FloatFeature":
            raise ModelError(f"a split of the type {split.split_type!r}; only splits on numbers are scored", where)
        if not abs(split.border) <= FLOAT32_MAX:
            raise ModelError(f"the border {split.border} is no 32-bit number", where)
    leaves = 1 << len(splits)
    if len(tree.leaf_values) != leaves:
        raise ModelError(
            f"{len(splits)} splits have {leaves} leaves, but there are {len(tree.leaf_values)} values", where
        )
    weights = [1.0] * leaves if tree.leaf_weights is None else tree.leaf_weights
    if len(weights) != leaves:
        raise ModelError(f"{leaves} leaves have {len(weights)} weights", where)
    made: dict[str, NDArray[Any]] = {
        "feature": np.array([columns.get(split.float_feature_index, -1) for split in splits], np.int32),
        "border": np.array([split.border for split in splits], np.float32),
        "value": np.array(tree.leaf_values, np.float64),
        "cover": np.array(weights, np.float64),
    }
    refuse_foreign_inputs(made["feature"], len(columns), where)
    refuse_infinite(made["value"], "leaf value", where)
    refuse_infinite(made["cover"], "leaf weight", where)
    if (made["cover"] < 0).any():
        raise ModelError("a leaf's weight is below 0", where)
    return made
