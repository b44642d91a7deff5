"""Who says it obeys the log up to where; of which withdrawals somebody has not. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from lianfang.engines.sealing import check_signature, signed_bytes
from lianfang.kernel import limits
from lianfang.kernel.errors import AccessError, EvidenceError
from lianfang.kernel.instant import SECOND
from lianfang.services.hub.accepting import SKEW_US
from lianfang.services.hub.refusing import RefusedError
from lianfang.wire import Acknowledgement, MemberEntry


class Tombstone(NamedTuple):
    """A withdrawal in the log."""

    of: str
    place: int
    at: int
    reason: str


class Missing(msgspec.Struct, frozen=True):
    """A withdrawal that some have not acknowledged."""

    of: str
    place: int
    at: int
    reason: str
    by: tuple[str, ...]
    """The members that have not."""
    overdue: bool


def check(one: Acknowledgement, member: MemberEntry, root: bytes, last: int, now: int) -> None:
    """Raises unless the member saw the log that there is, now. `root`: the log's at `one.size`; `last`: what it said before."""
    if one.member != member.id:
        raise AccessError(f"{member.id} may not acknowledge for {one.member}", "not-yours")
    if abs(one.at - now) > SKEW_US:
        raise RefusedError(
            f"`at` differs from the hub's clock by more than {limits.CLOCK_SKEW_MAX_S} s: set your clock (NTP)",
            "clock-skew",
            "$.at",
        )
    try:
        check_signature(signed_bytes(one), one.signature, member.signing)
    except EvidenceError as why:
        raise RefusedError(
            f"it is not signed by {member.id}'s key in force: sign it with that", "bad-signature", "$.signature"
        ) from why
    if one.root != root:
        raise RefusedError(
            f"the log's root at {one.size} is another: you were shown a different log; stop, keep what you have, and compare "
            "checkpoints with other members",
            "bad-acknowledgement",
            "$.root",
        )
    if one.size < last:
        raise RefusedError(f"{last} was acknowledged before; the log only grows", "bad-acknowledgement", "$.size")


def missing(
    tombstones: Sequence[Tombstone], sizes: Mapping[str, int], must: Sequence[str], within_s: int, now: int
) -> list[Missing]:
    """Withdrawals not acknowledged by all of `must`, in the log's order; overdue once `within_s` seconds have passed."""
    found = []
    for one in tombstones:
        by = tuple(member for member in must if sizes.get(member, 0) <= one.place)
        if by:
            found.append(Missing(one.of, one.place, one.at, one.reason, by, now - one.at > within_s * SECOND))
    return found
