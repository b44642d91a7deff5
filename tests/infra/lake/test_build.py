"""The journal becomes the lake: every record once, whatever dies when."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lianfang.infra.journal.files import segment_list, segment_path
from lianfang.infra.lake import build, read_manifest, reading
from lianfang.infra.lake import build as build_now
from lianfang.infra.lake import manifest as manifests
from lianfang.infra.lake.manifest import building, sweep
from lianfang.kernel.errors import DependencyError, EvidenceError, InputError
from lianfang.kernel.instant import HOUR
from tests.infra.lake.journals import NAMES, VERSION, Writing, journal, numbers, rows_of


def test_decisions_become_rows_of_their_day(tmp_path: Path) -> None:
    count = journal(tmp_path / "j", days=2)
    built = build(tmp_path / "j", tmp_path / "lake", NAMES)
    assert (built.decisions, built.outcomes, built.damage) == (count, 5, ())
    rows = rows_of(tmp_path / "lake")
    assert numbers(rows) == list(range(count))
    row = rows[5]
    assert row["seq"] == 8, "after a note and one outcome"
    assert row["decided_at"] == row["time"] == datetime(2026, 9, 1, 5, tzinfo=UTC)
    assert (row["payer.account"], row["payer.name"], row["amount"], row["kind"]) == (
        "6222-5",
        "王小明",
        105,
        "transfer",
    )
    assert (row["action"], row["reasons"], row["hits"], row["points"]) == ("hold", ["mule"], ["r1"], 50)
    assert row["features"] == [7.5, None]
    assert "可疑" in row["detail"]
    assert rows[6]["detail"] is None
    assert dict(row["attributes"])["same_owner"] == "true"
    assert [part.day.isoformat() for part in read_manifest(tmp_path / "lake").of("decisions")] == [
        "2026-09-01",
        "2026-09-02",
    ]
    (first, *_) = rows_of(tmp_path / "lake", "outcomes")
    assert (first["payment_id"], first["label"], first["source"]) == ("p0", "fraud", "customer")
    assert first["arrived_at"] == datetime(2026, 9, 1, 1, tzinfo=UTC)
    assert first["known_at"] == datetime(2026, 9, 2, 1, tzinfo=UTC)


def test_a_build_goes_on_where_the_last_one_stopped_and_repeats_nothing(tmp_path: Path) -> None:
    written = Writing(tmp_path / "j")
    seen = []
    for _ in range(4):
        written.decide(10)
        written.writer.close()
        built = build(tmp_path / "j", tmp_path / "lake", NAMES)
        again = build(tmp_path / "j", tmp_path / "lake", NAMES)
        seen.append((built.decisions, again.decisions, again.parts))
        number, at = written.number, written.at
        written = Writing(tmp_path / "j")
        written.number, written.at = number, at
    written.close()
    assert seen == [(10, 0, 0)] * 4
    assert numbers(rows_of(tmp_path / "lake")) == list(range(40))


def test_only_what_is_durable_is_taken(tmp_path: Path) -> None:
    journal(tmp_path / "j", days=1)
    from lianfang.infra.journal.files import DURABLE_FILE, pack_mark

    mark = (tmp_path / "j" / DURABLE_FILE).read_bytes()
    (tmp_path / "j" / DURABLE_FILE).write_bytes(pack_mark(9))
    assert build(tmp_path / "j", tmp_path / "lake", NAMES).next_seq == 10
    (tmp_path / "j" / DURABLE_FILE).write_bytes(mark)
    build(tmp_path / "j", tmp_path / "lake", NAMES)
    assert numbers(rows_of(tmp_path / "lake")) == list(range(24))


class Died(BaseException):
    """As kill -9 would: nothing of ours catches it."""


@pytest.mark.parametrize("where", ["settle", "write_manifest", "decisions_table", "sweep"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_death_at_any_step_loses_nothing_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, after: bool
) -> None:
    from lianfang.infra.lake import build as _  # noqa: F401 - the face shadows the module

    module = sys.modules["lianfang.infra.lake.build"]
    count = journal(tmp_path / "j", days=2)
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 7)
    monkeypatch.setattr(module, "PART_ROWS", 15)
    monkeypatch.setattr(module, "POLL", 5)
    real = getattr(module, where)
    deaths = 0
    for nth in range(1, 100):
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
            build_now(tmp_path / "j", tmp_path / "lake", NAMES)
        except Died:
            deaths += 1
            if (tmp_path / "lake" / manifests.MANIFEST).exists():
                seen = numbers(rows_of(tmp_path / "lake"))
                assert seen == list(range(len(seen))), "a lake after a death is whole up to where it came"
            continue
        break
    assert deaths >= 1
    assert numbers(rows_of(tmp_path / "lake")) == list(range(count))
    assert len(rows_of(tmp_path / "lake", "outcomes")) == 5
    named = {part.name for part in read_manifest(tmp_path / "lake").parts}
    with building(tmp_path / "lake"):
        sweep(tmp_path / "lake")
    assert {str(p.relative_to(tmp_path / "lake")) for p in (tmp_path / "lake").glob("*/day=*/*")} == named


_BUILD = """
import sys
from pathlib import Path
from lianfang.infra.lake import build
module = sys.modules["lianfang.infra.lake.build"]
module.PART_ROWS, module.POLL, module.ROWS_AT_ONCE = 40, 10, 10

def stopping(act):
    def stops(*given):
        done = act(*given)
        print(act.__name__, flush=True)
        sys.stdin.read(1)
        return done
    return stops

for name in ("decisions_table", "settle", "write_manifest"):
    setattr(module, name, stopping(getattr(module, name)))
