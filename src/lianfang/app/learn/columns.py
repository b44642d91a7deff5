"""Inputs of a model over rows of a history: the same checked expressions, as one generated function, a row at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from lianfang.engines.expr import Checked, Environment, ExpressionError, Generator, check, columns_of, unpack
from lianfang.engines.expr.tree import Compare, Value
from lianfang.kernel.errors import InputError
from lianfang.wire import Input

RowValues = Callable[[tuple[Any, ...], Sequence[float]], tuple[float, ...]]


class CheckedInput(NamedTuple):
    """An input that means something. `number`: the tree of a number; None: it is a condition."""

    checked: Checked
    number: Value | None


def check_input(one: Input, env: Environment) -> CheckedInput:
    """Raises `InputError` naming the input for what is no number and no condition, or reads a list, a tag or the score."""
    try:
        made = CheckedInput(check(one.define, env), None)
    except ExpressionError as first:
        try:  # a number is no condition, but a comparison with it is one
            checked = check(f"({one.define}) == 0", env)
        except ExpressionError:
            raise InputError(f"the input {one.name}: {first.what}", one.define) from first
        if not isinstance(checked.tree, Compare):
            raise InputError(f"the input {one.name}: {first.what}", one.define) from first
        made = CheckedInput(checked, checked.tree.left)
    if made.checked.lists or made.checked.tags or made.checked.uses_score:
        raise InputError(f"the input {one.name} reads a list, a tag or the score; a model must not", one.define)
    return made


def paths_of(inputs: Sequence[Input], features: Sequence[str]) -> tuple[str, ...]:
    """Paths of the payment's fields that the inputs read, each once."""
    env = Environment(features=tuple(features))
    return tuple(dict.fromkeys(path for one in inputs for path in sorted(check_input(one, env).checked.paths)))


def compile_inputs(inputs: Sequence[Input], layout: Sequence[str], features: Sequence[str]) -> RowValues:
    """A function of a row (in the order of `layout`) and the features' values to the inputs' numbers, NaN for null.

    A condition is 1 where certainly true, 0 where certainly false, else NaN.
    """
    env = Environment(features=tuple(features))
    generator = Generator()
    values: list[str] = []
    for one in inputs:
        checked, number = check_input(one, env)
        if number is None:
            true, false = generator.true(checked.tree), generator.false(checked.tree)
            values.append(f"(1.0 if {true} else 0.0 if {false} else _nan)")
        else:
            value, guards = generator.value(number), generator.guards(number)
            values.append(f"({value} if {' and '.join(guards)} else _nan)" if guards else value)
    places = {index: generator.features[name] for index, name in enumerate(features) if name in generator.features}
    head = [
        *unpack("row", columns_of(layout, generator.columns), len(layout)),
        *unpack("found", places, len(features)),
        *generator.prepare(),
    ]
    lines = ["def inputs(row, found):", *(f"    {line}" for line in head), f"    return ({', '.join(values)},)"]
    scope = generator.globals()
    exec(compile("\n".join(lines), "<inputs>", "exec"), scope)  # noqa: S102 - our own source, from checked trees only
    made: RowValues = scope["inputs"]
    return made
