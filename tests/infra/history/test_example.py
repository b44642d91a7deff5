"""The handbook's mapping and rules: they load, they agree with the standard, and the rules prove themselves."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lianfang.engines.expr import Environment
from lianfang.engines.features import declare
from lianfang.engines.rules import check_ruleset, read_rules_text
from lianfang.engines.rules import test_examples as run_examples
from lianfang.infra.history import read_history, read_mapping

FDH = Path(__file__).parents[3] / "examples" / "fdh"


def test_the_handbooks_columns_become_card_payments(tmp_path: Path) -> None:
    table = {
        "TRANSACTION_ID": [0, 1],
        "TX_DATETIME": pa.array(
            [dt.datetime(2018, 4, 1, 0, 0, 31, tzinfo=dt.UTC).replace(tzinfo=None)] * 2, pa.timestamp("ns")
        ),
        "CUSTOMER_ID": [596, 4961],
        "TERMINAL_ID": [3156, 3412],
        "TX_AMOUNT": [57.16, 81.51],
        "TX_FRAUD": [0, 1],
        "TX_FRAUD_SCENARIO": [0, 3],
    }
    pq.write_table(pa.table(table), tmp_path / "t.parquet")
    wanted = ["id", "amount", "card", "merchant.terminal", "kind"]
    (batch,) = read_history(tmp_path / "t.parquet", read_mapping(FDH / "mapping.toml"), wanted)
    assert batch.columns["amount"] == [5716, 8151]
    assert batch.columns["card"] == ["k596", "k4961"]
    assert batch.columns["merchant.terminal"] == ["m3156", "m3412"]
    assert batch.columns["kind"] == ["card", "card"]
    assert batch.labels is not None
    assert batch.labels.tolist() == [0, 1]
    assert batch.extra["customer"] == [596, 4961]


def test_the_handbooks_rules_are_sound_and_their_examples_hold() -> None:
    text = (FDH / "rules.toml").read_text()
    ruleset = read_rules_text(text, format="toml", where="rules.toml")
    assert len(declare(ruleset.features)) == len(ruleset.features) >= 20
    assert check_ruleset(ruleset, (), text=text, where="rules.toml") == []
    env = Environment(tuple(feature.name for feature in ruleset.features))
    results = run_examples(ruleset.rules, env)
    assert [result for result in results if not result.ok] == []
    for rule in ruleset.rules:
        assert {example.fires for example in rule.examples} == {True, False}, rule.id
