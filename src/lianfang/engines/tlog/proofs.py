"""Inclusion and consistency, proved from stored hashes and verified from nothing but numbers and hashes (RFC 9162 section 2.1).

A verifier trusts nobody: sizes are checked before anything is hashed, and a proof that is too long or too short is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from lianfang.engines.tlog.forms import SIZE_MAX
from lianfang.engines.tlog.hashing import EMPTY_ROOT, HASH_BYTES, joined, node_hash
from lianfang.kernel.errors import EvidenceError, InputError

PROOF_HASHES_MAX: Final = 63
"""A tree of 2^63 leaves needs no more; also the limit of tlog-witness."""


class HashReader(Protocol):
    """Where the hashes of complete subtrees stand."""

    def subtree(self, level: int, index: int) -> bytes:
        """The hash of the `index`-th perfect subtree of 2**level leaves: leaves [index << level, index + 1 << level)."""


def root_at(reader: HashReader, size: int) -> bytes:
    """The root of the first `size` leaves."""
    return range_root(reader, 0, size) if size else EMPTY_ROOT


def range_root(reader: HashReader, begin: int, end: int) -> bytes:
    """The hash over leaves [begin, end), a subtree of RFC 6962: `begin` is a multiple of a power of two not below its length."""
    parts = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        parts.append(reader.subtree(level, begin >> level))
        begin += 1 << level
    return joined(parts)


def prove_inclusion(reader: HashReader, index: int, size: int) -> list[bytes]:
    """PATH(index, D[size]) of RFC 6962 section 2.1.1, from the leaf's sibling up. Raises `InputError`: no such leaf."""
    if not 0 <= index < size <= SIZE_MAX:
        raise InputError(f"a tree of {size} entries has no entry {index}; they are counted from 0")
    begin, end = 0, size
    beside = []
    while end - begin > 1:
        middle = begin + _half(end - begin)
        if index < middle:
            beside.append((middle, end))
            end = middle
        else:
            beside.append((begin, middle))
            begin = middle
    return [range_root(reader, *part) for part in reversed(beside)]


def prove_consistency(reader: HashReader, old: int, new: int) -> list[bytes]:
    """PROOF(old, D[new]) of RFC 6962 section 2.1.2; nothing for an empty or equal tree. Raises `InputError`."""
    if not 0 <= old <= new <= SIZE_MAX:
        raise InputError(f"no tree of {new} entries grew out of one of {old}; give the smaller size first")
    if old in (0, new):
        return []
    begin, end, whole = 0, new, True
    parts = []
    while end != old:
        middle = begin + _half(end - begin)
        if old <= middle:
            parts.append((middle, end))
            end = middle
        else:
            parts.append((begin, middle))
            begin, whole = middle, False
    if not whole:  # a verifier knows the old root itself, if that is what this is
        parts.append((begin, end))
    return [range_root(reader, *part) for part in reversed(parts)]


def _half(count: int) -> int:
    """The largest power of two below `count`, which is at least 2."""
    return 1 << (count - 1).bit_length() - 1


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Raises `EvidenceError` unless `leaf` (a leaf hash) is number `index` of the `size` leaves under `root`."""
    if not 0 <= index < size <= SIZE_MAX:  # RFC 9162 2.1.3.2, step 1
        raise EvidenceError(f"inclusion: a tree of {size} entries has no entry {index}")
    _check_hashes("inclusion", (leaf, root, *proof))
    inner, border = _shape(index, size)
    if len(proof) != inner + border:
        raise EvidenceError(
            f"inclusion: a proof for entry {index} of {size} has another length than {len(proof)} hashes"
        )
    found = leaf
    for height, beside in enumerate(proof):
        left = height >= inner or index >> height & 1
        found = node_hash(beside, found) if left else node_hash(found, beside)
    if found != root:
        raise EvidenceError(f"inclusion: the proof of entry {index} leads to another root than that of {size} entries")


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Raises `EvidenceError` unless the tree of `new` leaves begins with the tree of `old` leaves.

    From an empty tree every tree grows: `old` is at least 1, or a proof would be asked that proves nothing.
    """
    if not 0 < old <= new <= SIZE_MAX:
        raise EvidenceError(f"consistency: there is no proof that a tree of {new} entries grew out of one of {old}")
    if old == new:
        _check_same(new, old_root, new_root, proof)
        return
    _check_hashes("consistency", (old_root, new_root, *proof))
    inner, border = _shape(old - 1, new)
    shift = (old & -old).bit_length() - 1
    inner -= shift
    # The old tree is perfect: its root is the first hash, and the verifier has it already.
    start, rest = (old_root, proof) if old == 1 << shift else (proof[:1], proof[1:])
    if not start or len(rest) != inner + border:
        raise EvidenceError(f"consistency: a proof from {old} to {new} has another length than {len(proof)} hashes")
    first = start if isinstance(start, bytes) else start[0]
    _check_walk((old - 1) >> shift, inner, first, rest, (old, new, old_root, new_root))


def _check_walk(
    mask: int, inner: int, first: bytes, rest: Sequence[bytes], claim: tuple[int, int, bytes, bytes]
) -> None:
    """Climbs both trees at once; a hash on the left belongs to both, one on the right only to the new one."""
    old, new, old_root, new_root = claim
    was = now = first
    for height, beside in enumerate(rest):
        if height >= inner or mask >> height & 1:
            was, now = node_hash(beside, was), node_hash(beside, now)
        else:
            now = node_hash(now, beside)
    if was != old_root:
        raise EvidenceError(f"consistency: the proof does not lead to the known root of {old} entries")
    if now != new_root:
        raise EvidenceError(f"consistency: the tree of {new} entries does not begin with the known {old}: a fork")


def _check_same(size: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    if proof:
        raise EvidenceError(f"consistency: {size} to {size} needs no proof, and {len(proof)} hashes came")
    if old_root != new_root:
        raise EvidenceError(f"consistency: two different roots of {size} entries: a fork")


def _shape(index: int, size: int) -> tuple[int, int]:
    """How many hashes of a path stand below the right border of the tree, and how many on it."""
    inner = (index ^ (size - 1)).bit_length()
    return inner, (index >> inner).bit_count()


def _check_hashes(what: str, hashes: Sequence[bytes]) -> None:
    if len(hashes) > PROOF_HASHES_MAX + 2:
        raise EvidenceError(f"{what}: a proof has at most {PROOF_HASHES_MAX} hashes")
    if any(len(one) != HASH_BYTES for one in hashes):
        raise EvidenceError(f"{what}: every hash has {HASH_BYTES} bytes")
