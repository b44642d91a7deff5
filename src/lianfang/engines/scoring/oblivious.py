"""CatBoost's symmetric trees, walked for one row: six comparisons without a branch make the index of a leaf."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import float32, njit
from numba import uint64 as u
from numpy.typing import NDArray

from lianfang.engines.native import float32s, float64s, int64s, uint32s, uint64s
from lianfang.engines.scoring.forest import Oblivious

_1 = u(1)


@dataclass(frozen=True)
class PackedOblivious:
    """Arrays for the walker."""

    feature: NDArray[np.uint32]
    border: NDArray[np.float32]
    split_start: NDArray[np.int64]
    leaf_start: NDArray[np.int64]
    value: NDArray[np.float64]
    missing: NDArray[np.float32]
    """What each input's NaN is read as: -inf or inf."""
    means: NDArray[np.float64]
    """Tree by tree, level by level: the average of the leaves whose index ends in these bits, by their cover."""
    mean_start: NDArray[np.int64]
    trees: int


def pack_oblivious(forest: Oblivious) -> PackedOblivious:
    """The forest in walking order, and the means of every node."""
    depth = np.diff(forest.split_start)
    mean_start = np.concatenate([[0], np.cumsum((2 << depth) - 1)]).astype(np.int64)
    means = np.zeros(mean_start[-1])
    _means(forest.leaf_start, depth, mean_start, forest.value, forest.cover, means)
    return PackedOblivious(
        feature=forest.feature.astype(np.uint32),
        border=forest.border,
        split_start=forest.split_start,
        leaf_start=forest.leaf_start,
        value=forest.value,
        missing=np.where(forest.nan_high, np.inf, -np.inf).astype(np.float32),
        means=means,
        mean_start=mean_start,
        trees=forest.trees,
    )


@njit(cache=True, nogil=True)
def _means(leaf_start, depth, mean_start, value, cover, means):
    for tree in range(depth.shape[0]):
        levels, at, leaf = depth[tree], mean_start[tree], leaf_start[tree]
        weight = np.zeros((2 << levels) - 1)
        bottom = (1 << levels) - 1
        for i in range(1 << levels):
            means[at + bottom + i] = value[leaf + i]
            weight[bottom + i] = cover[leaf + i]
        for level in range(levels - 1, -1, -1):
            here, below = (1 << level) - 1, (2 << level) - 1
            for i in range(1 << level):
                low, high = below + i, below + i + (1 << level)
                both = weight[low] + weight[high]
                share = weight[low] / both if both > 0 else 0.5
                weight[here + i] = both
                means[at + here + i] = means[at + low] * share + means[at + high] * (1 - share)


# Words of the context.
X, X32, MISSING, N_INPUTS, FEATURE, BORDER, SPLITS, LEAVES, VALUE, N_TREES, MEANS, MEAN_START, SIZE = range(13)


@njit(cache=True, nogil=True)
def _index(x, feature, border, at, end):
    """Index of the leaf of the tree whose splits stand in `at .. end`."""
    if end - at == u(6):  # almost every tree; written out, the comparisons run side by side
        return (
            u(x[u(feature[at])] > border[at])
            | u(x[u(feature[at + u(1)])] > border[at + u(1)]) << u(1)
            | u(x[u(feature[at + u(2)])] > border[at + u(2)]) << u(2)
            | u(x[u(feature[at + u(3)])] > border[at + u(3)]) << u(3)
            | u(x[u(feature[at + u(4)])] > border[at + u(4)]) << u(4)
            | u(x[u(feature[at + u(5)])] > border[at + u(5)]) << u(5)
        )
    index = u(0)
    for k in range(end - at):
        index |= u(x[u(feature[at + k])] > border[at + k]) << k
    return index


@njit(cache=True, nogil=True)
def walk_oblivious(context):
    """Sum of the leaves' values, in the order of the trees. Inputs are compared as 32-bit numbers, as CatBoost does."""
    inputs, x, missing = float64s(context[X]), float32s(context[X32]), float32s(context[MISSING])
    for i in range(u(context[N_INPUTS])):
        v = inputs[i]
        x[i] = missing[i] if np.isnan(v) else float32(v)
    feature, border = uint32s(context[FEATURE]), float32s(context[BORDER])
    splits, leaves, value = uint64s(context[SPLITS]), uint64s(context[LEAVES]), float64s(context[VALUE])
    total = 0.0
    for tree in range(u(context[N_TREES])):
        total += value[leaves[tree] + _index(x, feature, border, splits[tree], splits[tree + _1])]
    return total


@njit(cache=True, nogil=True)
def paths_oblivious(context, out):
    """After `walk_oblivious`: adds to `out` float64[inputs] what each input's splits changed of the mean on the way down."""
    x, feature, border = float32s(context[X32]), uint32s(context[FEATURE]), float32s(context[BORDER])
    splits, means, mean_start = uint64s(context[SPLITS]), float64s(context[MEANS]), int64s(context[MEAN_START])
    for tree in range(u(context[N_TREES])):
        at, end, start = splits[tree], splits[tree + _1], u(mean_start[tree])
        index = _index(x, feature, border, at, end)
        above = means[start]
        for k in range(end - at):
            width = u(2) << k
            below = means[start + (width - _1) + (index & (width - _1))]
            out[np.int64(feature[at + k])] += below - above
            above = below
