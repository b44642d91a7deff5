"""The command line: what it prints, what it refuses and how, and the exit status."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lianfang.app.cli import cli_reference, main
from lianfang.app.commands.settings import settings_reference
from lianfang.app.settings import HELP

GOOD = """
[[rules]]
id = "large"
zh = "大额"
en = "Large"
when = "amount >= 10_000"
action = "block"
code = "large"
examples = [{ fires = true, payment = { amount = 10_000 } }, { fires = false, payment = { amount = 9_999 } }]
"""
PAYMENT = '{"id":"%s","time":"2026-01-01T00:00:00Z","kind":"transfer","amount":%d,"currency":"CNY"}'


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of the machine, no node of the machine."""
    for name in list(os.environ):
        if name.startswith("LIANFANG_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_help_lists_every_command_and_loads_nothing_heavy() -> None:
    code = (
        "import sys; from lianfang.app.cli import main; status = main(['--help']); "
        "heavy = {'numba', 'pyarrow', 'numpy', 'litestar', 'sqlalchemy'} & set(sys.modules); "
        "print('heavy', sorted(heavy)); sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    names = "serve demo decide replay simulate rules lists keys journal schema bench settings version"
    for name in names.split():
        assert name in done.stdout
    assert "heavy []" in done.stdout


def test_an_unknown_command_is_refused_in_one_sentence_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replya"]) == 2
    said = capsys.readouterr()
    assert "replya" in said.err
    assert "Traceback" not in said.err


def test_an_unknown_option_and_a_missing_file_have_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "nothing.parquet"]) == 2
    assert "no such file or folder - at `nothing.parquet`" in capsys.readouterr().err
    assert main(["replay", "nothing.parquet", "--ruels", "x"]) == 2


def test_debug_shows_where_an_error_came_from(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "nothing.parquet", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_without_a_node_the_commands_for_a_node_say_how_to_start_one(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["keys", "list"], ["lists", "show"], ["rules", "list"]):
        assert main(command) == 1
        assert "lianfang serve" in capsys.readouterr().err


def test_rules_that_prove_themselves_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "r.toml").write_text(GOOD, "utf-8")
    assert main(["rules", "test", "r.toml", "--json", "out.json"]) == 0
    assert "1 rules, 2 examples, 0 failed, 0 mistakes" in capsys.readouterr().out
    assert json.loads(Path("out.json").read_text())["mistakes"] == []


def test_the_starting_rules_prove_themselves() -> None:
    assert main(["rules", "test"]) == 0


def test_an_example_that_comes_out_otherwise_is_named_with_status_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "r.toml").write_text(GOOD.replace("9_999", "10_001"), "utf-8")
    assert main(["rules", "test", "r.toml"]) == 1
    assert "rule `large`, example 2: must not fire and did" in capsys.readouterr().out


def test_a_mistake_is_shown_with_its_line_and_a_caret_under_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "r.toml").write_text(GOOD.replace("amount >= 10_000", "amuont >= 10_000"), "utf-8")
    for command in ("test", "check"):
        assert main(["rules", command, "r.toml"]) == 1
        lines = capsys.readouterr().out.splitlines()
        place = next(i for i, line in enumerate(lines) if line.strip() == "amuont >= 10_000")
        assert "r.toml, line 6" in lines[place - 1]
        assert lines[place + 1].strip() == "^^^^^^"
        assert lines[place + 1].index("^") == lines[place].index("amuont")


def test_rules_are_listed_and_shown_from_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "r.toml").write_text(GOOD, "utf-8")
    assert main(["rules", "list", "r.toml"]) == 0
    assert "large" in capsys.readouterr().out
    assert main(["rules", "show", "large", "r.toml"]) == 0
    assert "amount >= 10_000" in capsys.readouterr().out
    assert main(["rules", "show", "lrage", "r.toml"]) == 2
    assert "large" in capsys.readouterr().err


def test_payments_are_decided_offline_in_every_form_they_may_come_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "r.toml").write_text(GOOD, "utf-8")
    one, two = PAYMENT % ("a", 1), PAYMENT % ("b", 20_000)
    for text in (f"{one}\n{two}\n", f"[{one},\n {two}]"):
        (tmp_path / "p.json").write_text(text, "utf-8")
        assert main(["decide", "p.json", "--offline", "--rules", "r.toml", "--json", "d.json"]) == 0
        decided = json.loads(Path("d.json").read_text())
        assert [(d["payment_id"], d["action"]) for d in decided] == [("a", "allow"), ("b", "block")]
    assert "大额 / Large" in capsys.readouterr().out


