"""The checked, typed tree. A *value* has a type and may be null; a *condition* is true, false or null.

Null is None for row values and NaN for floats (`nan` says that a value may be NaN). `bits` bounds the size of whole
numbers, so that no arithmetic can outgrow a float.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Type = Literal["text", "int", "float", "bool", "time"]
TagPart = Literal["category", "severity", "contributors"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """Base of all values."""

    type: Type
    nan: bool = False
    bits: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Const(Value):
    value: Any
    parameter: str = ""
    """The parameter it stands for, where it is not written out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column(Value):
    """One column of the row: a field's path, or `attributes.<key>:<type>`."""

    path: str
    nullable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature(Value):
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Score(Value):
    """The model's score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag(Value):
    path: str
    part: TagPart


@dataclass(frozen=True, slots=True, kw_only=True)
class Arith(Value):
    op: Literal["+", "-", "*", "/", "//", "%"]
    left: Value
    right: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Value):
    """`code` is a template of Python source over the arguments; `function`, if any, is what it calls as `name`."""

    name: str
    code: str
    args: tuple[Value, ...]
    option: int = 0
    """What stands in `code` beside the arguments: a clock's offset in microseconds, the decimals of `round`."""
    function: Callable[..., Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Coalesce(Value):
    """`default` is never null, so neither is this."""

    value: Value
    default: Value


@dataclass(frozen=True, slots=True)
class Truth:
    """A bool value taken as a condition."""

    value: Value


@dataclass(frozen=True, slots=True)
class Compare:
    op: Literal["<", "<=", ">", ">=", "==", "!="]
    left: Value
    right: Value


@dataclass(frozen=True, slots=True)
class In:
    """A value among literals."""

    value: Value
    choices: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Member:
    """A subject on a list."""

    column: Column
    name: str


@dataclass(frozen=True, slots=True)
class Found:
    """A finding about the surroundings."""

    code: str


@dataclass(frozen=True, slots=True)
class IsNull:
    value: Value


@dataclass(frozen=True, slots=True)
class Not:
    item: Condition


@dataclass(frozen=True, slots=True)
class Join:
    op: Literal["and", "or"]
    items: tuple[Condition, ...]


Condition = Truth | Compare | In | Member | Found | IsNull | Not | Join
