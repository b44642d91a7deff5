"""One column to ready Python values, checked against the wire's limits, without a loop over the rows.

A flaw is a mask and a sentence; the reader turns it into row numbers. Values under a flaw are garbage and never leave.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from msgspec import inspect
from numpy.typing import NDArray

from lianfang.infra.history.arrow import ArrowColumn, compute
from lianfang.infra.history.mapping import Scalar, Source
from lianfang.infra.history.times import Flaw, instants
from lianfang.kernel import limits
from lianfang.kernel.errors import InputError
from lianfang.wire import FieldType, Payment, catalogue

Mask = NDArray[np.bool_]
_EXACT: Final = 2.0**53
_CONTROL: Final = r"[\x00-\x1f]"
_YES: Final = frozenset({"true", "1", "yes", "y", "t"})
_NO: Final = frozenset({"false", "0", "no", "n", "f"})


class Rule(NamedTuple):
    """What the wire says of one field."""

    path: str
    type: FieldType
    nullable: bool = True
    choices: frozenset[str] = frozenset()
    length_min: int = 0
    length_max: int = limits.TEXT_LENGTH_MAX
    least: float = -_EXACT
    most: float = _EXACT


class Column(NamedTuple):
    """Ready values, one a row, and what is wrong with some of them."""

    values: list[Any]
    flaws: list[Flaw]


@cache
def rules() -> dict[str, Rule]:
    """The wire's limits by path, read off the structs."""
    found: dict[str, Rule] = {}
    _walk(Payment, "", found)
    return found


def rule_of(path: str) -> Rule:
    """The rule of a wanted path: a field of the payment, or `attributes.<key>:text|number|flag`."""
    if path in catalogue():
        return rules()[path]
    key, _, kind = path.rpartition(":")
    types: dict[str, FieldType] = {"text": "text", "number": "float", "flag": "bool"}
    if not key.startswith("attributes.") or kind not in types:
        raise InputError(f"a payment has no field {path!r}", path)
    return Rule(path, types[kind], least=-np.inf, most=np.inf)


def convert(array: ArrowColumn, rule: Rule, source: Source) -> Column:
    """A column's values for one field. Never raises for a bad value: that is a flaw."""
    flaws: list[Flaw] = []
    if pt.is_large_string(array.type) or (hasattr(pa, "string_view") and pt.is_string_view(array.type)):
        array = array.cast(pa.string())
    if source.values:
        array = _translate(array, source.values, flaws)
    if not rule.nullable and array.null_count:
        flaws.append(Flaw(_nulls(array), "is empty"))
    make = _MAKERS[rule.type]
    return Column(make(array, rule, source, flaws), flaws)


def ready_constant(rule: Rule, source: Source) -> Any:
    """The constant of a mapping as the ready value. Raises `InputError` where the wire would refuse it."""
    values, flaws = convert(pa.array([source.constant]), rule, source)
    if flaws:
        raise InputError(f"the constant {source.constant!r} {flaws[0].why}", f"payment.{rule.path}")
    return values[0]


def plain(array: ArrowColumn) -> list[Any]:
    """A column as Python values, nulls as None: text and numbers as they are."""
    if pt.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    values: list[Any] = array.to_pylist()
    return values


def words_of(array: ArrowColumn) -> tuple[ArrowColumn, NDArray[np.int64]]:
    """The distinct values as text, and each row's place among them; null is the place after the last."""
    if pt.is_floating(array.type):
        array = _whole_where_it_can_be(array)
    if pt.is_dictionary(array.type) and len(array.dictionary) > len(array):
        array = array.cast(array.type.value_type)  # a dictionary of the whole file: only this batch's words matter
    encoded = array if pt.is_dictionary(array.type) else array.dictionary_encode()
    words = encoded.dictionary
    indices = encoded.indices
    if indices.null_count:
        indices = compute.fill_null(indices.cast(pa.int64()), len(words))
    return words.cast(pa.string()), indices.to_numpy(zero_copy_only=False)


def _text(array: ArrowColumn, rule: Rule, source: Source, flaws: list[Flaw]) -> list[Any]:
    words, places = words_of(array)
    table = np.empty(len(words) + 1, object)
    table[: len(words)] = words.to_pylist()
    if source.prefix:
        for i in range(len(words)):
            table[i] = source.prefix + table[i]
        words = pa.array(table[: len(words)], pa.string())
    for bad, why in _text_flaws(words, rule):
        if bad.any():
            flaws.append(Flaw(np.append(bad, False)[places], why))
    ready: list[Any] = table[places].tolist()
    return ready


