"""The desk's eyes: everything is counted once, shown, and found, whatever happens to journal, index or process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lianfang.app.node import following as module
from lianfang.app.node.clock import WallClock
from lianfang.app.node.files import NodeFiles
from lianfang.app.node.following import INDEX, Following
from lianfang.infra.finding import Query, index
from lianfang.infra.journal.files import segment_list, segment_path
from lianfang.infra.lake.columns import Answered, Told
from lianfang.infra.sql import Database, open_database, sqlite_url
from lianfang.kernel.instant import DAY, Instant
from lianfang.services.overview import store
from tests.infra.finding.made import START, Making, plain_find, rows_of

END = Instant(START + 30 * DAY)


@pytest.fixture
def files(tmp_path: Path) -> NodeFiles:
    made = NodeFiles(tmp_path)
    made.make()
    return made


@pytest.fixture
def database(files: NodeFiles) -> Iterator[Database]:
    made = open_database(sqlite_url(files.records))
    yield made
    made.close()


def until(done: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


def decisions(files: NodeFiles) -> list[Answered]:
    return [row for row in rows_of(files.journal) if isinstance(row, Answered)]


def counted(following: Following) -> dict[str, int]:
    return following.rollup.total(START, END).actions


def test_what_is_decided_is_counted_shown_found_and_told(files: NodeFiles, database: Database) -> None:
    making = Making(files.journal, 1)
    making.some(100)
    following = Following(files, database, WallClock())
    told: list[Answered | Told] = []
    following.hooks.append(told.extend)
    following.start()
    until(lambda: following.next_seq == making.writer.next_seq)
    making.some(80)
    until(
        lambda: following.next_seq == making.writer.next_seq and following.stream.latest.seq == following.next_seq - 1
    )
    rows = rows_of(files.journal)
    assert counted(following) == dict(Counter(row.decision.action for row in decisions(files)))
    assert list(following.finder.find(Query(limit=200)).seqs) == plain_find(rows, Query())
    assert [row.seq for row in told] == [row.seq for row in rows]
    newest = following.stream.newest(5)
    assert [one.seq for one in newest] == [row.seq for row in decisions(files)[:-6:-1]]
    assert (following.behind, following.lag_s, following.attention()) == (0, 0.0, {})
    following.stop()
    making.writer.close()


def test_counts_go_on_where_they_were_and_the_index_takes_over_from_the_tail(
    files: NodeFiles, database: Database
) -> None:
    making = Making(files.journal, 2)
    for build in (False, True, False):
        making.some(60)
        following = Following(files, database, WallClock())
        following.start()
        until(lambda: following.next_seq == making.writer.next_seq)  # noqa: B023
        if build:
            index(files.journal, files.finding, files.hash_key())
            until(lambda: not following.tail.view.runs)  # noqa: B023
        rows = rows_of(files.journal)
        assert list(following.finder.find(Query(limit=200)).seqs) == plain_find(rows, Query())[:200]
        assert counted(following) == dict(Counter(row.decision.action for row in decisions(files)))
        following.stop()
    making.writer.close()


def test_money_of_frauds_is_that_of_their_decisions(files: NodeFiles, database: Database) -> None:
    making = Making(files.journal, 3)
    making.some(150)
    making.writer.close()
    following = Following(files, database, WallClock())
    following.start()
    until(lambda: following.next_seq == making.writer.next_seq)
    total = following.rollup.total(START, END)
    frauds = [row for row in rows_of(files.journal) if isinstance(row, Told) and row.outcome.label == "fraud"]
    assert sum(total.frauds.values()) == len(frauds) > 0
    assert sum(total.fraud_amounts.values()) > 0
    following.stop()


def test_a_missing_journal_is_waited_for(files: NodeFiles, database: Database) -> None:
    files.journal.rmdir()
    following = Following(files, database, WallClock())
    following.start()
    until(lambda: following.stream.latest.number > 1)
    making = Making(files.journal, 4)
    making.some(20)
    until(lambda: following.next_seq == making.writer.next_seq)
    assert following.attention() == {}
    following.stop()
    making.writer.close()


def test_damage_is_stepped_over_and_told(files: NodeFiles, database: Database) -> None:
    making = Making(files.journal, 5)
    making.some(120)
    making.writer.close()
    path = segment_path(files.journal, segment_list(files.journal)[1])
    raw = bytearray(path.read_bytes())
    raw[300] ^= 0xFF
    path.write_bytes(raw)
    following = Following(files, database, WallClock())
    following.start()
    until(lambda: following.next_seq == making.writer.next_seq)
    assert following.lost >= 1
    assert "damaged" in following.attention()["following.damage"]
    following.stop()


def test_a_broken_index_stops_nothing_else(files: NodeFiles, database: Database) -> None:
    files.finding.mkdir()
    (files.finding / "finding.json").write_bytes(b"{")
    making = Making(files.journal, 6)
    making.some(50)
    making.writer.close()
    following = Following(files, database, WallClock())
    following.start()
    until(lambda: following.next_seq == making.writer.next_seq)
    assert "no manifest" in following.attention()[INDEX]
    assert sum(counted(following).values()) == len(decisions(files))
    following.stop()


def test_a_listener_that_fails_is_told_and_the_others_hear(files: NodeFiles, database: Database) -> None:
    making = Making(files.journal, 7)
    making.some(30)
    making.writer.close()
    following = Following(files, database, WallClock())
    told: list[Answered | Told] = []

    def bad(_: list[Answered | Told]) -> None:
        raise RuntimeError("deaf")

    following.hooks += [bad, told.extend]
    following.start()
    until(lambda: following.next_seq == making.writer.next_seq)
    following.stop()
    assert len(told) == len(rows_of(files.journal))
    assert following.attention() == {"following.hook": "a listener failed: RuntimeError; the log has it"}


def test_another_journal_under_the_counts_is_told(files: NodeFiles, database: Database) -> None:
    making = Making(files.journal, 8)
    making.some(50)
    making.writer.close()
    following = Following(files, database, WallClock())
    following.start()
    until(lambda: following.next_seq == making.writer.next_seq)
    following.stop()
    files.journal.rename(files.root / "old")
    Making(files.journal, 9).some(10)
    again = Following(files, database, WallClock())
    assert "another" in again.attention()["following.journal"]
    again.stop()


def test_under_load_all_are_counted_those_stopped_read_whole_and_the_rest_said_to_be_missing(
    files: NodeFiles, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    making = Making(files.journal, 10)
    making.some(10)
    following = Following(files, database, WallClock())
    told: list[Answered | Told] = []
    following.hooks.append(told.extend)
    following.start()
    until(lambda: following.next_seq == making.writer.next_seq)
    monkeypatch.setattr(module, "FULL_PER_S", 0)
    making.some(300)
    until(lambda: following.next_seq == making.writer.next_seq)
    every = decisions(files)
    stopped = [row.seq for row in every if row.decision.action != "allow" or row.decision.unsure]
    assert set(stopped) <= {row.seq for row in told}
    assert counted(following) == dict(Counter(row.decision.action for row in every))
    page = following.finder.find(Query(limit=200))
    assert following.skipped == page.missing == len(rows_of(files.journal)) - len(told) > 0
    index(files.journal, files.finding, files.hash_key())
    until(lambda: following.finder.find(Query()).missing == 0)
    following.stop()
    making.writer.close()


_FOLLOW = """
import sys, time
from pathlib import Path
from lianfang.app.node import following as module
from lianfang.app.node.clock import WallClock
from lianfang.app.node.files import NodeFiles
from lianfang.infra.finding.keys import hashed
from lianfang.infra.sql import open_database, sqlite_url
module.POLL, module.SAVE_S, module.POLL_S = 40, 0.01, 0.005
files = NodeFiles(Path(sys.argv[1]))
following = module.Following(files, open_database(sqlite_url(files.records)), WallClock())
hashed(["compiled before it is timed"], files.hash_key())
following.start()
print("on", flush=True)
time.sleep(600)
"""


def kept_seq(database: Database) -> int:
    with database.reading() as connection:
        return store.load(connection).seq


@pytest.mark.faults
def test_killed_at_any_moment_every_record_is_counted_once(files: NodeFiles, database: Database) -> None:
    making = Making(files.journal, 11)
    seqs: list[int] = []
    for _ in range(8):
        command = [sys.executable, "-c", _FOLLOW, str(files.root)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            making.some(400)
            until(lambda: kept_seq(database) > max(seqs, default=0))
            time.sleep(making.draw.uniform(0.0, 0.05))
            os.kill(process.pid, signal.SIGKILL)
        fresh = Following(files, database, WallClock())
        kept = [row for row in decisions(files) if row.seq <= fresh.rollup.seq]
        assert counted(fresh) == dict(Counter(row.decision.action for row in kept))
        seqs.append(fresh.rollup.seq)
    assert seqs == sorted(seqs)
    following = Following(files, database, WallClock())
    following.start()
    until(lambda: following.next_seq == making.writer.next_seq)
    assert counted(following) == dict(Counter(row.decision.action for row in decisions(files)))
    following.stop()
    making.writer.close()
