"""Which rules a payment cannot fulfil, told by numbers alone: most are ruled out so, and are then not run at all.

A rule's condition is weakened to clauses, all of which must hold, each of alternatives about features, the amount, whether
any subject is on a list, and hints: bits that say what simple a payment is or has. What cannot be said so is left out. So a
screened-out rule is certainly not true, and one that stays may be either. Weakened conditions are numbers in one array,
walked by one compiled function, so that new rules compile nothing. A rule that is screened out cannot fail either: its
condition is not true whatever its failing part would say.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeGuard

import numpy as np
from numpy.typing import NDArray

from lianfang.engines.expr import Checked
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
    Tag,
    Truth,
    Value,
)
from lianfang.engines.rules.sieve import (
    ADD,
    AMOUNT,
    AT_LEAST,
    AT_MOST,
    CONST,
    DIFFERS,
    DIVIDE,
    EQUAL,
    FEATURE,
    FIRST_AMOUNT,
    HEAD_WORDS,
    HINT,
    KNOWN,
    LESS,
    LISTED,
    LISTED_BIT,
    MORE,
    MULTIPLY,
    NO_FIRST,
    NULL,
    OR_DEFAULT,
    STACK,
    SUBTRACT,
    screen_arrays,
    screen_rows,
)

_TESTS: Final = {"<": LESS, "<=": AT_MOST, ">": MORE, ">=": AT_LEAST, "==": EQUAL, "!=": DIFFERS}
_OPPOSITE: Final = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
_BOUNDS: Final = {LESS: (-1.0, True), AT_MOST: (-1.0, False), MORE: (1.0, True), AT_LEAST: (1.0, False)}
"""A comparison with a constant as `sign * value >= bound`: the sign, and whether the bound is the next number beyond it."""
_ARITHMETIC: Final = {"+": ADD, "-": SUBTRACT, "*": MULTIPLY, "/": DIVIDE}
_EXACT_BITS: Final = 53
"""Whole numbers up to here are the same as floats."""
HINTS_MAX: Final = 62
ATTRIBUTE: Final = "attributes."


class Hint(NamedTuple):
    """Of a payment: the bool or text at `path` is true, or one of `values`, or holds one of them (`inside`).

    An empty path: it has what is asked for.

    `findings`: any finding about the surroundings. `asked`: any attribute that the rules read. `tagged`: any shared tag.
    """

    path: str
    values: tuple[str, ...] = ()
    inside: bool = False


FINDINGS: Final = Hint("", ("findings",))
ASKED: Final = Hint("", ("asked",))
TAGGED: Final = Hint("", ("tagged",))

Test = tuple[int, ...]
Clause = tuple[Test, ...]
"""Alternatives."""


@dataclass(frozen=True)
class Screen:
    """The weakened conditions of `rules` rules. `words` int64[n], `numbers` float64[m], as `sieve` describes them."""

    rules: int
    hints: tuple[Hint, ...] = ()
    """What each bit of a payment's hints says."""
    words: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, np.int64))
    numbers: NDArray[np.float64] = field(default_factory=lambda: np.zeros(STACK))

    def candidates(self, features: NDArray[np.float64], amount: float, listed: bool, hints: int) -> list[int]:
        """The rules that may be true, ascending. For tests and measuring: the hot path asks within its one call."""
        found: NDArray[np.int64] = np.zeros(max(self.rules, 1), np.int64)
        count = screen_arrays(self.words, self.numbers, STACK, features, amount, listed, hints, found)
        return found[:count].tolist()  # type: ignore[no-any-return]

    def rows(
        self,
        features: NDArray[np.float64],
        amounts: NDArray[np.float64],
        listed: NDArray[np.bool_],
        hints: NDArray[np.int64],
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """`candidates` of many payments, an item (of `features`: a row) each.

        Where each payment's rules end, int64[n], and the rules of all of them in turn: a history's, not the door's.
        """
        ends, rules = screen_rows(self.words, self.numbers.copy(), features, amounts, listed, hints)
        return ends, rules


EMPTY_SCREEN: Final = Screen(0)


class _Weakener:
    """Turns conditions into clauses and constants."""

    def __init__(self, features: Sequence[str], amount: bool, numbers: int) -> None:
        """`numbers`: how many stand before the constants."""
        self._before = numbers
        self._features = {name: i for i, name in enumerate(features)}
        self._amount = amount
        self.hints: list[Hint] = []
        self.constants: list[float] = []

    def clauses(self, node: Condition, wanted: bool = True) -> list[Clause]:
        """Clauses that hold wherever the condition is certainly `wanted`; none of them: nothing can be said."""
        match node:
            case Not():
                return self.clauses(node.item, not wanted)
            case Join():
                if node.op == "or" and wanted and (words := _words(node.items)):
                    return self._hint(words)
                parts = [self.clauses(item, wanted) for item in node.items]
                if (node.op == "and") == wanted:
                    return [clause for part in parts for clause in part]
                # One clause of each alternative: leaving out the others only weakens. Nothing of one: nothing at all.
                return [tuple(test for part in parts for test in part[0])] if all(parts) else []
            case Compare():
                asked = self._asked(node.left, node.right)
                return [*asked, *self._compare(node, node.op if wanted else _OPPOSITE[node.op])]
            case In():
                return [*self._asked(node.value), *(self._among(node.value, node.choices) if wanted else [])]
            case Truth():
                return [*self._asked(node.value), *(self._true(node.value) if wanted else [])]
            case IsNull(Feature() as feature):
                value = self._value(feature)
                return [((NULL if wanted else KNOWN, len(value), *value, 0),)]
            case Member() if wanted:
                return [((LISTED, 0, 0),)]
            case Found() if wanted:
                return self._hint(FINDINGS)
        return []

    def _compare(self, node: Compare, op: str) -> list[Clause]:
        if op == "==" and isinstance(node.right, Const) and isinstance(node.right.value, str):
            return self._among(node.left, (node.right.value,))
        left, right = self._value(node.left), self._value(node.right)
        if not left or not right or len(left) > STACK or len(right) > STACK:
            return []
        return [((_TESTS[op], len(left), *left, len(right), *right),)]

    def _among(self, value: Value, choices: tuple[object, ...]) -> list[Clause]:
        texts = tuple(choice for choice in choices if isinstance(choice, str))
        if not texts or len(texts) != len(choices) or not _is_plain(value):
            return []
        return self._hint(Hint(value.path, texts))

    def _true(self, value: Value) -> list[Clause]:
        if words := _words((Truth(value),)):
            return self._hint(words)
        return self._hint(Hint(value.path)) if _is_plain(value) else []

    def _asked(self, *values: Value) -> list[Clause]:
        """A condition on an attribute or a tag is neither true nor false without it, unless a default stands in."""
        needed = [hint for hint in (ASKED, TAGGED) if any(_needs(hint, value) for value in values)]
        return [clause for hint in needed for clause in self._hint(hint)]

    def _hint(self, hint: Hint) -> list[Clause]:
        if hint not in self.hints:
            if len(self.hints) >= HINTS_MAX:
                return []
            self.hints.append(hint)
        return [((HINT, 1, self.hints.index(hint), 0),)]

    def _value(self, node: Value) -> Test:
        """Postfix words, two a step; empty where it cannot be told from numbers."""
        if node.type == "int" and node.bits > _EXACT_BITS:
            return ()
        match node:
            case Feature():
                return (FEATURE, self._features[node.name])
            case Column(path="amount") if self._amount:
                return (AMOUNT, 0)
            case Const(value=bool()):
                return ()
            case Const(value=int() | float()):
                self.constants.append(float(node.value))
                return (CONST, self._before + len(self.constants) - 1)
            case Arith() if node.op in _ARITHMETIC:
                return self._both(node.left, node.right, _ARITHMETIC[node.op])
            case Coalesce():
                return self._both(node.value, node.default, OR_DEFAULT)
        return ()

    def simple(self, test: Test) -> tuple[int, float, float] | None:
        """A comparison of one feature or the amount with one constant: which, sign, bound; None where it is another test."""
        match test:
            case (code, 2, kind, which, 2, right, constant) if (
                code in _BOUNDS and kind in (FEATURE, AMOUNT) and right == CONST
            ):
                sign, beyond = _BOUNDS[code]
                bound = sign * self.constants[constant - self._before]
                first = FIRST_AMOUNT if kind == AMOUNT else which
                return first, sign, math.nextafter(bound, math.inf) if beyond else bound
        return None

    def _both(self, left: Value, right: Value, op: int) -> Test:
        a, b = self._value(left), self._value(right)
        return (*a, *b, op, 0) if a and b else ()


def _words(items: Sequence[Condition]) -> Hint | None:
    """The hint that says as much as `contains` of one text with each of these, where all are that."""
    paths, parts = set(), []
    for item in items:
        match item:
            case Truth(Call(name="contains", args=(whole, Const(value=str(part))))) if _is_plain(whole):
                paths.add(whole.path)
                parts.append(part)
            case _:
                return None
    return Hint(paths.pop(), tuple(parts), inside=True) if len(paths) == 1 else None


def _is_plain(value: Value) -> TypeGuard[Column]:
    return isinstance(value, Column) and not value.path.startswith(ATTRIBUTE)


def _needs(hint: Hint, value: Value) -> bool:
    match value:
        case Column():
            return hint == ASKED and value.path.startswith(ATTRIBUTE)
        case Tag():
            return hint == TAGGED
        case Arith():
            return _needs(hint, value.left) or _needs(hint, value.right)
        case Call():
            return any(_needs(hint, each) for each in value.args)
    return False


def make_screen(checked: Sequence[Checked], features: Sequence[str], *, amount: bool) -> Screen:
    """The screen of these conditions over `features` in their order. `amount`: whether the payment's amount is at hand."""
    weakener = _Weakener(features, amount, 2 * len(checked))
    first_clause = 1 + HEAD_WORDS * len(checked)
    heads: list[int] = []
    words: list[int] = []
    firsts: list[float] = []
    for expression in checked:
        needed, which, first, others = _headed(weakener, weakener.clauses(expression.tree))
        begins = first_clause + len(words)
        for clause in others:
            clause_at = len(words)
            words.append(0)
            for test in clause:
                words += test
            words[clause_at] = first_clause + len(words)
        heads += (needed, which, begins, first_clause + len(words))
        firsts += first
    numbers = np.array([*firsts, *weakener.constants, *[0.0] * STACK])
    return Screen(len(checked), tuple(weakener.hints), np.array([len(checked), *heads, *words], np.int64), numbers)


def _headed(weakener: _Weakener, clauses: Sequence[Clause]) -> tuple[int, int, tuple[float, float], list[Clause]]:
    """A rule's clauses as its head and the others: hints needed, the value compared first, its sign and bound, the others.

    What is asked of the payment's own bits costs least, and rules out most; next, one comparison with a constant.
    """
    needed, which, first = 0, NO_FIRST, (1.0, 0.0)
    others: list[Clause] = []
    for clause in clauses:
        if all(test[0] == LISTED for test in clause):
            needed |= 1 << LISTED_BIT
        elif len(clause) == 1 and clause[0][0] == HINT:
            needed |= 1 << clause[0][2]
        elif which == NO_FIRST and len(clause) == 1 and (found := weakener.simple(clause[0])):
            which, *bound = found
            first = (bound[0], bound[1])
        else:
            others.append(clause)
    others.sort(key=lambda clause: any(test[0] != HINT for test in clause))
    return needed, which, first, others
