"""Which entry the hub takes from whom. Pure; times are microseconds UTC.

It cannot see what a tag says, nor about whom: it holds members to their own names, to time, to quota, to the vetoes, and
checks the signatures of all that is signed in the open. What a tag's seal holds is checked by whoever can open it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from lianfang.engines.sealing import check_signature, signed_bytes
from lianfang.kernel import limits
from lianfang.kernel.errors import AccessError, EvidenceError, InputError, TooLargeError
from lianfang.kernel.instant import DAY, SECOND
from lianfang.services.hub.known import Known, TagKnown
from lianfang.services.hub.refusing import RefusedError, StandsAlreadyError
from lianfang.wire import (
    AppealEntry,
    CeremonyEntry,
    Entry,
    MemberEntry,
    OpinionEntry,
    TagEntry,
    TombstoneEntry,
    VetoEntry,
    write,
)
from lianfang.wire.sharing import ENTRY_BYTES_MAX, TAG_LIFE_MAX_DAYS, MemberRole

OPERATOR: Final = "hub"
"""The member that the hub itself is: its first entry, and what signs what the operator decides."""
SKEW_US: Final = limits.CLOCK_SKEW_MAX_S * SECOND
BATCH_MAX: Final = 1_000
_SPEAKERS: Final[frozenset[MemberRole]] = frozenset({"contributor", "reader", "regulator"})


class Terms(NamedTuple):
    """What the alliance agreed on how much a member may send."""

    entries_per_day_min: int = 20_000
    entries_per_day_share: float = 0.02
    """Of the volume that the member declared, if that is more."""

    def entries_per_day(self, member: MemberEntry) -> int:
        """The member's quota."""
        return max(self.entries_per_day_min, int(member.declared * self.entries_per_day_share))


