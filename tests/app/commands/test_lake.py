"""`lianfang lake` and `lianfang query`, as they are typed."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from lianfang.app.cli import main
from lianfang.app.node.files import NodeFiles
from lianfang.infra.finding.manifest import read_manifest as read_index
from lianfang.infra.journal.files import segment_list, segment_path
from lianfang.infra.published import RULESET, write_whole
from lianfang.infra.sql import changes, open_database, sqlite_url
from lianfang.wire import Feature, RuleSet, write
from tests.infra.lake.journals import VERSION, journal, rows_of

RULES = RuleSet(features=(Feature(name="spent", define="sum(amount) of payments by payer.account over 24h"),))


@pytest.fixture
def node(tmp_path: Path) -> Path:
    journal(tmp_path / "journal")
    return tmp_path


def said(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_build_compact_and_status(node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = NodeFiles(node)
    write_whole(files.published / RULESET, write(RULES))
    assert main(["lake", "build", "--data", str(node), "--json", "-"]) == 0
    assert said(capsys)["decisions"] == 72
    assert main(["lake", "build", "--data", str(node), "--compact-days"]) == 0
    assert "入湖" in capsys.readouterr().out
    assert main(["lake", "compact", "--data", str(node), "--json", "-"]) == 0
    assert said(capsys)["days"] == 0
    assert main(["lake", "status", "--data", str(node), "--json", "-"]) == 0
    state = said(capsys)
    assert (state["decisions"], state["outcomes"], state["days"], state["behind"]) == (72, 8, 3, 0)
    assert list(state["feature_versions"].values()) == [1]
    assert state["unnamed"] == {VERSION: 72}, "the journal's features are not those of the rules in force"
    assert main(["lake", "status", "--data", str(node)]) == 0
    shown = capsys.readouterr().out
    assert "2026-09-03" in shown
    assert VERSION in shown


def test_damage_is_told_and_is_the_exit_status(node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = segment_path(node / "journal", segment_list(node / "journal")[0])
    raw = bytearray(path.read_bytes())
    raw[raw.index(b'"id":"p3"')] ^= 1
    path.write_bytes(raw)
    assert main(["lake", "build", "--data", str(node)]) == 1
    assert "损坏 damaged: segment" in capsys.readouterr().out
    assert main(["lake", "build", "--data", str(node)]) == 0
    capsys.readouterr()
    assert main(["lake", "status", "--data", str(node)]) == 0
    assert "损坏 damaged: segment" in capsys.readouterr().out


def test_days_go_with_a_reason_and_an_entry(node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["lake", "build", "--data", str(node)])
    capsys.readouterr()
    base = ["lake", "retain", "--data", str(node), "--json", "-"]
    assert main([*base, "--dry-run"]) == 0
    assert said(capsys)["days"] == []
    assert main(base) == 2
    assert "say why" in capsys.readouterr().err
    assert main([*base, "--law", "cn_aml", "--years", "3", "--dry-run"]) == 2
    assert "art. 34" in capsys.readouterr().err
    assert main([*base, "--years", "1", "--reason", "ticket 7"]) == 0
    capsys.readouterr()
    assert len(rows_of(node / "lake")) == 72, "all of it is younger"
    database = open_database(sqlite_url(NodeFiles(node).records))
    with database.reading() as connection:
        (change,) = changes(connection)
    database.close()
    assert (change.act, change.reason, change.detail["years"]) == ("lake.retain", "ticket 7", 1)


def test_the_index_lets_go_of_what_the_lake_let_go_of(
    node: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["lake", "build", "--data", str(node)])
    runs = len(read_index(node / "finding").runs)
    assert runs
    monkeypatch.setattr("lianfang.app.commands.lake._today", lambda: date(2040, 1, 1))
    assert main(["lake", "retain", "--data", str(node), "--years", "3", "--reason", "ticket 8"]) == 0
    assert rows_of(node / "lake") == []
    assert read_index(node / "finding").runs == ()
    capsys.readouterr()


def test_a_query_on_the_screen_and_in_files(node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["lake", "build", "--data", str(node)])
    capsys.readouterr()
    base = ["query", "--data", str(node)]
    assert main([*base, "select action, count(*) n from decisions group by all order by n"]) == 0
    assert "hold" in capsys.readouterr().out
    assert main([*base, "select sum(amount) s, avg(amount) a from decisions", "--json", "-"]) == 0
    assert said(capsys) == [{"s": 72 * 100 + 36 * 71, "a": 135.5}]
    sql = "select payment_id, time, label from known order by seq"
    assert main([*base, sql, "--as-of", "2026-09-02", "--json", "-"]) == 0
    rows = said(capsys)
    assert len(rows) == 25
    assert rows[0] == {"payment_id": "p0", "time": "2026-09-01T00:00:00+00:00", "label": None}
    csv, parquet = node / "out" / "rows.csv", node / "out" / "rows.parquet"
    assert main([*base, sql, "--csv", str(csv), "--parquet", str(parquet)]) == 0
    assert len(csv.read_text().splitlines()) == 73
    assert pq.read_table(parquet).num_rows == 72
    assert main([*base, "select reasons from decisions", "--csv", str(node / "out" / "bad.csv")]) == 2
    assert {path.name for path in csv.parent.iterdir()} == {"rows.csv", "rows.parquet"}


def test_what_is_wrong_is_one_sentence(node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "--data", str(node), "select 1"]) == 2
    assert "no lake here" in capsys.readouterr().err
    main(["lake", "build", "--data", str(node)])
    for arguments, about in (
        (["copy decisions to 'x'"], "only SELECT"),
        (["select 1", "--limit", "0"], "--limit"),
        (["select 1", "--as-of", "yesterday"], "--as-of"),
        (["select 1", "--unmask"], "--reason"),
    ):
        assert main(["query", "--data", str(node), *arguments]) == 2
        assert about in capsys.readouterr().err


def test_personal_fields_are_shown_only_with_a_reason_on_record(node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["lake", "build", "--data", str(node)])
    capsys.readouterr()
    base = ["query", "--data", str(node), "select payer_name from decisions limit 1", "--json", "-"]
    assert main(base) == 0
    assert said(capsys)[0]["payer_name"].startswith("~")
    assert main([*base, "--unmask", "--reason", "ticket 4711"]) == 0
    assert said(capsys)[0]["payer_name"] == "王小明"
    database = open_database(sqlite_url(NodeFiles(node).records))
    with database.reading() as connection:
        (change,) = changes(connection)
    database.close()
    assert (change.act, change.reason) == ("lake.unmask", "ticket 4711")
    assert "payer_name" in change.detail["sql"]
    assert change.who.startswith("local:")


def test_a_replay_reads_the_lake(node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["lake", "build", "--data", str(node)])
    capsys.readouterr()
    assert main(["replay", str(node / "lake"), "--json", "-"]) == 0
    figures = said(capsys)
    assert figures["replay"]["mapping"] == "the native layout"
    named = {one["name"]: one["value"] for one in figures["figures"]}
    assert named["payments"] == 72
