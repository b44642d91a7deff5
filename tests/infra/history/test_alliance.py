"""An alliance as files: whole, apart, readable as histories, reproducible to the byte."""

from __future__ import annotations

from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from lianfang.engines.world import Life, WorldConfig
from lianfang.infra.history import (
    HistoryReport,
    native_mapping,
    read_history,
    write_day,
    write_outcomes,
    write_population,
)

CONFIG = WorldConfig(seed=3, people=300, merchants=40, members=3, days=3, scams_per_day=8.0)


def _write(root: Path, order: tuple[int, ...] = (0, 1, 2)) -> int:
    life = Life(CONFIG)
    written = [write_day(life, day, root) for day in order]
    write_outcomes(written, root)
    write_population(life, root)
    return sum(one.payments for one in written)


def test_an_institutions_folder_is_a_history_that_can_be_replayed(tmp_path: Path) -> None:
    _write(tmp_path)
    report = HistoryReport()
    rows = 0
    wanted = ["id", "time", "kind", "amount", "payer.account", "device.id", "surroundings"]
    for batch in read_history(tmp_path / "member=bank-a", native_mapping(), wanted, report=report):
        rows += batch.rows
        assert batch.labels is None
    assert rows > 500
    assert (report.bad_rows, report.out_of_order) == (0, 0)


def test_truth_and_outcomes_stand_apart_and_name_payments_that_exist(tmp_path: Path) -> None:
    _write(tmp_path)
    ids: set[str] = set()
    for file in tmp_path.glob("member=*/day=*/part.parquet"):
        table = pq.ParquetFile(file).read()
        assert not {"label", "story", "known_at"} & set(table.column_names)
        ids |= set(table["id"].to_pylist())
    told = [pq.ParquetFile(f).read() for f in sorted(tmp_path.glob("truth/payments/day=*/part.parquet"))]
    assert sum(t.num_rows for t in told) > 20
    assert all(set(t["payment_id"].to_pylist()) <= ids for t in told)
    outcomes = [pq.ParquetFile(f).read() for f in tmp_path.glob("outcomes/member=*/day=*/part.parquet")]
    assert sum(t.num_rows for t in outcomes) > 10
    assert all(set(t["payment_id"].to_pylist()) <= ids for t in outcomes)
    assert {p.name for p in (tmp_path / "truth").glob("*.parquet")} == {
        "accounts.parquet",
        "crews.parquet",
        "people.parquet",
    }


def test_outcomes_lie_under_the_local_day_on_which_they_became_known(tmp_path: Path) -> None:
    _write(tmp_path)
    for file in tmp_path.glob("outcomes/member=*/day=*/part.parquet"):
        at = pq.ParquetFile(file).read()["known_at"].to_pylist()
        day = file.parent.name.removeprefix("day=")
        local = {(a.timestamp() + 8 * 3_600) // 86_400 for a in at}
        assert len(local) == 1
        assert str(pc.strftime(pc.cast([int(local.pop()) * 86_400], "timestamp[s]"), "%Y-%m-%d")[0]) == day


def test_the_same_world_is_the_same_bytes_in_whatever_order_its_days_are_made(tmp_path: Path) -> None:
    _write(tmp_path / "a")
    _write(tmp_path / "b", (2, 0, 1))
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*.parquet"))
    assert files == sorted(p.relative_to(tmp_path / "b") for p in (tmp_path / "b").rglob("*.parquet"))
    assert [f for f in files if (tmp_path / "a" / f).read_bytes() != (tmp_path / "b" / f).read_bytes()] == []
