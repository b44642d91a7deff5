"""OPRF and VOPRF of RFC 9497 for ristretto255-SHA512: blind, evaluate, prove, verify, finalize.

All bytes, no randomness of its own: blinds and the proof's nonce are arguments, so that a caller decides where they come
from and a test can use the RFC's. A scalar handed in must be uniform in 1 .. order - 1, and used once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from lianfang.engines.oprf.group import (
    ORDER,
    add,
    base,
    check_element,
    hash_to_group,
    hash_to_scalar,
    inverse,
    multiply,
    number,
    scalar,
    weighted_sum,
)
from lianfang.kernel.errors import EvidenceError, InputError

Mode = Literal[0, 1, 2]
OPRF: Final = 0
VOPRF: Final = 1
BATCH_MAX: Final = 1_000
"""Items of one request and one proof."""
OUTPUT_BYTES: Final = 64
PROOF_BYTES: Final = 64
INPUT_BYTES_MAX: Final = 65_535
"""RFC 9497, section 1.2."""
_GENERATOR: Final = base(scalar(1))


class Contexts(NamedTuple):
    """The domain separation tags of one mode."""

    name: bytes
    group: bytes
    scalar: bytes
    seed: bytes
    derive: bytes


def contexts(mode: Mode) -> Contexts:
    """Of a mode of this suite (RFC 9497, section 3.1)."""
    name = b"OPRFV1-" + bytes((mode,)) + b"-ristretto255-SHA512"
    return Contexts(name, b"HashToGroup-" + name, b"HashToScalar-" + name, b"Seed-" + name, b"DeriveKeyPair" + name)


_CONTEXTS: Final = {mode: contexts(mode) for mode in (0, 1, 2)}


def sized(data: bytes) -> bytes:
    """Two bytes of length, then the bytes."""
    return len(data).to_bytes(2, "big") + data


def derive_key(seed: bytes, info: bytes, mode: Mode = VOPRF) -> bytes:
    """A private key from 32 bytes of seed (RFC 9497, DeriveKeyPair). Its public key is `base` of it."""
    for counter in range(256):
        found = hash_to_scalar(seed + sized(info) + bytes((counter,)), _CONTEXTS[mode].derive)
        if number(found):
            return found
    raise EvidenceError("no key can be derived from this seed")


def hashed(data: bytes, mode: Mode = VOPRF) -> bytes:
    """The element that an input stands for. The same input always gives it: remember it where many are blinded again."""
    if len(data) > INPUT_BYTES_MAX:
        raise InputError(f"an input of the oblivious function has at most {INPUT_BYTES_MAX} bytes")
    return check_element(hash_to_group(data, _CONTEXTS[mode].group))


def blinded(data: bytes, blind: bytes, mode: Mode = VOPRF) -> bytes:
    """The element to send: it says nothing about the input to anybody who does not know the blind."""
    return multiply(blind, hashed(data, mode))


def evaluated(key: bytes, elements: Sequence[bytes]) -> list[bytes]:
    """What the holder of a key (or of a share of one) answers. Raises `EvidenceError` for a bad element."""
    return [multiply(key, check_element(element)) for element in elements]


def finalized(data: bytes, blind: bytes, element: bytes) -> bytes:
    """The function's 64 bytes of output for an input, from the (combined) answer."""
    return finish(data, multiply(inverse(blind), check_element(element)))


def finish(data: bytes, unblinded: bytes) -> bytes:
    """The output from an answer whose blind is already taken off."""
    return hashlib.sha512(sized(data) + sized(unblinded) + b"Finalize").digest()


def prove(key: bytes, public: bytes, sent: Sequence[bytes], answers: Sequence[bytes], nonce: bytes) -> bytes:
    """A proof that all answers were made with the key behind `public` (RFC 9497, GenerateProof). `nonce`: a fresh scalar."""
    m, _ = _composites(public, sent, answers, key)
    z = multiply(key, m)
    c = _challenge(public, m, z, base(nonce), multiply(nonce, m))
    s = scalar(number(nonce) - number(c) * number(key))
    return c + s


def verify(public: bytes, sent: Sequence[bytes], answers: Sequence[bytes], proof: bytes) -> None:
    """Raises `EvidenceError` unless the proof holds (RFC 9497, VerifyProof)."""
    if len(proof) != PROOF_BYTES or len(sent) != len(answers):
        raise EvidenceError("a proof has 64 bytes, and there are as many answers as questions")
    for element in answers:
        check_element(element)
    m, z = _composites(public, sent, answers, None)
    c, s = proof[:32], proof[32:]
    if not number(c) or not number(s):
        raise EvidenceError("the proof is degenerate")
    t2 = add(base(s), multiply(c, public))
    t3 = add(multiply(s, m), multiply(c, z))
    if _challenge(public, m, z, t2, t3) != c:
        raise EvidenceError("the proof does not hold: the answers were not made with the announced key")


def _composites(
    public: bytes, sent: Sequence[bytes], answers: Sequence[bytes], key: bytes | None
) -> tuple[bytes, bytes]:
    """RFC 9497, ComputeComposites; with the key only M is needed (ComputeCompositesFast)."""
    if not 0 < len(sent) <= BATCH_MAX:
        raise InputError(f"a batch has 1 to {BATCH_MAX} items, not {len(sent)}")
    tags = _CONTEXTS[VOPRF]
    seed = hashlib.sha512(sized(public) + sized(tags.seed)).digest()
    weights = [
        hash_to_scalar(sized(seed) + i.to_bytes(2, "big") + sized(c) + sized(d) + b"Composite", tags.scalar)
        for i, (c, d) in enumerate(zip(sent, answers, strict=True))
    ]
    m = weighted_sum(weights, sent)
    return m, b"" if key is not None else weighted_sum(weights, answers)


def _challenge(public: bytes, m: bytes, z: bytes, t2: bytes, t3: bytes) -> bytes:
    transcript = b"".join(map(sized, (public, m, z, t2, t3))) + b"Challenge"
    return hash_to_scalar(transcript, _CONTEXTS[VOPRF].scalar)


def scalar_from(random: bytes) -> bytes:
    """A scalar in 1 .. order - 1 from 64 uniform bytes: the bias is below 2**-250."""
    if len(random) != 64:
        raise InputError("a scalar is made of 64 random bytes")
    return scalar(1 + int.from_bytes(random, "little") % (ORDER - 1))
