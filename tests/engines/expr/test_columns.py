"""A condition over columns means what the generated Python means, on random expressions and random nulls."""

from __future__ import annotations

import math
from typing import Any

import ibis
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lianfang.engines.expr import FUNCTIONS, Environment, check
from lianfang.engines.expr.columns import list_column, needed, rounds, tag_column, three_valued, true_column
from lianfang.engines.expr.names import SPECIAL
from lianfang.engines.rules import compile_rules
from lianfang.kernel.errors import InputError
from lianfang.wire import Rule
from tests.engines.expr.reference import Facts
from tests.engines.expr.test_null_logic import ENV, FEATURES, LAYOUT, LISTS, PATHS, SUBJECTS, conditions, facts

KINDS = {"int": pa.int64(), "time": pa.int64(), "float": pa.float64(), "number": pa.float64()}
KINDS |= {"text": pa.string(), "bool": pa.bool_()}


def table_of(rows: list[Facts], nan: bool) -> ibis.Table:
    """The same facts as columns. `nan`: null numbers as NaN, as the decider has them."""
    null = math.nan if nan else None
    columns: dict[str, Any] = {}
    for path, kind in PATHS.items():
        values = [row.row[path] for row in rows]
        columns[path] = pa.array(
            values if kind != "number" else [None if v is None else float(v) for v in values], KINDS[kind]
        )
    columns["surroundings"] = pa.array([list(row.row["surroundings"]) for row in rows], pa.list_(pa.string()))
    columns["id"] = pa.array(["p"] * len(rows))
    for name in FEATURES:
        values = [row.features[name] for row in rows]
        columns[name] = pa.array([null if v is None else v for v in values], pa.float64())
    columns["score"] = pa.array([null if row.score is None else row.score for row in rows], pa.float64())
    for path in SUBJECTS:
        for name in LISTS:
            columns[list_column(path, name)] = pa.array([name in row.listed.get(path, ()) for row in rows])
        parts = [row.tags.get(path, (None, None, None)) for row in rows]
        for i, (part, kind) in enumerate(
            (("category", pa.string()), ("severity", pa.int32()), ("contributors", pa.int32()))
        ):
            columns[tag_column(path, part)] = pa.array([p[i] for p in parts], kind)
    return ibis.memtable(pa.table(columns))


def fires(text: str, rows: list[Facts]) -> list[bool]:
    """What the generated Python says."""
    evaluate = compile_rules([Rule(id="r", zh="x", en="x", when=text, code="X", points=1)], ENV).bind(LAYOUT)
    found = []
    for known in rows:
        row = [known.row[p] for p in LAYOUT]
        at = LAYOUT.index("attributes.k:number")
        row[at] = None if row[at] is None else float(row[at])
        features = [math.nan if known.features[name] is None else known.features[name] for name in FEATURES]
        score = math.nan if known.score is None else known.score
        hits = evaluate(tuple(row), features, known.listed, known.tags, score, 0)  # type: ignore[arg-type]
        assert hits.failed == ()
        found.append(hits.fired == (0,))
    return found


@given(st.lists(conditions, min_size=8, max_size=16), st.lists(facts(), min_size=4, max_size=12), st.booleans())
@settings(max_examples=20, deadline=None)
def test_columns_are_true_false_and_null_where_the_generated_python_is(
    texts: list[str], rows: list[Facts], nan: bool
) -> None:
    checked = [check(text, ENV) for text in texts]
    same = [one for one in checked if not rounds(one)]
    assume(same)
    table = table_of(rows, nan)
    made = table.select(**{f"c{i}": three_valued(one, table) for i, one in enumerate(same)})
    found = ibis.duckdb.connect().to_pyarrow(made).to_pydict()
    for i, one in enumerate(same):
        column = found[f"c{i}"]
        assert [value is True for value in column] == fires(one.text, rows), one.text
        assert [value is False for value in column] == fires(f"not ({one.text})", rows), one.text


