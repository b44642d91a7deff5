"""The commit thread's wish to be run soon: granted or not, it never hurts."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from lianfang.infra.journal.sched import SLICE_NS, wake_soon

STATE = Path("/proc/thread-self/sched")


def test_a_thread_that_asks_gets_a_short_slice_and_no_other_does() -> None:
    seen: list[tuple[bool, str]] = []

    def ask() -> None:
        seen.append((wake_soon(), STATE.read_text() if STATE.exists() else ""))

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    taken, state = seen[0]
    if not taken or "se.slice" not in state:
        pytest.skip("this kernel does not take the wish, or does not tell")
    assert _slice(state) == SLICE_NS
    assert _slice(STATE.read_text()) != SLICE_NS


def _slice(state: str) -> int:
    return int(next(line for line in state.splitlines() if line.startswith("se.slice")).rpartition(":")[2])
