"""How often a contributor was right, by the month in which it published. Pure.

Counted are its tags: withdrawn as mistaken, withdrawn by an appeal upheld, disputed by another member, agreed with and
disputed by nobody, upheld against an appeal. Nothing is estimated: a tag that nobody judged counts for nobody.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

import msgspec

from lianfang.kernel.instant import instant, moment

MONTHS_MAX: Final = 36


class Precision(msgspec.Struct, frozen=True, kw_only=True):
    """One contributor in one month. `right`: the share of its judged tags that stood; None if none was judged."""

    month: str
    member: str
    tags: int
    disputed: int
    agreed: int
    mistaken: int
    overturned: int
    upheld: int
    right: float | None


def months(now: int, count: int) -> list[tuple[str, int, int]]:
    """The last `count` months with the one of `now`, UTC, newest first: name, begin, end (microseconds)."""
    at = moment(now)
    year, month = at.year, at.month
    found = []
    for _ in range(min(count, MONTHS_MAX)):
        after = (year + month // 12, month % 12 + 1)
        begin, end = datetime(year, month, 1, tzinfo=UTC), datetime(*after, 1, tzinfo=UTC)
        found.append((f"{year:04d}-{month:02d}", int(instant(begin)), int(instant(end))))
        year, month = (year, month - 1) if month > 1 else (year - 1, 12)
    return found


def precision(rows: Iterable[tuple[str, str, int, int, int, int, int, int]]) -> list[Precision]:
    """From (month, member, tags, disputed, agreed, mistaken, overturned, appeals rejected)."""
    found = []
    for month, member, tags, disputed, agreed, mistaken, overturned, upheld in rows:
        wrong = mistaken + overturned
        judged = min(wrong + agreed + upheld, tags)
        found.append(
            Precision(
                month=month,
                member=member,
                tags=tags,
                disputed=disputed,
                agreed=agreed,
                mistaken=mistaken,
                overturned=overturned,
                upheld=upheld,
                right=round(1 - wrong / judged, 4) if judged else None,
            )
        )
    return found
