"""What members of an alliance share, version 1: tags, and the entries of the tag log that carry and contest them.

A tag is sealed: only who holds its subject, and has spent quota on the token, can open it. Entries are what the log's
leaves are, as compact JSON: no entry holds a raw identifier, and nothing in one is free text about a person.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from lianfang.wire.listing import SubjectKind
from lianfang.wire.payment import Moment, Name, Part
from lianfang.wire.taxonomy import Category

MemberId = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{1,30}$")]
Epoch = Annotated[str, Meta(pattern=r"^[0-9]{4}Q[1-4]$")]
"""The quarter, UTC, whose token keys made a lookup."""
TagId = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$")]
"""128 random bits."""
Purpose = Literal["anti_fraud", "collision"]
"""A closed list: what may be asked of the keyholders' function, and for nothing else (Anti-Telecom-Fraud Law, art. 16)."""
Evidence = Literal["suspected", "reported", "confirmed", "court"]
"""What stands behind a tag: a pattern; a victim's or customer's report; a closed case of the member; police or a court."""
Basis = Literal["anti_telecom_fraud_law_16", "anti_telecom_fraud_law_18", "contract", "consent"]
"""On what ground it is shared."""
Handling = Literal["red", "amber_strict", "amber", "green"]
"""Traffic Light Protocol 2.0 (FIRST), without `clear`: no tag is public."""
Stance = Literal["agree", "dispute", "seen"]
Withdrawal = Literal["mistaken", "resolved", "appeal_upheld", "member_expelled"]
VetoReason = Literal["hospital", "tax", "payroll", "reserve", "court", "utility", "school", "charity"]
"""Why a subject may never be tagged."""
AppealState = Literal["opened", "rejected", "upheld"]
MemberRole = Literal["contributor", "reader", "keyholder", "witness", "regulator"]
MemberState = Literal["active", "expelled"]

Grade = Annotated[int, Meta(ge=1, le=5)]
"""1 a hint, 3 grave, 5 proven and current."""
Percent = Annotated[int, Meta(ge=0, le=100)]
Lookup = Annotated[bytes, Meta(min_length=16, max_length=16)]
Sealed = Annotated[bytes, Meta(min_length=28, max_length=4_096)]
"""12 bytes of nonce, then AES-256-GCM."""
Signature = Annotated[bytes, Meta(min_length=64, max_length=64)]
PublicKey = Annotated[bytes, Meta(min_length=32, max_length=32)]
At = Annotated[int, Meta(ge=0, le=2**53)]
"""Microseconds since 1970, UTC."""


class Tag(Part, frozen=True, kw_only=True):
    """A statement about a subject, as the member that makes it signs it. `valid_until` is never left out."""

    schema: Literal["tag/1"] = "tag/1"
    id: TagId
    kind: SubjectKind
    category: Category
    severity: Grade
    confidence: Percent
    evidence: Evidence
    first_seen: Moment
    last_seen: Moment
    valid_until: Moment
    purpose: Purpose = "anti_fraud"
    basis: Basis = "anti_telecom_fraud_law_16"
    handling: Handling = "amber"
    contributor: MemberId


class SignedTag(Part, frozen=True, kw_only=True):
    """What is sealed: the tag, and its contributor's Ed25519 signature over its RFC 8785 JSON."""

    tag: Tag
    signature: Signature


class TagEntry(Part, frozen=True, kw_only=True, tag_field="schema", tag="tag-entry/1"):
    """A sealed tag as the log carries it. All but `sealed` is bound to it as associated data."""

    member: MemberId
    id: TagId
    kind: SubjectKind
    purpose: Purpose
    epoch: Epoch
    until: At
    """When it ends, again, so that everyone can forget it."""
    at: At
    lookup: Lookup
    sealed: Sealed


class TombstoneEntry(Part, frozen=True, kw_only=True, tag_field="schema", tag="tombstone-entry/1"):
    """A tag is withdrawn: by its contributor, by an appeal upheld, or with its contributor."""

    member: MemberId
    of: TagId
    reason: Withdrawal
    at: At
    signature: Signature


