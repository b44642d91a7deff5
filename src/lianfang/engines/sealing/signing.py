"""Ed25519 over the one canonical form (RFC 8785) of a message: what a member signs, and how others check it."""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec
import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from lianfang.kernel.errors import EvidenceError

CONTEXT: Final = b"lianfang "
"""Before the type's name and a zero byte: a signature on one kind of message is none on another."""
_BLANK: Final = bytes(64)
T = TypeVar("T", bound=msgspec.Struct)


class SigningKey:
    """A member's Ed25519 key, from its 32 secret bytes."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public: bytes = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def sign(self, message: bytes) -> bytes:
        """64 bytes."""
        return self._key.sign(message)


def signed_bytes(value: msgspec.Struct) -> bytes:
    """What is signed of a message: its type's name, then its RFC 8785 JSON without `signature`."""
    plain: dict[str, Any] = msgspec.to_builtins(value)
    plain.pop("signature", None)
    return CONTEXT + type(value).__name__.encode() + b"\0" + rfc8785.dumps(plain)


def sign_entry(value: T, key: SigningKey) -> T:
    """The message with its `signature` filled in."""
    return msgspec.structs.replace(value, signature=key.sign(signed_bytes(value)))


def check_signature(message: bytes, signature: bytes, public: bytes) -> None:
    """Raises `EvidenceError` unless the signature is this key's on this message."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError) as why:
        raise EvidenceError("a signature does not hold") from why
