"""A trained model in force: features in, a probability out, in one compiled call; and why, right after it.

Scores are the library's: LightGBM's margin to the bit, CatBoost's to the bit of its own binary format (its JSON reader rounds
the last digit otherwise: up to 4 units in the last place of the sum's largest part). A test says so for random models.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numba import njit
from numba import uint64 as u
from numpy.typing import NDArray

from lianfang.engines.native import float64s, int64s
from lianfang.engines.scoring import leafwise, oblivious
from lianfang.engines.scoring.calibrate import calibration_numbers, probability
from lianfang.engines.scoring.catboost_json import read_catboost
from lianfang.engines.scoring.errors import ModelError
from lianfang.engines.scoring.forest import Forest, LeafWise
from lianfang.engines.scoring.inputs import bind_inputs, check_inputs, refuse_other_features
from lianfang.engines.scoring.leafwise import pack_leafwise, paths_leafwise, walk_leafwise
from lianfang.engines.scoring.lightgbm_text import read_lightgbm
from lianfang.engines.scoring.oblivious import pack_oblivious, paths_oblivious, walk_oblivious
from lianfang.engines.scoring.reasons import LEAST_PUSH, REASONS_MAX, Sentences, Why
from lianfang.wire import Feature, Model

# Words after those of the walker: what comes before the walk, and after it.
_N_INPUTS, _GATHER, _LINE, _KIND, _POINTS, _N_POINTS = range(16, 22)
_WORDS: Final = 22
assert leafwise.SIZE <= _N_INPUTS >= oblivious.SIZE


@njit(cache=True, nogil=True)
def _gather(context, features):
    """The inputs that are features, into their places."""
    x, gather = float64s(context[leafwise.X]), int64s(context[_GATHER])
    for i in range(u(context[_N_INPUTS])):
        if gather[i] >= 0:
            x[i] = features[gather[i]]


@njit(cache=True, nogil=True)
def _calibrated(context, total):
    line = float64s(context[_LINE])
    margin = total * line[u(0)] + line[u(1)]
    return probability(margin, context[_KIND], context[_POINTS], context[_N_POINTS])


@njit(cache=True, nogil=True)
def score_leafwise(context, features):
    """Probability of one payment."""
    _gather(context, features)
    return _calibrated(context, walk_leafwise(context))


@njit(cache=True, nogil=True)
def score_oblivious(context, features):
    """Probability of one payment."""
    _gather(context, features)
    return _calibrated(context, walk_oblivious(context))


@njit(cache=True, nogil=True)
def _score_rows(context, rows, oblivious_, out):
    """For rows of inputs: margins and probabilities, without Python in between."""
    x, line = float64s(context[leafwise.X]), float64s(context[_LINE])
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            x[u(j)] = rows[i, j]
        total = walk_oblivious(context) if oblivious_ else walk_leafwise(context)
        out[i, 0] = total * line[u(0)] + line[u(1)]
        out[i, 1] = _calibrated(context, total)


@njit(cache=True, nogil=True)
def pushes_leafwise(context, out):
    """Path attributions of the row last scored, into `out` float64[inputs], in log-odds."""
    out[:] = 0.0
    paths_leafwise(context, out)
    for i in range(out.shape[0]):
        out[i] *= float64s(context[_LINE])[u(0)]


@njit(cache=True, nogil=True)
def pushes_oblivious(context, out):
    """Path attributions of the row last scored, into `out` float64[inputs], in log-odds."""
    out[:] = 0.0
    paths_oblivious(context, out)
    for i in range(out.shape[0]):
        out[i] *= float64s(context[_LINE])[u(0)]


@njit(cache=True, nogil=True)
def _strongest(pushes, least, best):
    """Inputs of the highest pushes from `least` on, the highest first, into `best` int64[most]; how many."""
    found = 0
    for i in range(pushes.shape[0]):
        if not pushes[i] >= least:
            continue
        at = found
        while at > 0 and pushes[best[at - 1]] < pushes[i]:
            if at < best.shape[0]:
                best[at] = best[at - 1]
            at -= 1
        if at < best.shape[0]:
            best[at] = i
            found = min(found + 1, best.shape[0])
    return found


class Trees:
    """Trees with their calibration, over rows of inputs. Not thread-safe: a row's work lies in its own buffers."""

    def __init__(self, forest: Forest, calibration: tuple[int, NDArray[np.float64]]) -> None:
        self.forest = forest
        self.x: NDArray[np.float64] = np.zeros(forest.inputs)
        """The inputs of the row last scored."""
        self.context: NDArray[np.int64] = np.zeros(_WORDS, np.int64)
        self.gather: NDArray[np.int64] = np.full(forest.inputs, -1, np.int64)
        self.leafwise = isinstance(forest, LeafWise)
        kind, points = calibration
        line = [forest.slope, 0.0] if isinstance(forest, LeafWise) else [forest.scale, forest.bias]
        self._line = np.array(line)
        self._points = points
        self._pushed = np.zeros(forest.inputs)
        self._best: NDArray[np.int64] = np.zeros(REASONS_MAX, np.int64)
        self._kept = self._leafwise(forest) if isinstance(forest, LeafWise) else self._oblivious(forest)
        self.context[_N_INPUTS] = forest.inputs
        self.context[_LINE] = self._line.ctypes.data
        self.context[[_KIND, _POINTS, _N_POINTS]] = kind, points.ctypes.data, len(points) // 2
        self.use(self.gather)
        self._pushes = pushes_leafwise if self.leafwise else pushes_oblivious
        self.score = score_leafwise if self.leafwise else score_oblivious
        """`score(context, features)`: the probability of one payment, whose own inputs stand in `x`."""

    def use(self, gather: NDArray[np.int64]) -> None:
        """Read the inputs that are features from these places."""
        self.gather = np.ascontiguousarray(gather, np.int64)
        self.context[_GATHER] = self.gather.ctypes.data

    @property
    def base(self) -> float:
        """Margin before any input is known: what `pushes` start from."""
        packed = self._kept[0]
        start = packed.mean[packed.roots].sum() if self.leafwise else packed.means[packed.mean_start[:-1]].sum()
        return float(start * self._line[0] + self._line[1])

    def rows(self, inputs: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Margins and probabilities of `inputs` float64[n, inputs], each float64[n]."""
        if inputs.ndim != 2 or inputs.shape[1] != self.forest.inputs:
            raise ModelError(f"rows of {self.forest.inputs} inputs are scored, not {inputs.shape}")
        out = np.zeros((len(inputs), 2))
        _score_rows(self.context, np.ascontiguousarray(inputs, np.float64), not self.leafwise, out)
        return out[:, 0].copy(), out[:, 1].copy()

    def pushes(self) -> NDArray[np.float64]:
        """What each input did to the margin of the row last scored, float64[inputs]: path attributions (A. Saabas, 2014).

        They sum to margin - `base`. An approximation: an input that decides near a root is given more than its Shapley value.
        """
        self._pushes(self.context, self._pushed)
        return self._pushed.copy()

    def strongest(self) -> list[tuple[int, float]]:
        """The inputs that raised the margin of the row last scored most, the strongest first, with their pushes."""
        self._pushes(self.context, self._pushed)
        found = _strongest(self._pushed, LEAST_PUSH, self._best)
        return [(i, self._pushed.item(i)) for i in self._best[:found].tolist()]

    def _leafwise(self, forest: LeafWise) -> tuple[Any, ...]:
        packed = pack_leafwise(forest)
        slots = np.zeros(len(packed.slot_input) + 1)
        leaves, added = np.zeros(len(packed.roots), np.int64), np.zeros(len(packed.roots))
        at, context = leafwise, self.context
        for word, array in (
            (at.X, self.x), (at.SLOTS, slots), (at.SLOT_INPUT, packed.slot_input), (at.SLOT_CODE, packed.slot_code),
            (at.WORDS, packed.words), (at.VALUE, packed.value), (at.ROOTS, packed.roots), (at.PLACES, packed.places),
            (at.STEPS, packed.steps), (at.LEAVES, leaves), (at.ADDED, added), (at.UPS, packed.ups),
        ):  # fmt: skip
            context[word] = array.ctypes.data
        context[[at.N_SLOTS, at.N_GROUPS, at.N_TREES]] = len(packed.slot_input), len(packed.steps), packed.trees
        return packed, slots, leaves, added

    def _oblivious(self, forest: Any) -> tuple[Any, ...]:
        packed = pack_oblivious(forest)
        x32: NDArray[np.float32] = np.zeros(forest.inputs, np.float32)
        at, context = oblivious, self.context
        for word, array in (
            (at.X, self.x), (at.X32, x32), (at.MISSING, packed.missing), (at.FEATURE, packed.feature),
            (at.BORDER, packed.border), (at.SPLITS, packed.split_start), (at.LEAVES, packed.leaf_start),
            (at.VALUE, packed.value), (at.MEANS, packed.means), (at.MEAN_START, packed.mean_start),
        ):  # fmt: skip
            context[word] = array.ctypes.data
        context[[at.N_INPUTS, at.N_TREES]] = forest.inputs, packed.trees
        return packed, x32


def read_trees(model: Model, raw: bytes) -> Forest:
    """The trees of a model folder. Raises `ModelError`."""
    forest: Forest = read_lightgbm(raw) if model.kind == "lightgbm" else read_catboost(raw)
    if forest.inputs != len(model.inputs):
        raise ModelError(
            f"its trees read {forest.inputs} inputs, and its manifest names {len(model.inputs)}: they belong to two models",
            "$.inputs",
        )
    return forest


class TrainedModel:
    """A checked model, ready to be bound to a node's rows. Raises `ModelError` for what cannot be scored."""

    def __init__(self, model: Model, raw: bytes) -> None:
        self.model = model
        self.checked = check_inputs(model)
        self.forest = read_trees(model, raw)
        self._calibration = calibration_numbers(model.calibration)
        self.version: str | None = f"{model.name}@{model.version[:12]}"
        self.paths = frozenset(path for one in self.checked for path in one.paths)
        """Columns of the row that its inputs read."""

        self.sentences = Sentences(model, [one.number is None for one in self.checked])

    def trees(self) -> Trees:
        """The trees with buffers of their own."""
        return Trees(self.forest, self._calibration)

    def bind(self, layout: Sequence[str], features: Sequence[Feature]) -> BoundModel:
        """For rows of `layout` and the features that a node declares. Raises `ModelError` naming those that differ."""
        refuse_other_features(self.model, features)
        bound = bind_inputs(self.checked, layout, [one.name for one in features])
        return BoundModel(self, self.trees(), bound)


class BoundModel:
    """A model for one layout of rows. Call it; then, if need be, ask `why`."""

    def __init__(self, trained: TrainedModel, trees: Trees, bound: Any) -> None:
        self.trained = trained
        self.version = trained.version
        self.trees = trees
        trees.use(bound.gather)
        self._own = bound.own
        self._numbers = bound.numbers
        self._x = trees.x.data
        self._score = trees.score
        self._context = trees.context

    def __call__(self, row: tuple[Any, ...], features: NDArray[np.float64]) -> float:
        """Probability in [0, 1] of one payment. `features` float64[n] as the node counts them; NaN is null."""
        if self._numbers is not None:
            x, own = self._x, self._own
            i = 0
            for number in self._numbers(row, features):
                x[own[i]] = number
                i += 1  # noqa: SIM113 - `enumerate` costs more than this
        found: float = self._score(self._context, features)
        return found

    def why(self) -> tuple[Why, ...]:
        """What raised the score of the payment last scored most: by path attributions, an approximation made in microseconds."""
        one, x = self.trained.sentences.one, self.trees.x
        return tuple([one(i, x.item(i), push) for i, push in self.trees.strongest()])
