"""A history is judged as live payments are, from the first payment on."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.engines.keyed import HashKey
from lianfang.engines.rules.screening import ASKED, FINDINGS, Hint
from lianfang.engines.scoring import NoModel
from lianfang.kernel.instant import moment
from lianfang.services.decide import LIST_SCHEMA, ListBook, Replayer, column_hints, flattener, hot_path, rule_book
from lianfang.wire import RuleSet, read_payment
from tests.services.decide.twins import rule

KEY = HashKey(1, 2)
START = 1_750_000_000_000_000


def test_rules_run_from_the_first_payment_of_a_history_where_nothing_is_special() -> None:
    rules = (rule("large", "amount > 100", action="hold"), rule("always", "not session.screen_shared", points=1))
    book = rule_book(RuleSet(rules=rules), ListBook(LIST_SCHEMA.empty_table(), KEY, "none"))
    hot = hot_path(book, KEY, memory_bytes=1 << 24, ids_remembered=1_024)
    found: dict[str, Any] = {"session.screen_shared": False}
    rows = [(f"p{i}", START + i, 50 * i, *(found.get(path) for path in book.layout[3:-1]), 0) for i in range(5)]
    assert book.layout[:3] == ("id", "time", "amount")
    judged = Replayer(book, hot, NoModel()).judge(rows)
    assert judged.actions.tolist() == [0, 0, 0, 2, 2]
    assert judged.points.tolist() == [1] * 5


HINTS = (
    Hint("kind", ("transfer", "qr")),
    Hint("memo", ("rent", "loan"), inside=True),
    Hint("session.screen_shared"),
    FINDINGS,
    ASKED,
)
LAYOUT = ("kind", "memo", "session.screen_shared", "surroundings", "attributes.tenure:number", "attributes.vip:flag")
payments = st.lists(
    st.fixed_dictionaries(
        {
            "kind": st.sampled_from(["transfer", "qr", "card"]),
            "memo": st.sampled_from([None, "", "rent", "a loan", "no"]),
            "session": st.sampled_from([None, {"screen_shared": True}, {"screen_shared": False}, {}]),
            "surroundings": st.sampled_from([[], [{"code": "x"}]]),
            "attributes": st.sampled_from([{}, {"tenure": 3}, {"vip": True}, {"other": 1}]),
        }
    ),
    max_size=6,
)


@given(payments)
@settings(max_examples=60, deadline=None)
def test_hints_of_columns_are_those_of_payments(drawn: list[dict[str, Any]]) -> None:
    flatten = flattener((*LAYOUT, "hints"), HINTS)
    rows = []
    for i, one in enumerate(drawn):
        given_ = {"id": f"p{i}", "time": moment(START).isoformat(), "amount": 1, "currency": "CNY", **one}
        rows.append(flatten(read_payment(msgspec.json.encode({k: v for k, v in given_.items() if v is not None}))))
    columns = {path: [row[i] for row in rows] for i, path in enumerate(LAYOUT)}
    told = column_hints(HINTS, LAYOUT)(columns, len(rows))
    assert told.dtype == np.int64
    asked = 1 << HINTS.index(ASKED)
    for row, bits, one in zip(rows, told.tolist(), drawn, strict=True):
        assert bits & ~asked == row[-1] & ~asked
        assert bool(bits & asked) == bool({"tenure", "vip"} & set(one["attributes"]))
