"""A review names the rule that only disturbs and the one that never fires, and finds what was planted in missed frauds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lianfang.app import cli
from lianfang.app.replay import load_rules
from lianfang.kernel.instant import DAY, MINUTE

RULES = """
[[features]]
name = "n_24h"
define = "count of payments by payer.account over 24h"

[[rules]]
id = "useful"
zh = "有用"
en = "useful"
when = "session.failed_attempts >= 3"
action = "hold"
code = "U"

[[rules]]
id = "noisy"
zh = "扰民"
en = "noisy"
when = "amount >= 30_000"
action = "challenge"
code = "N"

[[rules]]
id = "silent"
zh = "沉默"
en = "silent"
when = "amount >= 900_000_000"
action = "block"
code = "S"
"""


def history(path: Path) -> Path:
    """Frauds that try often are held; those of a round amount at night are missed."""
    rng = np.random.default_rng(8)
    rows: list[dict[str, Any]] = []
    start = 1_760_000_000_000_000 // DAY * DAY
    for day in range(30):
        for i in range(400):
            at = start + day * DAY + i * 3 * MINUTE
            kind = rng.random()
            fraud = kind < 0.02
            tried = 4 if kind < 0.01 else 0
            amount = 7_777 if 0.01 <= kind < 0.02 else int(rng.lognormal(9, 0.8))
            rows.append({
                "id": f"{day}-{i}", "time": at, "kind": "transfer", "currency": "CNY", "amount": amount,
                "payer.account": f"A{rng.integers(300)}", "session.failed_attempts": tried,
                "label": int(fraud), "known_at": at + DAY // 2 if fraud else None,
            })  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def test_a_review_proposes_and_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, rules = history(tmp_path / "past.parquet"), tmp_path / "rules.toml"
    rules.write_text(RULES, "utf-8")
    out, said = tmp_path / "candidates.yaml", tmp_path / "out.json"
    status = cli.main(["review", str(rules), "--on", str(path), "--out", str(out), "--json", str(said)])
    assert status == 0, capsys.readouterr().err
    found = json.loads(said.read_bytes())
    assert {(one["rule"], one["advice"]) for one in found["proposals"]} == {("noisy", "retire"), ("silent", "retire")}
    first = found["candidates"][0]
    assert "amount" in first["when"]
    assert first["caught"]["value"] == 1
    assert first["precision"]["low"] > 0.5
    (candidate,) = load_rules([out]).rules[:1]
    assert (candidate.mode, candidate.when) == ("shadow", first["when"])
    assert rules.read_text("utf-8") == RULES
    fires = [one.fires for one in candidate.examples]
    assert (fires.count(True), fires.count(False)) == (2, 2)
    assert cli.main(["rules", "test", str(out)]) == 0, capsys.readouterr().err
