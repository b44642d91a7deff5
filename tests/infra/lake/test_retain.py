"""Days that are older than they have to be kept go as a whole; the journal is spoken of, never touched."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from lianfang.infra.journal.files import segment_list
from lianfang.infra.lake import build, read_manifest
from lianfang.infra.lake.retain import cutoff_of, going, let_go
from lianfang.kernel.instant import HOUR
from tests.infra.journal.twins import SMALL
from tests.infra.lake.journals import NAMES, Writing, journal, rows_of


def test_days_before_the_limit_go_and_do_not_come_back(tmp_path: Path) -> None:
    journal(tmp_path / "j", days=4)
    lake = tmp_path / "lake"
    build(tmp_path / "j", lake, NAMES)
    would = going(lake, tmp_path / "j", date(2026, 9, 3))
    assert (would.days, would.rows) == (2, 48 + 5)
    assert len(rows_of(lake)) == 96, "a look changes nothing"
    gone, removed = let_go(lake, tmp_path / "j", date(2026, 9, 3))
    assert gone == would
    assert removed == len(would.parts)
    assert {row["decided_at"].day for row in rows_of(lake)} == {3, 4}
    assert not (lake / "decisions" / "day=2026-09-01").exists()
    build(tmp_path / "j", lake, NAMES)
    assert len(rows_of(lake)) == 48


def test_segments_that_hold_nothing_younger_are_named_and_stay(tmp_path: Path) -> None:
    written = Writing(tmp_path / "j")
    while len(segment_list(tmp_path / "j")) < 4:
        written.decide(50, step=HOUR)
        written.writer.close()
        number, at = written.number, written.at
        written = Writing(tmp_path / "j")
        written.number, written.at = number, at
        assert number < 20_000, f"segments of {SMALL} bytes never fill"
    written.close()
    lake = tmp_path / "lake"
    segments = segment_list(tmp_path / "j")
    assert going(lake, tmp_path / "j", date(2100, 1, 1)).segments == (), "nothing is in the lake yet"
    build(tmp_path / "j", lake, NAMES)
    assert len(going(lake, tmp_path / "j", date(2100, 1, 1)).segments) == len(segments) - 1, "never the last"
    assert going(lake, tmp_path / "j", date(2026, 9, 1)).segments == ()
    let_go(lake, tmp_path / "j", date(2100, 1, 1))
    assert segment_list(tmp_path / "j") == segments
    assert read_manifest(lake).parts == ()


@pytest.mark.parametrize(
    ("today", "years", "first"),
    [
        (date(2026, 11, 24), 3, date(2023, 11, 24)),
        (date(2028, 2, 29), 3, date(2025, 2, 28)),
        (date(2028, 2, 29), 4, date(2024, 2, 29)),
    ],
)
def test_the_first_day_that_stays(today: date, years: int, first: date) -> None:
    assert cutoff_of(today, years) == first
