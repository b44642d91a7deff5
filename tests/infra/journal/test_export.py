"""The journal as Parquet."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from lianfang import wire
from lianfang.infra.journal import DECISION, NOTE, OUTCOME, JournalWriter
from lianfang.infra.journal.export import export_parquet
from lianfang.infra.journal.files import segment_list, segment_path
from lianfang.kernel.errors import EvidenceError
from lianfang.kernel.instant import instant
from tests.infra.journal.twins import SMALL

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def decision_parts(seq: int) -> tuple[bytes, ...]:
    payment = wire.Payment(id=f"p{seq}", time=NOON, kind="transfer", amount=5, currency="CNY", memo="早安")
    decision = wire.Decision(
        payment_id=f"p{seq}",
        action="hold",
        reasons=(
            wire.Reason(code="mule", source="rule", name="r1", zh="可疑", en="suspicious", points=seq),
            wire.Reason(code="night", source="rule", name="r2", zh="夜间", en="at night"),
        ),
        points=seq,
        decided_at=NOON,
        seq=seq,
        versions=wire.Versions(rules="a", lists="b", features="c"),
    )
    return wire.write(payment), wire.write(decision), struct.pack("<3d", 1.5, -0.0, float(seq))


def journal(directory: Path) -> None:
    writer, _ = JournalWriter.open(directory, segment_bytes=SMALL, ahead=0)
    writer.append(NOTE, instant(NOON), (b'{"start":1}',))
    for _ in range(10):
        writer.append(DECISION, instant(NOON), decision_parts(writer.next_seq))
    outcome = wire.Outcome(payment_id="p3", label="fraud", known_at=NOON, source="customer")
    writer.append(OUTCOME, instant(NOON), (wire.write(outcome),))
    writer.close()


def test_decisions_and_outcomes_become_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lianfang.infra.journal.export._ROW_GROUP", 4)
    journal(tmp_path / "j")
    told: list[tuple[int, int]] = []
    done = export_parquet(tmp_path / "j", tmp_path / "out", lambda n, of: told.append((n, of)))
    assert (done.decisions, done.outcomes) == (10, 1)
    assert told == [(4, 12), (8, 12), (12, 12), (12, 12)]
    table = pq.read_table(done.decisions_file)
    assert pq.ParquetFile(done.decisions_file).num_row_groups == 3
    rows = table.to_pylist()
    assert [row["seq"] for row in rows] == list(range(2, 12))
    row = rows[0]
    payment, decision, _ = decision_parts(2)
    assert row == {
        "seq": 2,
        "at": NOON,
        "payment_id": "p2",
        "time": NOON,
        "kind": "transfer",
        "action": "hold",
        "score": None,
        "points": 2,
        "unsure": False,
        "reasons": ["mule", "night"],
        "payment": payment.decode(),
        "decision": decision.decode(),
        "features": [1.5, -0.0, 2.0],
    }
    (outcome,) = pq.read_table(done.outcomes_file).to_pylist()
    assert (outcome["payment_id"], outcome["label"], outcome["known_at"]) == ("p3", "fraud", NOON)
    assert not list((tmp_path / "out").glob("*.part"))


def test_damage_stops_an_export_unless_it_is_borne(tmp_path: Path) -> None:
    journal(tmp_path / "j")
    path = segment_path(tmp_path / "j", segment_list(tmp_path / "j")[0])
    raw = bytearray(path.read_bytes())
    raw[64 + 48 + 20 + 60] ^= 1
    path.write_bytes(raw)
    with pytest.raises(EvidenceError, match="damaged"):
        export_parquet(tmp_path / "j", tmp_path / "out")
    assert not list((tmp_path / "out").iterdir()), "nothing that looks like a whole export"
    borne = export_parquet(tmp_path / "j", tmp_path / "out", on_damage=lambda damage: None)
    assert borne.decisions == 9


def test_a_record_nobody_can_read_is_named(tmp_path: Path) -> None:
    writer, _ = JournalWriter.open(tmp_path / "j", segment_bytes=SMALL, ahead=0)
    writer.append(DECISION, 0, (b"{}", b"{}", b""))
    writer.close()
    with pytest.raises(EvidenceError, match="record 1 of the journal"):
        export_parquet(tmp_path / "j", tmp_path / "out")
