"""ristretto255 as RFC 9497 uses it, by libsodium (`rbcl`). Scalars and elements are 32 bytes, scalars little endian.

Libsodium refuses to multiply into the identity and decodes strictly (RFC 9496): a bad element is an `EvidenceError`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

import rbcl

from lianfang.kernel.errors import EvidenceError

ORDER: Final = 2**252 + 27742317777372353535851937790883648493
"""Of the group (RFC 9496)."""
ELEMENT_BYTES: Final = 32
SCALAR_BYTES: Final = 32
_HASH_BYTES: Final = 64
_BLOCK_BYTES: Final = 128
"""SHA-512's."""
IDENTITY: Final = bytes(ELEMENT_BYTES)
_add = rbcl.crypto_core_ristretto255_add
_mul = rbcl.crypto_scalarmult_ristretto255
_base = rbcl.crypto_scalarmult_ristretto255_base
_valid = rbcl.crypto_core_ristretto255_is_valid_point
_from_hash = rbcl.crypto_core_ristretto255_from_hash


def expand(message: bytes, dst: bytes, length: int = _HASH_BYTES) -> bytes:
    """`expand_message_xmd` with SHA-512 (RFC 9380, section 5.3.1), for at most 64 bytes: one block."""
    assert length <= _HASH_BYTES
    assert len(dst) < 256
    tail = dst + bytes((len(dst),))
    first = hashlib.sha512(bytes(_BLOCK_BYTES) + message + length.to_bytes(2, "big") + b"\0" + tail).digest()
    return hashlib.sha512(first + b"\x01" + tail).digest()[:length]


def hash_to_group(message: bytes, dst: bytes) -> bytes:
    """An element nobody knows the logarithm of."""
    return bytes(_from_hash(expand(message, dst)))


def hash_to_scalar(message: bytes, dst: bytes) -> bytes:
    """A scalar below the order."""
    return scalar(int.from_bytes(expand(message, dst), "little"))


def scalar(number: int) -> bytes:
    """A number, modulo the order, as 32 bytes."""
    return (number % ORDER).to_bytes(SCALAR_BYTES, "little")


def number(of: bytes) -> int:
    """A scalar's number. Raises `EvidenceError` if it is not in canonical form."""
    value = int.from_bytes(of, "little")
    if len(of) != SCALAR_BYTES or value >= ORDER:
        raise EvidenceError("a scalar is not in its canonical form")
    return value


def inverse(of: bytes) -> bytes:
    """1 / scalar. Raises `EvidenceError` for zero."""
    value = number(of)
    if not value:
        raise EvidenceError("zero has no inverse")
    return scalar(pow(value, -1, ORDER))


def multiply(by: bytes, element: bytes) -> bytes:
    """scalar times element. Raises `EvidenceError` for an element that is none, or a product that is the identity."""
    try:
        return bytes(_mul(by, element))
    except (RuntimeError, ValueError, TypeError) as why:
        raise EvidenceError("an element of the group is malformed, or a product of it is the identity") from why


def base(by: bytes) -> bytes:
    """scalar times the generator. Raises `EvidenceError` for zero."""
    try:
        return bytes(_base(by))
    except (RuntimeError, ValueError, TypeError) as why:
        raise EvidenceError("zero times the generator is the identity") from why


def add(a: bytes, b: bytes) -> bytes:
    """The sum of two elements. Raises `EvidenceError` if one is malformed."""
    try:
        return bytes(_add(a, b))
    except (RuntimeError, ValueError, TypeError) as why:
        raise EvidenceError("an element of the group is malformed") from why


def weighted_sum(scalars: Iterable[bytes], elements: Iterable[bytes]) -> bytes:
    """The sum of scalar times element, pairwise."""
    total = IDENTITY
    for by, element in zip(scalars, elements, strict=True):
        total = add(total, multiply(by, element))
    return total


def check_element(element: bytes) -> bytes:
    """The element itself. Raises `EvidenceError` if it is malformed or the identity (RFC 9497, DeserializeElement)."""
    if len(element) != ELEMENT_BYTES or element == IDENTITY or not _valid(element):
        raise EvidenceError("an element of the group is malformed, or the identity")
    return element
