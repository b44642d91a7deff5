"""A day's parts become one sorted file, and no reader ever sees a row twice or not at all."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pyarrow.parquet as pq
import pytest

from lianfang.infra.lake import Question, asked, build, read_manifest
from lianfang.infra.lake import compact as _module  # noqa: F401 - loaded, so that it can be patched by name
from lianfang.infra.lake import manifest as manifests
from lianfang.infra.lake.columns import DECISIONS
from lianfang.infra.lake.compact import compact
from lianfang.infra.lake.manifest import reading, write_manifest
from lianfang.kernel.errors import EvidenceError
from lianfang.kernel.instant import MINUTE
from tests.infra.lake.journals import NAMES, Writing, numbers, rows_of


def many_parts(folder: Path, builds: int = 6, each: int = 5) -> int:
    """A lake whose first days have several parts; payments within a part come in no order of time."""
    written = Writing(folder / "j")
    for _ in range(builds):
        for _ in range(each):
            written.decide(1, step=150 * MINUTE)
        written.tell(0, "fraud", written.at)
        number, at = written.number, written.at
        written.close()
        build(folder / "j", folder / "lake", NAMES)
        written = Writing(folder / "j")
        written.number, written.at = number, at
    written.close()
    return written.number


def test_each_day_has_one_sorted_file_with_the_same_rows(tmp_path: Path) -> None:
    count = many_parts(tmp_path)
    lake = tmp_path / "lake"
    before = rows_of(lake)
    done = compact(lake)
    parts = read_manifest(lake).of("decisions")
    assert len({part.day for part in parts}) == len(parts) < done.parts_before
    assert rows_of(lake) == before
    assert numbers(before) == list(range(count))
    table = pq.read_table(lake / parts[0].name, partitioning=None)
    assert table.schema.equals(DECISIONS)
    times = table["time"].to_pylist()
    assert times == sorted(times)
    named = {part.name for part in read_manifest(lake).parts}
    assert {str(path.relative_to(lake)) for path in lake.glob("*/day=*/*")} == named
    again = compact(lake)
    assert (again.days, again.parts_before) == (0, 0)


def test_a_day_that_goes_on_is_left_alone_when_asked(tmp_path: Path) -> None:
    many_parts(tmp_path)
    lake = tmp_path / "lake"
    last = max(part.day for part in read_manifest(lake).parts)
    compact(lake, before=last)
    counts: dict[date, int] = {}
    for part in read_manifest(lake).of("decisions"):
        counts[part.day] = counts.get(part.day, 0) + 1
    assert {day: n for day, n in counts.items() if n > 1}.keys() <= {last}


class Died(BaseException):
    """As kill -9 would."""


@pytest.mark.parametrize("where", ["_write", "settle", "write_manifest", "sweep"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_death_at_any_step_changes_no_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, after: bool
) -> None:
    many_parts(tmp_path)
    lake = tmp_path / "lake"
    before = rows_of(lake)
    import lianfang.infra.lake.compact as module

    real = getattr(module, where)
    for nth in range(1, 50):
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
            compact(lake)
        except Died:
            assert rows_of(lake) == before
            continue
        break
    assert rows_of(lake) == before
    monkeypatch.setattr(module, where, real)
    build(tmp_path / "j", lake, NAMES)
    assert {str(path.relative_to(lake)) for path in lake.glob("*/day=*/*")} == {
        part.name for part in read_manifest(lake).parts
    }


def test_readers_see_every_row_once_while_days_are_compacted(tmp_path: Path) -> None:
    count = many_parts(tmp_path)
    lake = tmp_path / "lake"
    seen: list[tuple[int, int]] = []
    stop = Event()

    def read() -> None:
        while not stop.is_set() or not seen:
            with asked(lake, Question("select count(*), count(distinct payment_id) from decisions")) as reader:
                (row,) = reader.read_all().to_pylist()
            seen.append(tuple(row.values()))

    thread = Thread(target=read)
    thread.start()
    compact(lake)
    stop.set()
    thread.join()
    assert set(seen) == {(count, count)}


def test_an_answer_begun_before_is_finished_from_the_old_files(tmp_path: Path) -> None:
    count = many_parts(tmp_path)
    lake = tmp_path / "lake"
    with reading(lake) as manifest:
        compact(lake)
        tables = [pq.read_table(lake / part.name, partitioning=None) for part in manifest.of("decisions")]
    assert sum(len(table) for table in tables) == count
    assert compact(lake).swept > 0, "gone once nobody reads"


def test_rows_that_do_not_add_up_are_refused(tmp_path: Path) -> None:
    many_parts(tmp_path)
    lake = tmp_path / "lake"
    import msgspec

    had = read_manifest(lake)
    wrong = tuple(msgspec.structs.replace(part, rows=part.rows + 1) for part in had.parts)
    write_manifest(lake, msgspec.structs.replace(had, parts=wrong))
    with pytest.raises(EvidenceError, match="rows"):
        compact(lake)
    assert read_manifest(lake).parts == wrong
    assert not list(lake.glob(manifests.SORTING + "*"))
