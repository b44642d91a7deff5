"""Simulated days, written and read back, or turned into wire payments."""

from __future__ import annotations

from pathlib import Path

from lianfang.engines.world import DayBatch, WorldConfig, generate
from lianfang.infra.history import (
    HistoryReport,
    history_files,
    history_rows,
    native_mapping,
    outcomes_of,
    payments_of,
    read_history,
    stories_of,
    write_history,
)
from lianfang.infra.history.convert import rules
from lianfang.kernel.instant import instant
from lianfang.wire import read_payment, write

CONFIG = WorldConfig(seed=3, people=120, merchants=40, days=2, scams_per_day=3.0)


def _batches() -> list[DayBatch]:
    return list(generate(CONFIG))


def test_every_simulated_payment_passes_the_door() -> None:
    for batch in _batches():
        times = batch.columns["time"].tolist()
        for payment, at in zip(payments_of(batch), times, strict=True):
            assert read_payment(write(payment)) == payment
            assert instant(payment.time) == at


def test_written_days_read_back_as_they_were_made(tmp_path: Path) -> None:
    batches = _batches()
    files = write_history(batches, tmp_path / "days")
    assert files == history_files(tmp_path / "days")
    assert [file.name for file in files] == ["payments-0000.parquet", "payments-0001.parquet"]
    assert history_rows(tmp_path / "days") == sum(batch.rows for batch in batches)
    wanted = list(rules())
    report = HistoryReport()
    read = list(read_history(tmp_path / "days", native_mapping(), wanted, batch_rows=10**6, report=report))
    assert (report.bad_rows, report.out_of_order) == (0, 0)
    for made, got in zip(batches, read, strict=True):
        assert got.labels is not None
        assert got.labels.tolist() == made.label.tolist()
        assert got.known_at is not None
        assert got.known_at.tolist() == made.known_at.tolist()
        assert got.extra["label_kind"] == made.label_kind.tolist()
        for path in wanted:
            expected = made.columns[path].tolist() if path in made.columns else [None] * made.rows
            assert got.columns[path] == expected, path


def test_findings_survive_the_file(tmp_path: Path) -> None:
    (day, *_) = _batches()
    (file,) = write_history([day], tmp_path / "one.parquet")
    (read,) = read_history(file, native_mapping(), ["surroundings"], batch_rows=10**6)
    made = [tuple((codes or "").split()) for codes in day.columns["surroundings"].tolist()]
    assert read.columns["surroundings"] == made
    assert [tuple(finding.code for finding in p.surroundings) for p in payments_of(day)] == made


def test_the_same_world_writes_the_same_bytes(tmp_path: Path) -> None:
    (a,) = write_history(generate(CONFIG), tmp_path / "a.parquet")
    (b,) = write_history(generate(CONFIG), tmp_path / "b.parquet")
    assert a.read_bytes() == b.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.parquet", "b.parquet"]


def test_outcomes_are_what_is_reported_and_most_of_it_is_true() -> None:
    frauds = reported = true = 0
    for batch in generate(
        WorldConfig(seed=3, people=400, merchants=40, days=6, scams_per_day=8.0, false_reports=0.002)
    ):
        label = dict(zip(batch.columns["id"].tolist(), batch.label.tolist(), strict=True))
        frauds += sum(label.values())
        for outcome in outcomes_of(batch):
            reported += 1
            true += label[outcome.payment_id]
            assert outcome.label == "fraud"
            assert outcome.kind
    assert 0.3 * frauds < true < frauds, "some are never known"
    assert true < reported, "some reports are wrong"


def test_a_step_knows_its_story_and_honest_payments_have_none() -> None:
    (day, *_) = _batches()
    told = stories_of(day)
    assert [step is not None for step in told] == [role is not None for role in day.truth["role"].tolist()]
    assert all(1 <= step.step <= step.steps and step.story and step.crime for step in told if step)
