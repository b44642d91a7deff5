"""From what a person wants to say to the entry that says it: proposals, and what waits to be sent. Pure.

A statement keeps its tag's id from the moment it is proposed: sent twice, it is still one. What is sent is made anew, and
signed, each time it is tried: the hub takes no entry that is older than minutes.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta

from lianfang.engines.sealing import Derived, SigningKey, seal_tag, sign_entry, signed_bytes
from lianfang.engines.subjects import normalise
from lianfang.kernel.errors import ConflictError, InputError
from lianfang.kernel.instant import DAY, moment
from lianfang.kernel.limits import TEXT_LENGTH_MAX
from lianfang.wire import AppealEntry, OpinionEntry, SignedTag, Stance, SubjectKind, Tag, TagEntry, TombstoneEntry
from lianfang.wire.sharing import (
    TAG_LIFE_MAX_DAYS,
    AppealState,
    Basis,
    Evidence,
    Grade,
    Handling,
    Percent,
    TagId,
    Withdrawal,
)
from lianfang.wire.taxonomy import Category

ProposalState = Literal["proposed", "approved", "published", "rejected", "vetoed", "refused", "withdrawn"]
ENDED: Final = frozenset({"rejected", "vetoed", "refused", "withdrawn"})
BLANK: Final = bytes(64)
Days = Annotated[int, Meta(ge=1, le=TAG_LIFE_MAX_DAYS)]


class Wanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be said of a subject. Its raw value stays at this node."""

    kind: SubjectKind
    value: Annotated[str, Meta(min_length=1, max_length=TEXT_LENGTH_MAX)]
    category: Category
    severity: Grade
    confidence: Percent
    evidence: Evidence
    days: Days
    basis: Basis = "anti_telecom_fraud_law_16"
    handling: Handling = "amber"


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """A tag on its way. Times in microseconds UTC."""

    id: int
    tag: TagId
    kind: SubjectKind
    normal: str
    category: Category
    severity: Grade
    confidence: Percent
    evidence: Evidence
    days: int
    basis: Basis
    handling: Handling
    first_seen: int
    last_seen: int
    source: str
    """Who or which rule proposed it."""
    state: ProposalState
    at: int
    approved_by: str | None = None
    until: int | None = None
    """When the tag ends; set when it is approved."""
    place: int | None = None
    """Its entry in the log, once it stands there."""
    why: str = ""
    """What is in its way."""


class Withdrawn(msgspec.Struct, frozen=True, tag_field="act", tag="tombstone"):
    """A tag of ours is taken back."""

    of: TagId
    reason: Withdrawal


class Opined(msgspec.Struct, frozen=True, tag_field="act", tag="opinion"):
    """What we think of another's tag."""

    of: TagId
    stance: Stance


class Appealed(msgspec.Struct, frozen=True, tag_field="act", tag="appeal"):
    """A person contests a tag."""

    of: TagId
    state: AppealState


class Published(msgspec.Struct, frozen=True, tag_field="act", tag="tag"):
    """A proposal that was approved."""

    of: TagId


Intent = Withdrawn | Opined | Appealed | Published
read_intent: Final = msgspec.json.Decoder(Intent).decode
Made = TagEntry | TombstoneEntry | OpinionEntry | AppealEntry


class Signer(NamedTuple):
    """Who speaks."""

    member: str
    key: SigningKey


def normal_of(wanted: Wanted) -> str:
    """The subject's normal form. Raises `InputError` with what is wrong with it, not what it is."""
    try:
        return normalise(wanted.kind, wanted.value)
    except InputError as why:
        raise InputError(why.what, "$.value") from why


def checked_approval(proposal: Proposal, proposed_by: str, by: str, two_people: bool) -> None:
    """Raises `ConflictError` where it is not to be approved, or not by this person."""
    if proposal.state != "proposed":
        raise ConflictError(
            f"proposal {proposal.id} is {proposal.state}; only one that is proposed is approved", "path"
        )
    if two_people and proposed_by == by:
        raise ConflictError("another person than the one who proposed a tag approves it", "path")


def sealed_entry(proposal: Proposal, derived: Derived, epoch: str, signer: Signer, now: int, nonce: bytes) -> TagEntry:
    """The entry of an approved proposal, sealed to whoever holds its subject. `nonce`: 12 fresh random bytes."""
    assert proposal.until is not None
    tag = Tag(
        id=proposal.tag,
        kind=proposal.kind,
        category=proposal.category,
        severity=proposal.severity,
        confidence=proposal.confidence,
        evidence=proposal.evidence,
        first_seen=moment(proposal.first_seen),
        last_seen=moment(proposal.last_seen),
        valid_until=moment(proposal.until),
        basis=proposal.basis,
        handling=proposal.handling,
        contributor=signer.member,
    )
    signed = SignedTag(tag=tag, signature=signer.key.sign(signed_bytes(tag)))
    bare = TagEntry(
        member=signer.member,
        id=proposal.tag,
        kind=proposal.kind,
        purpose="anti_fraud",
        epoch=epoch,
        until=proposal.until,
        at=now,
        lookup=derived.lookup,
        sealed=bytes(28),
    )
    return seal_tag(bare, signed, derived.seal, nonce)


def signed_entry(intent: Withdrawn | Opined | Appealed, signer: Signer, now: int) -> Made:
    """The entry of anything but a tag, signed."""
    who = signer.member
    if isinstance(intent, Withdrawn):
        stone = TombstoneEntry(member=who, of=intent.of, reason=intent.reason, at=now, signature=BLANK)
        return sign_entry(stone, signer.key)
    if isinstance(intent, Opined):
        return sign_entry(
            OpinionEntry(member=who, of=intent.of, stance=intent.stance, at=now, signature=BLANK), signer.key
        )
    return sign_entry(AppealEntry(member=who, of=intent.of, state=intent.state, at=now, signature=BLANK), signer.key)


def key_of(entry: Made | Intent) -> str:
    """What an intent and the entry that carries it out have in common."""
    match entry:
        case TagEntry():
            return f"tag:{entry.id}"
        case Published():
            return f"tag:{entry.of}"
        case TombstoneEntry() | Withdrawn():
            return f"tombstone:{entry.of}"
        case OpinionEntry() | Opined():
            return f"opinion:{entry.of}:{entry.stance}"
        case _:
            return f"appeal:{entry.of}:{entry.state}"


def ends_at(now: int, days: int) -> int:
    """When a tag that is approved now ends."""
    return now + days * DAY
