"""Seals: who holds the subject opens the tag; nobody else does, and nothing about it can be changed or replayed."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.engines.sealing import (
    Derived,
    SigningKey,
    check_signature,
    derive,
    lookup_in_session,
    open_tag,
    seal_tag,
    sign_entry,
    signed_bytes,
)
from lianfang.engines.sealing.tags import _bound
from lianfang.kernel.errors import EvidenceError, InputError
from lianfang.kernel.instant import instant
from lianfang.wire import OpinionEntry, SignedTag, Tag, TagEntry, read_entry, write

NOW = datetime(2026, 11, 1, tzinfo=UTC)
KEY = SigningKey(b"\1" * 32)
TOKEN = bytes(range(64))


def tag(**changed: Any) -> Tag:
    values: dict[str, Any] = {
        "id": "0" * 32, "kind": "account", "category": "mule", "severity": 4, "confidence": 80, "evidence": "confirmed",
        "first_seen": NOW, "last_seen": NOW, "valid_until": NOW + timedelta(days=90), "contributor": "bank-a",
    }  # fmt: skip
    return Tag(**{**values, **changed})


def sealed(made: Tag, key: SigningKey = KEY, derived: Derived | None = None, **entry: Any) -> TagEntry:
    found = derived or derive(TOKEN)
    values: dict[str, Any] = {
        "member": made.contributor, "id": made.id, "kind": made.kind, "purpose": made.purpose, "epoch": "2026Q4",
        "until": instant(made.valid_until), "at": instant(NOW), "lookup": found.lookup, "sealed": bytes(28),
    }  # fmt: skip
    signed = SignedTag(tag=made, signature=key.sign(signed_bytes(made)))
    return seal_tag(TagEntry(**{**values, **entry}), signed, found.seal, os.urandom(12))


def test_who_holds_the_token_opens_the_tag() -> None:
    entry = sealed(tag())
    assert open_tag(entry, derive(TOKEN).seal, KEY.public).tag == tag()
    assert read_entry(write(entry)) == entry


def test_another_subjects_token_does_not() -> None:
    with pytest.raises(EvidenceError, match="another subject"):
        open_tag(sealed(tag()), derive(bytes(64)).seal, KEY.public)


def test_the_lookup_is_the_hkdf_of_rfc_5869_with_sha_512() -> None:
    # Computed with OpenSSL's command line: openssl kdf -keylen 48 -kdfopt digest:SHA512 -kdfopt hexkey:00..3f \
    # -kdfopt info:"lianfang tag v1" HKDF
    found = derive(TOKEN)
    assert (found.lookup + found.seal).hex() == EXPECTED


EXPECTED = "9c3c44ab6213dc89b97df347c7dd2728b8faa02c6cb6544975fefc6b36461f070304a3131eb94122699ce5df9b8c19d0"


@pytest.mark.parametrize(
    "changed",
    [{"member": "bank-b"}, {"id": "1" * 32}, {"kind": "phone"}, {"epoch": "2027Q1"}, {"at": 1}, {"lookup": bytes(16)},
     {"until": 7}],
    ids=str,
)  # fmt: skip
def test_nothing_outside_the_seal_can_be_changed(changed: dict[str, Any]) -> None:
    forged = msgspec.structs.replace(sealed(tag()), **changed)
    with pytest.raises(EvidenceError):
        open_tag(forged, derive(TOKEN).seal, KEY.public)


@settings(max_examples=40, deadline=None)
@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_no_bit_of_the_seal_can_be_changed(at: int, bit: int) -> None:
    entry = sealed(tag())
    box = bytearray(entry.sealed)
    box[at % len(box)] ^= 1 << bit
    with pytest.raises(EvidenceError):
        open_tag(msgspec.structs.replace(entry, sealed=bytes(box)), derive(TOKEN).seal, KEY.public)


def test_a_member_that_reseals_anothers_tag_as_its_own_is_found_out() -> None:
    stolen = sealed(tag(contributor="bank-a"), member="bank-b")
    with pytest.raises(EvidenceError, match="replayed, or forged"):
        open_tag(stolen, derive(TOKEN).seal, KEY.public)


def test_a_tag_signed_by_another_key_is_refused() -> None:
    with pytest.raises(EvidenceError, match="signature"):
        open_tag(sealed(tag(), SigningKey(b"\2" * 32)), derive(TOKEN).seal, KEY.public)


def test_a_tag_that_ends_otherwise_than_its_entry_says_is_refused() -> None:
    with pytest.raises(EvidenceError, match="another time"):
        open_tag(sealed(tag(), until=instant(NOW)), derive(TOKEN).seal, KEY.public)


def test_what_is_sealed_and_is_no_tag_is_refused() -> None:
    entry = sealed(tag())
    nonce = os.urandom(12)
    box = AESGCM(derive(TOKEN).seal).encrypt(nonce, b'{"tag":1}', _bound(entry))
    with pytest.raises(EvidenceError, match="no tag"):
        open_tag(msgspec.structs.replace(entry, sealed=nonce + box), derive(TOKEN).seal, KEY.public)


def test_the_length_of_a_seal_says_nothing_of_what_is_in_it() -> None:
    lengths = {len(sealed(tag(category=c)).sealed) for c in ("mule", "impersonated_police", "gaming")}
    assert len(lengths) == 1


def test_a_signature_on_one_kind_of_message_is_none_on_another() -> None:
    opinion = sign_entry(OpinionEntry(member="bank-b", of="0" * 32, stance="agree", at=1, signature=bytes(64)), KEY)
    check_signature(signed_bytes(opinion), opinion.signature, KEY.public)
    changed = msgspec.structs.replace(opinion, stance="dispute")
    with pytest.raises(EvidenceError):
        check_signature(signed_bytes(changed), opinion.signature, KEY.public)
    assert signed_bytes(opinion).startswith(b"lianfang OpinionEntry\0{")


def test_two_collisions_give_two_lookups() -> None:
    assert lookup_in_session(TOKEN, b"one") != lookup_in_session(TOKEN, b"two") != derive(TOKEN).lookup


def test_a_token_has_64_bytes() -> None:
    with pytest.raises(InputError, match="64 bytes, not 3"):
        derive(b"abc")
