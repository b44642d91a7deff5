"""`lianfang lists import` and `lianfang rules pack` against a running desk, from the shell's side."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lianfang.app.cli import main
from lianfang.app.node.supervise import Node
from lianfang.app.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""A command's connections end with its process; here the process goes on."""
SAID = [
    "--list",
    "mules",
    "--effect",
    "overridable_block",
    "--subject",
    "account",
    "--purpose",
    "p",
    "--source",
    "desk",
]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("node")
    with Node(Settings(data_dir=str(folder), decider_port=0, desk_port=0, feature_memory_mb=64)):
        yield folder


@pytest.fixture(autouse=True)
def here(node: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIANFANG_DATA_DIR", str(node))


def counts(*more: str, status: int = 0) -> dict[str, int]:
    assert main(["lists", "import", "l.csv", *SAID, *more, "--json", "said.json"]) == status
    said = json.loads(Path("said.json").read_text("utf-8"))
    return {key: said[key] for key in ("added", "changed", "unchanged", "removed", "refused") if key in said}


def test_a_file_is_tried_imported_and_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    Path("l.csv").write_text("value,side\nA1,payer\nA2,\n", "utf-8")
    tried = counts("--dry-run", "--replace")
    assert tried == {"added": 2, "changed": 0, "unchanged": 0, "removed": 0, "refused": 0}
    assert counts("--reason", "first") == {"added": 2, "changed": 0, "unchanged": 0, "refused": 0}
    Path("l.csv").write_text("value,side\nA1,payee\nA3,\n", "utf-8")
    wanted = {"added": 1, "changed": 1, "unchanged": 0, "removed": 1, "refused": 0}
    assert counts("--dry-run", "--replace") == wanted
    assert counts("--replace", "--reason", "weekly file") == wanted
    assert counts("--dry-run", "--replace") == {"added": 0, "changed": 0, "unchanged": 2, "removed": 0, "refused": 0}
    capsys.readouterr()
    assert main(["lists", "show", "mules", "--json", "-"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [(e["value"], e.get("side", "both")) for e in shown] == [("A1", "payee"), ("A3", "both")]


def test_one_refused_line_stops_the_import_unless_it_may_be_skipped(capsys: pytest.CaptureFixture[str]) -> None:
    Path("l.csv").write_text("value,side\nB1,payer\nB2,left\nB3,\n", "utf-8")
    assert counts("--reason", "r", status=2) == {"refused": 1}
    assert "l.csv, line 3: Invalid enum value 'left'" in capsys.readouterr().err
    assert counts("--dry-run", status=2) == {"added": 2, "changed": 0, "unchanged": 0, "refused": 1}
    assert counts("--reason", "r", "--skip-refused") == {"added": 2, "changed": 0, "unchanged": 0, "refused": 1}
    lines = json.loads(Path("said.json").read_text("utf-8"))["lines"]
    assert [line["where"] for line in lines] == ["l.csv, line 3"]


def test_packs_and_parameters_are_switched_set_and_given_back(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "pack", "law", "off", "--reason", "another country"]) == 0
    assert main(["rules", "packs", "--json", "p.json"]) == 0
    shown = {one["name"]: one["on"] for one in json.loads(Path("p.json").read_text("utf-8"))}
    assert shown.pop("law") is False
    assert all(shown.values())
    assert main(["rules", "pack", "law", "on", "--reason", "back"]) == 0
    capsys.readouterr()
    assert main(["rules", "set", "victim_large_amount", "800000", "--reason", "back-tested"]) == 0
    assert "param.victim_large_amount is 800,000 fen" in capsys.readouterr().out
    assert main(["rules", "parameters", "--json", "n.json"]) == 0
    named = {one["parameter"]["name"]: one for one in json.loads(Path("n.json").read_text("utf-8"))}
    changed = named["victim_large_amount"]
    assert (changed["value"], changed["parameter"]["value"]) == (800_000, 500_000)
    assert main(["rules", "set", "victim_large_amount", "--reason", "too lax"]) == 0
    assert "500,000" in capsys.readouterr().out
    assert main(["rules", "set", "law_qr_static_day", "1", "--reason", "r"]) == 2
