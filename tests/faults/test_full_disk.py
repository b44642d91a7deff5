"""A full disk under a running decider: 503 with a reason, nothing acknowledged is lost, and it goes on when there is room."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.node import Decider, is_root, payments
from tests.faults.test_kill import check_journal

SIZE_MB = 12


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if not is_root():
        pytest.skip("mounting a small disk needs root; the journal's own tests inject ENOSPC, EROFS and EIO everywhere")
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip(f"this machine does not let tests mount: {made.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False)


@pytest.mark.faults
def test_a_full_disk_refuses_and_a_freed_one_goes_on(small_disk: Path) -> None:
    node = Decider(small_disk, snapshot_every_s=86_400).start()
    ballast = small_disk / "ballast"
    kept = asyncio.run(node.ask(payments(1, 100)))
    with ballast.open("wb") as out:
        try:
            while True:
                out.write(b"x" * 65_536)
                out.flush()
        except OSError:
            pass
    flood = asyncio.run(node.ask(payments(2, 20_000)))
    statuses = {status for status, _ in flood.values()}
    assert statuses == {200, 503}
    refusal = next(body for status, body in flood.values() if status == 503)
    assert b"journal-unavailable" in refusal
    assert node.get("/readyz")["ready"] is False
    assert node.get("/healthz") == {"alive": True}
    ballast.unlink()
    until = time.monotonic() + 15
    while not node.get("/readyz")["ready"] and time.monotonic() < until:
        time.sleep(0.1)
    retried = asyncio.run(node.ask(payments(2, 4_000)))
    assert {status for status, _ in retried.values()} == {200}
    for payment_id, (status, body) in flood.items():
        if status == 200 and payment_id in retried:
            assert retried[payment_id][1] == body
    answered = {k: body for part in (kept, flood, retried) for k, (status, body) in part.items() if status == 200}
    node.kill()
    check_journal(small_disk, answered)
