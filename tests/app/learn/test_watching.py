"""A change made in a history is found, and one without a change raises no alarm."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lianfang.app import cli
from lianfang.kernel.instant import DAY, MINUTE

RECIPE = """
schema = "recipe/1"
[[features]]
name = "n_24h"
define = "count of payments by payer.account over 24h"
[[features]]
name = "n_90d"
define = "count of payments by payer.account over 90d"
[[inputs]]
name = "n_24h"
define = "n_24h"
[[inputs]]
name = "n_90d"
define = "n_90d"
[[inputs]]
name = "amount"
define = "amount"
[[inputs]]
name = "failed"
define = "session.failed_attempts"
"""
DAYS, PEOPLE = 40, 300


def history(path: Path, *, changed: bool) -> Path:
    rng = np.random.default_rng(5)
    rows: list[dict[str, Any]] = []
    start = 1_760_000_000_000_000 // DAY * DAY
    for day in range(DAYS):
        late = changed and day >= DAYS - 7
        for i, person in enumerate(rng.permutation(PEOPLE)):
            at = start + day * DAY + i * 4 * MINUTE
            fraud = bool(rng.random() < 0.01)
            rows.append({
                "id": f"{day}-{i}", "time": at, "kind": "transfer", "currency": "CNY",
                "amount": int(rng.lognormal(9 + (0.7 if late else 0), 1)), "payer.account": f"A{person}",
                "session.failed_attempts": None if late and rng.random() < 0.5 else int(rng.random() < 0.1),
                "label": int(fraud), "known_at": at + DAY if fraud else None,
            })  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), path)
    (path.parent / "recipe.toml").write_text(RECIPE, "utf-8")
    return path


@pytest.mark.parametrize("changed", [False, True])
def test_what_changed_is_told_and_nothing_else(
    tmp_path: Path, changed: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    path = history(tmp_path / "past.parquet", changed=changed)
    out, page = tmp_path / "out.json", tmp_path / "week.html"
    status = cli.main(
        [
            "watch",
            "--on",
            str(path),
            "--features",
            str(tmp_path / "recipe.toml"),
            "--html",
            str(page),
            "--json",
            str(out),
        ]
    )
    assert status == 0, capsys.readouterr().err
    said = json.loads(out.read_bytes())
    verdicts = {one["name"]: one["verdict"] for one in said["drifts"]}
    assert verdicts["amount"] == ("shifted" if changed else "steady")
    assert verdicts["failed"] == ("shifted" if changed else "steady")
    assert verdicts["n_24h"] == "steady"
    assert {one["name"] for one in said["drifts"] if one["filling"]} == {"n_90d"}
    assert said["now"]["payments"] == 7 * PEOPLE
    assert said["before"]["delay_median_s"] == pytest.approx(86_400)
    text = page.read_text("utf-8")
    assert "仍在填充" in text
    assert ("明显偏移" in text) == changed or verdicts["n_90d"] == "shifted"
    assert "http" not in text


RULES = """
[[rules]]
id = "large"
zh = "大额"
en = "large"
when = "amount >= 30_000"
action = "hold"
code = "L"
[[rules]]
id = "shop"
zh = "商户"
en = "shop"
when = 'payer.account == "A7"'
action = "challenge"
code = "S"
"""


@pytest.mark.parametrize("changed", [False, True])
def test_hit_rates_actions_missing_values_and_labels_are_told(tmp_path: Path, changed: bool) -> None:
    path, rules, out = history(tmp_path / "past.parquet", changed=changed), tmp_path / "rules.toml", tmp_path / "o.json"
    rules.write_text(RULES, "utf-8")
    page = tmp_path / "week.html"
    asked = ["watch", "--on", str(path), "--features", str(tmp_path / "recipe.toml"), "--rules", str(rules)]
    assert cli.main([*asked, "--json", str(out), "--html", str(page)]) == 0
    said = json.loads(out.read_bytes())
    hits = {one["name"]: one for one in said["hits"]}
    assert hits["large"]["verdict"] == ("shifted" if changed else "steady")
    assert hits["shop"]["verdict"] == "too few"  # all of one customer
    assert hits["shop"]["hits_now"] == 7
    actions = {one["name"]: one["verdict"] for one in said["actions"]}
    assert list(actions) == ["allow", "challenge", "hold", "block"]
    assert (actions["hold"], actions["challenge"]) == ("shifted" if changed else "steady", "too few")
    missing = {one["name"]: one["verdict"] for one in said["missing"]}
    assert missing == ({"failed": "shifted"} if changed else {})
    assert said["rules_drifted"] == changed
    weeks = said["labels"]
    assert [one["payments"] for one in weeks] == [7 * PEOPLE] * 5
    assert weeks[0]["delay_median_s"] == pytest.approx(86_400)
    assert said["label_delay"]["verdict"] == "too few"
    assert 0.97 < weeks[0]["unlabelled"] / weeks[0]["payments"] < 1
    text = page.read_text("utf-8")
    assert "尚无标签" in text


def test_a_history_without_both_periods_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = history(tmp_path / "past.parquet", changed=False)
    recipe = str(tmp_path / "recipe.toml")
    assert cli.main(["watch", "--on", str(path), "--features", recipe, "--recent", "60d"]) == 2
    assert "no payments in one of the two periods" in capsys.readouterr().err
    assert cli.main(["watch", "--on", str(path), "--features", recipe, "--alpha", "0"]) == 2
