"""What an alliance's tags add, on payments made by hand."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lianfang.app.bench.worlds import PUBLICATION, TAG_LIFE, alone_and_shared
from lianfang.kernel.instant import DAY, HOUR

START = 1_780_000_000_000_000


def written(path: Path, rows: list[tuple[int, str, str, str, int, int | None]]) -> Path:
    """Rows of (time, payer's member, payer, payee, label, known at)."""
    rows = [(START, "a", "first", "shop", 0, None), *rows]
    stamp = pa.timestamp("us", tz="UTC")
    times, members, payers, payees, labels, known = zip(*rows, strict=True)
    table = pa.table(
        {
            "time": pa.array(times).cast(stamp),
            "payer.member": pa.array(members),
            "payer.account": pa.array(payers),
            "payee.account": pa.array(payees),
            "device.id": pa.array([None] * len(rows), pa.string()),
            "merchant.id": pa.array([None] * len(rows), pa.string()),
            "amount": pa.array([100] * len(rows)),
            "label": pa.array(labels, pa.int8()),
            "label_kind": pa.array([None] * len(rows), pa.string()),
            "known_at": pa.array(known, pa.int64()).cast(stamp),
        }
    )
    pq.write_table(table, path)
    return path


def test_a_tag_stops_at_home_at_once_and_elsewhere_after_its_publication(tmp_path: Path) -> None:
    at = START + 20 * DAY
    path = written(
        tmp_path / "h.parquet",
        [
            (at, "a", "victim", "mule", 1, at + DAY),
            (at + DAY + HOUR // 2, "a", "second", "mule", 1, None),
            (at + DAY + HOUR // 2, "b", "third", "mule", 1, None),
            (at + DAY + PUBLICATION, "b", "fourth", "mule", 1, None),
            (at + DAY + PUBLICATION, "b", "mule", "exit", 1, None),
            (at + 2 * DAY, "b", "fifth", "shop", 0, None),
            (at + DAY + TAG_LIFE, "b", "sixth", "mule", 0, None),
        ],
    )
    alone, shared = alone_and_shared(path)
    assert (alone.stopped, alone.wrongly) == (1, 0)
    assert (shared.stopped, shared.wrongly) == (3, 0)
    assert (alone.share, shared.share) == pytest.approx((0.2, 0.6))


def test_a_report_of_a_genuine_payment_tags_nobody(tmp_path: Path) -> None:
    at = START + 20 * DAY
    path = written(tmp_path / "h.parquet", [(at, "a", "x", "shop", 0, at), (at + DAY, "a", "y", "shop", 0, None)])
    alone, shared = alone_and_shared(path)
    assert alone.wrongly == shared.wrongly == 0
