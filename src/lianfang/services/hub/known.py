"""What the hub must know of its log to judge the next entry: tags that have not ended, vetoes, appeals, members, today's counts.

One owner, one thread. An entry is taken before it is durable, so that its twin is refused meanwhile; it is settled when it
is, or released when the disk failed. A tag costs about 190 bytes until it has ended.
"""

from __future__ import annotations

from collections import Counter
from typing import Final, NamedTuple

from lianfang.kernel.instant import DAY, MINUTE
from lianfang.services.members import Roster
from lianfang.wire import (
    AppealEntry,
    CeremonyEntry,
    Entry,
    MemberEntry,
    TagEntry,
    TombstoneEntry,
    VetoEntry,
)

_MEMBER_BITS: Final = 12
_MINUTE_BITS: Final = 36
_WITHDRAWN: Final = 1


class TagKnown(NamedTuple):
    """A tag of the log. `index` is None until it is durable."""

    index: int | None  # type: ignore[assignment]
    member: str
    until: int
    """Microseconds, rounded up to the minute."""
    withdrawn: bool


class Known:
    """See the module."""

    def __init__(self) -> None:
        self.roster = Roster()
        self.epochs: set[str] = set()
        """Those that token keys were dealt for."""
        self.size = 0
        """Entries settled so far."""
        self.day = 0
        self.used: Counter[str] = Counter()
        """Entries of each member on `day`, UTC."""
        self.appealed: set[bytes] = set()
        """Tags with an appeal that nobody has decided yet."""
        self._tags: dict[bytes, int] = {}
        self._ends: dict[int, list[bytes]] = {}
        """Tags by the day on which they end."""
        self._vetoed: set[bytes] = set()
        self._members: list[str] = []
        self._numbers: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._tags)

    def tag(self, tag_id: str) -> TagKnown | None:
        """A tag that has not been forgotten."""
        packed = self._tags.get(bytes.fromhex(tag_id))
        if packed is None:
            return None
        rest, withdrawn = divmod(packed, 2)
        rest, number = divmod(rest, 1 << _MEMBER_BITS)
        place, minute = divmod(rest, 1 << _MINUTE_BITS)
        return TagKnown(place - 1 if place else None, self._members[number], minute * MINUTE, bool(withdrawn))

    def is_vetoed(self, entry: TagEntry) -> bool:
        """Whether its subject may never be tagged."""
        return bool(self._vetoed) and _subject(entry) in self._vetoed

    def count(self, member: str, entries: int, now: int) -> int:
        """How many entries the member has on this day, with these."""
        if now // DAY > self.day:
            self.day = now // DAY
            self.used.clear()
        return self.used[member] + entries

    def keep_tag(self, tag_id: bytes, index: int | None, member: str, until: int, *, withdrawn: bool = False) -> None:
        """A tag, at `index` or not yet durable."""
        number = self._numbers.get(member)
        if number is None:
            number = self._numbers[member] = len(self._members)
            self._members.append(member)
        place = 0 if index is None else index + 1
        packed = (((place << _MINUTE_BITS) + -(-until // MINUTE) << _MEMBER_BITS) + number) * 2 + withdrawn
        if tag_id not in self._tags:
            self._ends.setdefault(until // DAY, []).append(tag_id)
        self._tags[tag_id] = packed

    def forget(self, now: int) -> int:
        """Forgets tags that ended on a day before; how many."""
        ended = [day for day in self._ends if day < now // DAY]
        gone = 0
        for day in ended:
            for tag_id in self._ends.pop(day):
                gone += self._tags.pop(tag_id, None) is not None
                self.appealed.discard(tag_id)
        return gone

    def take(self, entry: Entry, now: int) -> None:
        """An accepted entry, from now on in the way of its like."""
        self._apply(entry)
        if not isinstance(entry, MemberEntry | CeremonyEntry):
            self.count(entry.member, 1, now)
            self.used[entry.member] += 1

    def _apply(self, entry: Entry) -> None:
        match entry:
            case TagEntry():
                self.keep_tag(bytes.fromhex(entry.id), None, entry.member, entry.until)
            case TombstoneEntry():
                self._mark(entry.of, withdrawn=True)
            case AppealEntry():
                self._appeal(entry, opened=entry.state == "opened")
            case VetoEntry():
                self._vetoed.add(_subject(entry))
            case _:
                pass

    def settle(self, entry: Entry, index: int) -> None:
        """It is durable, at `index`."""
        match entry:
            case TagEntry():
                self.keep_tag(bytes.fromhex(entry.id), index, entry.member, entry.until, withdrawn=self._gone(entry.id))
            case TombstoneEntry():
                self.appealed.discard(bytes.fromhex(entry.of))
            case MemberEntry():
                self.roster.apply(entry, index)
            case CeremonyEntry():
                self.epochs.update(key.epoch for key in entry.keys)
            case _:
                pass
        self.size = index + 1

    def release(self, entry: Entry) -> None:
        """It did not become durable."""
        match entry:
            case TagEntry():
                self._tags.pop(bytes.fromhex(entry.id), None)
            case TombstoneEntry():
                self._mark(entry.of, withdrawn=False)
            case AppealEntry():
                self._appeal(entry, opened=entry.state != "opened")
            case VetoEntry():
                self._vetoed.discard(_subject(entry))
            case _:
                pass
        if not isinstance(entry, MemberEntry | CeremonyEntry):
            self.used[entry.member] -= 1

    def replay(self, entry: Entry, index: int, now: int) -> None:
        """An entry read back from the log."""
        self.day = max(self.day, now // DAY)
        if not isinstance(entry, MemberEntry | CeremonyEntry) and entry.at // DAY == self.day:
            self.used[entry.member] += 1
        if isinstance(entry, TagEntry) and entry.until <= now:
            self.size = index + 1
            return
        self._apply(entry)
        self.settle(entry, index)

    def _mark(self, tag_id: str, *, withdrawn: bool) -> None:
        packed = self._tags.get(bytes.fromhex(tag_id))
        if packed is not None:
            self._tags[bytes.fromhex(tag_id)] = packed & ~_WITHDRAWN | withdrawn

    def _gone(self, tag_id: str) -> bool:
        return bool(self._tags.get(bytes.fromhex(tag_id), 0) & _WITHDRAWN)

    def _appeal(self, entry: AppealEntry, *, opened: bool) -> None:
        (self.appealed.add if opened else self.appealed.discard)(bytes.fromhex(entry.of))


def _subject(entry: TagEntry | VetoEntry) -> bytes:
    return f"{entry.kind} {entry.purpose} {entry.epoch} ".encode() + entry.lookup
