"""The log's entries, in order, as rows of this node's records: what they say is a function of them and of nothing else.

An entry is judged by what stood before it only. One that may not count (unreadable, unsigned, by the wrong member, about a
tag there is not) is refused, kept as evidence, and changes nothing. Pure: rows come out, `store` keeps them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol, cast

import msgspec

from lianfang.engines.sealing import check_signature, signed_bytes
from lianfang.kernel.errors import AccessError, EvidenceError, InputError, LianfangError
from lianfang.kernel.instant import DAY
from lianfang.wire import (
    AppealEntry,
    CeremonyEntry,
    Entry,
    KeySet,
    MemberEntry,
    OpinionEntry,
    TagEntry,
    TombstoneEntry,
    VetoEntry,
    read_entry,
)
from lianfang.wire.sharing import ENTRY_BYTES_MAX, TAG_LIFE_MAX_DAYS

OPERATOR: Final = "hub"
"""The member that the hub itself is."""
OPERATORS: Final = frozenset({"appeal_upheld", "member_expelled"})
"""Reasons for which the operator, and nobody else, withdraws a tag."""
RAW_KEPT_MAX: Final = 64 << 10
"""Of a refused entry, so many bytes are kept."""


class Roster(Protocol):
    """The members as the log tells them (`services.members`)."""

    def apply(self, entry: MemberEntry, index: int) -> None: ...
    def member(self, member: str) -> MemberEntry: ...
    def signing_key(self, member: str, index: int) -> bytes: ...


Signed = TombstoneEntry | OpinionEntry | AppealEntry | VetoEntry


class Logged(NamedTuple):
    """A leaf of the log and its place."""

    place: int
    raw: bytes


class Brief(NamedTuple):
    """What judging an entry about a tag needs to know of the tag."""

    place: int
    member: str


class Refused(NamedTuple):
    """An entry that does not count, and why."""

    place: int
    code: str
    why: str
    raw: bytes


class Applied(msgspec.Struct):
    """What a run of entries changes, each with its place, in the log's order."""

    begin: int
    """The first place that was new."""
    end: int
    """The place after the last one."""
    tags: list[tuple[int, TagEntry]] = []
    tombstones: list[tuple[int, TombstoneEntry]] = []
    opinions: list[tuple[int, OpinionEntry]] = []
    appeals: list[tuple[int, AppealEntry]] = []
    vetoes: list[tuple[int, VetoEntry]] = []
    plain: list[Logged] = []
    """Members and ceremonies, as they stand in the log."""
    refused: list[Refused] = []

    @property
    def about(self) -> set[str]:
        """Ids of tags that were withdrawn or contested."""
        entries = (self.tombstones, self.opinions, self.appeals)
        return {entry.of for some in entries for _, entry in cast(Iterable[tuple[int, TombstoneEntry]], some)}


Known = Callable[[Collection[str]], Mapping[str, Brief]]
"""What is on record of tags with these ids."""


class NotYetError(EvidenceError):
    """The next entry is missing: those after it cannot be taken in."""


