"""Small journals to make lakes of, and everything that a lake has, as its manifest says."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from lianfang import wire
from lianfang.infra.journal import DECISION, NOTE, OUTCOME, JournalWriter
from lianfang.infra.lake import reading
from lianfang.infra.lake.manifest import Kind
from lianfang.kernel.instant import DAY, HOUR, instant
from tests.infra.journal.twins import SMALL

DAY_ONE = datetime(2026, 9, 1, tzinfo=UTC)
START = instant(DAY_ONE)
VERSION = "0123456789abcdef"
NAMES = {VERSION: ("spent", "payees")}


def payment(number: int, at: int, **more: Any) -> wire.Payment:
    return wire.Payment(
        **{
            "id": f"p{number}",
            "time": DAY_ONE + timedelta(microseconds=at - START),
            "kind": "transfer",
            "amount": 100 + number,
            "currency": "CNY",
            "payer": wire.Party(account=f"6222-{number % 7}", name="王小明", phone="13800138000", member="bank-a"),
            "attributes": {"same_owner": True, "note": "call 13800138000", "phone": 13800138000, "n": 7},
            **more,
        }
    )


def decision_parts(number: int, seq: int, at: int, **more: Any) -> tuple[bytes, ...]:
    hit = number % 5 == 0
    reasons = (wire.Reason(code="mule", source="rule", name="r1", zh="可疑", en="suspicious", points=50),)
    decision = wire.Decision(
        payment_id=f"p{number}",
        action="hold" if hit else "allow",
        reasons=reasons if hit else (),
        points=50 if hit else 0,
        score=0.5,
        decided_at=DAY_ONE + timedelta(microseconds=at - START),
        seq=seq,
        versions=wire.Versions(rules="a", lists="b", features=VERSION),
    )
    counted = struct.pack("<2d", number * 1.5, math.nan if hit else 2.0)
    return wire.write(payment(number, at, **more)), wire.write(decision), counted


def outcome_parts(number: int, label: Any, at: int) -> tuple[bytes, ...]:
    known_at = DAY_ONE + timedelta(microseconds=at - START)
    return (wire.write(wire.Outcome(payment_id=f"p{number}", label=label, known_at=known_at, source="customer")),)


class Writing:
    """A journal being written: payments an hour apart, six hours before their decision's day ends or not."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.writer, _ = JournalWriter.open(folder, segment_bytes=SMALL, ahead=0)
        self.number = 0
        self.at: int = START

    def note(self) -> None:
        self.writer.append(NOTE, self.at, (b"{}",))

    def decide(self, count: int, step: int = HOUR, **more: Any) -> None:
        for _ in range(count):
            seq = self.writer.next_seq
            self.writer.append(DECISION, self.at, decision_parts(self.number, seq, self.at, **more))
            self.number += 1
            self.at += step

    def tell(self, number: int, label: str, known_at: int) -> None:
        self.writer.append(OUTCOME, self.at, outcome_parts(number, label, known_at))

    def close(self) -> None:
        self.writer.close()


def journal(folder: Path, days: int = 3) -> int:
    """Payments an hour apart, every tenth reported a day later; how many."""
    written = Writing(folder)
    written.note()
    for number in range(days * 24):
        written.decide(1)
        if number % 10 == 0:
            written.tell(number, "fraud", written.at + DAY)
    written.close()
    return written.number


def rows_of(lake: Path, kind: Kind = "decisions") -> list[dict[str, Any]]:
    """Every row that the manifest names, by seq."""
    with reading(lake) as manifest:
        tables = [pq.read_table(lake / part.name, partitioning=None).to_pylist() for part in manifest.of(kind)]
        assert [len(table) for table in tables] == [part.rows for part in manifest.of(kind)]
    return sorted((row for table in tables for row in table), key=lambda row: row["seq"])


def numbers(rows: Sequence[dict[str, Any]], key: str = "id") -> list[int]:
    """Payments' numbers of rows."""
    return [int(row[key].removeprefix("p")) for row in rows]
