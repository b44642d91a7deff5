"""From a token to what finds and opens tags, and the seal itself."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from lianfang.engines.sealing.signing import check_signature, signed_bytes
from lianfang.kernel.errors import EvidenceError, InputError
from lianfang.kernel.instant import SECOND, instant
from lianfang.wire.codec import Reader
from lianfang.wire.sharing import SignedTag, TagEntry

NONCE_BYTES: Final = 12
LOOKUP_BYTES: Final = 16
TOKEN_BYTES: Final = 64
PADDED_TO: Final = 256
"""The plaintext's length is rounded up to so many bytes: how long a seal is says nothing of what is in it."""
_INFO: Final = b"lianfang tag v1"
_read: Final = Reader(SignedTag)


class Derived(NamedTuple):
    """What a token gives: 16 bytes that the log shows, 32 that stay at home."""

    lookup: bytes
    seal: bytes


def derive(token: bytes) -> Derived:
    """`okm = HKDF-SHA512(token, info)`; lookup = okm[:16], seal = okm[16:48]."""
    if len(token) != TOKEN_BYTES:
        raise InputError(f"a token has {TOKEN_BYTES} bytes, not {len(token)}")
    okm = HKDF(SHA512(), LOOKUP_BYTES + 32, None, _INFO).derive(token)
    return Derived(okm[:LOOKUP_BYTES], okm[LOOKUP_BYTES:])


def lookup_in_session(token: bytes, session: bytes) -> bytes:
    """The lookup of one collision: with another session's id it is another, so that the hub cannot link two."""
    return HKDF(SHA512(), LOOKUP_BYTES, None, session).derive(token)


def _bound(entry: TagEntry) -> bytes:
    """Everything of the entry but the seal, canonically."""
    plain = msgspec.to_builtins(entry)
    plain.pop("sealed")
    return msgspec.json.encode(plain, order="sorted")


def seal_tag(entry: TagEntry, tag: SignedTag, seal: bytes, nonce: bytes) -> TagEntry:
    """The entry with the tag sealed into it. `nonce`: 12 fresh random bytes."""
    plain = msgspec.json.encode(tag)
    padded = plain + b" " * (-len(plain) % PADDED_TO)
    return msgspec.structs.replace(entry, sealed=nonce + AESGCM(seal).encrypt(nonce, padded, _bound(entry)))


def open_tag(entry: TagEntry, seal: bytes, public: bytes) -> SignedTag:
    """The tag in an entry. Raises `EvidenceError`: sealed for another subject, altered, or not what its entry says.

    `public`: the signing key of the member that the entry names, when it was appended.
    """
    nonce, box = entry.sealed[:NONCE_BYTES], entry.sealed[NONCE_BYTES:]
    try:
        plain = AESGCM(seal).decrypt(nonce, box, _bound(entry))
    except InvalidTag as why:
        raise EvidenceError("the tag was sealed for another subject, or altered") from why
    try:
        signed = _read(plain.rstrip(b" "))
    except InputError as why:
        raise EvidenceError(f"what is sealed is no tag: {why}") from why
    tag = signed.tag
    if (tag.id, tag.contributor, tag.kind, tag.purpose) != (entry.id, entry.member, entry.kind, entry.purpose):
        raise EvidenceError("the sealed tag is another than its entry says: replayed, or forged")
    if instant(tag.valid_until) // SECOND != entry.until // SECOND:
        raise EvidenceError("the sealed tag ends at another time than its entry says")
    check_signature(signed_bytes(tag), signed.signature, public)
    return signed