class Ledger:
    """Where the log stands: its next place, the members, the token keys by epoch. Not thread-safe: one owner."""

    def __init__(self, roster: Roster) -> None:
        self.next = 0
        self.roster = roster
        self.keys: dict[tuple[str, str, str], KeySet] = {}
        """By kind, purpose and epoch."""
        self.holders: dict[tuple[str, str, str], CeremonyEntry] = {}
        """The ceremony that dealt each of them."""

    @property
    def epochs(self) -> tuple[str, ...]:
        """The epochs that have keys for `anti_fraud`, in order."""
        return tuple(sorted({epoch for _, purpose, epoch in self.keys if purpose == "anti_fraud"}))

    def restore(self, plain: Iterable[Logged], next_index: int) -> None:
        """As it was kept: members and ceremonies in order, and the next place."""
        for one in plain:
            entry = read_entry(one.raw)
            if isinstance(entry, MemberEntry):
                self.roster.apply(entry, one.place)
            elif isinstance(entry, CeremonyEntry):
                self._dealt(entry)
        self.next = next_index

    def take(self, entries: Sequence[Logged], known: Known) -> Applied:
        """Judge entries; those already taken are passed over. Raises `NotYetError` where one is missing."""
        new = self._new(entries)
        applied = Applied(self.next, self.next + len(new))
        read: list[tuple[Logged, Entry]] = []
        for one in new:
            try:
                read.append((one, _read(one.raw)))
            except InputError as why:
                applied.refused.append(Refused(one.place, why.code, str(why), one.raw[:RAW_KEPT_MAX]))
        briefs = dict(known({_tag_of(entry) for _, entry in read} - {""}))
        for one, entry in read:
            try:
                self._judge(one, entry, briefs, applied)
            except LianfangError as why:
                applied.refused.append(Refused(one.place, why.code, str(why), one.raw[:RAW_KEPT_MAX]))
        applied.refused.sort()
        self.next = applied.end
        return applied

    def _new(self, entries: Sequence[Logged]) -> list[Logged]:
        new: list[Logged] = []
        for one in entries:
            place = self.next + len(new)
            if one.place > place:
                raise NotYetError(f"entry {place} of the log has not come yet, and {one.place} has: fetch it first")
            if one.place == place:
                new.append(one)
        return new

    def _judge(self, one: Logged, entry: Entry, briefs: dict[str, Brief], applied: Applied) -> None:
        index = one.place
        if isinstance(entry, TagEntry):
            self._check_tag(entry, index, briefs)
            briefs[entry.id] = Brief(index, entry.member)
            applied.tags.append((index, entry))
        elif isinstance(entry, MemberEntry):
            self.roster.apply(entry, index)
            applied.plain.append(one)
        elif isinstance(entry, CeremonyEntry):
            self._dealt(entry)
            applied.plain.append(one)
        else:
            check_signature(signed_bytes(entry), entry.signature, self.roster.signing_key(entry.member, index))
            self._contest(index, entry, briefs, applied)

    def _contest(self, index: int, entry: Signed, briefs: Mapping[str, Brief], applied: Applied) -> None:
        if isinstance(entry, VetoEntry):
            self._decides(entry.member)
            applied.vetoes.append((index, entry))
            return
        tag = briefs.get(entry.of)
        if tag is None:
            raise EvidenceError(f"no tag {entry.of} stands in the log before this entry")
        own = tag.member == entry.member
        if isinstance(entry, TombstoneEntry):
            if entry.member != OPERATOR if entry.reason in OPERATORS else not own:
                raise AccessError(f"{entry.member} may not withdraw {entry.of} as {entry.reason}", "not-yours")
            applied.tombstones.append((index, entry))
        elif isinstance(entry, OpinionEntry):
            if own:
                raise AccessError("a member has no opinion of its own tag: it withdraws it", "own-tag")
            applied.opinions.append((index, entry))
        else:
            if entry.state != "opened":
                self._decides(entry.member)
            applied.appeals.append((index, entry))

    def _decides(self, member: str) -> None:
        if member != OPERATOR and "regulator" not in self.roster.member(member).roles:
            raise AccessError("this is decided by the hub's operator or a regulator", "operator-only")

    def _check_tag(self, entry: TagEntry, index: int, briefs: Mapping[str, Brief]) -> None:
        self.roster.signing_key(entry.member, index)  # an active member, then
        if "contributor" not in self.roster.member(entry.member).roles:
            raise AccessError(f"{entry.member} is no contributor", "not-contributor")
        if entry.id in briefs:
            raise EvidenceError(f"the tag {entry.id} stands at entry {briefs[entry.id].place} already: a replay")
        if not entry.at < entry.until <= entry.at + TAG_LIFE_MAX_DAYS * DAY:
            raise InputError(f"a tag ends after it begins, and within {TAG_LIFE_MAX_DAYS} days", "$.until")

    def _dealt(self, entry: CeremonyEntry) -> None:
        for key in entry.keys:
            place = (key.kind, key.purpose, key.epoch)
            self.keys[place] = key
            self.holders[place] = entry


def _read(raw: bytes) -> Entry:
    if len(raw) > ENTRY_BYTES_MAX:
        raise InputError(f"an entry has at most {ENTRY_BYTES_MAX} bytes, not {len(raw)}")
    return read_entry(raw)


def _tag_of(entry: Entry) -> str:
    """The tag an entry makes or is about; empty when none."""
    if isinstance(entry, TagEntry):
        return entry.id
    if isinstance(entry, TombstoneEntry | OpinionEntry | AppealEntry):
        return entry.of
    return ""
