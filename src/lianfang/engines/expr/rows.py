"""Conditions as rows of a form, and back: all or any of comparisons, with one level of groups between.

Both ways go over the same syntax tree: what `text_of` writes of what `as_rows` read parses to the tree that was read. What the
form cannot say (arithmetic, calls, deeper groups) is None, and stays with the editor. Nothing here checks names or types.
"""

from __future__ import annotations

import ast
import math
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from lianfang.engines.expr.errors import ExpressionError
from lianfang.engines.expr.parse import Source
from lianfang.kernel import limits
from lianfang.wire.codec import LAYOUT, Reader

ROWS_MAX: Final = 100
CHOICES_MAX: Final = 500
Join = Literal["and", "or"]
Op = Literal[
    "<", "<=", ">", ">=", "==", "!=", "in", "not in", "listed", "not listed", "is null", "is not null", "holds"
]
"""`in`: among the literals; `listed`: on the list whose name stands at the right; `holds`: a field that is true by itself."""
Name = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*\Z", max_length=200)]
_COMPARE: Final[dict[type[ast.cmpop], Op]] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
_BRACKETS: Final[dict[type[ast.expr], Literal["(", "[", "{"]]] = {ast.Tuple: "(", ast.List: "[", ast.Set: "{"}
_CLOSING: Final = {"(": ")", "[": "]", "{": "}"}


class Operand(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a field is compared with: a number or text written out, true or false, or a name (a parameter, another field)."""

    kind: Literal["number", "text", "bool", "name"]
    value: Annotated[str, Meta(max_length=limits.EXPRESSION_LENGTH_MAX)]


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="is", tag="row"):
    """One comparison. `negated`: `not` stands before it."""

    left: Name
    op: Op
    right: Annotated[tuple[Operand, ...], Meta(max_length=CHOICES_MAX)] = ()
    negated: bool = False
    brackets: Literal["(", "[", "{"] = "("


class Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="is", tag="group"):
    """Comparisons joined among themselves."""

    join: Join
    rows: Annotated[tuple[Row, ...], Meta(min_length=1, max_length=ROWS_MAX)]
    negated: bool = False


class Rows(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole condition: all of the items (`and`), or any (`or`)."""

    join: Join
    items: Annotated[tuple[Row | Group, ...], Meta(min_length=1, max_length=ROWS_MAX)]


read_rows: Final[Reader[Rows]] = Reader(Rows, LAYOUT)
"""Rows from JSON. Raises `InputError`."""


class _TooRichError(Exception):
    """The form has no words for it."""


def as_rows(text: str) -> Rows | None:
    """The rows of a condition; None for one that is too rich for them, or that cannot be parsed."""
    try:
        root = Source(text).root
        if isinstance(root, ast.BoolOp):
            join = _join(root)
            return Rows(join, tuple(_item(one, join) for one in root.values))
        return Rows("and", (_item(root, "and"),))
    except (ExpressionError, _TooRichError):
        return None


def text_of(rows: Rows) -> str:
    """The condition that rows mean, an item a line. Raises `ExpressionError` never: it is checked as any other text."""
    lines = [_item_text(item, alone=len(rows.items) == 1) for item in rows.items]
    return f"\n{rows.join} ".join(lines)


def _join(node: ast.BoolOp) -> Join:
    return "and" if isinstance(node.op, ast.And) else "or"


def _item(node: ast.expr, outer: Join) -> Row | Group:
    inner, negated = _without_not(node)
    if not isinstance(inner, ast.BoolOp):
        return _row(inner, negated)
    join = _join(inner)
    if join == outer and not negated:
        raise _TooRichError
    return Group(join, tuple(_row(*_without_not(one)) for one in inner.values), negated)


def _without_not(node: ast.expr) -> tuple[ast.expr, bool]:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return node.operand, True
    return node, False


def _row(node: ast.expr, negated: bool) -> Row:
    if isinstance(node, (ast.Name, ast.Attribute)):
        return Row(_name(node), "holds", (), negated)
    if not isinstance(node, ast.Compare) or len(node.ops) != 1:
        raise _TooRichError
    left, op, right = _name(node.left), node.ops[0], node.comparators[0]
    if isinstance(op, (ast.Is, ast.IsNot)):
        if not (isinstance(right, ast.Constant) and right.value is None):
            raise _TooRichError
        return Row(left, "is null" if isinstance(op, ast.Is) else "is not null", (), negated)
    if isinstance(op, (ast.In, ast.NotIn)):
        return _among(left, right, negated, isinstance(op, ast.In))
    return Row(left, _COMPARE[type(op)], (_operand(right),), negated)


def _among(left: str, right: ast.expr, negated: bool, inside: bool) -> Row:
    if isinstance(right, ast.Name):
        return Row(left, "listed" if inside else "not listed", (Operand("name", right.id),), negated)
    if not isinstance(right, (ast.Tuple, ast.List, ast.Set)) or not 0 < len(right.elts) <= CHOICES_MAX:
        raise _TooRichError
    choices = tuple(_operand(one) for one in right.elts)
    return Row(left, "in" if inside else "not in", choices, negated, _BRACKETS[type(right)])


def _name(node: ast.expr) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        raise _TooRichError
    return ".".join([node.id, *reversed(parts)])


def _operand(node: ast.expr) -> Operand:
    if isinstance(node, (ast.Name, ast.Attribute)):
        return Operand("name", _name(node))
    sign = ""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        sign, node = "-", node.operand
        if not isinstance(node, ast.Constant) or isinstance(node.value, (bool, str)):
            raise _TooRichError
    if not isinstance(node, ast.Constant) or node.kind is not None:
        raise _TooRichError
    value = node.value
    if isinstance(value, bool):
        return Operand("bool", str(value))
    if isinstance(value, str):
        return Operand("text", value)
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return Operand("number", sign + repr(value))
    raise _TooRichError


def _item_text(item: Row | Group, *, alone: bool) -> str:
    if isinstance(item, Row):
        return _row_text(item)
    inner = f" {item.join} ".join(map(_row_text, item.rows))
    if item.negated:
        return f"not ({inner})"
    return inner if alone or len(item.rows) == 1 else f"({inner})"


def _row_text(row: Row) -> str:
    said = [_operand_text(one) for one in row.right]
    match row.op:
        case "holds":
            text = row.left
        case "is null" | "is not null":
            text = f"{row.left} {'is' if row.op == 'is null' else 'is not'} None"
        case "listed" | "not listed":
            text = f"{row.left} {row.op.replace('listed', 'in')} {''.join(said[:1])}"
        case "in" | "not in":
            comma = "," if row.brackets == "(" and len(said) == 1 else ""
            text = f"{row.left} {row.op} {row.brackets}{', '.join(said)}{comma}{_CLOSING[row.brackets]}"
        case _:
            text = f"{row.left} {row.op} {''.join(said[:1])}"
    return f"not {text}" if row.negated else text


def _operand_text(one: Operand) -> str:
    return _quoted(one.value) if one.kind == "text" else one.value


def _quoted(text: str) -> str:
    """With double quotes, as rules are written, where nothing needs another."""
    plain = text.isprintable() and '"' not in text and "\\" not in text
    return f'"{text}"' if plain else repr(text)
