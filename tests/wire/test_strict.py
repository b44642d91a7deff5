"""The compiled scan for ambiguous JSON, against the slow and obvious way."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.kernel import limits
from lianfang.kernel.errors import InputError, TooLargeError
from lianfang.wire.strict import refuse_ambiguous

Pairs = list[tuple[str, Any]]
KEYS = st.sampled_from(["a", "b", "ab", "abc", "", "é", "键", "a b", "{", "}", ",", ":", "[", "'"])
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=6), st.sampled_from(['"', '\\"', '{"a":1,"a":2}'])
)


class Object:
    """A JSON object that may hold a key twice."""

    def __init__(self, pairs: Pairs) -> None:
        self.pairs = pairs


VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.lists(st.tuples(KEYS, inner), max_size=5).map(Object)),
    max_leaves=25,
)


def text(value: Any, space: str) -> str:
    if isinstance(value, Object):
        inside = f",{space}".join(f'{space}"{k}"{space}:{text(v, space)}' for k, v in value.pairs)
        return "{" + inside + space + "}"
    if isinstance(value, list):
        return "[" + f"{space},".join(text(v, space) for v in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def has_duplicates(raw: str) -> bool:
    found = False

    def look(pairs: Pairs) -> None:
        nonlocal found
        found = found or len({k for k, _ in pairs}) < len(pairs)

    json.loads(raw, object_pairs_hook=look)
    return found


@settings(max_examples=600, deadline=None)
@given(value=VALUES, space=st.sampled_from(["", " ", "\n\t"]))
def test_it_finds_the_duplicates_that_a_parser_finds(value: Any, space: str) -> None:
    raw = text(value, space)
    try:
        refuse_ambiguous(raw.encode())
        refused = False
    except TooLargeError:
        return
    except InputError as why:
        refused = True
        assert "twice" in why.what
        assert why.where.startswith("byte ")
    assert refused == has_duplicates(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":1,"a":2}',
        b'{"x":{"a":1,"a":1}}',
        b'[{"a":1},{"b":1,"c":{"d":0,"e":0,"d":0}}]',
        b'{"a":[1,{"b":2}],"b":1,"a":2}',
        b'{ "a" : "}" , "a" : 1 }',
        b'{"":1,"":2}',
    ],
)
def test_duplicates_are_refused_wherever_they_stand(raw: bytes) -> None:
    with pytest.raises(InputError, match="twice"):
        refuse_ambiguous(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":1,"ab":2,"abc":3}',
        b'{"abc":1,"ab":2,"a":3}',
        b'[{"a":1},{"a":2}]',
        b'{"a":{"a":{"a":1}}}',
        b'{"a":"a","b":"a"}',
        b'{"a":["a","a","b"],"b":1}',
        b'{"a":"\\"a\\":1,","b":2}',
    ],
)
def test_the_same_name_in_other_places_is_fine(raw: bytes) -> None:
    refuse_ambiguous(raw)


@pytest.mark.parametrize("raw", [rb'{"\u0061":1}', rb'{"a":{"b\n":1}}', rb'[{"\"":1}]'])
def test_escaped_keys_are_refused(raw: bytes) -> None:
    with pytest.raises(InputError, match="without escapes"):
        refuse_ambiguous(raw)


def test_the_offset_points_at_the_second_key() -> None:
    raw = '{"键":1,"键":2}'.encode()
    with pytest.raises(InputError, match='"键"') as caught:
        refuse_ambiguous(raw)
    at = int(caught.value.where.removeprefix("byte "))
    assert raw[at:].startswith("键".encode())


def test_exactly_the_limits_are_allowed() -> None:
    depth, keys = limits.JSON_DEPTH_MAX, limits.JSON_KEYS_MAX
    refuse_ambiguous(b"[" * depth + b"]" * depth)
    with pytest.raises(TooLargeError, match="deeper"):
        refuse_ambiguous(b"[" * (depth + 1))
    refuse_ambiguous(b"{%b}" % b",".join(b'"%d":0' % i for i in range(keys)))
    with pytest.raises(TooLargeError, match="keys"):
        refuse_ambiguous(b"{%b}" % b",".join(b'"%d":0' % i for i in range(keys + 1)))


@settings(max_examples=300, deadline=None)
@given(
    raw=st.lists(st.sampled_from([b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"a", b'"a"', b"\xff"])).map(
        b"".join
    )
)
def test_unbalanced_text_never_breaks_it(raw: bytes) -> None:
    try:
        refuse_ambiguous(raw)
    except InputError as why:
        assert why.where.startswith("byte ")
