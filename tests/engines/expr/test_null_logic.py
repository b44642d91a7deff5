"""Generated code means what the plain three-valued reference means, on random expressions and random nulls."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.engines.expr import Environment, check
from lianfang.engines.rules import compile_rules
from lianfang.wire import Rule
from tests.engines.expr.reference import Facts, evaluate

FEATURES = ("f_a", "f_b", "f_c")
LISTS = frozenset({"mules", "watch"})
ENV = Environment(FEATURES, LISTS)
SUBJECTS = ("payer.account", "payee.account", "device.id")
PATHS: dict[str, str] = {
    "amount": "int",
    "time": "time",
    "session.payee_added": "time",
    "session.failed_attempts": "int",
    "place.latitude": "float",
    "payer.account": "text",
    "payee.account": "text",
    "device.id": "text",
    "memo": "text",
    "session.screen_shared": "bool",
    "device.rooted": "bool",
    "attributes.k:text": "text",
    "attributes.k:number": "number",
    "attributes.k:flag": "bool",
}
NEVER_NULL = {"amount", "time"}
LAYOUT = (*PATHS, "surroundings", "id")

words = st.sampled_from(["", "a", "A1", "账户", "x-7"])
instants = st.integers(-(10**15), 4 * 10**15)
numbers = st.one_of(
    st.integers(-3, 3),
    st.integers(-(2**53), 2**53),
    st.sampled_from([0.0, -0.0, 0.5, 1e308, -1e308, math.inf]),
    st.floats(-10, 10),
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "int": st.one_of(st.integers(0, 3), st.integers(0, 10**15)),
    "time": instants,
    "float": st.floats(-90, 90),
    "number": numbers,
    "text": words,
    "bool": st.booleans(),
}


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    row: dict[str, Any] = {"id": "p"}
    for path, kind in PATHS.items():
        row[path] = draw(VALUES[kind] if path in NEVER_NULL else st.one_of(st.none(), VALUES[kind]))
    row["surroundings"] = tuple(draw(st.lists(st.sampled_from(["vpn", "remote"]), max_size=2)))
    features = {name: draw(st.one_of(st.none(), numbers.map(float))) for name in FEATURES}
    present = [path for path in SUBJECTS if row[path] is not None]
    listed = {
        p: draw(st.frozensets(st.sampled_from(sorted(LISTS)), min_size=1)) for p in present if draw(st.booleans())
    }
    parts = st.tuples(st.sampled_from(["mule", "scam"]), st.one_of(st.none(), st.integers(0, 4)), st.integers(1, 9))
    tags = {path: draw(parts) for path in present if draw(st.booleans())}
    return Facts(row, features, listed, tags, draw(st.one_of(st.none(), st.floats(0, 1))))


def _among(*choices: str) -> st.SearchStrategy[str]:
    return st.sampled_from(choices)


_tags = st.sampled_from(SUBJECTS).map(lambda path: f"tag({path})")
_number_leaves = st.one_of(
    _among("amount", "session.failed_attempts", "place.latitude", 'number("k")', "score", *FEATURES),
    st.integers(-3, 9).map(str),
    _among("0", "0.0", "0.5", "-2.5", "1e308"),
    _tags.map(lambda tag: tag + ".severity"),
)
_times = _among("time", "session.payee_added")
_text_leaves = st.one_of(_among(*SUBJECTS, "memo", 'text("k")'), words.map(repr), _tags.map(lambda t: t + ".category"))
_texts = st.recursive(
    _text_leaves, lambda inner: st.builds("{}({})".format, _among("lower", "upper", "digits"), inner), max_leaves=2
)


def _grow_number(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("({} {} {})".format, inner, _among("+", "-", "*", "/", "//", "%"), inner),
        st.builds("{}({}, {})".format, _among("min", "max"), inner, inner),
        st.builds("coalesce({}, {})".format, inner, _among("0", "1.5", "amount")),
        st.builds("{}({})".format, _among("abs", "round", "-"), inner),
        st.builds("round({}, {})".format, inner, _among("0", "2", "6")),
    )


_numbers = st.recursive(
    st.one_of(
        _number_leaves,
        _texts.map("length({})".format),
        st.builds("{}({})".format, _among("hour", "minute", "weekday", "day", "days_since"), _times),
        st.builds("{}({}, {})".format, _among("hour", "minute", "weekday", "day"), _times, _among("0", "-3.5", "14")),
        st.builds("seconds_between({}, {})".format, _times, _times),
    ),
    _grow_number,
    max_leaves=5,
)
_order = _among("<", "<=", ">", ">=", "==", "!=")
_equal = _among("==", "!=")
_bools = _among("session.screen_shared", "device.rooted", 'flag("k")')
_in = _among("in", "not in")
_is = _among("is None", "is not None")
_atoms = st.one_of(
    st.builds("{} {} {}".format, _numbers, _order, _numbers),
    st.builds("{} {} {} {} {}".format, _numbers, _order, _numbers, _order, _numbers),
    st.builds("{} {} {}".format, _texts, _equal, _texts),
    st.builds("{} {} {}".format, _times, _order, _times),
    st.builds("{} {} {}".format, _bools, _equal, st.one_of(_bools, _among("True", "False"))),
    st.builds("{} {} ({}, {})".format, _texts, _in, words.map(repr), words.map(repr)),
    st.builds("{} {} [{}, -1, 2.5]".format, _numbers, _in, st.integers(0, 9)),
    st.builds("{} {} {}".format, st.sampled_from(SUBJECTS), _in, st.sampled_from(sorted(LISTS))),
    st.builds('listed({}, "{}")'.format, st.sampled_from(SUBJECTS), st.sampled_from(sorted(LISTS))),
    st.builds("{} {}".format, st.one_of(_numbers, _texts, _times, _bools), _is),
    st.builds("is_null({})".format, st.one_of(_numbers, _texts, _times, _bools)),
    st.builds("{}({}, {})".format, _among("contains", "starts_with", "ends_with"), _texts, _texts),
    st.builds("finding({!r})".format, _among("vpn", "remote", "none")),
    st.builds("coalesce({}, {})".format, _bools, _among("True", "False")),
    _bools,
    _among("True", "False"),
)
conditions = st.recursive(
    _atoms,
    lambda inner: st.one_of(
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {} or {})".format, inner, inner, inner),
        st.builds("(not {})".format, inner.map("({})".format)),
    ),
    max_leaves=6,
)


def fires(text: str, known: Facts) -> bool:
    rule = Rule(id="r", zh="x", en="x", when=text, code="X", points=1)
    evaluate_rules = compile_rules([rule], ENV).bind(LAYOUT)
    features = [math.nan if known.features[name] is None else known.features[name] for name in FEATURES]
    score = math.nan if known.score is None else known.score
    hits = evaluate_rules(tuple(known.row[p] for p in LAYOUT), features, known.listed, known.tags, score, 0)  # type: ignore[arg-type]
    assert hits.failed == ()
    return hits.fired == (0,)


@given(conditions, facts())
@settings(max_examples=700, deadline=None)
def test_a_rule_fires_if_and_only_if_the_reference_says_true(text: str, known: Facts) -> None:
    expected = evaluate(text, known)
    assert fires(text, known) is (expected is True)
    assert fires(f"not ({text})", known) is (expected is False)


@pytest.mark.parametrize(
    ("a", "b", "both", "either"),
    [
        (True, None, None, True),
        (False, None, False, None),
        (None, None, None, None),
        (None, True, None, True),
        (None, False, False, None),
    ],
)
def test_and_or_follow_kleene(a: bool | None, b: bool | None, both: bool | None, either: bool | None) -> None:
    row: dict[str, Any] = dict.fromkeys(LAYOUT)
    row |= {"id": "p", "surroundings": (), "session.screen_shared": a, "device.rooted": b, "amount": 1, "time": 0}
    known = Facts(row, dict.fromkeys(FEATURES), {}, {}, None)
    for word, expected in (("and", both), ("or", either)):
        text = f"session.screen_shared {word} device.rooted"
        assert fires(text, known) is (expected is True)
        assert fires(f"not ({text})", known) is (expected is False)


@pytest.mark.parametrize("text", ["f_a / 0 > 1", "f_a / 0 <= 1", "amount % (amount - amount) == 0", "amount // 0 != 3"])
def test_division_by_zero_is_null_and_so_neither_true_nor_false(text: str) -> None:
    row: dict[str, Any] = dict.fromkeys(LAYOUT) | {"id": "p", "surroundings": (), "amount": 7, "time": 0}
    known = Facts(row, dict.fromkeys(FEATURES, 1.0), {}, {}, None)
    assert not fires(text, known)
    assert not fires(f"not ({text})", known)
    assert fires(f"is_null({text.split(' ', 1)[0]}) or True", known)


def test_what_an_expression_reads_is_recorded() -> None:
    checked = check(
        'payee.account in mules and f_b > 1 and tag(device.id).severity > score and finding("vpn") and number("k") > 0',
        ENV,
    )
    assert checked.paths == {"payee.account", "surroundings", "attributes.k:number"}
    assert checked.features == {"f_b"}
    assert checked.lists == {("payee.account", "mules")}
    assert checked.tags == {"device.id"}
    assert checked.uses_score
