"""Truth of its own: what a file says is fraud is, everything else is genuine, and each kind has its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from lianfang.app.replay import Replay, as_json, book_of, read_truth, replay, show
from lianfang.app.replay.run import REPLAY_KEY
from lianfang.infra.history import native_mapping
from lianfang.kernel.errors import InputError
from lianfang.wire import Rule, RuleSet

RULES = RuleSet(
    rules=(
        Rule(id="victim.large", zh="大", en="large", when="amount >= 1_000", action="hold", code="L"),
        Rule(
            id="mule.middling",
            zh="中",
            en="middling",
            when="amount >= 100 and amount < 1_000",
            action="challenge",
            code="M",
        ),
    )
)


def history(folder: Path) -> Path:
    rows: list[dict[str, Any]] = [
        {"id": f"p{i}", "time": 1_777_600_000_000_000 + i, "kind": "transfer", "amount": amount, "currency": "CNY"}
        for i, amount in enumerate((5_000, 500, 50, 5_000, 500, 50))
    ]
    table = pa.Table.from_pylist(rows)
    at = table["time"].cast(pa.timestamp("us", tz="UTC"))
    pq.write_table(table.set_column(1, "time", at), folder / "h.parquet")
    return folder / "h.parquet"


def test_each_kind_and_the_false_alarms_of_each_theme(tmp_path: Path) -> None:
    (tmp_path / "truth.csv").write_text("id,label_kind,label\np0,police,1\np1,police,1\np2,loan,1\np3,,0\n", "utf-8")
    truth = read_truth(tmp_path / "truth.csv")
    assert truth == {"p0": "police", "p1": "police", "p2": "loan"}
    mapping = native_mapping()
    job = Replay(history(tmp_path), type(mapping)(layout="native"), book_of(RULES, [], REPLAY_KEY), truth=truth)
    result = replay(job)
    said = as_json(result, {})
    assert said["scams"] == [
        {"currency": "CNY", "kind": "police", "payments": 2, "stopped": 1, "challenged": 1,
         "money": 5_500, "money_stopped": 5_000, "money_challenged": 500},
        {"currency": "CNY", "kind": "loan", "payments": 1, "stopped": 0, "challenged": 0,
         "money": 50, "money_stopped": 0, "money_challenged": 0},
    ]  # fmt: skip
    assert said["false_alarms"] == [
        {"theme": "mule", "challenged": 1, "stopped": 0},
        {"theme": "victim", "challenged": 0, "stopped": 1},
    ]
    console = Console(record=True, width=120)
    show(result, {}, console)
    text = console.export_text()
    assert "by kind of fraud" in text
    assert "90.9%" in text
    assert "66.667%" in text


def test_a_truth_without_its_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "truth.csv").write_text("id,kind\np0,police\n", "utf-8")
    with pytest.raises(InputError, match="no column 'label_kind'"):
        read_truth(tmp_path / "truth.csv")
    with pytest.raises(InputError, match="cannot read the truth"):
        read_truth(tmp_path / "nothing.parquet")