class OpinionEntry(Part, frozen=True, kw_only=True, tag_field="schema", tag="opinion-entry/1"):
    """What another member thinks of a tag it could open. The last one of a member counts."""

    member: MemberId
    of: TagId
    stance: Stance
    at: At
    signature: Signature


class AppealEntry(Part, frozen=True, kw_only=True, tag_field="schema", tag="appeal-entry/1"):
    """A person contests a tag through a member (Anti-Telecom-Fraud Law, art. 32). Upheld, it is a tombstone too."""

    member: MemberId
    of: TagId
    state: AppealState
    at: At
    signature: Signature


class VetoEntry(Part, frozen=True, kw_only=True, tag_field="schema", tag="veto-entry/1"):
    """A subject that must never be tagged. Tags with its lookup are refused, and those that stand are void."""

    member: MemberId
    kind: SubjectKind
    purpose: Purpose
    epoch: Epoch
    lookup: Lookup
    reason: VetoReason
    at: At
    signature: Signature


class MemberEntry(Part, frozen=True, kw_only=True, tag_field="schema", tag="member-entry/1"):
    """A member as it is from here on: who, what it may do, its keys. A key that is no longer named is revoked."""

    id: MemberId
    zh: Name
    en: Name
    roles: tuple[MemberRole, ...]
    state: MemberState
    signing: PublicKey
    """Ed25519."""
    sealing: PublicKey
    """X25519."""
    witness: str = ""
    """Its witness's verifier key (C2SP signed-note), if it has one."""
    declared: Annotated[int, Meta(ge=0, le=2_000_000_000)] = 0
    """How many subjects of its own it declared: so many tokens of each kind it may ask for in an epoch, and a little more."""
    by: Name
    """Who at the hub says so."""
    at: At


class KeySet(Part, frozen=True, kw_only=True):
    """One token key's public side: Feldman's commitments to the polynomial whose value at 0 is the key."""

    kind: SubjectKind
    purpose: Purpose
    epoch: Epoch
    commitments: tuple[PublicKey, ...]
    """t of them, ristretto255; the first is the public key itself."""


class CeremonyEntry(Part, frozen=True, kw_only=True, tag_field="schema", tag="ceremony-entry/1"):
    """The keys of an epoch were dealt: who holds which share, and the commitments to check every answer by."""

    id: TagId
    threshold: Annotated[int, Meta(ge=1, le=32)]
    holders: tuple[MemberId, ...]
    """The holder at place i has the share at x = i + 1."""
    keys: tuple[KeySet, ...]
    transcript: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256 of the transcript that those present signed."""
    at: At


class SessionRequest(Part, frozen=True, kw_only=True, tag_field="schema", tag="session-request/1"):
    """A member opens a session at the hub or a keyholder: signed, for this audience only, each nonce once."""

    member: MemberId
    audience: MemberId
    """Who is asked: `hub`, or the keyholder's id."""
    nonce: TagId
    at: At
    signature: Signature


class Acknowledgement(Part, frozen=True, kw_only=True, tag_field="schema", tag="acknowledgement/1"):
    """A member has applied the log up to `size`: every tombstone below it is obeyed."""

    member: MemberId
    size: Annotated[int, Meta(ge=0, le=2**53)]
    root: PublicKey
    """The tree's root at that size, so that nobody acknowledges a log it has not seen."""
    at: At
    signature: Signature


Entry = TagEntry | TombstoneEntry | OpinionEntry | AppealEntry | VetoEntry | MemberEntry | CeremonyEntry
"""A leaf of the tag log."""
ENTRY_BYTES_MAX = 48 << 10
"""One entry as JSON; C2SP tlog-tiles ends at 64 KiB."""
TAG_LIFE_MAX_DAYS = 730
"""No tag is valid longer; it can be published anew."""
