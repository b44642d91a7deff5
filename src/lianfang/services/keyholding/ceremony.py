"""Dealing the token keys of an epoch: once, before witnesses, with a transcript that all of them sign.

The dealer draws each key and its sharing, seals every holder's shares to that holder, and forgets the rest. From the
transcript everyone can check every share's public key, and so every answer a holder will ever give.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Annotated, Final, NamedTuple

import msgspec
import rfc8785
from msgspec import Meta

from lianfang.engines.oprf import HOLDERS_MAX, check_share, scalar_from
from lianfang.engines.oprf import deal as deal_key
from lianfang.engines.sealing import SealingKey, SigningKey, box_for, check_signature
from lianfang.kernel.errors import EvidenceError, InputError
from lianfang.wire import CeremonyEntry, Epoch, KeySet, MemberEntry, MemberId, Purpose, Reader
from lianfang.wire.listing import SubjectKind
from lianfang.wire.payment import Name, Part
from lianfang.wire.sharing import At, Signature, TagId

SEED_BYTES: Final = 64
PRESENT_MIN: Final = 2
"""A ceremony has at least two people at it."""
_USE: Final = b"lianfang shares v1 "
Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]


class Held(Part, frozen=True, kw_only=True):
    """One share of one key."""

    kind: SubjectKind
    purpose: Purpose
    share: Annotated[bytes, Meta(min_length=32, max_length=32)]


class HolderShares(Part, frozen=True, kw_only=True, tag_field="schema", tag="holder-shares/1"):
    """All that one holder gets of one ceremony. Secret."""

    ceremony: TagId
    epoch: Epoch
    holder: MemberId
    place: Annotated[int, Meta(ge=1, le=HOLDERS_MAX)]
    keys: tuple[Held, ...]


class Transcript(Part, frozen=True, kw_only=True, tag_field="schema", tag="ceremony-transcript/1"):
    """What happened, for everybody. Nothing in it is secret."""

    id: TagId
    epoch: Epoch
    threshold: Annotated[int, Meta(ge=1, le=HOLDERS_MAX)]
    holders: tuple[MemberId, ...]
    present: tuple[Name, ...]
    """Who was there, the dealer first."""
    keys: tuple[KeySet, ...]
    boxes: tuple[Digest, ...]
    """SHA-256 of each holder's sealed shares, in the order of holders."""
    at: At


class Witnessed(Part, frozen=True, kw_only=True):
    """One member's word that the transcript is what happened."""

    member: MemberId
    signature: Signature


class Dealt(NamedTuple):
    """A ceremony's outcome: the transcript, and a sealed box for each holder."""

    transcript: Transcript
    boxes: list[bytes]


read_transcript: Final = Reader(Transcript)
read_shares: Final = Reader(HolderShares)


def deal(
    holders: Sequence[MemberEntry],
    threshold: int,
    epoch: str,
    keys: Sequence[tuple[SubjectKind, Purpose]],
    present: Sequence[str],
    ceremony: str,
    at: int,
    random: Callable[[int], bytes],
) -> Dealt:
    """Draw and share a key for each (kind, purpose). `random(n)` gives n secret bytes; nothing of them is kept.

    Raises `InputError`: too few people, holders that repeat, a threshold that cannot be.
    """
    if len(set(present)) < PRESENT_MIN:
        raise InputError(f"a ceremony has at least {PRESENT_MIN} people at it, each named once", "present")
    if len({one.id for one in holders}) != len(holders) or not holders:
        raise InputError("holders are named once each, and there is at least one", "holders")
    if len(set(keys)) != len(keys) or not keys:
        raise InputError("each key is named once, and there is at least one", "keys")
    sets: list[KeySet] = []
    held: list[list[Held]] = [[] for _ in holders]
    for kind, purpose in keys:
        shares, commitments = deal_key([scalar_from(random(SEED_BYTES)) for _ in range(threshold)], len(holders))
        sets.append(KeySet(kind=kind, purpose=purpose, epoch=epoch, commitments=tuple(commitments)))
        for i, share in enumerate(shares):
            held[i].append(Held(kind=kind, purpose=purpose, share=share))
    boxes = [
        _box(one, HolderShares(ceremony=ceremony, epoch=epoch, holder=one.id, place=i, keys=tuple(held[i - 1])))
        for i, one in enumerate(holders, 1)
    ]
    transcript = Transcript(
        id=ceremony,
        epoch=epoch,
        threshold=threshold,
        holders=tuple(one.id for one in holders),
        present=tuple(present),
        keys=tuple(sets),
        boxes=tuple(hashlib.sha256(box).hexdigest() for box in boxes),
        at=at,
    )
    return Dealt(transcript, boxes)


def open_shares(box: bytes, transcript: Transcript, holder: str, key: SealingKey) -> HolderShares:
    """A holder's shares from its box, each checked against the transcript. Raises `EvidenceError` naming what is wrong."""
    if holder not in transcript.holders:
        raise InputError(f"{holder} is not a holder of this ceremony; its holders are {', '.join(transcript.holders)}")
    place = transcript.holders.index(holder) + 1
    if hashlib.sha256(box).hexdigest() != transcript.boxes[place - 1]:
        raise EvidenceError(f"this box is not the one the transcript names for {holder}")
    try:
        shares = read_shares(key.open(box, _use(transcript.id, holder)))
    except InputError as why:
        raise EvidenceError(f"what is in the box is no share of a key: {why}") from why
    if (shares.ceremony, shares.epoch, shares.holder, shares.place) != (transcript.id, transcript.epoch, holder, place):
        raise EvidenceError("the shares in the box are of another ceremony, epoch, holder or place")
    announced = {(one.kind, one.purpose): one for one in transcript.keys}
    if {(one.kind, one.purpose) for one in shares.keys} != set(announced):
        raise EvidenceError("the box holds shares of other keys than the transcript names")
    for one in shares.keys:
        check_share(one.share, announced[one.kind, one.purpose].commitments, place)
    return shares


def _box(holder: MemberEntry, shares: HolderShares) -> bytes:
    return box_for(holder.sealing, msgspec.json.encode(shares), _use(shares.ceremony, holder.id))


def _use(ceremony: str, holder: str) -> bytes:
    return _USE + f"{ceremony} {holder}".encode()


def _spoken(transcript: Transcript) -> bytes:
    return b"lianfang Transcript\0" + rfc8785.dumps(msgspec.to_builtins(transcript))


def witness(transcript: Transcript, member: str, key: SigningKey) -> Witnessed:
    """A member's signature under the transcript."""
    return Witnessed(member=member, signature=key.sign(_spoken(transcript)))


def check_witnessed(transcript: Transcript, signed: Sequence[Witnessed], members: dict[str, bytes]) -> None:
    """Raises `EvidenceError` unless every holder signed, each by its signing key in `members`."""
    known = {one.member: one for one in signed}
    for holder in transcript.holders:
        if holder not in known:
            raise EvidenceError(f"{holder} has not signed the transcript: lianfang keyholder sign")
        if holder not in members:
            raise EvidenceError(f"{holder} is not known here; register it first")
        check_signature(_spoken(transcript), known[holder].signature, members[holder])


def ceremony_entry(transcript: Transcript) -> CeremonyEntry:
    """What goes into the alliance's log."""
    return CeremonyEntry(
        id=transcript.id,
        threshold=transcript.threshold,
        holders=transcript.holders,
        keys=transcript.keys,
        transcript=hashlib.sha256(_spoken(transcript)).hexdigest(),
        at=transcript.at,
    )
