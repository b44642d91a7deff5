"""Checks calls: the plain functions of the table, and those with rules of their own."""

from __future__ import annotations

import ast
from typing import Any, Final, NoReturn, Protocol

from lianfang.engines.expr.functions import CLOCK, ROUND_DIGITS_MAX, UTC_OFFSET_HOURS, UTC_OFFSET_MAX, UTC_OFFSET_MIN
from lianfang.engines.expr.names import BITS_INT, BITS_TIME, SPECIAL, Environment, suggestion
from lianfang.engines.expr.tree import (
    Call,
    Coalesce,
    Column,
    Condition,
    Const,
    Found,
    IsNull,
    Member,
    Type,
    Value,
)
from lianfang.kernel import limits
from lianfang.kernel.instant import DAY, HOUR

_ATTRIBUTES: Final[dict[str, Type]] = {"text": "text", "number": "float", "flag": "bool"}
_ARGUMENTS_MAX: Final = 8


class Checks(Protocol):
    """What this module needs of the checker."""

    env: Environment

    def fail(self, node: ast.expr, what: str) -> NoReturn: ...
    def value(self, node: ast.expr) -> Value: ...
    def number(self, node: ast.expr) -> Value: ...
    def argument(self, node: ast.expr, wanted: Type) -> Value: ...
    def literal(self, node: ast.expr, kind: type | tuple[type, ...], noun: str) -> Any: ...
    def member(self, left: ast.expr, place: ast.expr, name: str) -> Member: ...


def condition(check: Checks, node: ast.Call) -> Condition | None:
    """A call that is a condition and never a value, or None."""
    name = _name(check, node)
    if name == "finding":
        arity(check, node, 1)
        return Found(check.literal(node.args[0], str, "the finding's code"))
    if name == "is_null":
        arity(check, node, 1)
        return IsNull(check.value(node.args[0]))
    if name == "listed":
        arity(check, node, 2)
        wanted = check.literal(node.args[1], str, "the list's name")
        return check.member(node.args[0], node.args[1], wanted)
    return None


def value(check: Checks, node: ast.Call) -> Value:
    """A call that gives a value. Raises `ExpressionError`."""
    name = _name(check, node)
    if name in check.env.functions:
        return _plain(check, node, name)
    if name in _ATTRIBUTES:
        return _attribute(check, node, name)
    if name in CLOCK:
        return _clock(check, node, name)
    if name in ("min", "max"):
        return _extreme(check, node, name)
    if name == "abs":
        arity(check, node, 1)
        v = check.number(node.args[0])
        return Call(type=v.type, nan=v.nan, bits=v.bits, name=name, code="abs({0})", args=(v,))
    if name == "round":
        return _round(check, node)
    if name == "coalesce":
        return _coalesce(check, node)
    if name == "days_since":
        arity(check, node, 1)
        args = (check.argument(node.args[0], "time"), Column(type="time", path="time", nullable=False, bits=BITS_TIME))
        return Call(type="float", name=name, code=f"(({{1}} - {{0}}) / {DAY})", args=args)
    if name == "tag":
        check.fail(node, "a tag has parts: write `.category`, `.severity` or `.contributors` after it")
    return check.fail(node, f"`{name}` is true or false and cannot be used as a value")


def arity(check: Checks, node: ast.Call, least: int, most: int | None = None) -> None:
    """Raises `ExpressionError` unless the call has that many arguments, all by position."""
    most = least if most is None else most
    for keyword in node.keywords:
        check.fail(keyword.value, "arguments are given by position, without names")
    if not least <= len(node.args) <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        name = node.func.id if isinstance(node.func, ast.Name) else "it"
        plural = "" if wanted == "1" else "s"
        check.fail(node, f"`{name}` takes {wanted} argument{plural}, not {len(node.args)}")


def _name(check: Checks, node: ast.Call) -> str:
    if not isinstance(node.func, ast.Name):
        hint = f"; did you mean `{node.func.attr}(...)`?" if isinstance(node.func, ast.Attribute) else ""
        check.fail(node.func, f"not part of the language: calling a part of a value{hint}")
    name = node.func.id
    if name not in SPECIAL and name not in check.env.functions:
        check.fail(node.func, f"unknown function `{name}`{suggestion(name, [*SPECIAL, *check.env.functions])}")
    return name


