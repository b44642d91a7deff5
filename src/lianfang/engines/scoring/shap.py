"""Exact Shapley values of one row: TreeSHAP by the path-dependent expectation, for alerts, off the path (milliseconds).

S. Lundberg, G. Erion, S.-I. Lee, "Consistent Individualized Feature Attribution for Tree Ensembles" (2018), algorithm 2.
The same as LightGBM's `pred_contrib`; for symmetric trees, with leaf weights as cover, the same definition.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lianfang.engines.scoring.forest import MISSING_NAN, MISSING_NONE, MISSING_ZERO, Forest, LeafWise, Oblivious
from lianfang.engines.scoring.leafwise import ZERO


def shapley(forest: Forest, x: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """(what each input added to the margin, float64[inputs]; the margin expected before any is known). They sum to the margin."""
    phi = np.zeros(forest.inputs)
    row = np.ascontiguousarray(x, np.float64)
    expected = 0.0
    for tree in range(forest.trees):
        feature, goes_left, left, right, value = _one(forest, tree, row)
        cover = _covers(left, right, forest.cover[forest.leaf_start[tree] : forest.leaf_start[tree + 1]])
        leaves = cover[len(left) :]
        whole = leaves.sum()
        expected += float((value * leaves).sum() / whole)
        if len(left):
            _tree_shap(feature, goes_left, left, right, value, cover, phi)
    slope, bias = (forest.slope, 0.0) if isinstance(forest, LeafWise) else (forest.scale, forest.bias)
    return phi * slope, expected * slope + bias


def _one(forest: Forest, tree: int, x: NDArray[np.float64]) -> tuple[NDArray[Any], ...]:
    """One tree as splits: the input each asks for, whether the row goes left, its children (-1 - leaf), the leaves' values."""
    value = forest.value[forest.leaf_start[tree] : forest.leaf_start[tree + 1]]
    part = slice(int(forest.split_start[tree]), int(forest.split_start[tree + 1]))
    if isinstance(forest, LeafWise):
        asked = np.where(np.abs(x) <= ZERO, 0.0, x)[forest.feature[part]]
        missing, default = forest.missing[part], forest.default_left[part]
        read = np.where(np.isnan(asked) & (missing != MISSING_NAN), 0.0, asked)
        taken = (missing == MISSING_ZERO) & (read == 0) | (missing == MISSING_NAN) & np.isnan(read)
        assert MISSING_NONE == 0
        goes_left = np.where(taken, default, read <= forest.threshold[part])
        return forest.feature[part].astype(np.int64), goes_left, forest.left[part], forest.right[part], value
    return (*_unfolded(forest, part, x), value)


def _unfolded(forest: Oblivious, part: slice, x: NDArray[np.float64]) -> tuple[NDArray[Any], ...]:
    """A symmetric tree as splits, level by level, the last split as the root: so does CatBoost when it explains."""
    feature, border = forest.feature[part][::-1], forest.border[part][::-1]
    with np.errstate(over="ignore"):  # beyond 32 bits is infinite, as CatBoost has it
        asked = x[feature].astype(np.float32)
    read = np.where(np.isnan(asked), np.where(forest.nan_high[feature], np.inf, -np.inf), asked)
    depth = len(feature)
    level = np.repeat(np.arange(depth), 1 << np.arange(depth))
    place = np.arange((1 << depth) - 1) - ((1 << level) - 1)
    last = level == depth - 1
    below = (2 << level) - 1 + 2 * place
    left = np.where(last, -1 - 2 * place, below)
    right = np.where(last, -2 - 2 * place, below + 1)
    return feature[level].astype(np.int64), ~(read > border)[level], left.astype(np.int32), right.astype(np.int32)