build(Path(sys.argv[1]), Path(sys.argv[2]), {})
"""


@pytest.mark.faults
def test_killed_processes_leave_a_lake_that_the_next_one_completes(tmp_path: Path) -> None:
    count = journal(tmp_path / "j", days=8)
    died_after = []
    for steps in (1, 2, 3, 4, 6, 11):
        command = [sys.executable, "-c", _BUILD, str(tmp_path / "j"), str(tmp_path / "lake")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdin is not None
            for _ in range(steps - 1):
                process.stdout.readline()
                process.stdin.write(b"g")
                process.stdin.flush()
            died_after.append(process.stdout.readline().decode().strip())
            os.kill(process.pid, signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
    assert set(died_after) == {"decisions_table", "settle", "write_manifest"}
    build(tmp_path / "j", tmp_path / "lake", {})
    assert numbers(rows_of(tmp_path / "lake")) == list(range(count))


def test_damage_is_stepped_over_told_and_kept_on_record(tmp_path: Path) -> None:
    journal(tmp_path / "j", days=1)
    path = segment_path(tmp_path / "j", segment_list(tmp_path / "j")[0])
    raw = bytearray(path.read_bytes())
    at = raw.index(b'"id":"p3"')
    raw[at] ^= 1
    path.write_bytes(raw)
    built = build(tmp_path / "j", tmp_path / "lake", NAMES)
    assert len(built.damage) == 1
    assert "1 record(s) lost" in built.damage[0]
    manifest = read_manifest(tmp_path / "lake")
    assert (manifest.damage, manifest.lost) == (built.damage, 1)
    assert numbers(rows_of(tmp_path / "lake")) == [n for n in range(24) if n != 3]
    assert build(tmp_path / "j", tmp_path / "lake", NAMES).damage == (), "told once"


def test_a_record_nobody_can_read_is_told_and_does_not_stop_the_rest(tmp_path: Path) -> None:
    written = Writing(tmp_path / "j")
    written.decide(2)
    written.writer.append(1, written.at, (b"{}", b"{}", b""))
    written.writer.append(1, written.at, (b'{"id": "x"', b"{}", b"123"))
    written.decide(2)
    written.close()
    built = build(tmp_path / "j", tmp_path / "lake", NAMES)
    assert built.decisions == 4
    assert [damage.split(" cannot")[0] for damage in built.damage] == [
        "record 3 of the journal",
        "record 4 of the journal",
    ]
    assert read_manifest(tmp_path / "lake").lost == 2


def test_another_journal_is_refused(tmp_path: Path) -> None:
    journal(tmp_path / "j", days=2)
    build(tmp_path / "j", tmp_path / "lake", NAMES)
    journal(tmp_path / "shorter", days=1)
    with pytest.raises(EvidenceError, match="an older journal, or another"):
        build(tmp_path / "shorter", tmp_path / "lake", NAMES)
    other = Writing(tmp_path / "other")
    other.decide(80, step=HOUR // 2)
    other.close()
    with pytest.raises(EvidenceError, match="another journal"):
        build(tmp_path / "other", tmp_path / "lake", NAMES)
    assert len(rows_of(tmp_path / "lake")) == 48


def test_a_clock_that_steps_back_over_midnight_makes_another_part_of_the_day_before(tmp_path: Path) -> None:
    written = Writing(tmp_path / "j")
    written.at += 23 * HOUR
    written.decide(3)
    written.at -= 4 * HOUR
    written.decide(3)
    written.close()
    build(tmp_path / "j", tmp_path / "lake", NAMES)
    days = [part.day.day for part in sorted(read_manifest(tmp_path / "lake").parts, key=lambda part: part.first)]
    assert days == [1, 2, 1, 2]
    assert numbers(rows_of(tmp_path / "lake")) == list(range(6))


def test_two_builds_at_once_are_refused_and_so_is_a_missing_journal(tmp_path: Path) -> None:
    journal(tmp_path / "j", days=1)
    with building(tmp_path / "lake"), pytest.raises(DependencyError, match="another process"):
        build(tmp_path / "j", tmp_path / "lake", NAMES)
    with pytest.raises(DependencyError, match="no journal"):
        build(tmp_path / "none", tmp_path / "lake", NAMES)


def test_names_of_features_are_learnt_and_kept(tmp_path: Path) -> None:
    journal(tmp_path / "j", days=1)
    build(tmp_path / "j", tmp_path / "lake", {})
    assert read_manifest(tmp_path / "lake").features == {}
    build(tmp_path / "j", tmp_path / "lake", NAMES)
    build(tmp_path / "j", tmp_path / "lake", {"other": ("x",)})
    assert read_manifest(tmp_path / "lake").features == {VERSION: ("spent", "payees"), "other": ("x",)}


def test_files_stay_while_somebody_reads(tmp_path: Path) -> None:
    journal(tmp_path / "j", days=1)
    build(tmp_path / "j", tmp_path / "lake", NAMES)
    stray = tmp_path / "lake" / "decisions" / "day=2026-09-01" / "part-1.partial"
    stray.write_bytes(b"left over")
    with reading(tmp_path / "lake"), building(tmp_path / "lake"):
        assert sweep(tmp_path / "lake") == 0
    with building(tmp_path / "lake"):
        assert sweep(tmp_path / "lake") == 1
    assert not stray.exists()


def test_a_broken_manifest_and_no_lake_are_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no lake here"), reading(tmp_path):
        pass
    (tmp_path / manifests.MANIFEST).write_bytes(b'{"schema":"lake/1","parts":3}')
    with pytest.raises(EvidenceError, match="no manifest of a lake"):
        read_manifest(tmp_path)


def test_the_lake_is_for_nobody_else(tmp_path: Path) -> None:
    journal(tmp_path / "j", days=1)
    build(tmp_path / "j", tmp_path / "lake", NAMES)
    assert (tmp_path / "lake").stat().st_mode & 0o077 == 0
