"""Checks an expression against the data standard and builds its typed tree. Finds every mistake it can in one go."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NoReturn, cast

from lianfang.engines.expr import calls
from lianfang.engines.expr.errors import ExpressionError
from lianfang.engines.expr.names import Environment, constant, lookup, suggestion
from lianfang.engines.expr.parse import Source
from lianfang.engines.expr.tree import (
    Arith,
    Call,
    Coalesce,
    Column,
    Compare,
    Condition,
    Const,
    Feature,
    Found,
    In,
    IsNull,
    Join,
    Member,
    Not,
    Score,
    Tag,
    TagPart,
    Truth,
    Type,
    Value,
)
from lianfang.wire import SUBJECTS, catalogue

_INT_BITS_MAX: Final = 63
_RESULT_BITS_MAX: Final = 1_000
"""Whole numbers stay below 2**1000, so mixing them with floats cannot overflow (a float holds up to 2**1024)."""

_COMPARE: Final[dict[type[ast.cmpop], str]] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
_ARITH: Final[dict[type[ast.operator], str]] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%",
}  # fmt: skip
_FOREIGN: Final[dict[type[ast.expr], str]] = {
    ast.Lambda: "lambda",
    ast.IfExp: "`if ... else`",
    ast.Dict: "a dict",
    ast.ListComp: "a comprehension",
    ast.SetComp: "a comprehension",
    ast.DictComp: "a comprehension",
    ast.GeneratorExp: "a comprehension",
    ast.Await: "await",
    ast.NamedExpr: "`:=`",
    ast.JoinedStr: "an f-string",
    ast.Subscript: "indexing with [ ]",
    ast.Starred: "`*`",
    ast.Yield: "yield",
    ast.YieldFrom: "yield",
    ast.Attribute: "reading a part of a value with a dot",
    ast.Tuple: "a list of values outside `in`",
    ast.List: "a list of values outside `in`",
    ast.Set: "a list of values outside `in`",
}
_PARTS: Final[dict[str, Type]] = {"category": "text", "severity": "int", "contributors": "int"}
_NOUN: Final[dict[str, str]] = {
    "text": "text", "int": "a whole number", "float": "a number", "bool": "true or false", "time": "a time",
}  # fmt: skip


@dataclass(frozen=True)
class Checked:
    """A checked expression and what it reads."""

    text: str
    tree: Condition
    paths: frozenset[str]
    """Columns of the row."""
    features: frozenset[str]
    lists: frozenset[tuple[str, str]]
    """(path, list) pairs."""
    tags: frozenset[str]
    """Paths whose shared tag it reads."""
    uses_score: bool
    env: Environment
    parameters: frozenset[str] = frozenset()
    type: Type = "bool"
    number: Value | None = None
    """The number it gives, where it is no condition; `tree` then asks whether that is null."""


def check(text: str, env: Environment) -> Checked:
    """Raises `ExpressionError` for the first mistake; its `also` holds the others."""
    checker = Checker(Source(text), env)
    return _checked(checker, checker.condition(checker.source.root))


def check_number(text: str, env: Environment) -> Checked:
    """An expression that gives a number (`type` int or float), or a condition (bool). Raises `ExpressionError`."""
    checker = Checker(Source(text), env)
    root = checker.source.root
    condition = isinstance(root, (ast.BoolOp, ast.Compare))
    condition = condition or (isinstance(root, ast.UnaryOp) and isinstance(root.op, ast.Not))
    if condition or (isinstance(root, ast.Call) and calls.condition(checker, root) is not None):
        return _checked(checker, checker.condition(root))
    value = checker.value(root)
    if value.type == "bool":
        return _checked(checker, Truth(value))
    if family(value.type) != "number":
        checker.fail(root, f"a number or a condition is needed, but this is {_NOUN[value.type]}")
    return _checked(checker, IsNull(value), value)


def _checked(checker: Checker, tree: Condition, number: Value | None = None) -> Checked:
    if checker.errors:
        first, *rest = checker.errors
        first.also = tuple(rest)
        raise first
    found = list(leaves(tree))
    return Checked(
        text=checker.source.text,
        tree=tree,
        paths=frozenset(
            [n.path for n in found if isinstance(n, Column)] + ["surroundings" for n in found if isinstance(n, Found)]
        ),
        features=frozenset(n.name for n in found if isinstance(n, Feature)),
        lists=frozenset((n.column.path, n.name) for n in found if isinstance(n, Member)),
        tags=frozenset(n.path for n in found if isinstance(n, Tag)),
        uses_score=any(isinstance(n, Score) for n in found),
        env=checker.env,
        parameters=frozenset(n.parameter for n in found if isinstance(n, Const) and n.parameter),
        type=number.type if number is not None else "bool",
        number=number,
    )


def leaves(node: Condition | Value) -> Iterator[Condition | Value]:
    """The node and all that it is made of."""
    yield node
    for child in _children(node):
        yield from leaves(child)


def _children(node: Condition | Value) -> tuple[Condition | Value, ...]:
    match node:
        case Join():
            return node.items
        case Not():
            return (node.item,)
        case Truth() | IsNull() | In():
            return (node.value,)
        case Member():
            return (node.column,)
        case Compare() | Arith():
            return (node.left, node.right)
        case Call():
            return node.args
        case Coalesce():
            return (node.value, node.default)
        case _:
            return ()


class Checker:
    """One walk over one expression."""

    def __init__(self, source: Source, env: Environment) -> None:
        self.source = source
        self.env = env
        self.errors: list[ExpressionError] = []

    def fail(self, node: ast.expr, what: str) -> NoReturn:
        raise self.source.error(node, what)

    def condition(self, node: ast.expr) -> Condition:
        """A true/false/null node. Records a mistake and goes on."""
        try:
            return self._condition(node)
        except ExpressionError as why:
            self.errors.append(why)
            return Truth(Const(type="bool", value=True))

    def _condition(self, node: ast.expr) -> Condition:
        if isinstance(node, ast.BoolOp):
            items = tuple(self.condition(item) for item in node.values)
            return Join("and" if isinstance(node.op, ast.And) else "or", items)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return Not(self.condition(node.operand))
        if isinstance(node, ast.Compare):
            return self._comparisons(node)
        if isinstance(node, ast.Call) and (found := calls.condition(self, node)) is not None:
            return found
        value = self.value(node)
        if value.type != "bool":
            self.fail(node, f"a condition is true or false, but this is {_NOUN[value.type]}; compare it with something")
        return Truth(value)

    def _comparisons(self, node: ast.Compare) -> Condition:
        sides = [node.left, *node.comparators]
        found = tuple(
            self._comparison(left, op, right) for left, op, right in zip(sides, node.ops, sides[1:], strict=False)
        )
        return found[0] if len(found) == 1 else Join("and", found)

    def _comparison(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Condition:
        if isinstance(op, (ast.Is, ast.IsNot)):
            if not (isinstance(right, ast.Constant) and right.value is None):
                self.fail(right, "`is` only asks for None; compare with `==`")
            null = IsNull(self.value(left))
            return null if isinstance(op, ast.Is) else Not(null)
        if isinstance(op, (ast.In, ast.NotIn)):
            among = self._among(left, right)
            return among if isinstance(op, ast.In) else Not(among)
        for side in (left, right):
            if isinstance(side, ast.Constant) and side.value is None:
                self.fail(side, "nothing equals None; write `is None` or `is not None`")
        symbol = _COMPARE[type(op)]
        a, b = self.value(left), self.value(right)
        self._refuse_mixed(symbol, a, b, right)
        for value, const, place in ((a, b, right), (b, a, left)):
            if isinstance(const, Const):
                self._refuse_no_choice(value, const.value, place)
        return Compare(cast(Any, symbol), a, b)

    def _refuse_mixed(self, symbol: str, a: Value, b: Value, right: ast.expr) -> None:
        if (family(a.type)) != (family(b.type)):
            self.fail(right, f"{_NOUN[a.type]} is compared with {_NOUN[b.type]}")
        if symbol not in ("==", "!=") and a.type in ("text", "bool"):
            self.fail(right, f"{_NOUN[a.type]} has no order: `{symbol}` compares numbers and times")

    def _refuse_no_choice(self, value: Value, literal: Any, place: ast.expr) -> None:
        if not isinstance(value, Column) or (known := catalogue().get(value.path)) is None or not known.choices:
            return
        if literal not in known.choices:
            hint = suggestion(str(literal), known.choices)
            listed = ", ".join(f'"{choice}"' for choice in known.choices)
            self.fail(place, f"`{value.path}` is never {literal!r}{hint or f'; it is one of {listed}'}")

    def _among(self, left: ast.expr, right: ast.expr) -> Condition:
        if isinstance(right, ast.Name) and (right.id in self.env.lists or isinstance(lookup(right.id, self.env), str)):
            return self.member(left, right, right.id)
        if not isinstance(right, (ast.Tuple, ast.List, ast.Set)):
            hint = "; for a part of a text write `contains(text, part)`"
            self.fail(right, f"`in` needs a list's name or literals in brackets{hint}")
        value = self.value(left)
        if value.type in ("bool", "time"):
            self.fail(left, f"`in` compares texts and numbers, but this is {_NOUN[value.type]}")
        if not right.elts:
            self.fail(right, "nothing is in an empty list")
        choices: list[Any] = []
        for element in right.elts:
            const = self.value(element)
            if not isinstance(const, Const):
                self.fail(element, "only literals stand in such a list")
            if family(const.type) != family(value.type):
                self.fail(element, f"{_NOUN[value.type]} is compared with {_NOUN[const.type]}")
            self._refuse_no_choice(value, const.value, element)
            choices.append(const.value)
        return In(value, tuple(dict.fromkeys(choices)))

    def member(self, left: ast.expr, place: ast.expr, name: str) -> Member:
        """`payee.account in mules`."""
        if name not in self.env.lists:
            self.fail(place, f"unknown list `{name}`{suggestion(name, self.env.lists)}")
        return Member(self.subject(left), name)

    def subject(self, node: ast.expr) -> Column:
        """A path that lists and tags may be about."""
        value = self.value(node)
        if not isinstance(value, Column) or value.path not in SUBJECTS:
            known = ", ".join(f"`{path}`" for path in SUBJECTS)
            self.fail(node, f"lists and tags are about subjects: {known}")
        return value

    def value(self, node: ast.expr) -> Value:
        """A node with a type. Raises `ExpressionError`."""
        if isinstance(node, ast.Constant):
            return self._constant(node, node.value)
        if isinstance(node, (ast.Name, ast.Attribute)):
            return self._name(node)
        if isinstance(node, ast.BinOp):
            return self._arith(node)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
            return self._signed(node)
        if isinstance(node, ast.Call):
            return calls.value(self, node)
        if isinstance(node, (ast.BoolOp, ast.Compare)) or (
            isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
        ):
            self.fail(node, "a condition cannot be used as a value; join conditions with and, or, not")
        return self.fail(node, f"not part of the language: {_FOREIGN.get(type(node), type(node).__name__)}")

    def _constant(self, node: ast.expr, literal: Any) -> Const:
        if isinstance(literal, bool):
            return Const(type="bool", value=literal)
        if isinstance(literal, str):
            return Const(type="text", value=literal)
        if isinstance(literal, int):
            if literal.bit_length() > _INT_BITS_MAX:
                self.fail(node, f"whole numbers have at most {_INT_BITS_MAX} bits")
            return constant(literal)
        if isinstance(literal, float):
            if not math.isfinite(literal):
                self.fail(node, "the number is too large")
            return constant(literal)
        if literal is None:
            self.fail(node, "None stands only in `is None` and `is not None`")
        return self.fail(node, f"not part of the language: {type(literal).__name__}")

    def _name(self, node: ast.Name | ast.Attribute) -> Value:
        parts: list[str] = []
        inner: ast.expr = node
        while isinstance(inner, ast.Attribute):
            parts.append(inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name) and inner.func.id == "tag":
            return self._tag(node, inner, parts)
        if not isinstance(inner, ast.Name):
            self.fail(node, f"not part of the language: {_FOREIGN[ast.Attribute]}")
        found = lookup(".".join([inner.id, *reversed(parts)]), self.env)
        if isinstance(found, str):
            self.fail(node, found)
        return found

    def _tag(self, node: ast.expr, call: ast.Call, parts: list[str]) -> Tag:
        calls.arity(self, call, 1)
        if len(parts) != 1 or parts[0] not in _PARTS:
            known = ", ".join(f"`.{part}`" for part in _PARTS)
            self.fail(node, f"a tag has {known}{suggestion(parts[0], _PARTS)}")
        path = self.subject(call.args[0]).path
        part = cast(TagPart, parts[0])
        return Tag(type=_PARTS[part], path=path, part=part, bits=_INT_BITS_MAX)

    def _signed(self, node: ast.UnaryOp) -> Value:
        value = self.number(node.operand)
        if isinstance(node.op, ast.UAdd):
            return value
        if isinstance(value, Const):
            return constant(-value.value, value.parameter)
        return Call(type=value.type, nan=value.nan, bits=value.bits, name="-", code="(-{0})", args=(value,))

    def number(self, node: ast.expr) -> Value:
        """A value that one can count with."""
        value = self.value(node)
        if family(value.type) != "number":
            hint = "; times subtract with `seconds_between(a, b)`" if value.type == "time" else ""
            self.fail(node, f"a number is needed, but this is {_NOUN[value.type]}{hint}")
        return value

    def _arith(self, node: ast.BinOp) -> Value:
        op = _ARITH.get(type(node.op))
        if op is None:
            self.fail(node, f"not part of the language: `{type(node.op).__name__}`; there are + - * / // %")
        a, b = self.number(node.left), self.number(node.right)
        whole = a.type == b.type == "int" and op != "/"
        bits = a.bits + b.bits if op == "*" else max(a.bits, b.bits) + 1
        if bits > _RESULT_BITS_MAX:
            self.fail(node, f"the result could outgrow {_RESULT_BITS_MAX} bits")
        divides = op in ("/", "//", "%") and not (isinstance(b, Const) and b.value != 0)
        return Arith(
            type="int" if whole else "float",
            nan=not whole or a.nan or b.nan or divides,
            bits=bits,
            op=cast(Any, op),
            left=a,
            right=b,
        )

    def argument(self, node: ast.expr, wanted: Type) -> Value:
        """A call's argument of a type; a whole number serves where a number is wanted."""
        value = self.value(node)
        if value.type != wanted and not (wanted == "float" and value.type == "int"):
            self.fail(node, f"{_NOUN[wanted]} is needed, but this is {_NOUN[value.type]}")
        return value

    def literal(self, node: ast.expr, kind: type | tuple[type, ...], noun: str) -> Any:
        """A call's argument that must be written out."""
        value = self.value(node)
        if not isinstance(value, Const) or not isinstance(value.value, kind) or isinstance(value.value, bool):
            self.fail(node, f"{noun} must be a literal here")
        return value.value


def family(kind: Type) -> str:
    """Types that compare with each other."""
    return "number" if kind in ("int", "float") else kind
