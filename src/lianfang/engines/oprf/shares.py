"""One key among n holders, any t of whom can answer: Shamir's sharing, Feldman's commitments, Lagrange in the exponent.

A holder's share is f(x) for its place x = 1 .. n; the key is f(0). Commitments are the coefficients of f times the
generator: from them everybody can compute the public key of every share, and so check every answer by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from lianfang.engines.oprf.group import ORDER, add, base, check_element, multiply, number, scalar
from lianfang.kernel.errors import EvidenceError, InputError

HOLDERS_MAX: Final = 32


def deal(coefficients: Sequence[bytes], holders: int) -> tuple[list[bytes], list[bytes]]:
    """(shares, commitments) of the key `coefficients[0]`; `coefficients`: t fresh scalars, of which t - 1 only hide it."""
    threshold = len(coefficients)
    if not 1 <= threshold <= holders <= HOLDERS_MAX:
        raise InputError(f"t of n: 1 <= t <= n <= {HOLDERS_MAX}, not {threshold} of {holders}")
    numbers = [number(c) for c in coefficients]
    shares = [scalar(_at(numbers, x)) for x in range(1, holders + 1)]
    if any(not number(share) for share in shares):
        raise EvidenceError("a share came out as zero; deal again with other random numbers")
    return shares, [base(c) for c in coefficients]


def _at(numbers: Sequence[int], x: int) -> int:
    total = 0
    for coefficient in reversed(numbers):
        total = (total * x + coefficient) % ORDER
    return total


def share_key(commitments: Sequence[bytes], x: int) -> bytes:
    """The public key of the share at place `x` (from 1), by Feldman's commitments. Raises `EvidenceError`."""
    if not 1 <= x <= HOLDERS_MAX:
        raise InputError(f"a place is 1 to {HOLDERS_MAX}, not {x}")
    total = check_element(commitments[0])
    power = x
    for commitment in commitments[1:]:
        total = add(total, multiply(scalar(power), check_element(commitment)))
        power = power * x % ORDER
    return total


def check_share(share: bytes, commitments: Sequence[bytes], x: int) -> None:
    """Raises `EvidenceError` unless the share at place `x` belongs to the commitments: a dealer's mistake, or worse."""
    if base(share) != share_key(commitments, x):
        raise EvidenceError(f"the share at place {x} does not belong to the announced commitments")


def weights(places: Sequence[int]) -> dict[int, bytes]:
    """Lagrange's coefficients at 0 for these places: answers times them add up to the whole key's answer."""
    if len(set(places)) != len(places) or not all(1 <= x <= HOLDERS_MAX for x in places):
        raise InputError(f"places are distinct numbers from 1 to {HOLDERS_MAX}: {list(places)}")
    found = {}
    for x in places:
        over = under = 1
        for other in places:
            if other != x:
                over = over * other % ORDER
                under = under * (other - x) % ORDER
        found[x] = scalar(over * pow(under, -1, ORDER))
    return found


def combined(answers: Mapping[int, Sequence[bytes]], threshold: int) -> list[bytes]:
    """The whole key's answers from those of exactly `threshold` places, item by item. The answers must have been verified."""
    if len(answers) != threshold:
        raise InputError(f"{threshold} holders' answers are combined, not {len(answers)}")
    by = weights(list(answers))
    totals: list[bytes] = []
    for x, elements in answers.items():
        parts = [multiply(by[x], element) for element in elements]
        totals = [add(a, b) for a, b in zip(totals, parts, strict=True)] if totals else parts
    return totals
