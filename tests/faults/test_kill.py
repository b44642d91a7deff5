"""kill -9 at random moments under load: every answered decision is in the journal exactly once, and is answered again."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from pathlib import Path

import pytest

from lianfang.infra.journal import DECISION, scan
from lianfang.wire import read_payment
from tests.faults.node import Decider, payments

KILLS = 50


def under_load_until_killed(node: Decider, run: int, after_s: float) -> dict[str, tuple[int, bytes]]:
    killer = threading.Timer(after_s, node.kill)
    killer.start()
    answered = asyncio.run(node.ask(payments(run, 20_000)))
    killer.join()
    return answered


@pytest.mark.faults
@pytest.mark.slow
def test_fifty_kills_lose_no_answer_and_repeat_none(tmp_path: Path) -> None:
    draw = random.Random(20_260_501)
    node = Decider(tmp_path, snapshot_every_records=1_000, snapshot_every_s=1)
    answered: dict[str, bytes] = {}
    for run in range(KILLS):
        node.start()
        found = node.get("/readyz")
        assert found["attention"] == {}, found
        before = under_load_until_killed(node, run, draw.uniform(0.02, 0.5))
        assert {status for status, _ in before.values()} <= {200}
        answered |= {payment_id: body for payment_id, (_, body) in before.items()}
        if run % 10 == 9:
            check_retries(node, run, before)
    check_journal(tmp_path, answered)
    assert len(answered) > 1_000


def check_retries(node: Decider, run: int, before: dict[str, tuple[int, bytes]]) -> None:
    """A client that retries gets the same answer, and one that never got any gets its first."""
    node.start()
    retried = asyncio.run(node.ask(payments(run, len(before) + 16)))
    assert len(retried) == len(before) + 16
    for payment_id, (status, body) in before.items():
        assert retried[payment_id] == (status, body)
    node.stop()


def check_journal(folder: Path, answered: dict[str, bytes]) -> None:
    recorded: Counter[str] = Counter()
    seqs = []
    for record in scan(folder / "journal"):
        if record.kind != DECISION:
            continue
        seqs.append(record.seq)
        payment_id = read_payment(record.parts[0]).id
        recorded[payment_id] += 1
        if payment_id in answered:
            assert record.parts[1] == answered[payment_id]
    assert all(recorded[payment_id] == 1 for payment_id in answered)
    assert max(recorded.values()) == 1
    assert seqs == sorted(set(seqs))


@pytest.mark.faults
def test_a_clean_stop_and_start_counts_on_where_it_was(tmp_path: Path) -> None:
    node = Decider(tmp_path).start()
    first = asyncio.run(node.ask(payments(1, 300)))
    node.stop()
    node.start()
    ready = node.get("/readyz")
    assert (ready["attention"], ready["snapshot_seq"]) == ({}, 300)
    again = asyncio.run(node.ask(payments(1, 301)))
    assert {k: v for k, v in again.items() if k in first} == first
    assert node.get("/v1/decisions/r1-300")["seq"] == 301
    node.stop()


@pytest.mark.faults
def test_without_its_snapshot_the_state_is_counted_anew_from_the_journal(tmp_path: Path) -> None:
    node = Decider(tmp_path).start()
    asyncio.run(node.ask(payments(1, 200)))
    node.stop()
    node.files.snapshot.unlink()
    node.start()
    asyncio.run(node.ask(payments(2, 1)))
    decided = node.get("/v1/decisions/r2-0")
    assert {reason["code"] for reason in decided["reasons"]} == {"MANY"}  # 28 payees before the restart
    assert node.get("/readyz")["attention"] == {}
    node.stop()


@pytest.mark.faults
def test_a_flipped_bit_in_the_snapshot_is_noticed_or_harmless(tmp_path: Path) -> None:
    node = Decider(tmp_path).start()
    asyncio.run(node.ask(payments(1, 50)))
    node.stop()
    raw = bytearray(node.files.snapshot.read_bytes())
    raw[20] ^= 0x40  # in the header
    node.files.snapshot.write_bytes(raw)
    node.start()  # counts from the journal instead
    assert node.get("/readyz")["ready"] is True
    node.stop()
