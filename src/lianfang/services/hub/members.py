"""What the hub's operator does: members in, changed, out; vetoes; appeals decided; ceremonies. Each with a reason on record.

Every act is entries of the log, signed by the hub's own key where the log asks for a signature; the reason stays at the hub.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from lianfang.engines.sealing import SigningKey, sign_entry
from lianfang.engines.tlog import COSIGNATURE, parse_verifier
from lianfang.infra.sql import record
from lianfang.kernel.errors import ConflictError, InputError
from lianfang.kernel.instant import Instant
from lianfang.services.hub import store
from lianfang.services.hub.accepting import BATCH_MAX, OPERATOR
from lianfang.services.hub.hub import Hub
from lianfang.wire import (
    AppealEntry,
    CeremonyEntry,
    Entry,
    Epoch,
    MemberEntry,
    MemberId,
    Purpose,
    SubjectKind,
    TombstoneEntry,
    VetoEntry,
    VetoReason,
)
from lianfang.wire.payment import Name, Part
from lianfang.wire.sharing import Lookup, MemberRole, PublicKey, TagId

ROLES: Final = ("contributor", "reader", "keyholder", "witness", "regulator")
Declared = Annotated[int, Meta(ge=0, le=2_000_000_000)]
Certificate = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
Url = Annotated[str, Meta(max_length=256)]


class MemberWanted(Part, frozen=True, kw_only=True):
    """A member to be: who, what it may do, its keys, and what only the hub keeps."""

    id: MemberId
    zh: Name
    en: Name
    roles: Annotated[tuple[MemberRole, ...], Meta(min_length=1, max_length=5)]
    signing: PublicKey
    sealing: PublicKey
    witness: str = ""
    witness_url: Url = ""
    declared: Declared = 0
    certificates: Annotated[tuple[Certificate, ...], Meta(max_length=8)] = ()


class MemberChanged(Part, frozen=True, kw_only=True):
    """What changes of a member; what is not said stays."""

    signing: PublicKey | None = None
    sealing: PublicKey | None = None
    witness: str | None = None
    witness_url: Url | None = None
    roles: Annotated[tuple[MemberRole, ...], Meta(min_length=1, max_length=5)] | None = None
    declared: Declared | None = None
    certificates: Annotated[tuple[Certificate, ...], Meta(max_length=8)] | None = None


class Expulsion(Part, frozen=True, kw_only=True):
    """Whether the member's tags go with it."""

    withdraw: bool = False


class VetoWanted(Part, frozen=True, kw_only=True):
    """A subject that must never be tagged, by its lookup."""

    kind: SubjectKind
    purpose: Purpose = "anti_fraud"
    epoch: Epoch
    lookup: Lookup
    reason: VetoReason


class AppealDecided(Part, frozen=True, kw_only=True):
    """How an appeal ends. `opened`: the operator takes one in itself, from a person who came to it."""

    of: TagId
    state: Literal["opened", "rejected", "upheld"]


