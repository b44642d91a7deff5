"""The language's meaning, written the plain way: a walk over Python's `ast` with real three-valued logic on None.

Shares nothing with the checker and the generator but the text.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

_COMPARE = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Facts:
    """What one payment looks like to an expression: None is null everywhere."""

    def __init__(
        self,
        row: Mapping[str, Any],
        features: Mapping[str, float | None],
        listed: Mapping[str, frozenset[str]],
        tags: Mapping[str, tuple[Any, Any, Any]],
        score: float | None,
    ) -> None:
        self.row, self.features, self.listed, self.tags, self.score = row, features, listed, tags, score


def evaluate(text: str, facts: Facts) -> bool | None:
    """True, False or None."""
    result = _Walk(facts).of(ast.parse(f"({text})", mode="eval").body)
    assert result is None or isinstance(result, bool)
    return result


def _null_if_nan(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


class _Walk:
    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    def of(self, node: ast.expr) -> Any:
        return _null_if_nan(getattr(self, type(node).__name__)(node))

    def BoolOp(self, node: ast.BoolOp) -> bool | None:
        values = [self.of(v) for v in node.values]
        decides = isinstance(node.op, ast.Or)
        if decides in values:
            return decides
        return None if None in values else not decides

    def UnaryOp(self, node: ast.UnaryOp) -> Any:
        value = self.of(node.operand)
        if value is None:
            return None
        return not value if isinstance(node.op, ast.Not) else -value

    def BinOp(self, node: ast.BinOp) -> Any:
        a, b = self.of(node.left), self.of(node.right)
        if a is None or b is None:
            return None
        if isinstance(node.op, ast.Add):
            return a + b
        if isinstance(node.op, ast.Sub):
            return a - b
        if isinstance(node.op, ast.Mult):
            return a * b
        if b == 0:
            return None
        if isinstance(node.op, ast.Div):
            return a / b
        return a // b if isinstance(node.op, ast.FloorDiv) else a % b

    def Compare(self, node: ast.Compare) -> bool | None:
        sides = [node.left, *node.comparators]
        results = [self._pair(a, op, b) for a, op, b in zip(sides, node.ops, sides[1:], strict=False)]
        if False in results:
            return False
        return None if None in results else True

    def _pair(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> bool | None:
        a = self.of(left)
        if isinstance(op, ast.Is):
            return a is None
        if isinstance(op, ast.IsNot):
            return a is not None
        if a is None:
            return None
        if isinstance(op, (ast.In, ast.NotIn)):
            if isinstance(right, ast.Name):
                inside = right.id in self.facts.listed.get(ast.unparse(left), ())
            else:
                inside = any(a == self.of(element) for element in right.elts)  # type: ignore[attr-defined]
            return inside if isinstance(op, ast.In) else not inside
        b = self.of(right)
        return None if b is None else bool(_COMPARE[type(op)](a, b))

    def Constant(self, node: ast.Constant) -> Any:
        return node.value

    def Name(self, node: ast.Name) -> Any:
        if node.id == "score":
            return self.facts.score
        return self.facts.features[node.id] if node.id in self.facts.features else self.facts.row[node.id]

    def Attribute(self, node: ast.Attribute) -> Any:
        if isinstance(node.value, ast.Call):
            tag = self.facts.tags.get(ast.unparse(node.value.args[0]), (None, None, None))
            return tag[("category", "severity", "contributors").index(node.attr)]
        return self.facts.row[ast.unparse(node)]

    def Call(self, node: ast.Call) -> Any:
        assert isinstance(node.func, ast.Name)
        name = node.func.id
        if name in ("text", "number", "flag"):
            return self.facts.row[f"attributes.{self.of(node.args[0])}:{name}"]
        if name == "listed":
            subject = self.of(node.args[0])
            lists = self.facts.listed.get(ast.unparse(node.args[0]), ())
            return None if subject is None else self.of(node.args[1]) in lists
        args = [self.of(arg) for arg in node.args]
        if name == "finding":
            return args[0] in self.facts.row["surroundings"]
        if name == "is_null":
            return args[0] is None
        if name == "coalesce":
            return args[1] if args[0] is None else args[0]
        return None if None in args else self._function(name, *args)

    def _function(self, name: str, *args: Any) -> Any:
        plain = {
            "lower": str.lower,
            "upper": str.upper,
            "length": len,
            "contains": operator.contains,
            "starts_with": str.startswith,
            "ends_with": str.endswith,
            "abs": abs,
            "min": min,
            "max": max,
        }
        if name in plain:
            return plain[name](*args)  # type: ignore[operator]
        if name == "digits":
            return "".join(c for c in args[0] if c in "0123456789")
        if name == "round":
            return round(args[0], args[1] if len(args) > 1 else 0)
        if name == "seconds_between":
            return (args[1] - args[0]) / 1_000_000
        if name == "days_since":
            return (self.facts.row["time"] - args[0]) / 86_400_000_000
        local = _EPOCH + timedelta(microseconds=args[0]) + timedelta(hours=args[1] if len(args) > 1 else 8)
        return {"hour": local.hour, "minute": local.minute, "weekday": local.weekday(), "day": local.day}[name]
