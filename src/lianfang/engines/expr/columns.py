"""Tree to an Ibis expression over a table: the second computation of the one definition (`generate` is the first).

SQL's logic is Kleene's, so a condition becomes a boolean column that is true, false or null, and a rule is true only where
it is certainly true. Imported where histories are computed, not with the package: the decider has no use for Ibis.

Columns of the table: a field under its path (`payer.account`; times as int64 microseconds), an attribute as
`attributes.<key>:<type>`, `surroundings` as an array of codes, features under their names, `score`, and those that
`list_column` and `tag_column` name. Null or NaN is null.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import ibis

from lianfang.engines.expr import numeric
from lianfang.engines.expr.check import Checked, leaves
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
    Truth,
    Value,
)
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import DAY, HOUR, MINUTE, SECOND

Table = Any
Expression = Any
"""Ibis has no types that say more."""

WHOLE_BITS: Final = 62
"""Whole numbers that may outgrow this are computed as floats."""
EXACT_BITS: Final = 53
"""Up to here a whole number and its float are the same."""
_BITS: Final[Mapping[str, int]] = {"amount": 50, "session.failed_attempts": 10}
_TAG_BITS: Final = 31
_LENGTH_BITS: Final = 12
"""Texts have at most 256 characters, and a character's upper case at most three."""
_CLOCK_BITS: Final = 6
_TESTS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_PLAIN: Final[Mapping[str, Callable[[Any, Any], Any]]] = {"+": operator.add, "-": operator.sub, "*": operator.mul}


def list_column(path: str, name: str) -> str:
    """Boolean column: whether the value at `path` stands on the list."""
    return f"{path} in {name}"


def tag_column(path: str, part: str) -> str:
    """Column of one part of the shared tag on the value at `path`: text, int32, int32."""
    return f"tag({path}).{part}"


def true_column(checked: Checked, table: Table) -> Expression:
    """Boolean expression, never null: true where the condition is certainly true. Raises `InputError` for a lacking column."""
    return three_valued(checked, table).fill_null(False)


def three_valued(checked: Checked, table: Table) -> Expression:
    """Boolean expression: true, false, or null where it is not known."""
    return _Writer(table).condition(checked.tree)


def needed(checked: Checked) -> tuple[str, ...]:
    """Columns of the table that the expression reads, sorted."""
    names = {*checked.paths, *checked.features, *(list_column(*pair) for pair in checked.lists)}
    names |= {tag_column(n.path, n.part) for n in leaves(checked.tree) if isinstance(n, Tag)}
    return tuple(sorted(names | {"score"} if checked.uses_score else names))


def rounds(checked: Checked) -> bool:
    """Whether whole numbers may outgrow 2**53, where the decider is exact and a column rounds to 53 bits."""
    found = [n for n in leaves(checked.tree) if isinstance(n, Value) and n.type == "int"]
    return any(bits(n) > EXACT_BITS for n in found)


def bits(node: Value) -> int:
    """A bound for a whole number's size that is closer than the tree's, which need not fit a column."""
    match node:
        case Const():
            return int(node.value).bit_length()
        case Column():
            return _BITS.get(node.path, node.bits)
        case Tag():
            return _TAG_BITS
        case Arith():
            return _arith_bits(node)
        case Call():
            if node.name == "length":
                return _LENGTH_BITS
            return _CLOCK_BITS if node.name in _CLOCKS else max(bits(arg) for arg in node.args)
        case Coalesce():
            return max(bits(node.value), bits(node.default))
        case _:
            return 0


def _arith_bits(node: Arith) -> int:
    left, right = bits(node.left), bits(node.right)
    if node.op == "*":
        return left + right
    return max(left, right) + (node.op in "+-")