class Judge:
    """Judges entries of one sender against what is known."""

    def __init__(self, known: Known, terms: Terms) -> None:
        self.known = known
        self.terms = terms

    def take(self, entries: Sequence[Entry], sender: MemberEntry, now: int) -> list[bytes]:
        """The entries as they will stand in the log, all taken; or the first refusal, and none is.

        Raises `InputError` (with where: `$[3].until`), `AccessError`, `ConflictError` or `TooLargeError`.
        """
        if not entries:
            raise InputError("send at least one entry", "$")
        if len(entries) > BATCH_MAX:
            raise TooLargeError(f"a request has at most {BATCH_MAX} entries, and this has {len(entries)}", "$")
        self._within_quota(sender, len(entries), now)
        taken: list[Entry] = []
        written: list[bytes] = []
        try:
            for at, entry in enumerate(entries):
                where = f"$[{at}]" if len(entries) > 1 else "$"
                self._judge(entry, sender, now, where)
                written.append(_written(entry, where))
                self.known.take(entry, now)
                taken.append(entry)
        except BaseException:
            self.release(taken)
            raise
        return written

    def settle(self, entries: Sequence[Entry], first: int) -> None:
        """They are durable from index `first` on."""
        for at, entry in enumerate(entries, first):
            self.known.settle(entry, at)

    def release(self, entries: Sequence[Entry]) -> None:
        """They did not become durable."""
        for entry in reversed(entries):
            self.known.release(entry)

    def _within_quota(self, sender: MemberEntry, entries: int, now: int) -> None:
        most = self.terms.entries_per_day(sender)
        if sender.id != OPERATOR and self.known.count(sender.id, entries, now) > most:
            wait_s = (DAY - now % DAY) / SECOND
            raise AccessError(
                f"{sender.id} may send {most:,} entries a day by the volume it declared ({sender.declared:,}): go on "
                "tomorrow (UTC), or have the hub's operator change the number declared",
                "rate-limited",
                wait_s,
            )

    def _judge(self, entry: Entry, sender: MemberEntry, now: int, where: str) -> None:
        if isinstance(entry, MemberEntry | CeremonyEntry):
            self._operators(entry, sender, now, where)
            return
        if entry.member != sender.id:
            raise AccessError(
                f"{sender.id} may not send an entry of {entry.member}: each member sends its own", "not-yours"
            )
        _in_time(entry.at, now, where)
        match entry:
            case TagEntry():
                self._tag(entry, sender, now, where)
            case TombstoneEntry():
                self._tombstone(entry, sender, now, where)
            case OpinionEntry():
                self._opinion(entry, sender, now, where)
            case AppealEntry():
                self._appeal(entry, sender, now, where)
            case VetoEntry():
                _decides(sender, where)
        if not isinstance(entry, TagEntry):
            _signed(entry, sender, where)

    def _operators(self, entry: MemberEntry | CeremonyEntry, sender: MemberEntry, now: int, where: str) -> None:
        if sender.id != OPERATOR:
            raise RefusedError("members and ceremonies are entered by the hub's operator only", "operator-only", where)
        if isinstance(entry, MemberEntry):
            _in_time(entry.at, now, where)

    def _tag(self, entry: TagEntry, sender: MemberEntry, now: int, where: str) -> None:
        _has(sender, frozenset({"contributor"}), where)
        found = self.known.tag(entry.id)
        if found is not None:
            place = "is being written" if found.index is None else f"stands in the log at entry {found.index}"
            raise StandsAlreadyError(
                f"the tag {entry.id} {place}: it is published, give a new one an id of its own", where
            )
        if entry.until <= now:
            raise RefusedError("the tag has ended already: set `until` in the future", "ended", f"{where}.until")
        if entry.until > now + TAG_LIFE_MAX_DAYS * DAY:
            raise RefusedError(
                f"a tag ends within {TAG_LIFE_MAX_DAYS} days: set `until` nearer, and publish anew when it has ended",
                "too-long",
                f"{where}.until",
            )
        if self.known.epochs and entry.epoch not in self.known.epochs:
            raise RefusedError(
                f"no token keys were dealt for {entry.epoch}; there are {', '.join(sorted(self.known.epochs))}",
                "no-such-epoch",
                f"{where}.epoch",
            )
        if self.known.is_vetoed(entry):
            raise RefusedError(
                "this subject may never be tagged (a hospital, tax office, payroll or the like): look at the case again",
                "vetoed",
                f"{where}.lookup",
            )

    def _tombstone(self, entry: TombstoneEntry, sender: MemberEntry, now: int, where: str) -> None:
        tag = self._living(entry.of, now, where)
        if entry.reason in ("appeal_upheld", "member_expelled"):
            if sender.id != OPERATOR:
                raise RefusedError(
                    f"withdrawing for `{entry.reason}` is the operator's: withdraw your own tags as `mistaken` or `resolved`",
                    "operator-only",
                    f"{where}.reason",
                )
        elif tag.member != sender.id:
            raise AccessError(f"the tag {entry.of} is not of {sender.id}: dispute it, or open an appeal", "not-yours")

    def _opinion(self, entry: OpinionEntry, sender: MemberEntry, now: int, where: str) -> None:
        _has(sender, _SPEAKERS, where)
        if self._living(entry.of, now, where).member == sender.id:
            raise RefusedError("no member has an opinion of its own tag: withdraw it if it is wrong", "own-tag", where)

    def _appeal(self, entry: AppealEntry, sender: MemberEntry, now: int, where: str) -> None:
        self._living(entry.of, now, where)
        open_already = bytes.fromhex(entry.of) in self.known.appealed
        if entry.state == "opened":
            _has(sender, _SPEAKERS, where)
            if open_already:
                raise StandsAlreadyError(f"there is an open appeal of {entry.of}: await how it is decided", where)
            return
        _decides(sender, where)
        if not open_already:
            raise RefusedError(f"there is no open appeal of {entry.of} to decide: open it first", "no-appeal", where)

    def _living(self, tag_id: str, now: int, where: str) -> TagKnown:
        found = self.known.tag(tag_id)
        if found is None or found.index is None:
            raise RefusedError(f"the log has no tag {tag_id} that has not ended", "unknown-tag", f"{where}.of")
        if found.until <= now:
            raise RefusedError(f"the tag {tag_id} has ended: there is nothing left to do", "ended", f"{where}.of")
        if found.withdrawn:
            raise RefusedError(f"the tag {tag_id} is withdrawn already", "withdrawn", f"{where}.of")
        return found


def _written(entry: Entry, where: str) -> bytes:
    data = write(entry)
    if len(data) > ENTRY_BYTES_MAX:
        raise TooLargeError(f"an entry has at most {ENTRY_BYTES_MAX:,} bytes, and this has {len(data):,}", where)
    return data


def _in_time(at: int, now: int, where: str) -> None:
    if abs(at - now) > SKEW_US:
        raise RefusedError(
            f"`at` differs from the hub's clock by {abs(at - now) // SECOND:,} s, more than {limits.CLOCK_SKEW_MAX_S}: "
            "set your clock (NTP), or make the entry anew",
            "clock-skew",
            f"{where}.at",
        )


def _has(sender: MemberEntry, roles: frozenset[MemberRole], where: str) -> None:
    if not roles & set(sender.roles):
        raise AccessError(
            f"{sender.id} lacks the role for this: it is {', '.join(sender.roles) or 'without any'}, and one of "
            f"{', '.join(sorted(roles))} is needed; ask the hub's operator ({where})",
            "no-role",
        )


def _decides(sender: MemberEntry, where: str) -> None:
    if sender.id != OPERATOR and "regulator" not in sender.roles:
        raise RefusedError("this is decided by the hub's operator or a regulator", "operator-only", where)


def _signed(entry: TombstoneEntry | OpinionEntry | AppealEntry | VetoEntry, sender: MemberEntry, where: str) -> None:
    try:
        check_signature(signed_bytes(entry), entry.signature, sender.signing)
    except EvidenceError as why:
        raise RefusedError(
            f"the entry is not signed by {sender.id}'s key in force: sign it with that, after the last change of it",
            "bad-signature",
            f"{where}.signature",
        ) from why
