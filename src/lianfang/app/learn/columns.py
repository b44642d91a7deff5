"""Inputs of a model over rows of a history: the same compiled function that a node runs, a row at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lianfang.engines.expr import Checked, Environment, ExpressionError, check_number, compile_numbers
from lianfang.engines.scoring.inputs import Numbers
from lianfang.kernel.errors import InputError
from lianfang.wire import Input


def check_input(one: Input, env: Environment) -> Checked:
    """Raises `InputError` naming the input for what is no number and no condition, or reads a list, a tag or the score."""
    try:
        found = check_number(one.define, env)
    except ExpressionError as why:
        raise InputError(f"the input {one.name}: {why.what}", one.define) from why
    if found.lists or found.tags or found.uses_score:
        raise InputError(f"the input {one.name} reads a list, a tag or the score; a model must not", one.define)
    return found


def paths_of(inputs: Sequence[Input], features: Sequence[str]) -> tuple[str, ...]:
    """Paths of the payment's fields that the inputs read, each once."""
    env = Environment(features=tuple(features))
    return tuple(dict.fromkeys(path for one in inputs for path in sorted(check_input(one, env).paths)))


def compile_inputs(inputs: Sequence[Input], layout: Sequence[str], features: Sequence[str]) -> Numbers:
    """A function of a row (in the order of `layout`) and the features' values to the inputs' numbers, NaN for null.

    A condition is 1 where certainly true, 0 where certainly false, else NaN.
    """
    env = Environment(features=tuple(features))
    made: Any = compile_numbers([check_input(one, env) for one in inputs], layout, features)
    return made  # type: ignore[no-any-return]
