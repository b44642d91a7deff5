"""A model's inputs: which are features, read in compiled code, and which are computed from the payment, in one function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lianfang.engines.expr import Checked, Environment, ExpressionError, check_number, compile_numbers
from lianfang.engines.expr.tree import Feature as FeatureNode
from lianfang.engines.features import FeatureError, declare
from lianfang.engines.scoring.errors import ModelError
from lianfang.wire import Feature, Model

Numbers = Callable[[tuple[Any, ...], Any], tuple[float, ...]]


class Bound(NamedTuple):
    """Inputs for rows of one layout and features of one order."""

    gather: NDArray[np.int64]
    """Of each input: the place of the feature it is, or -1."""
    own: tuple[int, ...]
    """The other inputs, by number ..."""
    numbers: Numbers | None
    """... and the function of (row, features) that gives them, None where there are none."""


def check_inputs(model: Model) -> tuple[Checked, ...]:
    """Every input's expression, checked against the model's own features. Raises `ModelError` naming the input."""
    _refuse_twice("feature", [one.name for one in model.features])
    _refuse_twice("input", [one.name for one in model.inputs])
    try:
        declare(model.features)
    except FeatureError as why:
        raise ModelError(f"its feature {why.where}: {why.what}", "$.features") from why
    env = Environment(features=tuple(one.name for one in model.features))
    checked = []
    for i, one in enumerate(model.inputs):
        try:
            found = check_number(one.define, env)
        except ExpressionError as why:
            raise ModelError(f"its input {one.name}: {why}", f"$.inputs[{i}].define") from why
        if found.lists or found.tags or found.uses_score:
            raise ModelError(
                f"its input {one.name} reads a list, a tag or the score; a model sees the payment and its features only",
                f"$.inputs[{i}].define",
            )
        checked.append(found)
    return tuple(checked)


def bind_inputs(checked: Sequence[Checked], layout: Sequence[str], features: Sequence[str]) -> Bound:
    """Inputs for rows of `layout` and an array of `features`. Raises `InputError` if a column is missing."""
    gather: NDArray[np.int64] = np.full(len(checked), -1, np.int64)
    own = []
    for i, one in enumerate(checked):
        if isinstance(one.number, FeatureNode):
            gather[i] = features.index(one.number.name)
        else:
            own.append(i)
    numbers = compile_numbers([checked[i] for i in own], layout, features) if own else None
    return Bound(gather, tuple(own), numbers)


def refuse_other_features(model: Model, declared: Sequence[Feature]) -> None:
    """Raises `ModelError` naming every feature that a node does not declare, or declares otherwise."""
    have = {one.name: one.define for one in declared}
    wrong = []
    for one in model.features:
        define = have.get(one.name)
        if define is None:
            wrong.append(f"{one.name} is not declared here (`{one.define}`)")
        elif _plain(define) != _plain(one.define):
            wrong.append(f"{one.name} is `{define}` here and `{one.define}` in the model")
    if wrong:
        more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise ModelError(
            f"the model {model.name} reads features that this node counts otherwise: {'; '.join(wrong[:3])}{more}. "
            "Declare them as the model does, or train it anew",
            "$.features",
        )


def _refuse_twice(noun: str, names: Sequence[str]) -> None:
    for i, name in enumerate(names):
        if name in names[:i]:
            raise ModelError(f"the {noun} {name} stands twice", f"$.{noun}s[{i}].name")


def _plain(define: str) -> str:
    """The text without the blanks that mean nothing."""
    return " ".join(define.split())
