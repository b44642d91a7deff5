"""SipHash (Aumasson and Bernstein, 2012) compiled by numba, over the fields of one separated text.

A payment's identifiers come from outside. With an unkeyed hash an attacker could choose accounts that all fall into one
slot of a table; the node's secret key prevents it. SipHash-1-3, as CPython uses for the same reason.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit, uint64

from lianfang.engines.native import pointer, word

SEPARATOR = "\x1f"
"""Between fields. C0 controls are refused at the door, so no value can hold one."""
_SEPARATOR_BYTE = ord(SEPARATOR)


class HashKey(NamedTuple):
    """128 bits, secret to the node, as two unsigned 64-bit words."""

    k0: int
    k1: int


@njit(inline="always")
def _rotl(x, b):
    return (x << uint64(b)) | (x >> uint64(64 - b))


@njit(inline="always")
def _round(v0, v1, v2, v3):
    v0 += v1
    v1 = _rotl(v1, 13) ^ v0
    v0 = _rotl(v0, 32)
    v2 += v3
    v3 = _rotl(v3, 16) ^ v2
    v0 += v3
    v3 = _rotl(v3, 21) ^ v0
    v2 += v1
    v1 = _rotl(v1, 17) ^ v2
    v2 = _rotl(v2, 32)
    return v0, v1, v2, v3


@njit(cache=True, nogil=True)
def siphash(data, start, end, k0, k1, c_rounds, d_rounds):
    """SipHash-c-d of `data[start:end]` (bytes or uint8[n]) as uint64."""
    v0 = uint64(k0) ^ uint64(0x736F6D6570736575)
    v1 = uint64(k1) ^ uint64(0x646F72616E646F6D)
    v2 = uint64(k0) ^ uint64(0x6C7967656E657261)
    v3 = uint64(k1) ^ uint64(0x7465646279746573)
    bytes8 = pointer(data)
    i = uint64(start)
    stop = uint64(end)
    while i + uint64(8) <= stop:
        m = word(bytes8, i)
        v3 ^= m
        for _ in range(c_rounds):
            v0, v1, v2, v3 = _round(v0, v1, v2, v3)
        v0 ^= m
        i += uint64(8)
    m = (stop - uint64(start)) << uint64(56)
    shift = uint64(0)
    while i < stop:
        m |= uint64(data[i]) << shift
        shift += uint64(8)
        i += uint64(1)
    v3 ^= m
    for _ in range(c_rounds):
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    v0 ^= m
    v2 ^= uint64(0xFF)
    for _ in range(d_rounds):
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    return v0 ^ v1 ^ v2 ^ v3


@njit(cache=True, nogil=True)
def hash_fields(text, k0, k1, out):
    """SipHash-1-3 of each separated field of `text` (bytes) into `out` (uint64[n]); 0 stands for an empty one (null)."""
    start = uint64(0)
    n = uint64(len(text))
    field = 0
    i = uint64(0)
    while i <= n and field < out.shape[0]:
        if i == n or text[i] == _SEPARATOR_BYTE:
            if i == start:
                out[field] = uint64(0)
            else:
                h = siphash(text, start, i, k0, k1, 1, 3)
                out[field] = h if h != uint64(0) else uint64(1)
            field += 1
            start = i + uint64(1)
        i += uint64(1)


@njit(inline="always")
def mix(a, b):
    """Two hashes into one (the finaliser of MurmurHash3); never 0."""
    h = uint64(a) ^ (uint64(b) * uint64(0x9E3779B97F4A7C15) + uint64(0x7F4A7C15))
    h ^= h >> uint64(33)
    h *= uint64(0xFF51AFD7ED558CCD)
    h ^= h >> uint64(33)
    h *= uint64(0xC4CEB9FE1A85EC53)
    h ^= h >> uint64(33)
    return h if h != uint64(0) else uint64(1)


def empty_hashes(n: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """Room for the hashes of `n` fields."""
    return np.zeros(n, np.uint64)
