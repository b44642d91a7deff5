"""The newest decisions as they come, for people's eyes: bounded rows, counts by the second, a tick twice a second.

However many come, a tick has at most `TICK_ROWS` rows, those not allowed first, and says of how many they are a sample.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

import msgspec

from lianfang.kernel.instant import SECOND
from lianfang.services.overview.glance import Glance
from lianfang.wire import ACTIONS

ROWS_KEPT: Final = 2_000
SECONDS_KEPT: Final = 120
TICK_ROWS: Final = 20
TICK_US: Final = SECOND // 2


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """What happened since the tick before. `shown` of `of` decisions are in `rows`, by seq."""

    number: int
    at: int
    seq: int
    per_s: float
    actions: dict[str, int]
    shown: int
    of: int
    rows: tuple[Glance, ...]


class Stream:
    """Fed and ticked by one thread; what it shows are finished values that any thread may read."""

    def __init__(self) -> None:
        self._rows: deque[Glance] = deque(maxlen=ROWS_KEPT)
        self._since: deque[Glance] = deque(maxlen=ROWS_KEPT)
        self._stopped: deque[Glance] = deque(maxlen=ROWS_KEPT)
        self._actions: dict[str, int] = {}
        self._seconds: dict[int, int] = {}
        self._by_action: dict[tuple[int, str], int] = {}
        self._of = 0
        self._last_at = 0
        self.latest = Tick(number=0, at=0, seq=0, per_s=0.0, actions={}, shown=0, of=0, rows=())

    def add(self, records: Sequence[Glance]) -> None:
        """More decisions, by seq."""
        for one in records:
            self._actions[one.action] = self._actions.get(one.action, 0) + 1
            second = one.at // SECOND
            self._seconds[second] = self._seconds.get(second, 0) + 1
            self._by_action[second, one.action] = self._by_action.get((second, one.action), 0) + 1
            (self._since if one.action == "allow" else self._stopped).append(one)
        self._rows.extend(records[-ROWS_KEPT:])
        self._of += len(records)
        if len(self._seconds) > 2 * SECONDS_KEPT:
            for second in sorted(self._seconds)[:-SECONDS_KEPT]:
                del self._seconds[second]
            oldest = min(self._seconds)
            for key in [one for one in self._by_action if one[0] < oldest]:
                del self._by_action[key]

    def tick(self, at: int, seq: int) -> Tick:
        """Closes the stretch since the tick before."""
        passed = max(at - self._last_at, 1) / SECOND if self._last_at else TICK_US / SECOND
        rows = _chosen(list(self._stopped), list(self._since))
        self.latest = Tick(
            number=self.latest.number + 1,
            at=at,
            seq=seq,
            per_s=round(self._of / passed, 1),
            actions=self._actions,
            shown=len(rows),
            of=self._of,
            rows=rows,
        )
        self._since.clear()
        self._stopped.clear()
        self._actions, self._of, self._last_at = {}, 0, at
        return self.latest

    def newest(self, most: int = 50, *, stopped_only: bool = False) -> list[Glance]:
        """The newest first."""
        rows = list(self._rows.copy())[::-1]
        return [one for one in rows if not stopped_only or one.action != "allow"][:most]

    def seconds(self, at: int) -> list[int]:
        """Decisions of each of the last `SECONDS_KEPT` seconds before `at`, the oldest first."""
        end, counts = at // SECOND, self._seconds.copy()
        return [counts.get(second, 0) for second in range(end - SECONDS_KEPT, end)]

    def seconds_by_action(self, at: int) -> dict[str, list[int]]:
        """The same for each action."""
        end, counts = at // SECOND, self._by_action.copy()
        return {
            action: [counts.get((second, action), 0) for second in range(end - SECONDS_KEPT, end)] for action in ACTIONS
        }


def _chosen(stopped: list[Glance], allowed: list[Glance]) -> tuple[Glance, ...]:
    """At most `TICK_ROWS`: those not allowed before the others, each evenly over its stretch; by seq."""
    some = _evenly(stopped, TICK_ROWS)
    some += _evenly(allowed, TICK_ROWS - len(some))
    return tuple(sorted(some, key=lambda one: one.seq))


def _evenly(rows: list[Glance], most: int) -> list[Glance]:
    if len(rows) <= most:
        return rows
    return [rows[i * len(rows) // most] for i in range(most)]
