"""Instants: microseconds since 1970-01-01T00:00:00Z as one integer. UTC only; a naive time is refused at the door.

Nothing here reads a clock: `app` and `infra` do, and hand the instant down.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, NewType

from lianfang.kernel.errors import InputError

Instant = NewType("Instant", int)
"""Microseconds since the Unix epoch, UTC."""

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def instant(moment: datetime) -> Instant:
    """A zoned datetime as an instant. Raises `InputError` for a naive one."""
    if moment.tzinfo is None:
        raise InputError("a time needs its zone: 2026-05-01T08:00:00Z or +08:00")
    return Instant((moment - _EPOCH) // timedelta(microseconds=1))


def moment(at: Instant | int) -> datetime:
    """An instant as a UTC datetime."""
    return _EPOCH + timedelta(microseconds=at)


def seconds_of(text: str) -> int:
    """`90s`, `30m`, `24h`, `7d` as whole seconds. Raises `InputError`."""
    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS or not number.isascii() or not number.isdigit() or len(number) > 6:
        raise InputError(f"{text!r} is not a duration: write a whole number and s, m, h or d, as in 24h")
    return int(number) * _UNITS[unit]