def test_a_dash_is_standard_input_and_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = io.TextIOWrapper(io.BytesIO((PAYMENT % ("a", 1)).encode()))
    monkeypatch.setattr(sys, "stdin", given)
    assert main(["decide", "-", "--offline", "--json", "-"]) == 0
    assert [d["payment_id"] for d in json.loads(capsys.readouterr().out)] == ["a"]


def test_a_payment_that_is_wrong_is_named_and_none_is_decided(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "p.json").write_text(PAYMENT % ("a", 1) + "\n" + PAYMENT % ("b", -1), "utf-8")
    assert main(["decide", "p.json", "--offline"]) == 2
    said = capsys.readouterr()
    assert "payment 2, $.amount" in said.err
    assert said.out == ""


def test_the_same_seed_simulates_the_same_payments_and_another_does_not(tmp_path: Path) -> None:
    common = ["simulate", "--people", "60", "--days", "1", "--members", "2"]
    for name, seed in (("a", "7"), ("b", "7"), ("c", "8")):
        assert main([*common, "--seed", seed, "--out", f"{name}.parquet"]) == 0
    import pyarrow.parquet as pq

    a, b, c = (pq.read_table(f"{name}.parquet") for name in "abc")
    assert a.equals(b)
    assert not a.equals(c)


def test_a_simulated_history_is_replayed_without_further_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", "--people", "60", "--days", "1", "--out", "h.parquet"]) == 0
    assert main(["replay", "h.parquet", "--json", "r.json"]) == 0
    out = capsys.readouterr().out
    assert "hits by rule" in out
    said = json.loads(Path("r.json").read_text())
    assert {f["name"] for f in said["figures"]} >= {"replay_per_s", "payments", "auc", "average_precision"}


def test_a_stream_prints_payments_that_the_standard_takes(capsys: pytest.CaptureFixture[str]) -> None:
    from lianfang.wire import read_payment

    command = ["simulate", "--stream", "--stdout", "--people", "60", "--limit", "5", "--rate", "0"]
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    payments = [read_payment(line.encode()) for line in lines]
    assert len({p.id for p in payments}) == 5


def test_the_schema_is_compared_and_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "--write", "schema.json"]) == 0
    assert main(["schema", "--check", "schema.json"]) == 0
    Path("schema.json").write_text("{}", "utf-8")
    assert main(["schema", "--check", "schema.json"]) == 1


def test_settings_say_where_they_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("lianfang.toml").write_text("desk_port = 9000\n", "utf-8")
    monkeypatch.setenv("LIANFANG_DATA_DIR", "elsewhere")
    assert main(["settings", "--json", "s.json"]) == 0
    said = json.loads(Path("s.json").read_text())
    assert said["desk_port"] == {"value": 9000, "from": "lianfang.toml"}
    assert said["data_dir"] == {"value": "elsewhere", "from": "LIANFANG_DATA_DIR"}
    assert said["decider_port"]["from"] == "default"


def test_list_files_are_read_whole_or_not_at_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "l.csv").write_text("value,subject\n+8613800000000,phone\n622202,account\n", "utf-8")
    said = ["--effect", "block", "--purpose", "fraud", "--source", "police"]
    assert main(["lists", "import", "l.csv", "--list", "mules", *said, "--dry-run"]) == 0
    assert "2 entries are sound" in capsys.readouterr().out
    (tmp_path / "l.csv").write_text("value,subject\n+8613800000000,phone\n622202,acount\n", "utf-8")
    assert main(["lists", "import", "l.csv", "--list", "mules", *said, "--dry-run"]) == 2
    assert "l.csv, line 3" in capsys.readouterr().err


def test_the_reference_pages_name_every_command_and_setting() -> None:
    page = cli_reference()
    for command in ("lianfang replay", "lianfang rules test", "lianfang keys rotate", "lianfang journal verify"):
        assert command in page
    for name, text in HELP.items():
        assert f"`{name}`" in settings_reference()
        assert text.replace("|", "\\|") in settings_reference()
