"""A world made by several processes, its report, and the commands that ask for them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lianfang.app.cli import main
from lianfang.app.world import make_alliance, write_report
from lianfang.app.world.charts import Axis, Series, density, line_chart, tail
from lianfang.engines.world import CRIME_NAMES, WorldConfig
from lianfang.kernel.errors import InputError

SMALL = WorldConfig(seed=3, people=200, merchants=40, members=3, days=3, scams_per_day=6.0)


def test_two_processes_write_what_one_writes(tmp_path: Path) -> None:
    heard: list[int] = []
    one = make_alliance(SMALL, tmp_path / "one", 1, heard.append)
    two = make_alliance(SMALL, tmp_path / "two", 2)
    assert heard == [1, 2, 3]
    assert (one.payments, one.rows, one.frauds, one.outcomes, one.files) == two[:5]
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.is_file())
    assert len(files) == one.files
    assert [f for f in files if (tmp_path / "one" / f).read_bytes() != (tmp_path / "two" / f).read_bytes()] == []


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        make_alliance(SMALL, tmp_path, 1)


def test_the_report_is_one_page_in_both_languages_that_fetches_nothing(tmp_path: Path) -> None:
    handbook = tmp_path / "handbook.parquet"
    at = (np.arange(500) * 3_600_000_000).astype("datetime64[us]")
    columns = {
        "CUSTOMER_ID": np.arange(500) % 7,
        "TERMINAL_ID": np.arange(500) % 11,
        "TX_FRAUD": np.zeros(500, np.int64),
    }
    pq.write_table(pa.table({"TX_DATETIME": at, "TX_AMOUNT": np.linspace(1, 90, 500), **columns}), handbook)
    write_report(SMALL, tmp_path / "r.html", handbook)
    page = (tmp_path / "r.html").read_text("utf-8")
    assert page.count("<svg") == 7
    assert "付款金额" in page
    assert "Amounts" in page
    assert "handbook" in page
    assert "src=" not in page
    assert "http" not in page.replace("http-equiv", "")
    with pytest.raises(InputError, match="handbook"):
        write_report(SMALL, tmp_path / "r.html", tmp_path / "r.html")


def test_a_chart_leaves_out_what_a_logarithm_cannot_place_and_says_when_nothing_is_left() -> None:
    x, share = Axis("横", "x", log=True), Axis("纵", "y")
    one = Series("甲", "a", np.array([0.0, 1.0, 100.0]), np.array([9.0, 1.0, 2.0]))
    svg = line_chart([one], x, share, "t")
    assert svg.count(",") >= 2
    assert len(svg.split('points="')[1].split('"')[0].split()) == 2
    nothing = Series("甲", "a", np.array([0.0]), np.array([1.0]))
    assert "没有数据" in line_chart([nothing], x, share, "t")


def test_shares_sum_to_one_and_a_tail_begins_at_one() -> None:
    assert density(np.array([1, 10, 10, 99]), 0.1, 1_000)[1].sum() == pytest.approx(1)
    values, shares = tail(np.array([1, 1, 2, 5]))
    assert (values.tolist(), shares.tolist()) == ([1.0, 2.0, 5.0], [1.0, 0.5, 0.25])


def test_a_ready_scenario_is_written_as_an_alliance(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["simulate", "--scenario", "alliance-mini", "--people", "200", "--days", "2", "--workers", "1"]
    assert main([*command, "--out", str(tmp_path / "a"), "--json", str(tmp_path / "a.json")]) == 0
    said = json.loads((tmp_path / "a.json").read_text())
    assert said["payments"] > 400
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == [
        "member=bank-a",
        "member=bank-b",
        "member=pay-a",
        "member=platform-a",
        "outcomes",
        "truth",
    ]
    assert "4 institutions" in capsys.readouterr().out


def test_a_stream_tells_the_truth_beside_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = tmp_path / "truth.jsonl"
    command = [
        "simulate",
        "--stream",
        "--stdout",
        "--scenario",
        "demo",
        "--people",
        "300",
        "--limit",
        "2000",
        "--rate",
        "0",
    ]
    assert main([*command, "--truth", str(truth)]) == 0
    ids = {json.loads(line)["id"] for line in capsys.readouterr().out.splitlines()}
    told = [json.loads(line) for line in truth.read_text("utf-8").splitlines()]
    assert told
    assert all(line["payment_id"] in ids and 1 <= line["step"] <= line["steps"] for line in told)


@pytest.mark.parametrize(
    "command",
    [
        ["simulate"],
        ["simulate", "--stdout", "--out", "x.parquet"],
        ["simulate", "--layout", "alliance", "--out", "x.parquet"],
    ],
)
def test_options_that_do_not_go_together_are_refused(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command) == 2
    assert capsys.readouterr().err


def test_the_reference_page_names_every_crime_in_both_languages() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "world.md").read_text("utf-8")
    assert [crime for crime, (zh, _) in CRIME_NAMES.items() if f"| `{crime}` | {zh} |" not in page] == []
