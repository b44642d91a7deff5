"""The declarations over stored payments against the naive reference, on histories that Hypothesis makes up."""

from __future__ import annotations

import math
from typing import Any

import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.engines.features.offline import DOUBTFUL, SEQ, columns_needed, feature_table
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import DAY, HOUR, MINUTE, SECOND
from tests.engines.features.reference import Event, Reference
from tests.engines.features.test_kernel import (
    LAYOUT,
    START,
    declared_from,
    definitions,
    events_from,
    histories,
    outcomes,
    payments,
)

WHOLE = ("amount", "session.failed_attempts")
forward = st.lists(
    st.tuples(st.sampled_from([0, 0, 1, SECOND, MINUTE, HOUR, 3 * HOUR, DAY, 7 * DAY]), payments),
    min_size=1,
    max_size=25,
)
"""Payments in order, with ties."""


def stored(events: list[Event], seqs: list[int], known: list[tuple[int, int, int]]) -> tuple[Any, Any]:
    """Tables of payments and of frauds (payment's seq, own seq, instant)."""
    columns: dict[str, Any] = {SEQ: pa.array(seqs, pa.int64()), "time": pa.array([e.at for e in events], pa.int64())}
    for path in LAYOUT:
        columns[path] = pa.array([e.values[path] for e in events], pa.int64() if path in WHOLE else pa.string())
    names = ("seq", "known_seq", "known_at")
    frauds = {name: pa.array([one[i] for one in known], pa.int64()) for i, name in enumerate(names)}
    return ibis.memtable(pa.table(columns)), ibis.memtable(pa.table(frauds))


def compare(texts: list[str], history: list[Any], learnt: list[tuple[int, int, int]]) -> None:
    declared = declared_from(texts)
    reference, events = Reference(declared), events_from(history)
    want: list[list[float]] = []
    seqs: list[int] = []
    known: list[tuple[int, int, int]] = []
    seq = 0
    counted: set[int] = set()
    for n, event in enumerate(events):
        seqs.append(seq := seq + 1)
        want.append(reference.observe(event))
        for after, which, step in learnt:
            if after == n and which <= n and which not in counted:
                counted.add(which)
                known.append((seqs[which], seq := seq + 1, event.at + step))
                reference.learn(events[which]._replace(at=event.at + step))
    made = feature_table(declared, *stored(events, seqs, known))
    found = ibis.duckdb.connect().to_pyarrow(made).sort_by(SEQ).to_pylist()
    assert [row[SEQ] for row in found] == seqs
    for n, (row, numbers) in enumerate(zip(found, want, strict=True)):
        if not row[DOUBTFUL]:
            got = [math.nan if row[f"f{i}"] is None else row[f"f{i}"] for i in range(len(texts))]
            same = all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(got, numbers, strict=True))
            assert same, (n, texts, numbers, got)


@settings(max_examples=12, deadline=None)
@given(st.lists(definitions(), min_size=1, max_size=5), forward, outcomes)
def test_payments_in_order_have_the_references_numbers(
    texts: list[str], history: list[Any], learnt: list[tuple[int, int, int]]
) -> None:
    compare(texts, history, learnt)


@settings(max_examples=18, deadline=None)
@given(st.lists(definitions(), min_size=1, max_size=4), histories, outcomes)
def test_late_payments_and_late_outcomes_have_the_references_numbers(
    texts: list[str], history: list[Any], learnt: list[tuple[int, int, int]]
) -> None:
    compare(texts, history, learnt)


def test_what_a_table_must_have_is_told_and_its_lack_refused() -> None:
    declared = declared_from(['sum(amount) of payments where kind == "qr" by device.id over 1h'])
    assert columns_needed(declared) == ("amount", "device.id", "kind", "seq", "time")
    with pytest.raises(InputError, match=r"no column device\.id, kind"):
        feature_table(declared, ibis.memtable(pa.table({"seq": [1], "time": [START], "amount": [1]})))


def test_a_key_busier_than_the_deciders_memory_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    from lianfang.engines.features.offline import compute

    monkeypatch.setattr(compute, "EVENTS_MAX", 5)
    declared = declared_from(["count of payments by payer.account over 1h"])
    empty = dict.fromkeys(LAYOUT)
    events = [Event(START + i * SECOND, {**empty, "payer.account": "a", "amount": 1}) for i in range(8)]
    made = feature_table(declared, *stored(events, list(range(1, 9)), []))
    found = ibis.duckdb.connect().to_pyarrow(made).sort_by(SEQ)[DOUBTFUL].to_pylist()
    assert found == [False] * 5 + [True] * 3
