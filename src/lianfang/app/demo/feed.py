"""Payments of the made-up world, one by one, at the time they are sent and at a human pace, each with its story."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from lianfang.app.node.clock import WallClock
from lianfang.engines.world import Life, WorldConfig
from lianfang.infra.history import StoryStep, payments_of, stories_of
from lianfang.kernel.instant import DAY, instant, moment
from lianfang.wire import Payment, write

BEHIND_MAX_S = 1.0
"""A stream that fell further behind than this does not catch up in a burst."""


def new_prefix(now: int) -> str:
    """Begins the ids of one run: milliseconds since the epoch, so that no two runs share one."""
    return f"d{now // 1_000:x}"


class Fed(NamedTuple):
    """A payment as it is sent, and what only the simulator knows of it."""

    id: str
    body: bytes
    story: StoryStep | None


class Feed:
    """Endless payments: a world's days from `resume` (the world's own instant) on, and again with new ids when over."""

    def __init__(self, config: WorldConfig, resume: int = 0) -> None:
        self.reached = resume
        """The world's own time of the last payment handed out."""
        self._config = config
        self._ahead: tuple[Payment, StoryStep | None] | None = None
        self._life: Life | None = None
        self._payments = self._endless()

    def _endless(self) -> Iterator[tuple[Payment, StoryStep | None]]:
        lap = 0
        while True:
            config = self._config
            if lap:
                prefix = f"{config.id_prefix[:18]}.{lap}"
                config = msgspec.structs.replace(config, id_prefix=prefix, start=config.start + lap * config.days * DAY)
            self._life = Life(config)
            for day in range(max((self.reached - config.first_day) // DAY, 0), config.days):
                batch = self._life.wardrobe.batch(day, self._life.day(day))
                for payment, story in zip(payments_of(batch), stories_of(batch), strict=True):
                    if instant(payment.time) > self.reached:
                        yield payment, story
            lap += 1

    def past(self, until: int) -> Iterator[bytes]:
        """Payments up to an instant, at the world's own times: what the node would have decided before today."""
        for payment, story in self._payments:
            at = instant(payment.time)
            if at >= until:
                self._ahead = payment, story
                return
            self.reached = at
            yield write(payment)

    def next(self, now: int) -> Fed:
        """The next payment as if asked for now: all its times keep their distance from it."""
        (payment, story), self._ahead = self._ahead or next(self._payments), None
        self.reached = instant(payment.time)
        return Fed(payment.id, write(moved(payment, moment(now))), story)

    def stopped(self, account: str) -> bool:
        """Payments to this account are stopped: its crew learns, and uses another from the world's next day on."""
        return self._life is not None and self._life.stop(account, self.reached)


def moved(payment: Payment, at: datetime) -> Payment:
    """The same payment at another time."""
    by = at - payment.time
    device, session = payment.device, payment.session
    return msgspec.structs.replace(
        payment,
        time=at,
        device=msgspec.structs.replace(device, first_seen=_later(device.first_seen, by)),
        session=msgspec.structs.replace(
            session, started=_later(session.started, by), payee_added=_later(session.payee_added, by)
        ),
    )


def _later(at: datetime | None, by: timedelta) -> datetime | None:
    return None if at is None else at + by


def pace(feed: Feed, rate: float) -> Iterator[Fed]:
    """Payments at `rate` a second (0: as fast as they are taken), each stamped when it is handed out."""
    wall = WallClock()
    due = time.monotonic()
    while True:
        if rate > 0:
            wait = due - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            elif wait < -BEHIND_MAX_S:
                due = time.monotonic()
            due += 1 / rate
        yield feed.next(wall())
