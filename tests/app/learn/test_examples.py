"""Examples made of real payments hold, and name nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lianfang.app.learn.backtest import Backtest
from lianfang.app.learn.examples import Wanted, with_examples
from lianfang.app.replay.run import REPLAY_KEY
from lianfang.infra.history import native_mapping
from lianfang.kernel.instant import MINUTE
from lianfang.services.decide import LIST_SCHEMA, ListBook
from lianfang.wire import Feature, Rule, RuleSet

START = 1_760_000_000_000_000
FEATURES = (Feature(name="n_24h", define="count of payments by payer.account over 24h"),)


@pytest.fixture
def job(tmp_path: Path) -> Backtest:
    rows: list[dict[str, Any]] = [
        {
            "id": f"p{i}", "time": START + i * MINUTE, "kind": "transfer", "currency": "CNY", "amount": 100 * (i + 1),
            "payer.account": "6222-secret", "payee.account": "6222-secret" if i == 3 else f"6217-secret-{i}",
            "memo": "mule" if i == 2 else None, "label": 0, "known_at": None,
        }
        for i in range(5)
    ]  # fmt: skip
    path = tmp_path / "past.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    lists = ListBook(LIST_SCHEMA.empty_table(), REPLAY_KEY, "none")
    return Backtest(RuleSet(), path, native_mapping(), lists, now=START)


def key(number: int) -> int:
    return hash(f"p{number}") % 2**64


def rule(when: str) -> Rule:
    return Rule(id="r", zh="规则", en="rule", when=when, code="R")


def test_only_what_the_condition_reads_is_shown(job: Backtest) -> None:
    (made,) = with_examples(job, FEATURES, [Wanted(rule("n_24h >= 3 and amount > 300"), (key(3),), (key(2),))])
    assert [(one.fires, one.payment, one.features) for one in made.examples] == [
        (True, {"amount": 400}, {"n_24h": 3.0}),
        (False, {"amount": 300}, {"n_24h": 2.0}),
    ]


def test_who_is_made_up_and_two_that_were_the_same_stay_so(job: Backtest) -> None:
    (made,) = with_examples(job, FEATURES, [Wanted(rule("payer.account == payee.account"), (key(3),), (key(1),))])
    assert [one.fires for one in made.examples] == [True, False]
    assert made.examples[0].payment == {"payer": {"account": "made-up-1"}, "payee": {"account": "made-up-1"}}
    assert b"secret" not in msgspec.json.encode(made)


def test_an_example_that_was_true_of_a_name_only_is_left_out(job: Backtest) -> None:
    (made,) = with_examples(job, FEATURES, [Wanted(rule('memo == "mule"'), (key(2),), (key(1),))])
    assert [one.fires for one in made.examples] == [False]
    assert with_examples(job, FEATURES, []) == []