def _plain(check: Checks, node: ast.Call, name: str) -> Value:
    function = check.env.functions[name]
    arity(check, node, len(function.takes))
    args = tuple(check.argument(arg, wanted) for arg, wanted in zip(node.args, function.takes, strict=True))
    code = function.code or f"_call_{name}({', '.join(f'{{{i}}}' for i in range(len(args)))})"
    return Call(
        type=function.gives,
        nan=function.gives == "float" or any(arg.nan for arg in args),
        bits=BITS_INT if function.gives in ("int", "time") else 0,
        name=name,
        code=code,
        args=args,
        function=function.call,
    )


def _attribute(check: Checks, node: ast.Call, name: str) -> Value:
    arity(check, node, 1)
    key = check.literal(node.args[0], str, "the attribute's key")
    if not 1 <= len(key) <= limits.ID_LENGTH_MAX:
        check.fail(node.args[0], f"an attribute's key has 1 to {limits.ID_LENGTH_MAX} characters")
    kind = _ATTRIBUTES[name]
    number = kind == "float"
    path = f"attributes.{key}:{name}"
    return Column(type=kind, path=path, nullable=True, nan=number, bits=BITS_INT if number else 0)


def _clock(check: Checks, node: ast.Call, name: str) -> Value:
    arity(check, node, 1, 2)
    at = check.argument(node.args[0], "time")
    offset: float = UTC_OFFSET_HOURS
    if len(node.args) > 1:
        offset = check.literal(node.args[1], (int, float), "the UTC offset in hours")
        if not UTC_OFFSET_MIN <= offset <= UTC_OFFSET_MAX:
            check.fail(node.args[1], f"a UTC offset lies between {UTC_OFFSET_MIN} and +{UTC_OFFSET_MAX} hours")
    offset_us = round(offset * HOUR)
    code = CLOCK[name].replace("{offset}", str(offset_us))
    return Call(type="int", bits=BITS_INT, name=name, code=code, args=(at,), option=offset_us)


def _extreme(check: Checks, node: ast.Call, name: str) -> Value:
    arity(check, node, 2, _ARGUMENTS_MAX)
    args = tuple(check.number(arg) for arg in node.args)
    nan = any(arg.nan for arg in args)
    code = f"{'_' if nan else ''}{name}({', '.join(f'{{{i}}}' for i in range(len(args)))})"
    kind: Type = "int" if all(arg.type == "int" for arg in args) else "float"
    return Call(type=kind, nan=nan, bits=max(arg.bits for arg in args), name=name, code=code, args=args)


def _round(check: Checks, node: ast.Call) -> Value:
    arity(check, node, 1, 2)
    v = check.number(node.args[0])
    digits = 0
    if len(node.args) > 1:
        digits = check.literal(node.args[1], int, "the number of decimals")
        if not 0 <= digits <= ROUND_DIGITS_MAX:
            check.fail(node.args[1], f"0 to {ROUND_DIGITS_MAX} decimals")
    code = f"round({{0}}, {digits})"
    return Call(type=v.type, nan=v.nan, bits=v.bits, name="round", code=code, args=(v,), option=digits)


def _coalesce(check: Checks, node: ast.Call) -> Value:
    arity(check, node, 2)
    v = check.value(node.args[0])
    default = check.argument(node.args[1], "float" if v.type == "int" else v.type)
    if may_be_null(default):
        check.fail(node.args[1], "the default may be null itself; give a literal")
    kind: Type = "float" if default.type == "float" else v.type
    return Coalesce(type=kind, nan=False, bits=max(v.bits, default.bits), value=v, default=default)


def may_be_null(node: Value) -> bool:
    """False only where a value is certain."""
    if isinstance(node, Column):
        return node.nullable or node.nan
    return not isinstance(node, (Const, Coalesce))
