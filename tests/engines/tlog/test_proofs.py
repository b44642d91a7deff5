"""Proofs: the standard's vectors, the naive definitions, and nothing that was changed by a bit."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.engines.tlog import (
    EMPTY_ROOT,
    TileReader,
    leaf_hash,
    prove_consistency,
    prove_inclusion,
    root_at,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from lianfang.engines.tlog.hashing import perfect_root
from lianfang.engines.tlog.proofs import PROOF_HASHES_MAX
from lianfang.kernel.errors import EvidenceError, InputError
from tests.engines.tlog import naive
from tests.engines.tlog.made import entries_of, reader_of

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "merkle" / "rfc6962.json").read_text("utf-8"))
ENTRIES = entries_of(1_100)
SIZES = st.integers(1, 300)
READERS: dict[int, TileReader] = {}


def reader(size: int) -> TileReader:
    if size not in READERS:
        READERS[size] = reader_of(ENTRIES[:size])
    return READERS[size]


def raw(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def test_all_vectors_are_here() -> None:
    assert (len(VECTORS["inclusion"]), len(VECTORS["consistency"])) == (98, 98)


@pytest.mark.parametrize("case", VECTORS["inclusion"].values(), ids=VECTORS["inclusion"])
def test_inclusion_as_the_vectors_want_it(case: dict[str, Any]) -> None:
    proof = [raw(one) for one in case["proof"] or ()]
    claim = (raw(case["leafHash"]), case["leafIdx"], case["treeSize"], proof, raw(case["root"]))
    if case["wantErr"]:
        with pytest.raises(EvidenceError, match="inclusion"):
            verify_inclusion(*claim)
    else:
        verify_inclusion(*claim)


@pytest.mark.parametrize("case", VECTORS["consistency"].values(), ids=VECTORS["consistency"])
def test_consistency_as_the_vectors_want_it(case: dict[str, Any]) -> None:
    proof = [raw(one) for one in case["proof"] or ()]
    claim = (case["size1"], case["size2"], raw(case["root1"]), raw(case["root2"]), proof)
    if case["wantErr"]:
        with pytest.raises(EvidenceError, match="consistency"):
            verify_consistency(*claim)
    else:
        verify_consistency(*claim)


@settings(deadline=None)
@given(SIZES, st.data())
def test_an_inclusion_proof_is_the_naive_path_and_verifies(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = prove_inclusion(reader(size), index, size)
    assert proof == naive.path(index, ENTRIES[:size])
    verify_inclusion(leaf_hash(ENTRIES[index]), index, size, proof, naive.mth(ENTRIES[:size]))


@settings(deadline=None)
@given(SIZES, st.data())
def test_a_consistency_proof_is_the_naive_one_and_verifies(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, new))
    proof = prove_consistency(reader(new), old, new)
    assert proof == naive.proof(old, ENTRIES[:new])
    verify_consistency(old, new, naive.mth(ENTRIES[:old]), naive.mth(ENTRIES[:new]), proof)


@settings(deadline=None)
@given(st.data())
def test_a_larger_tree_proves_what_a_smaller_one_held(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 1_100))
    index = data.draw(st.integers(0, size - 1))
    root = root_at(reader(1_100), size)
    assert root == naive.mth(ENTRIES[:size])
    verify_inclusion(leaf_hash(ENTRIES[index]), index, size, prove_inclusion(reader(1_100), index, size), root)


def flipped(value: bytes, bit: int) -> bytes:
    at = bit % (8 * len(value))
    return value[: at // 8] + bytes((value[at // 8] ^ 1 << at % 8,)) + value[at // 8 + 1 :]


@settings(deadline=None)
@given(SIZES, st.integers(0, 1 << 30), st.data())
def test_any_flipped_bit_of_an_inclusion_is_refused(size: int, bit: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    parts = [leaf_hash(ENTRIES[index]), naive.mth(ENTRIES[:size]), *prove_inclusion(reader(size), index, size)]
    which = data.draw(st.integers(0, len(parts) - 1))
    parts[which] = flipped(parts[which], bit)
    with pytest.raises(EvidenceError):
        verify_inclusion(parts[0], index, size, parts[2:], parts[1])


@settings(deadline=None)
@given(st.integers(2, 300), st.integers(0, 1 << 30), st.data())
def test_any_flipped_bit_of_a_consistency_is_refused(new: int, bit: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, new))
    parts = [naive.mth(ENTRIES[:old]), naive.mth(ENTRIES[:new]), *prove_consistency(reader(new), old, new)]
    which = data.draw(st.integers(0, len(parts) - 1))
    parts[which] = flipped(parts[which], bit)
    with pytest.raises(EvidenceError):
        verify_consistency(old, new, parts[0], parts[1], parts[2:])


@settings(deadline=None)
@given(SIZES, st.data())
def test_a_longer_or_shorter_proof_is_refused(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof, root = prove_inclusion(reader(size), index, size), naive.mth(ENTRIES[:size])
    for other in ([*proof, root], [root, *proof], proof[:-1] if proof else [root]):
        with pytest.raises(EvidenceError):
            verify_inclusion(leaf_hash(ENTRIES[index]), index, size, other, root)


@pytest.mark.parametrize(("index", "size"), [(5, 5), (-1, 5), (0, 0), (1, 1 << 63)])
def test_there_is_no_proof_of_an_entry_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(InputError):
        prove_inclusion(reader(5), index, size)
    with pytest.raises(EvidenceError):
        verify_inclusion(EMPTY_ROOT, index, size, [], EMPTY_ROOT)


def test_there_is_no_proof_that_a_tree_shrank() -> None:
    with pytest.raises(InputError):
        prove_consistency(reader(5), 5, 4)


def test_a_proof_as_long_as_a_book_is_refused_before_hashing() -> None:
    with pytest.raises(EvidenceError, match=str(PROOF_HASHES_MAX)):
        verify_inclusion(EMPTY_ROOT, 0, 2, [EMPTY_ROOT] * 100, EMPTY_ROOT)


def test_a_hash_of_another_length_is_refused() -> None:
    with pytest.raises(EvidenceError, match="32 bytes"):
        verify_inclusion(EMPTY_ROOT, 0, 2, [b"short"], EMPTY_ROOT)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=40))
def test_the_root_of_leaves_is_the_naive_one(entries: list[bytes]) -> None:
    assert root_of([leaf_hash(one) for one in entries]) == naive.mth(entries)


@pytest.mark.parametrize("count", [0, 3, 6])
def test_only_a_power_of_two_is_perfect(count: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        perfect_root([EMPTY_ROOT] * count)