def answers(text: str, **columns: Any) -> list[bool]:
    table = ibis.memtable(pa.table(columns))
    made = true_column(check(text, Environment(("f_a",), frozenset({"mules"}))), table)
    return ibis.duckdb.connect().to_pyarrow(table.select(c=made))["c"].to_pylist()  # type: ignore[no-any-return]


@given(
    st.lists(
        st.one_of(st.floats(allow_nan=False), st.sampled_from([0.5, 2.5, 2.675, 1.005, -0.125, 5e-7])), min_size=1
    ),
    st.integers(0, 6),
)
@settings(max_examples=20, deadline=None)
def test_a_float_is_rounded_to_the_nearest_decimal_of_its_exact_value(values: list[float], digits: int) -> None:
    exact = [round(v, digits) for v in values]
    text = f"round(f_a, {digits}) == score"
    assert answers(text, f_a=pa.array(values), score=pa.array(exact)) == [True] * len(values)


pairs = st.tuples(st.floats(allow_nan=False), st.floats(allow_nan=False))
near = st.tuples(st.integers(-50, 50).map(lambda i: i / 10), st.sampled_from([0.1, -0.1, 0.3, 3.0, -7.0, math.inf]))


@given(st.lists(st.one_of(pairs, near), min_size=1))
@settings(max_examples=20, deadline=None)
def test_floats_divide_as_in_python(values: list[tuple[float, float]]) -> None:
    values = [(a, b) for a, b in values if b and math.isfinite(a)]
    assume(values)
    columns = {"f_a": pa.array([a for a, _ in values]), "attributes.k:number": pa.array([b for _, b in values])}
    for op, found in (("//", [a // b for a, b in values]), ("%", [a % b for a, b in values])):
        kept = [not math.isnan(v) for v in found]
        assert answers(f'f_a {op} number("k") == score', score=pa.array(found), **columns) == kept


def test_whole_numbers_beyond_floats_say_so_and_come_near() -> None:
    assert rounds(check("amount * amount > 10", ENV))
    assert not rounds(check("amount * 2 + session.failed_attempts > f_a", ENV))
    assert answers("amount * amount > 10", amount=pa.array([3, 4, 10**15])) == [False, True, True]


@pytest.mark.parametrize("hours", [0, 8, -3.5])
def test_clocks_hold_for_all_years_of_the_data_standard(hours: float) -> None:
    from datetime import UTC, datetime, timedelta

    moments = [
        datetime(y, m, 28, 23, 59, 59, 999_999, tzinfo=UTC) for y in (1, 1969, 1970, 2000, 2255, 9998) for m in (2, 12)
    ]
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    times = pa.array([(at - epoch) // timedelta(microseconds=1) for at in moments])
    local = [at + timedelta(hours=hours) for at in moments]
    for name, want in (
        ("hour", [at.hour for at in local]),
        ("minute", [at.minute for at in local]),
        ("weekday", [at.weekday() for at in local]),
        ("day", [at.day for at in local]),
    ):
        assert answers(f"{name}(time, {hours}) == amount", time=times, amount=pa.array(want)) == [True] * len(want)


def test_a_table_that_lacks_a_column_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"no column memo"):
        answers("memo is None", amount=pa.array([1]))


def test_what_an_expression_needs_of_a_table_is_told() -> None:
    text = 'payee.account in mules and tag(device.id).severity > score and finding("vpn") and f_b > 1'
    assert needed(check(text, ENV)) == (
        "f_b", "payee.account", "payee.account in mules", "score", "surroundings", "tag(device.id).severity",
    )  # fmt: skip


def test_every_function_of_the_language_has_its_columns() -> None:
    from lianfang.engines.expr.columns import _CALLS, _CLOCKS

    conditions_or_leaves = {"coalesce", "finding", "flag", "is_null", "listed", "number", "tag", "text"}
    assert (
        SPECIAL | FUNCTIONS.keys()
        == _CALLS.keys() - {"-"} | _CLOCKS.keys() | {"min", "max", "round"} | conditions_or_leaves
    )
