"""The only place a node reads the time. `wall` never runs backwards within a process: a clock set back stands still."""

from __future__ import annotations

import time


class WallClock:
    """Microseconds since the epoch, UTC. `steps_back` counts how often the system's clock was behind what was given."""

    def __init__(self) -> None:
        self._last = 0
        self.steps_back = 0

    def __call__(self) -> int:
        now = time.time_ns() // 1_000
        if now < self._last:
            self.steps_back += 1
            return self._last
        self._last = now
        return now


def ticks_ns() -> int:
    """Monotonic nanoseconds, of the same clock as `ticks_s`."""
    return time.monotonic_ns()


def ticks_s() -> float:
    """Monotonic seconds."""
    return time.monotonic()
