"""SipHash against the authors' vectors and against CPython's own; the splitting of separated fields."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.engines.keyed import HashKey, hash_fields, mix, siphash
from lianfang.engines.keyed.siphash import SEPARATOR, empty_hashes

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "siphash.json").read_text("utf-8"))
KEY = HashKey(int.from_bytes(bytes(range(8)), "little"), int.from_bytes(bytes(range(8, 16)), "little"))
MASK = (1 << 64) - 1


def plain_siphash(data: bytes, key: HashKey, c: int, d: int) -> int:
    """The paper's description, in whole numbers."""
    v = [
        key.k0 ^ 0x736F6D6570736575,
        key.k1 ^ 0x646F72616E646F6D,
        key.k0 ^ 0x6C7967656E657261,
        key.k1 ^ 0x7465646279746573,
    ]

    def rotated(x: int, b: int) -> int:
        return (x << b | x >> (64 - b)) & MASK

    def rounds(n: int) -> None:
        for _ in range(n):
            v[0] = (v[0] + v[1]) & MASK
            v[2] = (v[2] + v[3]) & MASK
            v[1] = rotated(v[1], 13) ^ v[0]
            v[3] = rotated(v[3], 16) ^ v[2]
            v[0] = rotated(v[0], 32)
            v[2] = (v[2] + v[1]) & MASK
            v[0] = (v[0] + v[3]) & MASK
            v[1] = rotated(v[1], 17) ^ v[2]
            v[3] = rotated(v[3], 21) ^ v[0]
            v[2] = rotated(v[2], 32)

    padded = data + bytes(7 - len(data) % 8) + bytes([len(data) % 256])
    for at in range(0, len(padded), 8):
        word = int.from_bytes(padded[at : at + 8], "little")
        v[3] ^= word
        rounds(c)
        v[0] ^= word
    v[2] ^= 0xFF
    rounds(d)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def ours(data: bytes, key: HashKey, c: int = 1, d: int = 3) -> int:
    return int(siphash(data, 0, len(data), np.uint64(key.k0), np.uint64(key.k1), c, d))


def split(text: bytes, n: int, key: HashKey = KEY) -> list[int]:
    out = empty_hashes(n)
    hash_fields(text, np.uint64(key.k0), np.uint64(key.k1), out)
    return [int(h) for h in out]


@pytest.mark.parametrize("length", range(len(VECTORS["out"])))
def test_siphash_2_4_gives_the_authors_vectors(length: int) -> None:
    expected = int.from_bytes(bytes.fromhex(VECTORS["out"][length]), "little")
    assert ours(bytes(range(length)), KEY, 2, 4) == expected
    assert plain_siphash(bytes(range(length)), KEY, 2, 4) == expected


words = st.integers(0, MASK)


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=300), k0=words, k1=words)
def test_siphash_1_3_is_the_papers(data: bytes, k0: int, k1: int) -> None:
    assert ours(data, HashKey(k0, k1)) == plain_siphash(data, HashKey(k0, k1), 1, 3)


def test_siphash_1_3_is_cpythons_under_a_zero_key() -> None:
    if sys.hash_info.algorithm != "siphash13":
        pytest.skip(f"this Python hashes with {sys.hash_info.algorithm}")
    texts = ["a", "account-1", "x" * 64, "13800138000"]
    code = f"print(*[hash(t.encode()) % 2**64 for t in {texts!r}])"
    # A seed of 0 turns the randomisation off: the key is then all zeros.
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONHASHSEED": "0"}, capture_output=True, text=True, check=True
    )
    assert [ours(t.encode(), HashKey(0, 0)) for t in texts] == [int(h) for h in done.stdout.split()]


values = st.text(st.characters(codec="utf-8", exclude_characters=SEPARATOR), max_size=30)


@settings(max_examples=300, deadline=None)
@given(fields=st.lists(values, min_size=1, max_size=12))
def test_fields_split_exactly_at_separators(fields: list[str]) -> None:
    hashes = split(SEPARATOR.join(fields).encode(), len(fields))
    assert hashes == [plain_siphash(f.encode(), KEY, 1, 3) if f else 0 for f in fields]


def test_missing_fields_and_surplus_ones_change_nothing() -> None:
    assert split(b"a", 1) == split(b"a\x1fb", 1)
    assert split(b"a", 3)[1:] == [0, 0]
    assert split(b"", 1) == [0]


def test_the_key_matters() -> None:
    assert split(b"a", 1) != split(b"a", 1, HashKey(KEY.k0 ^ 1, KEY.k1))
    assert split(b"a", 1) != split(b"a", 1, HashKey(KEY.k0, KEY.k1 ^ 1))


@given(a=words, b=words)
def test_a_mix_is_never_null(a: int, b: int) -> None:
    mixed: Any = mix.py_func
    with np.errstate(over="ignore"):
        assert int(mixed(np.uint64(a), np.uint64(b))) != 0


def test_a_mix_depends_on_the_order() -> None:
    mixed: Any = mix.py_func
    with np.errstate(over="ignore"):
        assert mixed(np.uint64(1), np.uint64(2)) != mixed(np.uint64(2), np.uint64(1))