class _Writer:
    def __init__(self, table: Table) -> None:
        self.table = table
        self.has = frozenset(table.columns)

    def column(self, name: str) -> Expression:
        if name not in self.has:
            raise InputError(f"the table has no column {name}")
        found = self.table[name]
        return numeric.known(found) if found.type().is_floating() else found

    def condition(self, node: Condition) -> Expression:
        """Boolean, null where the condition is."""
        match node:
            case Join():
                items = [self.condition(item) for item in node.items]
                return functools.reduce(operator.and_ if node.op == "and" else operator.or_, items)
            case Not():
                return ~self.condition(node.item)
            case Compare():
                return _TESTS[node.op](*self._same(node.left, node.right))
            case In():
                return self._among(node)
            case Member():
                subject = self.column(node.column.path)
                on = self.column(list_column(node.column.path, node.name)).fill_null(False)
                return subject.isnull().ifelse(ibis.null("boolean"), on)
            case Found():
                return self.column("surroundings").contains(node.code).fill_null(False)
            case IsNull():
                return self.value(node.value).isnull()
            case Truth():
                return self.value(node.value)

    def _among(self, node: In) -> Expression:
        value, choices = self.value(node.value), list(node.choices)
        if value.type().is_string():
            return value.isin(choices)
        if value.type().is_integer():  # what is no whole number of 64 bits, no column of them equals
            choices = [int(c) for c in choices if c == int(c) and -(2**63) <= c < 2**63]
        else:
            choices = [float(c) for c in choices if c == float(c)]
        none = value.isnull().ifelse(ibis.null("boolean"), ibis.literal(False))
        return value.isin(choices) if choices else none

    def _same(self, left: Value, right: Value) -> tuple[Expression, Expression]:
        """Both sides, as floats if one of them is."""
        a, b = self.value(left), self.value(right)
        if a.type().is_floating() != b.type().is_floating():
            return numeric.number(a), numeric.number(b)
        return a, b

    def value(self, node: Value) -> Expression:
        """The value, null where it is; never NaN."""
        match node:
            case Const():
                return _literal(node)
            case Column():
                return self.column(node.path)
            case Feature():
                return self.column(node.name)
            case Score():
                return self.column("score")
            case Tag():
                return self.column(tag_column(node.path, node.part))
            case Arith():
                return self._arith(node)
            case Call():
                return self._call(node)
            case Coalesce():
                value, default = self._same(node.value, node.default)
                return value.fill_null(default)
        raise AssertionError(node)

    def _arith(self, node: Arith) -> Expression:
        a, b = self._same(node.left, node.right)
        whole = node.type == "int" and bits(node) <= WHOLE_BITS and not a.type().is_floating()
        if node.op == "//" and whole and bits(node) <= EXACT_BITS:
            return numeric.floor_divide_whole(a, b)
        if not whole or node.op == "//":
            a, b = numeric.number(a), numeric.number(b)
        match node.op:
            case "/":
                found = numeric.divide(a, b)
            case "//":
                found = numeric.floor_divide(a, b)
            case "%":
                found = numeric.modulo(a, b)
            case _:
                found = _PLAIN[node.op](a, b)
        return found if whole and node.op != "//" else numeric.known(found)

    def _call(self, node: Call) -> Expression:
        args = [self.value(arg) for arg in node.args]
        match node.name:
            case "min" | "max":
                return self._extreme(node, args)
            case "round":
                return numeric.rounded(args[0], node.option) if args[0].type().is_floating() else args[0]
            case name if name in _CLOCKS:
                return _CLOCKS[name](args[0] + node.option)
            case name if name in _CALLS:
                return _CALLS[name](*args)
        raise InputError(f"the function `{node.name}` has no meaning over columns")

    @staticmethod
    def _extreme(node: Call, args: list[Expression]) -> Expression:
        if any(arg.type().is_floating() for arg in args):
            args = [numeric.number(arg) for arg in args]
        return functools.reduce(numeric.least if node.name == "min" else numeric.greatest, args)


def _literal(node: Const) -> Expression:
    kinds = {"int": "int64", "float": "float64", "bool": "boolean", "text": "string", "time": "int64"}
    return ibis.literal(node.value, kinds[node.type])


def _part(at: Expression, unit: int, whole: int) -> Expression:
    """`at // unit % (whole // unit)`: which `unit` of its `whole` an instant lies in. Both in microseconds."""
    return (numeric.number(numeric.clock(at, whole)) / float(unit)).floor().cast("int64")


def _over(a: Expression, b: int) -> Expression:
    """`a // b` of small numbers that are not negative."""
    return (numeric.number(a) / float(b)).floor().cast("int64")


def _day_of_month(at: Expression) -> Expression:
    """As `functions.day_of_month`."""

    def leaps_out(v: Expression) -> Sequence[Expression]:
        era = v[0]
        return era, era - _over(era, 1_460) + _over(era, 36_524) - _over(era, 146_096)

    def of_year(v: Expression) -> Sequence[Expression]:
        year = _over(v[1], 365)
        return (v[0] - (365 * year + _over(year, 4) - _over(year, 100)),)

    return numeric.steps(
        (at,),
        lambda v: ((numeric.number(v[0] - numeric.clock(v[0], DAY)) / float(DAY) + 0.5).floor().cast("int64"),),
        lambda v: (numeric.clock(v[0] + 719_468, 146_097),),
        leaps_out,
        of_year,
        lambda v: (v[0] - _over(153 * _over(5 * v[0] + 2, 153) + 2, 5) + 1,),
    )


_CLOCKS: Final[Mapping[str, Callable[[Expression], Expression]]] = {
    "hour": lambda at: _part(at, HOUR, DAY),
    "minute": lambda at: _part(at, MINUTE, HOUR),
    "weekday": lambda at: _part(at + 3 * DAY, DAY, 7 * DAY),  # 1970-01-01 was a Thursday
    "day": _day_of_month,
}
_CALLS: Final[Mapping[str, Callable[..., Expression]]] = {
    "lower": lambda text: text.lower(),
    "upper": lambda text: text.upper(),
    "length": lambda text: text.length().cast("int64"),
    "contains": lambda text, part: text.contains(part),
    "starts_with": lambda text, part: text.startswith(part),
    "ends_with": lambda text, part: text.endswith(part),
    "digits": lambda text: text.re_replace("[^0-9]", ""),
    "abs": lambda x: x.abs(),
    "-": operator.neg,
    "seconds_between": lambda a, b: numeric.number(b - a) / float(SECOND),
    "days_since": lambda a, now: numeric.number(now - a) / float(DAY),
}
"""The table of `functions`, over columns."""
