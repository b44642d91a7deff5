"""Keys of signed notes: `name+hash+base64`, Ed25519 over the text (0x01) or as a timestamped cosignature (0x04).

A private key's text is as secret as the key; nothing here writes one into an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from lianfang.engines.tlog.forms import read_base64, write_base64
from lianfang.kernel.errors import EvidenceError, InputError

ED25519: Final = 0x01
"""A signature of the note's text: a log's own."""
COSIGNATURE: Final = 0x04
"""cosignature/v1: a witness's, with a time."""
KEY_BYTES: Final = 32
KEY_NAME_MAX: Final = 255
_PRIVATE: Final = "PRIVATE+KEY+"
_KEY_ID: Final = re.compile(r"[0-9a-f]{8}", re.ASCII)


def is_key_name(name: str) -> bool:
    """Not empty, no spaces, no plus sign, no control characters, at most 255 bytes."""
    if not name or len(name.encode("utf-8", "replace")) > KEY_NAME_MAX:
        return False
    return not any(c.isspace() or c == "+" or ord(c) < 0x20 or 0xD800 <= ord(c) < 0xE000 for c in name)


def check_key_name(name: str) -> None:
    """Raises `InputError` for what cannot name a key."""
    if not is_key_name(name):
        raise InputError(
            f"{name[:40]!r} cannot name a key: 1 to {KEY_NAME_MAX} bytes without spaces and plus signs, "
            "such as log.example.org/tags"
        )


def key_id(name: str, kind: int, public: bytes) -> int:
    """The first 4 bytes of SHA-256(name, newline, kind, key), big-endian."""
    return int.from_bytes(sha256(name.encode() + b"\n" + bytes((kind,)) + public).digest()[:4], "big")


@dataclass(frozen=True)
class VerifierKey:
    """Who may sign, and how it is checked. `public` is the 32-byte Ed25519 key."""

    name: str
    kind: int
    public: bytes

    @property
    def id(self) -> int:
        """The key id that stands in signatures."""
        return key_id(self.name, self.kind, self.public)

    def __str__(self) -> str:
        return f"{self.name}+{self.id:08x}+{write_base64(bytes((self.kind,)) + self.public)}"

    def is_signature(self, message: bytes, signature: bytes) -> bool:
        """Whether the 64 bytes are this key's Ed25519 signature of the message."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


def parse_verifier(text: str) -> VerifierKey:
    """A verifier key's text. Raises `InputError` if it is not one, or of a kind that is not spoken here."""
    name, kind, public, said = _read(text, "a verifier key")
    key = VerifierKey(name, kind, public)
    if key.id != said:
        raise InputError(f"the verifier key of {name} says id {said:08x}, but its key has {key.id:08x}; copy it again")
    return key


class SignerKey:
    """A private key under a name. `kind` says what it signs: notes of a log, or cosignatures of a witness."""

    def __init__(self, name: str, kind: int, seed: bytes) -> None:
        check_key_name(name)
        if kind not in (ED25519, COSIGNATURE) or len(seed) != KEY_BYTES:
            raise InputError("a signing key is Ed25519 (0x01) or a cosignature key (0x04), from 32 bytes")
        self._seed = seed
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier = VerifierKey(name, kind, self._key.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"SignerKey({self.verifier})"

    @property
    def name(self) -> str:
        """The name it signs under."""
        return self.verifier.name

    def sign_bytes(self, message: bytes) -> bytes:
        """The bare Ed25519 signature, 64 bytes."""
        return self._key.sign(message)

    def secret_text(self) -> str:
        """`PRIVATE+KEY+name+hash+base64`, as the Go reference writes it. A secret."""
        kind = self.verifier.kind
        return f"{_PRIVATE}{self.name}+{self.verifier.id:08x}+{write_base64(bytes((kind,)) + self._seed)}"


def parse_signer(text: str) -> SignerKey:
    """A private key's text. Raises `InputError`, which never quotes it."""
    if not text.startswith(_PRIVATE):
        raise InputError("the text of a private key begins with PRIVATE+KEY+")
    name, kind, seed, said = _read(text.removeprefix(_PRIVATE), "a private key")
    signer = SignerKey(name, kind, seed)
    if signer.verifier.id != said:
        raise InputError(f"the private key of {name} does not match its id; restore it from its backup")
    return signer


def _read(text: str, what: str) -> tuple[str, int, bytes, int]:
    """Name, kind, 32 bytes and stated id."""
    parts = text.split("+", 2)
    if len(parts) != 3 or not is_key_name(parts[0]) or _KEY_ID.fullmatch(parts[1]) is None:
        raise InputError(f"{what} is written name+8 hexadecimal digits+base64")
    try:
        data = read_base64(parts[2], "its last part")
    except EvidenceError:
        raise InputError(f"{what} of {parts[0]} does not end in base64; copy it again") from None  # the cause quotes it
    if len(data) != 1 + KEY_BYTES or data[0] not in (ED25519, COSIGNATURE):
        raise InputError(f"{what} of {parts[0]} is neither Ed25519 (0x01) nor an Ed25519 cosignature key (0x04)")
    return parts[0], data[0], data[1:], int(parts[1], 16)
