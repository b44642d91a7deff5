"""HPKE (RFC 9180): bytes that one member's X25519 key opens, bound to what they are for. The library draws the ephemeral key."""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from lianfang.kernel.errors import EvidenceError

_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


class SealingKey:
    """A member's X25519 key, from its 32 secret bytes."""

    def __init__(self, seed: bytes) -> None:
        self._key = X25519PrivateKey.from_private_bytes(seed)
        self.public: bytes = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def open(self, box: bytes, info: bytes) -> bytes:
        """What is in the box. Raises `EvidenceError`: for another key, for another use, or altered."""
        try:
            return _SUITE.decrypt(box, self._key, info)
        except (InvalidTag, ValueError) as why:
            raise EvidenceError("the box was sealed to another key or for another use, or altered") from why


def box_for(public: bytes, plain: bytes, info: bytes) -> bytes:
    """`plain` in a box that only this X25519 key opens, and only for `info`. Raises `EvidenceError` for a bad key."""
    try:
        return _SUITE.encrypt(plain, X25519PublicKey.from_public_bytes(public), info)
    except ValueError as why:
        raise EvidenceError("this is no X25519 key to seal to") from why
