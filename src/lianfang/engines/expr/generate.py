"""Tree to Python source, by the two-sided scheme: `true(c)` is code for "c is certainly true", `false(c)` for
"certainly false", so that three-valued logic runs as plain short-circuit Python without a third value.

    true(not c)   = false(c)                    false(not c)   = true(c)
    true(a and b) = true(a) and true(b)         false(a and b) = false(a) or false(b)
    true(a or b)  = true(a) or true(b)          false(a or b)  = false(a) and false(b)
    true(a < b)   = a, b not null and a < b     false(a < b)   = a, b not null and a >= b

A null row value is None and is tested for; a null number is NaN, which fails every comparison (IEEE 754, 5.11).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from lianfang.engines.expr.check import Checked
from lianfang.engines.expr.functions import CLOCK, HELPERS
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

_OPPOSITE: Final = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
_DIVISIONS: Final = {"/": "_div", "//": "_floordiv", "%": "_mod"}
_UNPACK_SHARE: Final = 4
"""Unpacking a whole sequence costs about a fourth per item of indexing one."""


class Generator:
    """Writes conditions over local variables, and remembers which locals they need and what they call."""

    def __init__(self) -> None:
        self.columns: dict[str, str] = {}
        self.features: dict[str, str] = {}
        self.members: dict[tuple[str, str], str] = {}
        self.tags: dict[tuple[str, str], str] = {}
        self.shared: dict[str, str] = {}
        """Source to the local that holds its value: computed once for all conditions."""
        self.calls: dict[str, Callable[..., Any]] = {}

    def true(self, node: Condition) -> str:
        """Source that is truthy if and only if the condition is true."""
        match node:
            case Join():
                return _join(node.op, [self.true(item) for item in node.items])
            case Not():
                return self.false(node.item)
            case Compare():
                return self._compare(node, node.op)
            case In():
                test = f"{self.value(node.value)} in {_literals(node.choices)}"
                return f"({test})" if _is_plain(node.value) else self._guarded(node.value, test)
            case Member():
                self.column(node.column.path)
                return self._member(node)
            case Found():
                return f"({node.code!r} in {self.column('surroundings')})"
            case IsNull():
                return self._null(node.value)
            case Truth():
                truth = self.value(node.value)
                return truth if _is_plain(node.value) else self._guarded(node.value, truth)

    def false(self, node: Condition) -> str:
        """Source that is truthy if and only if the condition is false."""
        match node:
            case Join():
                return _join("or" if node.op == "and" else "and", [self.false(item) for item in node.items])
            case Not():
                return self.true(node.item)
            case Compare():
                return self._compare(node, _OPPOSITE[node.op])
            case In():
                return self._not_in(node)
            case Member():
                return self._guarded(node.column, f"not {self._member(node)}")
            case Found():
                return f"({node.code!r} not in {self.column('surroundings')})"
            case IsNull():
                return f"(not {self._null(node.value)})"
            case Truth():
                return self._guarded(node.value, f"not {self.value(node.value)}")

    def _compare(self, node: Compare, op: str) -> str:
        a, b = self.value(node.left), self.value(node.right)
        test = f"{a} {op} {b}"
        if op == "!=" and (node.left.nan or node.right.nan):  # NaN differs from everything, but null does not
            test = f"_differ({a}, {b})"
        sides = (node.left, node.right)
        if op == "==" and any(isinstance(s, Const) for s in sides) and any(_is_plain(s) for s in sides):
            return f"({test})"
        guards = dict.fromkeys([*self.guards(node.left), *self.guards(node.right)])
        return _join("and", [*guards, test])

    def _guarded(self, value: Value, test: str) -> str:
        return _join("and", [*self.guards(value), test])

    def _not_in(self, node: In) -> str:
        value = self.value(node.value)
        tests = [*self.guards(node.value), f"{value} not in {_literals(node.choices)}"]
        if node.value.nan:
            tests.insert(len(tests) - 1, f"not _is_nan({value})")
        return _join("and", tests)

    def _null(self, value: Value) -> str:
        tests = [guard.replace(" is not None", " is None") for guard in self.guards(value)]
        if value.nan:
            code = self.value(value)
            tests.append(f"{code} != {code}" if code.isidentifier() else f"_is_nan({code})")
        return _join("or", tests or ["False"])

    def _member(self, node: Member) -> str:
        return self.members.setdefault((node.column.path, node.name), f"m{len(self.members)}")

    def guards(self, node: Value) -> tuple[str, ...]:
        """Tests that must hold before `value(node)` may be evaluated: its row values are not None."""
        match node:
            case Column():
                return (f"{self.column(node.path)} is not None",) if node.nullable else ()
            case Tag():
                return (f"{self._tag(node)} is not None",)
            case Arith():
                return tuple(dict.fromkeys([*self.guards(node.left), *self.guards(node.right)]))
            case Call():
                return tuple(dict.fromkeys(guard for arg in node.args for guard in self.guards(arg)))
            case _:
                return ()

    def value(self, node: Value) -> str:
        """Source of a value, given that its guards hold. NaN stands for null in numbers."""
        match node:
            case Const():
                return f"({node.value!r})" if node.type in ("int", "float") and node.value < 0 else repr(node.value)
            case Column():
                return self.column(node.path)
            case Feature():
                return self.features.setdefault(node.name, f"f{len(self.features)}")
            case Score():
                return "score"
            case Tag():
                return self._tag(node)
            case Arith():
                return self._arith(node)
            case Call():
                if node.function is not None:
                    self.calls[f"_call_{node.name}"] = node.function
                code = node.code.format(*[self.value(arg) for arg in node.args])
                if node.name in CLOCK and not self.guards(node):  # big-number arithmetic that many rules repeat
                    return self.shared.setdefault(code, f"s{len(self.shared)}")
                return code
            case Coalesce():
                return self._coalesce(node)
        raise AssertionError(node)

    def _arith(self, node: Arith) -> str:
        a, b = self.value(node.left), self.value(node.right)
        if node.op not in _DIVISIONS or (isinstance(node.right, Const) and node.right.value != 0):
            return f"({a} {node.op} {b})"
        if b.isidentifier():
            return f"({a} {node.op} {b} if {b} else _nan)"
        return f"{_DIVISIONS[node.op]}({a}, {b})"

    def _coalesce(self, node: Coalesce) -> str:
        value, default = self.value(node.value), self.value(node.default)
        guards = self.guards(node.value)
        if not node.value.nan:
            return f"({value} if {' and '.join(guards)} else {default})" if guards else value
        if guards:
            value = f"({value} if {' and '.join(guards)} else _nan)"
        if value.isidentifier():
            return f"({value} if {value} == {value} else {default})"
        return f"_or_default({value}, {default})"

    def column(self, path: str) -> str:
        """The local that holds a column."""
        return self.columns.setdefault(path, f"c{len(self.columns)}")

    def _tag(self, node: Tag) -> str:
        return self.tags.setdefault((node.path, node.part), f"t{len(self.tags)}")

    def prepare(self) -> list[str]:
        """Statements to run after unpacking, before any condition. They cannot raise."""
        return [f"{local} = {code}" for code, local in self.shared.items()]

    def globals(self) -> dict[str, Any]:
        """The only names the generated code can reach."""
        allowed = {"abs": abs, "len": len, "max": max, "min": min, "round": round, "Exception": Exception}
        return {"__builtins__": {}, **allowed, **HELPERS, **self.calls}


def _is_plain(value: Value) -> bool:
    """A row value as it is: None is itself not truthy, equal to no literal and among none, so it needs no guard."""
    return isinstance(value, (Column, Tag))


def _join(op: str, tests: Sequence[str]) -> str:
    unique = list(dict.fromkeys(tests))
    return f"({f' {op} '.join(unique)})" if len(unique) > 1 else f"({unique[0]})"


def _literals(choices: tuple[Any, ...]) -> str:
    """A set display of constants, which the compiler folds into one frozenset."""
    return "{" + ", ".join(map(repr, choices)) + "}"


def unpack(source: str, names: dict[int, str], width: int) -> list[str]:
    """Statements that put `source[i]` into `names[i]`, for a sequence of exactly `width` items."""
    if not names:
        return []
    if width == 1:
        return [f"({names[0]},) = {source}"]
    if len(names) * _UNPACK_SHARE >= width:
        return [f"{', '.join(names.get(i, '_') for i in range(width))} = {source}"]
    return [f"{name} = {source}[{i}]" for i, name in sorted(names.items())]


def columns_of(layout: Sequence[str], needed: dict[str, str]) -> dict[int, str]:
    """Positions in a row of the columns that generated code reads. Raises `InputError` if the layout lacks one."""
    index = {path: i for i, path in enumerate(layout)}
    if missing := sorted(needed.keys() - index.keys()):
        raise InputError(f"the row has no column {', '.join(missing)}")
    return {index[path]: local for path, local in needed.items()}


def compile_numbers(
    checked: Sequence[Checked], layout: Sequence[str], features: Sequence[str]
) -> Callable[[tuple[Any, ...], Any], tuple[float, ...]]:
    """One function for all, of a row and its features' array (float64, in the order of `features`). NaN is null.

    A condition gives 1, 0 or NaN. Raises `InputError` for what lists, tags or a score would have to tell.
    """
    generator = Generator()
    values = []
    for expression in checked:
        if expression.lists or expression.tags or expression.uses_score or expression.parameters:
            raise InputError(
                "it sees the payment and its features only: no lists, tags, score or parameters", expression.text
            )
        values.append(f"{_as_number(generator, expression)}, ")
    places = {name: features.index(name) for name in generator.features}
    head = [
        *unpack("row", columns_of(layout, generator.columns), len(layout)),
        *[f"{local} = features.item({places[name]})" for name, local in generator.features.items()],
        *generator.prepare(),
    ]
    source = "\n".join(
        ["def numbers(row, features):", *[f"    {line}" for line in head], f"    return ({''.join(values)})"]
    )
    scope = generator.globals() | {"float": float}
    exec(compile(source, "<inputs>", "exec"), scope)  # noqa: S102 - our own source, from checked trees only
    found: Callable[[tuple[Any, ...], Any], tuple[float, ...]] = scope["numbers"]
    return found


def _as_number(generator: Generator, expression: Checked) -> str:
    if expression.number is None:
        return f"(1.0 if {generator.true(expression.tree)} else 0.0 if {generator.false(expression.tree)} else _nan)"
    guards = generator.guards(expression.number)
    value = f"float({generator.value(expression.number)})"
    return f"({value} if {' and '.join(guards)} else _nan)" if guards else value


def compile_predicates(checked: Sequence[Checked], layout: Sequence[str]) -> Callable[[tuple[Any, ...]], int]:
    """One function for all: bit i is set if and only if expression i is true for the row. Payment fields only."""
    generator = Generator()
    bits: list[str] = []
    for i, expression in enumerate(checked):
        if expression.features or expression.lists or expression.tags or expression.uses_score:
            raise InputError("a filter sees the payment only: no features, score, lists or tags", expression.text)
        bits.append(f"    if {generator.true(expression.tree)}: bits |= {1 << i}")
    head = [*unpack("row", columns_of(layout, generator.columns), len(layout)), *generator.prepare()]
    source = "\n".join(
        ["def predicates(row):", *[f"    {line}" for line in head], "    bits = 0", *bits, "    return bits"]
    )
    scope = generator.globals()
    exec(compile(source, "<filters>", "exec"), scope)  # noqa: S102 - our own source, from checked trees only
    found: Callable[[tuple[Any, ...]], int] = scope["predicates"]
    return found
