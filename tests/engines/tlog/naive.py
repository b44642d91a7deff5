"""The definitions of RFC 6962 section 2.1, word for word and slow."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256


def largest_power_below(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def mth(entries: Sequence[bytes]) -> bytes:
    """Merkle Tree Hash."""
    if not entries:
        return sha256(b"").digest()
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    k = largest_power_below(len(entries))
    return sha256(b"\x01" + mth(entries[:k]) + mth(entries[k:])).digest()


def path(m: int, entries: Sequence[bytes]) -> list[bytes]:
    """Merkle audit path."""
    if len(entries) == 1:
        return []
    k = largest_power_below(len(entries))
    if m < k:
        return [*path(m, entries[:k]), mth(entries[k:])]
    return [*path(m - k, entries[k:]), mth(entries[:k])]


def proof(m: int, entries: Sequence[bytes], *, whole: bool = True) -> list[bytes]:
    """Merkle consistency proof."""
    if m == len(entries):
        return [] if whole else [mth(entries)]
    k = largest_power_below(len(entries))
    if m <= k:
        return [*proof(m, entries[:k], whole=whole), mth(entries[k:])]
    return [*proof(m - k, entries[k:], whole=False), mth(entries[:k])]