class Operator:
    """The operator's acts on a running hub. `who` and `reason` go with each."""

    def __init__(self, hub: Hub, key: SigningKey, changed: Callable[[], None]) -> None:
        self._hub = hub
        self._key = key
        self._changed = changed

    async def add(self, wanted: MemberWanted, who: str, reason: str) -> int:
        """A new member; its place in the log. Raises `ConflictError`: there is one of this id."""
        if wanted.id in self._hub.known.roster or wanted.id == OPERATOR:
            raise ConflictError(f"there is a member {wanted.id} already: change it, or take another id", "$.id")
        _check_witness(wanted.witness)
        plain = msgspec.structs.asdict(wanted)
        kept = store.LocalMember(
            id=wanted.id, witness_url=plain.pop("witness_url"), certificates=tuple(plain.pop("certificates"))
        )
        entry = MemberEntry(**plain, state="active", by=who, at=self._hub.wall())
        return await self._entered(entry, kept, "member.add", who, reason)

    async def change(self, member: str, wanted: MemberChanged, who: str, reason: str) -> int:
        """Keys rotated, a volume declared anew, ... Raises `AccessError`: no such active member."""
        old = self._hub.known.roster.member(member)
        given = {k: v for k, v in msgspec.structs.asdict(wanted).items() if v is not None}
        if not given:
            raise InputError("say what changes: keys, roles, declared volume, witness, certificates", "$")
        _check_witness(given.get("witness", ""))
        with self._hub.database.reading() as connection:
            kept = store.locals_(connection).get(member, store.LocalMember(id=member))
        local = {k: given.pop(k) for k in ("witness_url", "certificates") if k in given}
        entry = msgspec.structs.replace(old, **given, by=who, at=self._hub.wall())
        return await self._entered(entry, msgspec.structs.replace(kept, **local), "member.change", who, reason)

    async def expel(self, member: str, wanted: Expulsion, who: str, reason: str) -> int:
        """Cut off at once: sessions, feeds, entries. With `withdraw` each of its tags gets a tombstone."""
        if member == OPERATOR:
            raise InputError("the hub does not expel itself", "id")
        old = self._hub.known.roster.member(member)
        entry = msgspec.structs.replace(old, state="expelled", by=who, at=self._hub.wall())
        place = await self._entered(entry, None, "member.expel", who, reason)
        if wanted.withdraw:
            await self._withdraw_all(member)
        return place

    async def _withdraw_all(self, member: str) -> None:
        await asyncio.to_thread(self._hub.follow)
        with self._hub.database.reading() as connection:
            ids = store.tags_of(connection, member, self._hub.wall())
        for at in range(0, len(ids), BATCH_MAX):
            now = self._hub.wall()
            made = [self._tombstone(one, "member_expelled", now) for one in ids[at : at + BATCH_MAX]]
            await self._send(made)

    async def veto(self, wanted: VetoWanted, who: str, reason: str) -> int:
        """A lookup that no tag may have."""
        now = self._hub.wall()
        entry = VetoEntry(member=OPERATOR, **msgspec.structs.asdict(wanted), at=now, signature=bytes(64))
        place = await self._send([sign_entry(entry, self._key)])
        self._record("veto", wanted.lookup.hex(), who, reason, {"place": place})
        return place

    async def appeal(self, wanted: AppealDecided, who: str, reason: str) -> int:
        """An appeal decided; upheld, the tag is withdrawn in the same breath."""
        now = self._hub.wall()
        entry = AppealEntry(member=OPERATOR, of=wanted.of, state=wanted.state, at=now, signature=bytes(64))
        entries: list[Entry] = [sign_entry(entry, self._key)]
        if wanted.state == "upheld":
            entries.append(self._tombstone(wanted.of, "appeal_upheld", now))
        place = await self._send(entries)
        self._record(f"appeal.{wanted.state}", wanted.of, who, reason, {"place": place})
        return place

    async def ceremony(self, entry: CeremonyEntry, who: str, reason: str) -> int:
        """The public side of an epoch's keys. Raises `AccessError`: a holder is no active member."""
        for holder in entry.holders:
            self._hub.known.roster.member(holder)
        place = await self._send([entry])
        self._record("ceremony", entry.id, who, reason, {"place": place})
        return place

    def _tombstone(self, tag: str, reason: Literal["appeal_upheld", "member_expelled"], now: int) -> TombstoneEntry:
        made = TombstoneEntry(member=OPERATOR, of=tag, reason=reason, at=now, signature=bytes(64))
        return sign_entry(made, self._key)

    async def _entered(
        self, entry: MemberEntry, kept: store.LocalMember | None, act: str, who: str, reason: str
    ) -> int:
        if not reason.strip():
            raise InputError("say why: Lianfang-Reason", "Lianfang-Reason")
        place = await self._send([entry])
        with self._hub.database.writing() as connection:
            if kept is not None:
                store.put_local(connection, kept)
        self._record(act, entry.id, who, reason, {"place": place})
        self._changed()
        return place

    async def _send(self, entries: Sequence[Entry]) -> int:
        return await self._hub.accept(entries, self._hub.known.roster.member(OPERATOR))

    def _record(self, act: str, what: str, who: str, reason: str, detail: dict[str, Any]) -> None:
        with self._hub.database.writing() as connection:
            at = Instant(self._hub.wall())
            record(connection, who=who, act=act, what=what, reason=reason, at=at, detail=detail)


def _check_witness(text: str) -> None:
    if text and parse_verifier(text).kind != COSIGNATURE:
        raise InputError("a witness's key is a cosignature key (0x04): `lianfang witness init` prints it", "$.witness")