def _text_flaws(words: ArrowColumn, rule: Rule) -> list[tuple[Mask, str]]:
    found: list[tuple[Mask, str]] = []
    if not len(words):
        return found
    if rule.choices:
        allowed = compute.is_in(words, value_set=pa.array(sorted(rule.choices), pa.string()))
        # 157 currencies are no help in a message; six kinds are.
        names = ", ".join(sorted(rule.choices)) if len(rule.choices) <= 12 else "the codes of the standard"
        return [(~allowed.to_numpy(zero_copy_only=False), f"is not one of {names}")]
    lengths = compute.utf8_length(words).to_numpy(zero_copy_only=False)
    if lengths.min() < rule.length_min:
        found.append((lengths < rule.length_min, "is empty" if rule.length_min == 1 else "is too short"))
    if lengths.max() > rule.length_max:
        found.append((lengths > rule.length_max, f"is longer than {rule.length_max} characters"))
    if _has_control_bytes(words):
        holds = compute.match_substring_regex(words, _CONTROL)
        found.append((holds.to_numpy(zero_copy_only=False), "holds a control character"))
    return found


def _has_control_bytes(words: ArrowColumn) -> bool:
    # One look at the raw bytes, 1 ns a byte, spares the regex in every ordinary batch.
    data = words.buffers()[2]
    return data is not None and bool((np.frombuffer(data, np.uint8) < 32).any())


def _number(array: ArrowColumn, rule: Rule, source: Source, flaws: list[Flaw]) -> list[Any]:
    numbers, empty = _numeric(array, flaws)
    if source.scale is not None:
        numbers = numbers * source.scale
    if rule.type == "int":
        if numbers.dtype.kind == "f":
            rounded = np.rint(numbers)
            if source.scale is None and (broken := np.isfinite(numbers) & (rounded != numbers)).any():
                flaws.append(Flaw(broken, "is not a whole number (give `scale` to turn it into minor units)"))
            numbers = rounded
    else:
        numbers = numbers.astype(np.float64)
    with np.errstate(invalid="ignore"):
        outside = ~((numbers >= rule.least) & (numbers <= rule.most) & np.isfinite(numbers))
    if empty is not None:
        outside &= ~empty
    if outside.any():
        flaws.append(Flaw(outside, f"is not a number from {rule.least:.17g} to {rule.most:.17g}"))
        numbers = np.where(outside, 0, numbers)
    if rule.type == "int" and numbers.dtype.kind == "f":
        numbers = np.where(np.isfinite(numbers), numbers, 0).astype(np.int64)
    return with_nulls(numbers.tolist(), empty)


def _numeric(array: ArrowColumn, flaws: list[Flaw]) -> tuple[NDArray[Any], Mask | None]:
    """The numbers (int64 or float64), and which rows are null."""
    empty = _nulls(array) if array.null_count else None
    if pt.is_string(array.type) or pt.is_dictionary(array.type):
        words, places = words_of(array)
        numbers = np.append(_parsed(words), np.nan)[places]
        wrong = np.isnan(numbers) if empty is None else np.isnan(numbers) & ~empty
        if wrong.any():
            flaws.append(Flaw(wrong, "is not a number"))
        return np.where(np.isnan(numbers), 0.0, numbers), empty
    if pt.is_integer(array.type) or pt.is_boolean(array.type):
        if pt.is_boolean(array.type) or pt.is_unsigned_integer(array.type):
            array = array.cast(pa.float64()) if pt.is_uint64(array.type) else array.cast(pa.int64())
    elif pt.is_floating(array.type) or pt.is_decimal(array.type):
        array = array.cast(pa.float64())
    else:
        flaws.append(Flaw(np.ones(len(array), np.bool_), f"is {array.type}, not a number"))
        return np.zeros(len(array), np.int64), empty
    if empty is not None:
        array = compute.fill_null(array, 0)
    return array.to_numpy(zero_copy_only=False), empty


def _parsed(words: ArrowColumn) -> NDArray[np.float64]:
    try:
        numbers: NDArray[np.float64] = words.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        return np.array([_float_or_nan(word) for word in words.to_pylist()], np.float64)
    return numbers


