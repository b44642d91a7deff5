"""The index takes every durable record once, whenever it dies; damage is stepped over, another journal refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lianfang.engines.keyed import HashKey
from lianfang.infra.finding import Finder, Query, index, retain
from lianfang.infra.finding.manifest import building, read_manifest
from lianfang.infra.journal.files import segment_list, segment_path
from lianfang.kernel.errors import DependencyError, EvidenceError
from tests.infra.finding.made import KEY, Making, plain_find


class Died(BaseException):
    """As kill -9 would: nothing of ours catches it."""


def everything(root: Path) -> list[int]:
    """All seqs of decisions and outcomes that the index has, by its own columns."""
    finder = Finder(root / "f", root / "j", KEY)
    finder.refresh()
    return [int(seq) for run in finder._index.runs for seq in run.seq]


def made(root: Path, seed: int = 1, count: int = 120) -> Making:
    making = Making(root / "j", seed)
    making.some(count)
    making.writer.close()
    return making


@pytest.mark.parametrize("where", ["write_run", "write_manifest", "sweep", "sync", "check_run"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_death_at_any_step_loses_nothing_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, after: bool
) -> None:
    from lianfang.infra.finding import build as module

    expected = [row.seq for row in made(tmp_path).rows()]
    monkeypatch.setattr(module, "POLL", 5)
    real = getattr(module, where)
    deaths = 0
    for nth in range(1, 200):
        calls = 0

        def dying(*given: Any, nth: int = nth) -> Any:
            nonlocal calls
            calls += 1
            if calls == nth and not after:
                raise Died
            done = real(*given)
            if calls == nth:
                raise Died
            return done

        monkeypatch.setattr(module, where, dying)
        try:
            index(tmp_path / "j", tmp_path / "f", KEY, run_rows=7)
        except Died:
            deaths += 1
            seen = everything(tmp_path)
            assert seen == expected[: len(seen)], "an index after a death is whole up to where it came"
            continue
        break
    assert deaths >= 1
    assert everything(tmp_path) == expected
    named = {one.name for one in read_manifest(tmp_path / "f").runs}
    assert {path.name for path in (tmp_path / "f").glob("*.run*")} == named


_BUILD = """
import sys
from pathlib import Path
from lianfang.engines.keyed import HashKey
from lianfang.infra.finding import build as module
module.POLL = 5

def stopping(act):
    def stops(*given):
        done = act(*given)
        print(act.__name__, flush=True)
        sys.stdin.read(1)
        return done
    return stops

for name in ("write_run", "write_manifest", "check_run"):
    setattr(module, name, stopping(getattr(module, name)))
module.index(Path(sys.argv[1]), Path(sys.argv[2]), HashKey(int(sys.argv[3]), int(sys.argv[4])), run_rows=7)
"""


@pytest.mark.faults
def test_killed_processes_leave_an_index_that_the_next_one_completes(tmp_path: Path) -> None:
    expected = [row.seq for row in made(tmp_path).rows()]
    died_after = set()
    for steps in (1, 2, 3, 8, 9, 10, 11):
        command = [sys.executable, "-c", _BUILD, str(tmp_path / "j"), str(tmp_path / "f"), str(KEY.k0), str(KEY.k1)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdin is not None
            for _ in range(steps - 1):
                process.stdout.readline()
                process.stdin.write(b"g")
                process.stdin.flush()
            died_after.add(process.stdout.readline().decode().strip())
            os.kill(process.pid, signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
    assert {"write_run", "write_manifest"} <= died_after
    index(tmp_path / "j", tmp_path / "f", KEY, run_rows=7)
    assert everything(tmp_path) == expected


def test_another_hash_key_begins_anew(tmp_path: Path) -> None:
    making = made(tmp_path)
    index(tmp_path / "j", tmp_path / "f", KEY)
    other = HashKey(1, 2)
    finder = Finder(tmp_path / "f", tmp_path / "j", other)
    assert finder.find(Query()).rows == ()
    assert index(tmp_path / "j", tmp_path / "f", other).anew is True
    assert list(finder.find(Query(limit=200)).seqs) == plain_find(making.rows(), Query())


def test_another_journal_is_refused(tmp_path: Path) -> None:
    made(tmp_path, 1)
    index(tmp_path / "j", tmp_path / "f", KEY)
    (tmp_path / "j").rename(tmp_path / "old")
    made(tmp_path, 2)
    with pytest.raises(EvidenceError, match="another journal"):
        index(tmp_path / "j", tmp_path / "f", KEY)
    made(tmp_path / "short", 1, count=10)
    with pytest.raises(EvidenceError, match="ends at 10"):
        index(tmp_path / "short" / "j", tmp_path / "f", KEY)


def test_damage_is_stepped_over_and_counted(tmp_path: Path) -> None:
    making = made(tmp_path)
    rows = making.rows()
    first = segment_list(tmp_path / "j")[1]
    path = segment_path(tmp_path / "j", first)
    raw = bytearray(path.read_bytes())
    raw[300] ^= 0xFF
    path.write_bytes(raw)
    built = index(tmp_path / "j", tmp_path / "f", KEY)
    assert built.lost >= 1
    seen = everything(tmp_path)
    assert len(rows) - len(seen) <= built.lost
    assert set(seen) < {row.seq for row in rows}


def test_a_damaged_run_is_noticed_before_it_is_merged(tmp_path: Path) -> None:
    making = Making(tmp_path / "j", 1)
    for _ in range(3):
        making.some(20)
        index(tmp_path / "j", tmp_path / "f", KEY)
    file = min((tmp_path / "f").glob("*.run"))
    raw = bytearray(file.read_bytes())
    raw[70] ^= 1  # in a column: sizes and header still hold
    file.write_bytes(raw)
    making.some(20)
    making.writer.close()
    with pytest.raises(EvidenceError, match="is damaged"):
        index(tmp_path / "j", tmp_path / "f", KEY)


def test_one_process_at_a_time(tmp_path: Path) -> None:
    made(tmp_path)
    with building(tmp_path / "f"), pytest.raises(DependencyError, match="another process"):
        index(tmp_path / "j", tmp_path / "f", KEY)
    with pytest.raises(DependencyError, match="no journal"):
        index(tmp_path / "nowhere", tmp_path / "f", KEY)


def test_old_runs_go_whole(tmp_path: Path) -> None:
    making = Making(tmp_path / "j", 1)
    for _ in range(3):
        making.some(20)
        index(tmp_path / "j", tmp_path / "f", KEY)
    making.writer.close()
    second = read_manifest(tmp_path / "f").runs[1].first
    finder = Finder(tmp_path / "f", tmp_path / "j", KEY)
    before = finder.find(Query(limit=200)).seqs
    assert retain(tmp_path / "f", second) == 1
    assert finder.find(Query(limit=200)).seqs == tuple(seq for seq in before if seq >= second)
    assert len(list((tmp_path / "f").glob("*.run"))) == 2


def test_no_identifier_stands_in_the_files(tmp_path: Path) -> None:
    making = Making(tmp_path / "j", 1)
    making.some(50)
    making.writer.close()
    index(tmp_path / "j", tmp_path / "f", KEY)
    held = b"".join(path.read_bytes() for path in (tmp_path / "f").iterdir())
    assert b"list-x" not in held
    assert b"p12" not in held
