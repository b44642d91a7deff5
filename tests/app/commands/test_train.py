"""`lianfang train`, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lianfang.app.cli import main
from lianfang.app.replay import load_rules
from lianfang.engines.world import WorldConfig, generate
from lianfang.infra.history import write_history


def test_a_model_folder_and_its_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history, recipe, out = tmp_path / "h.parquet", tmp_path / "recipe.toml", tmp_path / "my model"
    config = WorldConfig(seed=5, people=800, merchants=60, days=40, scams_per_day=14.0, start=1_750_000_000_000_000)
    write_history(generate(config), history)
    recipe.write_text(
        'schema = "recipe/1"\nfeatures = [{ name = "n", define = "count of payments by payer.account over 7d" }]\n'
        'inputs = [{ name = "n", define = "n" }, { name = "m", define = "amount" }]\n'
    )
    command = ["train", "--on", str(history), "--features", str(recipe), "--out", str(out), "--gap", "3d"]
    assert main([*command, "--json", str(tmp_path / "f.json")]) == 0
    shown = capsys.readouterr().out
    assert "held-out" in shown
    said = json.loads((tmp_path / "f.json").read_text())
    assert said["model"] == "my-model"
    assert 0 < said["metrics"]["auc"] < 1
    assert sorted(p.name for p in out.iterdir()) == [
        "card.md",
        "card.zh-CN.md",
        "model.json",
        "report.html",
        "trees.txt",
    ]
    assert main(["model", "features", str(out), "--out", str(tmp_path / "features.toml")]) == 0
    declared = load_rules([tmp_path / "features.toml"]).features
    assert [(f.name, f.define) for f in declared] == [("n", "count of payments by payer.account over 7d")]
    assert main(command) == 2, "a folder that is there is not written over"
    assert "--replace" in capsys.readouterr().err


def test_a_short_history_says_how_long_it_must_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history = tmp_path / "h.parquet"
    write_history(generate(WorldConfig(seed=5, people=300, days=5, start=1_750_000_000_000_000)), history)
    assert main(["train", "--on", str(history), "--out", str(tmp_path / "m")]) == 2
    assert "too short" in capsys.readouterr().err
