"""A rule set over columns fires exactly where the fused Python function does."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.engines.expr import Environment
from lianfang.engines.rules import compile_rules
from lianfang.engines.rules.columns import bucket_column, buckets, columns_needed, rule_column, rule_table
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import SECOND, instant
from lianfang.wire import Rule

START = datetime(2026, 1, 1, tzinfo=UTC)
LAYOUT = ("id", "time", "amount", "payer.account")


@st.composite
def rules(draw: st.DrawFn) -> list[Rule]:
    return [
        Rule(
            id=f"r{i}",
            zh="x",
            en="x",
            when=draw(st.sampled_from(["amount > 3", "amount % 2 == 0", "f > 1", "payer.account is None", "True"])),
            code="X",
            points=1,
            lane=draw(st.sampled_from(["all", "first", "first"])),
            mode=draw(st.sampled_from(["live", "live", "shadow", "off"])),
            share=draw(st.sampled_from([1.0, 1.0, 0.5, 0.0, 0.001])),
            valid_from=draw(st.sampled_from([None, START + timedelta(seconds=2)])),
            valid_until=draw(st.sampled_from([None, START + timedelta(seconds=4)])),
        )
        for i in range(draw(st.integers(1, 6)))
    ]


payments = st.tuples(
    st.integers(0, 6), st.integers(0, 6), st.sampled_from([None, "a", "b", "甲"]), st.sampled_from([math.nan, 0.0, 2.0])
)


@given(rules(), st.lists(payments, min_size=1, max_size=12))
@settings(max_examples=100, deadline=None)
def test_modes_lanes_shares_and_validity_are_the_fused_functions(
    made: list[Rule], rows: list[tuple[int, int, str | None, float]]
) -> None:
    compiled = compile_rules(made, Environment(("f",)))
    evaluate = compiled.bind(LAYOUT)
    start = instant(START)
    ids = [f"p{i}" for i in range(len(rows))]
    times = [start + second * SECOND for second, *_ in rows]
    want = []
    for one, at, (_, amount, account, feature) in zip(ids, times, rows, strict=True):
        hits = evaluate((one, at, amount, account), [feature], {}, {}, math.nan, at)
        want.append({compiled.rules[i].id for i in (*hits.fired, *hits.shadow)})
    accounts = [row[2] for row in rows]
    columns: dict[str, Any] = {
        "id": ids,
        "time": times,
        "amount": [row[1] for row in rows],
        "f": [row[3] for row in rows],
    }
    columns |= {"payer.account": pa.array(accounts, pa.string())}
    columns |= {bucket_column(r.id): buckets(r.id, accounts, ids) for r in compiled.rules}
    assert set(columns_needed(compiled)) <= columns.keys()
    found = ibis.duckdb.connect().to_pyarrow(rule_table(compiled, ibis.memtable(pa.table(columns)), ["id"])).to_pylist()
    fired = {row["id"]: {r.id for r in compiled.rules if row[rule_column(r.id)]} for row in found}
    assert [fired[one] for one in ids] == want


def test_a_share_without_its_bucket_is_refused() -> None:
    compiled = compile_rules([Rule(id="r", zh="x", en="x", when="True", code="X", points=1, share=0.5)], Environment())
    with pytest.raises(InputError, match="bucket r"):
        rule_table(compiled, ibis.memtable(pa.table({"amount": [1]})))
