"""Trees as flat arrays, whatever library wrote them; and the checks that make walking them safe.

Nothing past these checks looks at an index again: the walkers are compiled without bounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lianfang.engines.scoring.errors import ModelError

MISSING_NONE: Final = 0
"""LightGBM: NaN is read as 0."""
MISSING_ZERO: Final = 1
"""NaN, and numbers within 1e-35 of 0, take the default side."""
MISSING_NAN: Final = 2
"""NaN takes the default side."""


@dataclass(frozen=True)
class LeafWise:
    """LightGBM's trees. A tree of L leaves has L - 1 splits; `x <= threshold` goes left.

    `split_start`, `leaf_start` int64[trees + 1]; per split: `feature` int32, `threshold` float64, `missing` uint8,
    `default_left` bool, `left` and `right` int32 (a split of the same tree, or -1 - leaf); per leaf: `value` float64 (log-odds
    to add) and `cover` float64 (training rows). Margin = slope * (sum of values, in the order of the trees).
    """

    inputs: int
    split_start: NDArray[np.int64]
    leaf_start: NDArray[np.int64]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    missing: NDArray[np.uint8]
    default_left: NDArray[np.bool_]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    value: NDArray[np.float64]
    cover: NDArray[np.float64]
    slope: float = 1.0

    @property
    def trees(self) -> int:
        """How many."""
        return len(self.leaf_start) - 1


@dataclass(frozen=True)
class Oblivious:
    """CatBoost's symmetric trees: all nodes of a level ask the same; bit i of the leaf's index is `x > border` of split i.

    `split_start`, `leaf_start` int64[trees + 1]; per split: `feature` int32, `border` float32; `nan_high` bool[inputs]: NaN is
    above every border, else below; per leaf: `value` float64 and `cover` float64. Margin = scale * (sum of values) + bias.
    """

    inputs: int
    split_start: NDArray[np.int64]
    leaf_start: NDArray[np.int64]
    feature: NDArray[np.int32]
    border: NDArray[np.float32]
    nan_high: NDArray[np.bool_]
    value: NDArray[np.float64]
    cover: NDArray[np.float64]
    scale: float = 1.0
    bias: float = 0.0

    @property
    def trees(self) -> int:
        """How many."""
        return len(self.leaf_start) - 1


Forest = LeafWise | Oblivious


def refuse_foreign_inputs(feature: NDArray[np.int32], inputs: int, where: str) -> None:
    """Raises `ModelError` for a split on an input that the model does not have."""
    bad = feature[(feature < 0) | (feature >= inputs)]
    if len(bad):
        raise ModelError(f"a split reads input {bad[0]}, but there are inputs 0 to {inputs - 1}", where)


def refuse_infinite(values: NDArray[np.floating], what: str, where: str) -> None:
    """Raises `ModelError` for a NaN or an infinity."""
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise ModelError(f"{what} {bad[0]} is {values[bad[0]]}, which is no number", where)


def depths(left: NDArray[np.int32], right: NDArray[np.int32], where: str) -> NDArray[np.int32]:
    """Depth of each split of one tree, the first being the root at 0.

    Raises `ModelError` unless every split but the root and every leaf has exactly one parent, and all hang from the root.
    """
    splits = len(left)
    depth: NDArray[np.int32] = np.full(splits, -1, np.int32)
    met = np.zeros(splits + 1, np.bool_)
    open_ = [0]
    depth[0] = 0
    while open_:
        node = open_.pop()
        for child in (int(left[node]), int(right[node])):
            if child >= 0:
                if child >= splits:
                    raise ModelError(f"split {node} leads to split {child}; there are {splits}", where)
                if depth[child] >= 0:
                    raise ModelError(f"split {child} is reached twice: the splits run in a circle or join", where)
                depth[child] = depth[node] + 1
                open_.append(child)
            else:
                leaf = -1 - child
                if leaf > splits:
                    raise ModelError(f"split {node} leads to leaf {leaf}; there are {splits + 1}", where)
                if met[leaf]:
                    raise ModelError(f"leaf {leaf} is reached twice", where)
                met[leaf] = True
    if (depth < 0).any() or not met.all():
        raise ModelError("a split or a leaf hangs from nothing", where)
    return depth
