"""Conditions as rows of a form: both ways over the same syntax tree."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lianfang.app.replay import load_rules
from lianfang.engines.expr.parse import Source
from lianfang.engines.expr.rows import Group, Join, Operand, Row, Rows, as_rows, read_rows, text_of
from lianfang.kernel.errors import InputError
from lianfang.wire import write

NAMES = st.sampled_from(["amount", "payee.account", "param.victim_large_amount", "payments_24h", "merchant.id"])
NUMBERS = st.one_of(st.integers(-(2**62), 2**62), st.floats(allow_nan=False, allow_infinity=False))
OPERANDS = st.one_of(
    NUMBERS.map(lambda n: Operand("number", repr(n))),
    st.text(max_size=20).map(lambda t: Operand("text", t)),
    st.booleans().map(lambda b: Operand("bool", str(b))),
    NAMES.map(lambda n: Operand("name", n)),
)
COMPARED = st.builds(
    Row, NAMES, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), st.tuples(OPERANDS), st.booleans()
)
AMONG = st.builds(
    Row,
    NAMES,
    st.sampled_from(["in", "not in"]),
    st.lists(OPERANDS, min_size=1, max_size=4).map(tuple),
    st.booleans(),
    st.sampled_from(["(", "[", "{"]),
)
ALONE = st.builds(Row, NAMES, st.sampled_from(["is null", "is not null", "holds"]), st.just(()), st.booleans())
LISTED = st.builds(
    Row, NAMES, st.sampled_from(["listed", "not listed"]), st.just((Operand("name", "mules"),)), st.booleans()
)
ROW = st.one_of(COMPARED, AMONG, ALONE, LISTED)


JOINS: list[tuple[Join, Join]] = [("and", "or"), ("or", "and")]


@st.composite
def whole(draw: st.DrawFn) -> Rows:
    join, other = draw(st.sampled_from(JOINS))
    group = st.builds(Group, st.just(other), st.lists(ROW, min_size=2, max_size=3).map(tuple), st.booleans())
    items = draw(st.lists(st.one_of(ROW, group), min_size=2, max_size=5))
    return Rows(join, tuple(items))


def same_tree(one: str, other: str) -> bool:
    return ast.dump(Source(one).root) == ast.dump(Source(other).root)


@given(whole())
def test_what_is_written_of_rows_reads_as_the_same_rows_and_the_same_tree(rows: Rows) -> None:
    text = text_of(rows)
    again = as_rows(text)
    assert again is not None
    assert same_tree(text_of(again), text)
    assert again == rows


@given(st.text(alphabet="ab.<>=!() 0123456789'\"andornotis,Ne", max_size=60))
def test_any_text_is_none_or_keeps_its_tree(text: str) -> None:
    rows = as_rows(text)
    if rows is not None:
        assert same_tree(text_of(rows), text)


def test_every_shipped_condition_keeps_its_tree_or_is_too_rich() -> None:
    read = [(rule.when, as_rows(rule.when)) for rule in load_rules([]).rules]
    kept = [(when, rows) for when, rows in read if rows is not None]
    assert len(kept) > len(read) / 4
    assert all(same_tree(text_of(rows), when) for when, rows in kept)


@pytest.mark.parametrize(
    "text",
    [
        "amount * 2 > 5",
        "hour(time) < 6",
        "1 < amount < 5",
        "amount > 1 and (payments_24h > 2 and pair_count_90d == 0)",
        "amount > 1 and (payments_24h > 2 or (pair_count_90d == 0 and score > 0.5))",
        "payee.account in ()",
        "amount >",
        "",
    ],
)
def test_what_is_too_rich_or_wrong_has_no_rows(text: str) -> None:
    assert as_rows(text) is None


def test_rows_of_a_hostile_form_are_refused() -> None:
    good = as_rows('kind == "transfer" and not payee.account in mules')
    assert good is not None
    assert read_rows(write(good)) == good
    with pytest.raises(InputError):
        read_rows(b'{"join":"and","items":[{"is":"row","left":"__import__(\'os\')","op":"=="}]}')
