"""Backtests that the desk runs: one at a time, for a bounded time, and their end is kept whatever it is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lianfang.app.node.backtesting import Backtesting
from lianfang.app.node.files import NodeFiles
from lianfang.console.installation import BacktestJob, BacktestState
from lianfang.infra.sql import Database, open_database, sqlite_url
from lianfang.kernel.errors import ConflictError
from lianfang.services.decide import store
from lianfang.wire import RuleSet

JOB = BacktestJob(7, RuleSet(), None, "", "person:ann", 1_000_000)
WAIT_S = 240.0


@pytest.fixture
def files(tmp_path: Path) -> NodeFiles:
    made = NodeFiles(tmp_path / "node")
    made.make()
    return made


@pytest.fixture
def database(files: NodeFiles) -> Iterator[Database]:
    made = open_database(sqlite_url(files.records))
    store.prepare(made)
    yield made
    made.close()


def until_ended(backtests: Backtesting) -> BacktestState:
    end = time.monotonic() + WAIT_S
    while True:
        state = backtests.of(7)
        assert state is not None
        if state.state != "running":
            return state
        assert time.monotonic() < end
        time.sleep(0.05)


def test_one_runs_at_a_time_and_the_end_of_a_bad_one_says_why(files: NodeFiles, database: Database) -> None:
    backtests = Backtesting(files, database, lambda: 2_000_000)
    assert backtests.of(7) is None
    backtests.start(JOB)
    with pytest.raises(ConflictError, match="a backtest of draft 7 runs"):
        backtests.start(JOB._replace(draft=8))
    ended = until_ended(backtests)
    assert (ended.state, ended.by, ended.ended) == ("failed", "person:ann", 2_000_000)
    assert ended.said
    assert backtests.file(7, "figures.json") is None
    assert Backtesting(files, database, lambda: 0).of(7) == ended, "the next desk knows it too"


def test_what_takes_too_long_is_ended(files: NodeFiles, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lianfang.app.node.backtesting.BUILD_LAKE", ("-c", "pass", "--"))
    backtests = Backtesting(files, database, lambda: 0, seconds=0.05)
    backtests.start(JOB)
    assert "longer than 0 s" in until_ended(backtests).said


def test_a_desk_that_stops_begins_nothing_more(files: NodeFiles, database: Database) -> None:
    backtests = Backtesting(files, database, lambda: 0)
    backtests.stop()
    backtests.start(JOB)
    assert until_ended(backtests).said == "the node stops"
