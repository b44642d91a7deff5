"""The lookup table against a dict."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.engines.lookup import EMPTY_TABLE, build_table, probe
from lianfang.kernel.errors import InputError

hashes = st.one_of(
    st.integers(1, (1 << 64) - 1),
    st.integers(1, 40),
    st.integers(0, 20).map(lambda i: (i << 32) | 3),  # all fall into one slot
)
numbers = st.integers(0, (1 << 62))


@settings(max_examples=300, deadline=None)
@given(known=st.dictionaries(hashes, numbers, max_size=40), asked=st.lists(hashes, max_size=20))
def test_it_answers_as_a_dict_does(known: dict[int, int], asked: list[int]) -> None:
    table = build_table(np.array(list(known), np.uint64), np.array(list(known.values()), np.int64))
    for h in [*known, *asked]:
        assert probe(table, np.uint64(h)) == known.get(h, -1)


@settings(max_examples=50, deadline=None)
@given(known=st.sets(hashes, max_size=60))
def test_it_is_never_more_than_half_full_so_a_search_ends(known: set[int]) -> None:
    table = build_table(np.array(list(known), np.uint64), np.zeros(len(known), np.int64))
    slots = len(table) // 2
    assert slots & (slots - 1) == 0
    assert 2 * len(known) <= slots


def test_a_table_of_one_is_larger_than_the_empty_one() -> None:
    one = build_table(np.array([7], np.uint64), np.array([0], np.int64))
    assert len(one) > len(EMPTY_TABLE)
    assert probe(one, np.uint64(7)) == 0


def test_the_empty_table_holds_nothing() -> None:
    assert probe(EMPTY_TABLE, np.uint64(1)) == -1


def test_a_hash_given_twice_is_refused_by_its_place() -> None:
    with pytest.raises(InputError, match="entry 2"):
        build_table(np.array([5, 6, 5], np.uint64), np.arange(3))
