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


PARAMETERS = """
parameters = [
    { name = "large", value = 9_000_000, unit = "fen", since = 2026-10-01, source = "a test", zh = "大额", en = "large" },
    { name = "unread", value = 1, unit = "1", since = 2026-10-01, source = "a test" },
    { name = "counted", value = 5, unit = "fen", since = 2026-10-01, source = "a test" },
]
[[features]]
name = "n_7d"
define = "count of payments where amount >= param.counted by payer.account over 7d"
[[rules]]
id = "large"
zh = "大额"
en = "large"
when = "amount >= param.large and n_7d >= 0"
action = "hold"
code = "L"
"""


def test_named_parameters_move_within_their_bounds_and_are_proposed_in_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    history, rules, out = tmp_path / "h.parquet", tmp_path / "r.toml", tmp_path / "draft.yaml"
    config = WorldConfig(seed=5, people=400, merchants=40, days=16, scams_per_day=9.0, start=1_750_000_000_000_000)
    write_history(generate(config), history)
    rules.write_text(PARAMETERS, "utf-8")
    command = ["tune", str(rules), "--on", str(history), "--label-delay", "2d", "--out", str(out)]
    page, figures = tmp_path / "t.html", tmp_path / "t.json"
    more = ["--false-alarms", "0.02", "--html", str(page), "--json", str(figures), "--trials", "16"]
    assert main([*command, *more, "--parameter", "large=100_000:9_500_000"]) == 0, capsys.readouterr().err
    said = json.loads(figures.read_text())
    (moved,) = said["parameters"]
    assert 100_000 <= moved["after"] < moved["before"] == 9_000_000
    assert 0 < moved["tried"] <= 16
    earlier = said["tuned_on"]
    money = [earlier[side]["whole"]["money"]["CNY"]["stopped"]["value"] for side in ("set", "current")]
    assert money[0] > money[1]
    assert money[0] == said["searched"]["money"]
    proposal = load_rules([out.with_suffix(".parameters.toml")])
    assert [(one.name, one.value) for one in proposal.parameters] == [("large", moved["after"])]
    assert "was 9000000 (a test)" in proposal.parameters[0].source
    assert {one.name: one.value for one in load_rules([out]).parameters}["large"] == moved["after"]
    text = page.read_text("utf-8")
    assert "从未用于选择" in text
    assert "http" not in text


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ("unread", "no live rule's condition reads it"),
        ("counted", "a feature is counted by it"),
        ("larg", "did you mean"),
        ("large=5", "is not `name=low:high`"),
        ("large=9:3", "is not `name=low:high`"),
    ],
)
def test_a_parameter_that_may_not_move_is_refused(
    tmp_path: Path, asked: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    history, rules = tmp_path / "h.parquet", tmp_path / "r.toml"
    config = WorldConfig(seed=5, people=100, merchants=20, days=5, scams_per_day=3.0, start=1_750_000_000_000_000)
    write_history(generate(config), history)
    rules.write_text(PARAMETERS, "utf-8")
    command = ["tune", str(rules), "--on", str(history), "--out", str(tmp_path / "d.yaml")]
    assert main([*command, "--label-delay", "1d", "--parameter", asked]) == 2
    assert why in " ".join(capsys.readouterr().err.split())
