"""The views: every field once, no personal field forgotten, and what was known on a date against a plain reference."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import ibis
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.infra.lake import known
from lianfang.infra.lake.columns import DECISIONS, OUTCOMES
from lianfang.infra.lake.views import COARSE, OPEN, PERSONAL, column_of
from lianfang.kernel.instant import Instant, instant
from lianfang.wire import catalogue

START = datetime(2026, 9, 1, tzinfo=UTC)


def test_every_text_of_a_payment_is_either_personal_or_said_to_be_open() -> None:
    free = {path for path, field in catalogue().items() if field.type == "text" and not field.choices}
    assert free == PERSONAL | OPEN
    assert set() == PERSONAL & OPEN
    assert {path for path, field in catalogue().items() if field.type == "float"} == COARSE


def test_no_two_columns_have_one_name() -> None:
    names = [column_of(name) if name in catalogue() else name for name in DECISIONS.names]
    assert len(set(names)) == len(names)
    assert not any(name.startswith("f_") for name in names), "that is where features are"


outcomes = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from(["fraud", "genuine", "disputed"]), st.integers(0, 6)), max_size=12
)


@settings(max_examples=40, deadline=None)
@given(outcomes, st.none() | st.integers(-1, 7))
def test_the_outcome_known_then_is_the_latest_by_then(told: list[tuple[int, str, int]], day: int | None) -> None:
    decisions = pa.table(
        {
            "seq": list(range(6)),
            "payment_id": [f"p{i}" for i in range(6)],
            "decided_at": pa.array([START + timedelta(days=i) for i in range(6)], pa.timestamp("us", "UTC")),
        }
    )
    rows: list[tuple[Any, ...]] = [
        (100 + i, START, f"p{p}", label, START + timedelta(days=d), "customer", None, None)
        for i, (p, label, d) in enumerate(told)
    ]
    columns = zip(*rows, strict=True) if rows else [[] for _ in OUTCOMES]
    table = pa.Table.from_arrays(
        [pa.array(list(c), f.type) for c, f in zip(columns, OUTCOMES, strict=True)], schema=OUTCOMES
    )
    as_of = None if day is None else Instant(instant(START + timedelta(days=day)))
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.register("decisions", decisions)
    connection.register("outcomes", table)
    expression = known(
        ibis.table(ibis.Schema.from_pyarrow(decisions.schema), name="decisions"),
        ibis.table(ibis.Schema.from_pyarrow(table.schema), name="outcomes"),
        as_of,
    )
    found = connection.sql(str(ibis.to_sql(expression, dialect="duckdb"))).to_arrow_table().to_pylist()
    last = 100 if day is None else day
    expected = {}
    for number in range(6):
        if number > last:
            continue
        by_then = [(d, i, label) for i, (p, label, d) in enumerate(told) if p == number and d <= last]
        expected[f"p{number}"] = max(by_then)[2] if by_then else None
    assert {row["payment_id"]: row["label"] for row in found} == expected
    assert len(found) == len(expected), "nobody twice"
