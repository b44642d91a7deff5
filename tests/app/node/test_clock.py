"""A system clock that is set back must not make the node's time run backwards."""

from __future__ import annotations

import time

import pytest

from lianfang.app.node.clock import WallClock


def test_a_clock_set_back_stands_still_until_it_has_caught_up(monkeypatch: pytest.MonkeyPatch) -> None:
    system = iter([5_000_000, 4_000_000, 4_999_000, 6_000_000])  # nanoseconds
    monkeypatch.setattr(time, "time_ns", lambda: next(system))
    clock = WallClock()
    assert [clock() for _ in range(4)] == [5_000, 5_000, 5_000, 6_000]
    assert clock.steps_back == 2
