"""The members as the log tells them, entry by entry: who is active, and which keys were theirs at which place of the log."""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

from lianfang.kernel.errors import AccessError, InputError
from lianfang.wire import MemberEntry
from lianfang.wire.sharing import MemberRole

MEMBERS_MAX: Final = 1_000


class Roster:
    """Built from `MemberEntry`s in the log's order; what is later replaces what was. Not thread-safe: one owner."""

    def __init__(self) -> None:
        self._members: dict[str, MemberEntry] = {}
        self._signing: dict[str, list[tuple[int, bytes]]] = {}

    def apply(self, entry: MemberEntry, index: int) -> None:
        """The entry at place `index` of the log. Raises `InputError` past the limit of members."""
        if entry.id not in self._members and len(self._members) >= MEMBERS_MAX:
            raise InputError(f"an alliance has at most {MEMBERS_MAX} members", "$.id")
        self._members[entry.id] = entry
        self._signing.setdefault(entry.id, []).append((index, entry.signing if entry.state == "active" else b""))

    def __contains__(self, member: str) -> bool:
        return member in self._members

    def __len__(self) -> int:
        return len(self._members)

    @property
    def everybody(self) -> tuple[MemberEntry, ...]:
        """By id, those expelled too."""
        return tuple(self._members[one] for one in sorted(self._members))

    @property
    def active(self) -> tuple[MemberEntry, ...]:
        """By id."""
        return tuple(one for one in self.everybody if one.state == "active")

    def member(self, member: str) -> MemberEntry:
        """An active member. Raises `AccessError`: unknown, or expelled."""
        found = self._members.get(member)
        if found is None:
            raise AccessError(f"{member} is no member of this alliance", "unknown-member")
        if found.state != "active":
            raise AccessError(f"{member} was expelled from this alliance", "expelled")
        return found

    def having(self, role: MemberRole) -> tuple[MemberEntry, ...]:
        """Active members of this role."""
        return tuple(one for one in self.active if role in one.roles)

    def signing_key(self, member: str, index: int) -> bytes:
        """The key that signed for a member at place `index` of the log. Raises `AccessError` if it had none then."""
        known = self._signing.get(member, [])
        place = bisect_right(known, index, key=lambda one: one[0]) - 1
        if place < 0 or not known[place][1]:
            raise AccessError(f"{member} was no active member at entry {index} of the log", "unknown-member")
        return known[place][1]
