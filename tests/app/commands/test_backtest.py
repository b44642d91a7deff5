"""`lianfang backtest`, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lianfang.app.cli import main
from lianfang.app.replay import load_rules
from lianfang.engines.world import WorldConfig, generate
from lianfang.infra.history import write_history

RULES = """
[[rules]]
id = "large"
zh = "大额"
en = "Large"
when = "amount > {amount}"
action = "hold"
code = "large"
"""


def test_tables_figures_and_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history, new, old = tmp_path / "h.parquet", tmp_path / "new.toml", tmp_path / "old.toml"
    config = WorldConfig(seed=5, people=300, merchants=40, days=12, scams_per_day=9.0, start=1_750_000_000_000_000)
    write_history(generate(config), history)
    new.write_text(RULES.format(amount=100_000), "utf-8")
    old.write_text(RULES.format(amount=300_000), "utf-8")
    command = ["backtest", str(new), "--on", str(history), "--label-delay", "2d"]
    command += ["--json", str(tmp_path / "b.json"), "--html", str(tmp_path / "b.html")]
    assert main([*command, "--against", str(old)]) == 0
    shown = capsys.readouterr().out
    assert "新拦下 newly stopped" in shown
    said = json.loads((tmp_path / "b.json").read_text())
    assert said["set"]["by_action"]["hold"] > said["current"]["by_action"]["hold"]
    assert said["set"]["items"][0]["name"] == "large"
    page = (tmp_path / "b.html").read_text("utf-8")
    assert "回测报告" in page
    assert "Backtest" in page
    assert "<svg" in page


def test_what_is_wrong_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backtest", str(tmp_path / "none.toml"), "--on", str(tmp_path / "h.parquet")]) == 2
    assert "none.toml" in capsys.readouterr().err


def test_the_benchmark_runs(tmp_path: Path) -> None:
    assert main(["bench", "backtest", "--rows", "3000", "--quick", "--json", str(tmp_path / "b.json")]) == 0
    said = {one["name"]: one["value"] for one in json.loads((tmp_path / "b.json").read_text())["figures"]}
    assert said["rows"] == 3_000
    assert said["parity_differences"] == 0
    assert min(said[name] for name in ("backtest_s", "peak_mb", "score_us")) > 0


def test_a_draft_is_tuned_on_the_earlier_period_and_reported_on_the_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    history, rules, out = tmp_path / "h.parquet", tmp_path / "r.toml", tmp_path / "draft.yaml"
    config = WorldConfig(seed=5, people=400, merchants=40, days=16, scams_per_day=9.0, start=1_750_000_000_000_000)
    write_history(generate(config), history)
    low = RULES.format(amount=1_000).replace('"large"', '"any"', 1)
    rules.write_text(RULES.format(amount=2_000_000) + low, "utf-8")
    command = ["tune", str(rules), "--on", str(history), "--label-delay", "2d", "--out", str(out)]
    assert main([*command, "--false-alarms", "0.05", "--json", str(tmp_path / "t.json")]) == 0
    shown = capsys.readouterr().out
    assert "take large" in shown
    said = json.loads((tmp_path / "t.json").read_text())
    earlier, later = said["tuned_on"], said["reported_on"]
    assert earlier["period"]["until"] <= later["period"]["from"]
    assert earlier["set"]["whole"]["money"]["CNY"]["stopped"]["value"] == said["searched"]["money"]
    assert main(["rules", "check", str(out)]) == 0
    modes = {rule.id: rule.mode for rule in load_rules([out]).rules}
    assert modes == {"large": "live", "any": "shadow"}
