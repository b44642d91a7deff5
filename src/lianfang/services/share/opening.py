"""Sealed tags opened and checked, and all that is said of one subject drawn together for the decider. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

from lianfang.engines.lookup import Met, packed
from lianfang.engines.sealing import open_tag
from lianfang.kernel.errors import EvidenceError
from lianfang.kernel.instant import DAY, MINUTE, instant
from lianfang.wire import CATEGORY_CODES, Tag, TagEntry
from lianfang.wire.sharing import TAG_LIFE_MAX_DAYS

Pending = Literal["act", "wait"]
"""What entries do that no quorum has cosigned yet."""
Disputed = Literal["count", "ignore"]
"""What tags do that another member disputes."""
_CODE: Final = {category: code for code, category in enumerate(CATEGORY_CODES, 1)}


class Heeding(NamedTuple):
    """What this node heeds."""

    pending: Pending = "wait"
    disputed: Disputed = "count"


class Standing(NamedTuple):
    """One opened tag with what the log says of it besides."""

    place: int
    id: str
    contributor: str
    category: str
    severity: int
    confidence: int
    until: int
    """Microseconds, UTC."""
    disputed: bool = False
    withdrawn: bool = False
    """By a tombstone, or an appeal upheld."""
    vetoed: bool = False


class Said(NamedTuple):
    """What the decider is told of one subject."""

    category: int
    severity: int
    contributors: tuple[str, ...]
    """By name, each once."""
    pending: bool
    until: int
    """Minutes since 1970: then it is drawn together anew."""

    def packed(self, contributors: int) -> int:
        """As one number; `contributors`: the place of the set of members."""
        return packed(Met(self.category, self.severity, contributors, self.pending, self.until))


def opened(entry: TagEntry, seal: bytes, public: bytes) -> Tag:
    """The tag in an entry, with its terms checked. Raises `EvidenceError`: forged, replayed, or outside the standard."""
    tag = open_tag(entry, seal, public).tag
    if instant(tag.last_seen) < instant(tag.first_seen):
        raise EvidenceError("the sealed tag was last seen before it was first seen")
    if instant(tag.valid_until) > entry.at + TAG_LIFE_MAX_DAYS * DAY:
        raise EvidenceError(f"the sealed tag is valid longer than {TAG_LIFE_MAX_DAYS} days")
    return tag


def drawn(tags: Iterable[Standing], minute: int, confirmed: int, heeding: Heeding) -> Said | None:
    """What is said at `minute` (since 1970): the gravest tag's category, everybody who says so, the earliest end.

    `confirmed`: entries before this place are cosigned. A tag ends with the minute before its end, never after it.
    """
    found = [
        tag
        for tag in tags
        if not (tag.withdrawn or tag.vetoed)
        and tag.until // MINUTE > minute
        and (tag.place < confirmed or heeding.pending == "act")
        and not (tag.disputed and heeding.disputed == "ignore")
    ]
    if not found:
        return None
    gravest = max(found, key=lambda tag: (tag.severity, tag.place < confirmed, tag.confidence, -tag.place))
    return Said(
        _CODE[gravest.category],  # type: ignore[index]  # a tag's own
        gravest.severity,
        tuple(sorted({tag.contributor for tag in found})),
        gravest.place >= confirmed,
        min(tag.until for tag in found) // MINUTE,
    )
