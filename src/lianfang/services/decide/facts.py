"""A payment as a row: one flat tuple of just the values that the rule book in force reads.

The function that makes the row is generated once per rule book, so a payment costs one attribute access per value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lianfang.engines.rules.screening import ASKED, TAGGED, Hint
from lianfang.kernel.errors import InputError
from lianfang.wire import Payment, catalogue

Row = tuple[Any, ...]
Flatten = Callable[[Payment], Row]
Hints = NDArray[np.int64]
ATTRIBUTE = "attributes."
SURROUNDINGS = "surroundings"
TEXTS_REMEMBERED = 4_096
HINTS = "hints"
"""The column, always the last, of the bits that the screen of the rules reads."""


def flattener(layout: Sequence[str], hints: Sequence[Hint] = (), others: Sequence[str] = ()) -> Flatten:
    """A function from a payment to its row. Times become microseconds, missing values None.

    With the column `HINTS` in the layout, bit i of it says that hint i is so; `others`: columns that are not in the row, but
    hinted at. `TAGGED` is never said here: the hot path says it, which looks the subjects up.
    """
    told = HINTS in layout
    read = [*layout, *(hint.path for hint in hints if told)]
    parts = sorted({path.split(".")[0] for path in read if "." in path and not path.startswith(ATTRIBUTE)})
    values = ", ".join(_value(path) for path in layout)
    asked = frozenset(
        path.removeprefix(ATTRIBUTE).rpartition(":")[0] for path in (*layout, *others) if _attribute(path)
    )
    choices: dict[str, Callable[[str | None], int]] = {}
    head = [f"    {part} = p.{part}" for part in parts]
    head += _hinting(hints, choices) if told else []
    if asked:  # most payments have none of the attributes that rules ask for: one test instead of a call for each
        bare = ", ".join("None" if _attribute(path) else _value(path) for path in layout)
        head.append(f"    if _asked.isdisjoint(p.attributes): return ({bare},)")
        if told and ASKED in hints:
            head.append(f"    hints |= {1 << list(hints).index(ASKED)}")
    source = "\n".join(["def flatten(p):", *head, f"    return ({values},)"])
    scope: dict[str, Any] = {
        "_asked": asked,
        "_us": _microseconds,
        "_text": _attribute_text,
        "_number": _attribute_number,
        "_flag": _attribute_flag,
        "_codes": _codes,
        **choices,
    }
    exec(compile(source, "<facts>", "exec"), scope)  # noqa: S102 - paths of our own catalogue only
    made: Flatten = scope["flatten"]
    return made


def _hinting(hints: Sequence[Hint], choices: dict[str, Callable[[str | None], int]]) -> list[str]:
    """Statements that make `hints`. What is asked of one text is one look into a table, put into `choices`."""
    lines = []
    same: dict[str, dict[str, int]] = {}
    parts: dict[str, list[tuple[str, int]]] = {}
    for i, hint in enumerate(hints):
        if hint.inside:
            parts.setdefault(hint.path, []).extend((value, 1 << i) for value in hint.values)
        elif hint.path and hint.values:
            table = same.setdefault(hint.path, {})
            for value in hint.values:
                table[value] = table.get(value, 0) | 1 << i
        elif hint not in (ASKED, TAGGED):
            lines.append(f"    if {_access(hint.path) if hint.path else 'p.surroundings'}: hints |= {1 << i}")
    looks = []
    for path, look in [*((p, _Same(t)) for p, t in same.items()), *((p, _Inside(t)) for p, t in parts.items())]:
        choices[f"_bits{len(choices)}"] = look.__getitem__
        looks.append(f"_bits{len(choices) - 1}({_access(path)})")
    return [f"    hints = {' | '.join(looks) or '0'}", *lines]


def column_hints(hints: Sequence[Hint], layout: Sequence[str]) -> Callable[[Mapping[str, Sequence[Any]], int], Hints]:
    """A function from columns of a history, by path, and their length to the hints of each payment, as `flattener` tells them.

    `layout`: all columns of the row; an attribute among them that is null counts as not there.
    """
    looks: list[tuple[str, Callable[[Any], int]]] = []
    for i, hint in enumerate(hints):
        bits = [(value, 1 << i) for value in hint.values]
        if hint.inside:
            looks.append((hint.path, _Inside(bits).__getitem__))
        elif hint.path and hint.values:
            looks.append((hint.path, _Same(bits).__getitem__))
        elif hint not in (ASKED, TAGGED):
            looks.append((hint.path or SURROUNDINGS, _Truth(1 << i)))
    asked = [path for path in layout if _attribute(path)] if ASKED in hints else []
    asked_bit = 1 << list(hints).index(ASKED) if asked else 0

    def tell(columns: Mapping[str, Sequence[Any]], rows: int) -> Hints:
        found: Hints = np.zeros(rows, np.int64)
        for path, look in looks:
            found |= np.fromiter(map(look, columns[path]), np.int64, rows)
        for path in asked:
            found |= np.fromiter((value is not None for value in columns[path]), np.bool_, rows) * asked_bit
        return found

    return tell


class _Truth:
    """A bit for what is true, or not empty."""

    def __init__(self, bit: int) -> None:
        self._bit = bit

    def __call__(self, value: Any) -> int:
        return self._bit if value else 0


class _Same(dict[str | None, int]):
    """The bits of a text that is asked for as a whole."""

    def __missing__(self, text: str | None) -> int:
        return 0


class _Inside(dict[str | None, int]):
    """The bits of what a text holds. Texts repeat, and most hold nothing: the last ones are remembered."""

    def __init__(self, parts: list[tuple[str, int]]) -> None:
        self._parts = parts
        self._any = re.compile("|".join(re.escape(part) for part, _ in parts)).search

    def __missing__(self, text: str | None) -> int:
        bits = 0
        if text and self._any(text):
            for part, bit in self._parts:
                bits |= bit if part in text else 0
        if len(self) >= TEXTS_REMEMBERED:
            self.clear()
        self[text] = bits
        return bits


def _attribute(path: str) -> bool:
    return path.startswith(ATTRIBUTE)


def _access(path: str) -> str:
    return path if "." in path else f"p.{path}"


def _value(path: str) -> str:
    if path == HINTS:
        return "hints"
    if path == SURROUNDINGS:
        return "(_codes(p) if p.surroundings else ())"
    if _attribute(path):
        name, _, kind = path.removeprefix(ATTRIBUTE).rpartition(":")
        return f"_{kind}(p.attributes, {name!r})"
    field = catalogue().get(path)
    if field is None:
        raise InputError(f"{path!r} is not a field of a payment")
    access = _access(path)
    if field.type != "time":
        return access
    return f"(_us({access}) if {access} is not None else None)" if field.nullable else f"_us({access})"


def _microseconds(at: datetime) -> int:
    # Whole seconds from the float, microseconds from the time itself: exact in every year.
    return round(at.timestamp() - at.microsecond * 1e-6) * 1_000_000 + at.microsecond


def _attribute_text(attributes: dict[str, Any], name: str) -> str | None:
    value = attributes.get(name)
    return value if isinstance(value, str) else None


def _attribute_number(attributes: dict[str, Any], name: str) -> float | None:
    value = attributes.get(name)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _attribute_flag(attributes: dict[str, Any], name: str) -> bool | None:
    value = attributes.get(name)
    return value if isinstance(value, bool) else None


def _codes(p: Payment) -> tuple[str, ...]:
    return tuple(f.code for f in p.surroundings)
