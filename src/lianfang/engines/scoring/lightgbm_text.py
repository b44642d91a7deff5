"""Reads LightGBM's own text (`Booster.save_model`, version v4) into arrays. Refuses what the walker does not compute.

The format: LightGBM 4, `src/io/gbdt_model_text.cpp` and `src/io/tree.cpp`.
"""

from __future__ import annotations

import re
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lianfang.engines.scoring.errors import ModelError
from lianfang.engines.scoring.forest import (
    MISSING_NAN,
    LeafWise,
    depths,
    refuse_foreign_inputs,
    refuse_infinite,
)
from lianfang.kernel import limits

_VERSIONS: Final = ("v3", "v4")
_OBJECTIVE: Final = re.compile(r"^(?:binary(?: sigmoid:(?P<slope>[0-9.eE+-]+))?|cross_entropy|custom)?$")
_CATEGORICAL: Final = 1
_DEFAULT_LEFT: Final = 2
_LINES_OF_TREE: Final = 64


def read_lightgbm(raw: bytes) -> LeafWise:
    """The trees of a binary classifier. Raises `ModelError` naming the tree and the line."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as why:
        raise ModelError("the text of the trees is not UTF-8", f"byte {why.start}") from why
    head, *rest = text.split("\nTree=")
    if not head.startswith("tree\n") or not rest:
        raise ModelError("this is not a LightGBM model: write it with `Booster.save_model`", "line 1")
    if len(rest) > limits.MODEL_TREES_MAX:
        raise ModelError(f"more than {limits.MODEL_TREES_MAX:,} trees", "trees.txt")
    about = _pairs(head.splitlines()[1:], "the head")
    inputs, slope = _checked_head(about)
    last, end, _ = rest[-1].partition("\nend of trees")
    if not end:
        raise ModelError("the text ends before `end of trees`: it was cut; copy the file anew", "trees.txt")
    rest[-1] = last
    trees = [_tree(body, i, inputs) for i, body in enumerate(rest)]
    nodes = sum(2 * len(tree["value"]) for tree in trees)
    if nodes > limits.MODEL_NODES_MAX:
        raise ModelError(f"the trees have {nodes:,} splits and leaves; at most {limits.MODEL_NODES_MAX:,}", "trees.txt")
    return LeafWise(
        inputs=inputs,
        split_start=_starts([len(tree["feature"]) for tree in trees]),
        leaf_start=_starts([len(tree["value"]) for tree in trees]),
        slope=slope,
        **{name: np.concatenate([tree[name] for tree in trees]) for name in trees[0]},
    )


def _checked_head(about: dict[str, str]) -> tuple[int, float]:
    """Number of inputs and slope of the logistic function."""
    if about.get("version") not in _VERSIONS:
        raise ModelError(f"version {about.get('version')!r} of the text is not known; v4 is", "version")
    for name in ("num_class", "num_tree_per_iteration"):
        if about.get(name) != "1":
            raise ModelError(f"{name} is {about.get(name)!r}: a model here has one score, so it is 1", name)
    if "average_output" in about:
        raise ModelError("a random forest averages its trees; train with boosting=gbdt or dart", "average_output")
    objective = about.get("objective", "")
    found = _OBJECTIVE.match(objective)
    if found is None:
        raise ModelError(f"the objective is {objective!r}; a score is a probability, so it is `binary`", "objective")
    slope = _number(found["slope"] or "1", "objective")
    if not slope > 0:
        raise ModelError("the sigmoid is above 0", "objective")
    top = about.get("max_feature_idx", "")
    if not top.isdecimal() or int(top[:9]) >= limits.MODEL_INPUTS_MAX:
        raise ModelError(
            f"max_feature_idx is {top[:20]!r}; at most {limits.MODEL_INPUTS_MAX} inputs", "max_feature_idx"
        )
    return int(top) + 1, slope


def _pairs(lines: list[str], where: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition("=")
        if not name:
            continue
        if name in found:
            raise ModelError(f"{name} stands twice", where)
        found[name] = value
    return found


def _tree(body: str, number: int, inputs: int) -> dict[str, NDArray[Any]]:
    where = f"Tree={number}"
    lines = body.splitlines()
    if not lines or lines[0] != str(number) or len(lines) > _LINES_OF_TREE:
        raise ModelError("the trees are not numbered in order, or hold lines that are not theirs", where)
    pairs = _pairs(lines[1:], where)
    leaves = _whole(pairs, "num_leaves", where)
    if not 1 <= leaves <= limits.MODEL_LEAVES_MAX:
        raise ModelError(f"num_leaves is {leaves}; 1 to {limits.MODEL_LEAVES_MAX:,} leaves are scored", where)
    if _whole(pairs, "num_cat", where):
        raise ModelError("it splits on categories; give the trees conditions as numbers instead", where)
    if pairs.get("is_linear", "0") != "0":
        raise ModelError("its leaves are linear models; train with linear_tree=false", where)
    splits = leaves - 1
    kinds = _array(pairs, "decision_type", splits, where)
    if not np.isin(kinds, (0, 2, 4, 6, 8, 10)).all():
        bad = kinds[~np.isin(kinds, (0, 2, 4, 6, 8, 10))][0]
        what = "a split on categories" if int(bad) & _CATEGORICAL else "not known"
        raise ModelError(f"decision_type {bad:g} is {what}", where)
    codes = kinds.astype(np.int64)
    tree: dict[str, NDArray[Any]] = {
        "feature": _indices(pairs, "split_feature", splits, where),
        "threshold": _array(pairs, "threshold", splits, where),
        "missing": (codes >> 2).astype(np.uint8),
        "default_left": (codes & _DEFAULT_LEFT) != 0,
        "left": _indices(pairs, "left_child", splits, where),
        "right": _indices(pairs, "right_child", splits, where),
        "value": _array(pairs, "leaf_value", leaves, where),
        "cover": _array(pairs, "leaf_count", leaves, where) if splits else np.ones(1),
    }
    refuse_foreign_inputs(tree["feature"], inputs, where)
    refuse_infinite(tree["value"], "leaf_value", where)
    refuse_infinite(tree["cover"], "leaf_count", where)
    if np.isnan(tree["threshold"]).any():
        raise ModelError("a threshold is NaN", where)
    if (tree["cover"] < 0).any():
        raise ModelError("a leaf_count is below 0", where)
    assert (tree["missing"] <= MISSING_NAN).all()
    if splits:
        depths(tree["left"], tree["right"], where)
    return tree


def _whole(pairs: dict[str, str], name: str, where: str) -> int:
    text = pairs.get(name, "")
    if not text.isdecimal() or len(text) > 9:
        raise ModelError(f"{name} is {text[:20]!r}, and must be a whole number", where)
    return int(text)


def _array(pairs: dict[str, str], name: str, size: int, where: str) -> NDArray[np.float64]:
    words = pairs.get(name, "").split()
    if len(words) != size:
        raise ModelError(f"{name} has {len(words)} numbers instead of {size}", where)
    return np.array([_number(word, f"{where} {name}") for word in words], np.float64)


def _indices(pairs: dict[str, str], name: str, size: int, where: str) -> NDArray[np.int32]:
    numbers = _array(pairs, name, size, where)
    bad = numbers[~((np.abs(numbers) <= limits.MODEL_NODES_MAX) & (numbers == np.round(numbers)))]
    if len(bad):
        raise ModelError(f"{name} has {bad[0]:g}, which is no index", where)
    return numbers.astype(np.int32)


def _number(word: str, where: str) -> float:
    try:
        return float(word)
    except ValueError as why:
        raise ModelError(f"{word[:20]!r} is not a number", where) from why


def _starts(sizes: list[int]) -> NDArray[np.int64]:
    return np.cumsum([0, *sizes], dtype=np.int64)