def _float_or_nan(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return float("nan")


def _flag(array: ArrowColumn, rule: Rule, source: Source, flaws: list[Flaw]) -> list[Any]:
    if pt.is_boolean(array.type):
        return plain(array)
    words, places = words_of(array)
    table = np.empty(len(words) + 1, object)
    bad = np.zeros(len(words) + 1, np.bool_)
    for i, word in enumerate(words.to_pylist()):
        folded = word.casefold()
        table[i] = folded in _YES
        bad[i] = folded not in _YES and folded not in _NO
    if bad.any():
        flaws.append(Flaw(bad[places], "is neither true nor false"))
    ready: list[Any] = table[places].tolist()
    return ready


def _time(array: ArrowColumn, rule: Rule, source: Source, flaws: list[Flaw]) -> list[Any]:
    at, empty = instants(array, source.timezone, source.unit, flaws)
    return with_nulls(at.tolist(), empty)


_MAKERS: Final[dict[FieldType, Callable[[ArrowColumn, Rule, Source, list[Flaw]], list[Any]]]] = {
    "text": _text,
    "int": _number,
    "float": _number,
    "bool": _flag,
    "time": _time,
}


def with_nulls(values: list[Any], empty: Mask | None) -> list[Any]:
    """`values` with None wherever `empty` is true, in place."""
    if empty is not None:
        for i in np.flatnonzero(empty).tolist():
            values[i] = None
    return values


def findings(array: ArrowColumn, flaws: list[Flaw]) -> list[Any]:
    """`surroundings` as tuples of codes: from lists of codes, of findings, or text with spaces or commas between."""
    if pt.is_string(array.type) or pt.is_large_string(array.type) or pt.is_dictionary(array.type):
        words, places = words_of(array)
        rows = words.to_pylist()
    else:
        places = np.arange(len(array))
        rows = array.to_pylist()
    table = np.empty(len(rows) + 1, object)
    bad = np.zeros(len(rows) + 1, np.bool_)
    for i, row in enumerate(rows):
        items = row.replace(",", " ").split() if isinstance(row, str) else row or ()
        codes = tuple(item["code"] if isinstance(item, dict) else item for item in items)
        table[i] = codes
        bad[i] = len(codes) > limits.FINDINGS_MAX or not all(
            isinstance(code, str) and 0 < len(code) <= limits.ID_LENGTH_MAX for code in codes
        )
    table[len(rows)] = ()
    if bad.any():
        flaws.append(Flaw(bad[places], f"is not at most {limits.FINDINGS_MAX} codes of findings"))
    return list(table[places])


def _translate(array: ArrowColumn, table: dict[str, Scalar], flaws: list[Flaw]) -> ArrowColumn:
    words, places = words_of(array)
    plain_words = words.to_pylist()
    known = np.array([word in table for word in plain_words] + [True], np.bool_)
    if not known.all():
        flaws.append(Flaw(~known[places], "is not in the mapping's `values`"))
    made = [table.get(word) for word in plain_words] + [None]
    kinds = {type(value) for value in made if value is not None}
    if len(kinds) > 1:  # 1 and "1" in one table: text is what both can be
        made = [None if value is None else str(value) for value in made]
    column: ArrowColumn = pa.array(np.array(made, object), from_pandas=False)
    return column.take(pa.array(places))


def _whole_where_it_can_be(array: ArrowColumn) -> ArrowColumn:
    # A table that went through pandas holds whole numbers with gaps as floats: 596.0 is customer 596.
    try:
        return array.cast(pa.int64())
    except pa.ArrowInvalid:
        return array


def _nulls(array: ArrowColumn) -> Mask:
    mask: Mask = array.is_null().to_numpy(zero_copy_only=False)
    return mask


def _walk(struct: type[msgspec.Struct], prefix: str, found: dict[str, Rule]) -> None:
    described = inspect.type_info(struct)
    assert isinstance(described, inspect.StructType)
    for field in described.fields:
        path = prefix + field.name
        kind: inspect.Type = field.type
        if isinstance(kind, inspect.UnionType):
            kind = next(t for t in kind.types if not isinstance(t, inspect.NoneType))
        if isinstance(kind, inspect.StructType):
            _walk(kind.cls, path + ".", found)
        elif path in catalogue():
            found[path] = _rule(path, kind)


def _rule(path: str, kind: inspect.Type) -> Rule:
    known = catalogue()[path]
    rule = Rule(path, known.type, known.nullable, frozenset(known.choices))
    if isinstance(kind, inspect.StrType):
        most = rule.length_max if kind.max_length is None else kind.max_length
        return rule._replace(length_min=kind.min_length or 0, length_max=most)
    if isinstance(kind, (inspect.IntType, inspect.FloatType)):
        least = rule.least if kind.ge is None else kind.ge
        return rule._replace(least=least, most=rule.most if kind.le is None else kind.le)
    return rule
