"""Hashes of RFC 6962 section 2.1: SHA-256, a leaf behind 0x00, a node behind 0x01, so that neither passes for the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()
"""The root of a tree without leaves."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of an entry as a leaf, 32 bytes."""
    return sha256(b"\x00" + entry).digest()


def leaf_hashes(entries: Iterable[bytes]) -> list[bytes]:
    """`leaf_hash` of many."""
    return [sha256(b"\x00" + entry).digest() for entry in entries]


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees, 32 bytes each, as their parent."""
    return sha256(b"\x01" + left + right).digest()


def perfect_root(hashes: Sequence[bytes]) -> bytes:
    """The root over a power of two of neighbours of one level; one hash is its own root."""
    count = len(hashes)
    if not count or count & (count - 1):
        raise ValueError(f"{count} is not a power of two")
    level = list(hashes)
    while len(level) > 1:
        pairs = iter(level)
        level = [sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=True)]
    return level[0]


def root_of(hashes: Sequence[bytes]) -> bytes:
    """The root over any number of leaf hashes; `EMPTY_ROOT` without any."""
    if not hashes:
        return EMPTY_ROOT
    return joined(perfect_parts(hashes))


def perfect_parts(hashes: Sequence[bytes]) -> list[bytes]:
    """Roots of the perfect subtrees that a row of neighbours falls into, the largest first.

    The row begins where a perfect subtree of its size would (leaf 0, or the start of a tile).
    """
    parts, start = [], 0
    for bit in range(len(hashes).bit_length() - 1, -1, -1):
        if len(hashes) >> bit & 1:
            parts.append(perfect_root(hashes[start : start + (1 << bit)]))
            start += 1 << bit
    return parts


def joined(parts: Sequence[bytes]) -> bytes:
    """One root of perfect subtrees of falling size, as RFC 6962 joins them: from the right."""
    root = parts[-1]
    for part in reversed(parts[:-1]):
        root = node_hash(part, root)
    return root
