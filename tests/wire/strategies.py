"""Arbitrary valid values of every wire type, read off the structs themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

CONTROLS = "".join(map(chr, range(32)))
NO_CONTROLS = st.characters(codec="utf-8", exclude_characters=CONTROLS)
ZONES = st.sampled_from([UTC, timezone(timedelta(hours=8)), timezone(-timedelta(hours=3, minutes=30))])


def of(kind: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    """Valid values of one struct. Fields with a default are left out now and then."""
    described = inspect.type_info(kind)
    assert isinstance(described, inspect.StructType)
    required = {f.name: _any(f.type) for f in described.fields if f.required}
    optional = {f.name: _any(f.type) for f in described.fields if not f.required}
    return st.fixed_dictionaries(required, optional=optional).map(lambda given: kind(**given))


def _text(kind: inspect.StrType) -> st.SearchStrategy[str]:
    if kind.pattern is not None:
        return st.from_regex(kind.pattern.replace("$", r"\Z"), alphabet=st.characters(codec="ascii"))
    longest = 20 if kind.max_length is None else min(kind.max_length, 20)
    return st.text(NO_CONTROLS, min_size=kind.min_length or 0, max_size=longest)


def _number(kind: inspect.FloatType) -> st.SearchStrategy[float]:
    low = kind.gt if kind.gt is not None else kind.ge
    return st.floats(
        low, kind.le, exclude_min=kind.gt is not None, allow_nan=False, allow_infinity=False
    )  # NaN and infinity have no JSON


def _any(kind: inspect.Type) -> st.SearchStrategy[Any]:  # noqa: C901 - a table
    match kind:
        case inspect.StructType():
            return of(kind.cls)
        case inspect.UnionType():
            return st.one_of([_any(t) for t in kind.types])
        case inspect.NoneType():
            return st.none()
        case inspect.BoolType():
            return st.booleans()
        case inspect.LiteralType():
            return st.sampled_from(kind.values)
        case inspect.StrType():
            return _text(kind)
        case inspect.IntType():
            return st.integers(-(2**63) if kind.ge is None else kind.ge, 2**63 - 1 if kind.le is None else kind.le)
        case inspect.FloatType():
            return _number(kind)
        case inspect.DateTimeType():
            return st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=ZONES)  # noqa: DTZ001
        case inspect.DateType():
            return st.dates()
        case inspect.VarTupleType():
            return st.lists(_any(kind.item_type), min_size=kind.min_length or 0, max_size=3).map(tuple)
        case inspect.ListType():
            return st.lists(_any(kind.item_type), max_size=3)
        case inspect.DictType():
            return st.dictionaries(_any(kind.key_type).filter(_plain_key), _any(kind.value_type), max_size=3)
        case inspect.BytesType():
            return st.binary(min_size=kind.min_length or 0, max_size=kind.min_length or 64)
        case inspect.AnyType():
            return st.one_of(st.booleans(), st.integers(0, 1_000), st.text(NO_CONTROLS, max_size=5))
    raise AssertionError(f"no strategy for {kind}")


def _plain_key(key: str) -> bool:
    """Keys are written without escapes (`wire.strict`)."""
    return '"' not in key and "\\" not in key