def _covers(left: NDArray[Any], right: NDArray[Any], leaves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cover of every split, then of every leaf. A leaf that no training row reached counts as a trace of one."""
    splits = len(left)
    cover = np.concatenate([np.zeros(splits), leaves if leaves.sum() > 0 else np.ones(len(leaves))])
    _sum_up(left, right, cover, splits)
    return cover


@njit(cache=True, nogil=True)
def _sum_up(left, right, cover, splits):
    order = np.zeros(splits, np.int64)
    end = 1 if splits else 0
    at = 0
    while at < end:
        for child in (left[order[at]], right[order[at]]):
            if child >= 0:
                order[end] = child
                end += 1
        at += 1
    for i in range(splits - 1, -1, -1):
        node = order[i]
        a, b = left[node], right[node]
        cover[node] = cover[a if a >= 0 else splits - 1 - a] + cover[b if b >= 0 else splits - 1 - b]


@njit(cache=True, nogil=True)
def _extend(path_input, path_zero, path_one, weight, depth, zero, one, split_input):
    path_input[depth], path_zero[depth], path_one[depth] = split_input, zero, one
    weight[depth] = 1.0 if depth == 0 else 0.0
    for i in range(depth - 1, -1, -1):
        weight[i + 1] += one * weight[i] * (i + 1) / (depth + 1)
        weight[i] = zero * weight[i] * (depth - i) / (depth + 1)


@njit(cache=True, nogil=True)
def _unwind(path_input, path_zero, path_one, weight, depth, at):
    zero, one = path_zero[at], path_one[at]
    carried = weight[depth]
    for i in range(depth - 1, -1, -1):
        if one != 0:
            before = weight[i]
            weight[i] = carried * (depth + 1) / ((i + 1) * one)
            carried = before - weight[i] * zero * (depth - i) / (depth + 1)
        else:
            weight[i] = weight[i] * (depth + 1) / (zero * (depth - i)) if zero != 0 else 0.0
    for i in range(at, depth):
        path_input[i], path_zero[i], path_one[i] = path_input[i + 1], path_zero[i + 1], path_one[i + 1]


@njit(cache=True, nogil=True)
def _unwound_sum(path_zero, path_one, weight, depth, at):
    zero, one = path_zero[at], path_one[at]
    carried = weight[depth]
    total = 0.0
    for i in range(depth - 1, -1, -1):
        if one != 0:
            part = carried * (depth + 1) / ((i + 1) * one)
            total += part
            carried = weight[i] - part * zero * (depth - i) / (depth + 1)
        elif zero != 0:
            total += weight[i] / (zero * (depth - i) / (depth + 1))
    return total


@njit(cache=True, nogil=True)
def _tree_shap(feature, goes_left, left, right, value, cover, phi):
    """Adds one tree's values to `phi`. A stack stands for the recursion; each frame has the path to its node."""
    splits = left.shape[0]
    most = _height(left, right) + 3
    path_input = np.zeros((most, most), np.int64)
    path_zero, path_one, weight = np.zeros((most, most)), np.zeros((most, most)), np.zeros((most, most))
    stack_node = np.zeros(2 * most, np.int64)
    stack_level, stack_depth = np.zeros(2 * most, np.int64), np.zeros(2 * most, np.int64)
    stack_zero, stack_one = np.zeros(2 * most), np.zeros(2 * most)
    stack_input = np.zeros(2 * most, np.int64)
    stack_zero[0] = stack_one[0] = 1.0
    stack_input[0] = -1
    top = 1
    while top:
        top -= 1
        node, level, depth = stack_node[top], stack_level[top], stack_depth[top]
        if level:  # the path of the node above, which is finished with
            for i in range(depth + 1):
                path_input[level, i], path_zero[level, i] = path_input[level - 1, i], path_zero[level - 1, i]
                path_one[level, i], weight[level, i] = path_one[level - 1, i], weight[level - 1, i]
        pi, pz, po, w = path_input[level], path_zero[level], path_one[level], weight[level]
        asked = stack_input[top]
        zero, one = stack_zero[top], stack_one[top]
        if asked >= 0:
            for i in range(1, depth):
                if pi[i] == asked:  # asked before on this path: both answers together are one
                    zero, one = zero * pz[i], one * po[i]
                    _unwind(pi, pz, po, w, depth - 1, i)
                    depth -= 1
                    break
        _extend(pi, pz, po, w, depth, zero, one, asked)
        if node < 0:
            for i in range(1, depth + 1):
                phi[pi[i]] += _unwound_sum(pz, po, w, depth, i) * (po[i] - pz[i]) * value[-1 - node]
            continue
        for child in (left[node], right[node]):
            here = cover[child if child >= 0 else splits - 1 - child]
            taken = (child == left[node]) == goes_left[node]
            if here == 0 and cover[node] > 0 and not taken:
                continue  # nothing is expected of what was never reached, unless the row goes there
            stack_node[top], stack_level[top], stack_depth[top] = child, level + 1, depth + 1
            stack_zero[top] = here / cover[node] if cover[node] > 0 else 0.5
            stack_one[top] = 1.0 if taken else 0.0
            stack_input[top] = feature[node]
            top += 1


@njit(cache=True, nogil=True)
def _height(left, right):
    level = np.zeros(left.shape[0], np.int64)
    order = np.zeros(left.shape[0], np.int64)
    end, at, most = 1, 0, 0
    while at < end:
        node = order[at]
        most = max(most, level[node] + 1)
        for child in (left[node], right[node]):
            if child >= 0:
                level[child] = level[node] + 1
                order[end] = child
                end += 1
        at += 1
    return most
