"""The table of shared tags against a dict, whatever is put, changed and forgotten in whatever order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.engines.lookup import Met, TagTable, packed, unpacked
from lianfang.engines.lookup.tagged import SETS_MAX
from lianfang.kernel.errors import InputError

hashes = st.one_of(
    st.integers(1, (1 << 64) - 1),
    st.integers(1, 40),
    st.integers(0, 20).map(lambda i: (i << 32) | 3),  # all fall into one slot
)
said = st.builds(
    Met, st.integers(1, 255), st.integers(1, 5), st.integers(0, SETS_MAX - 1), st.booleans(), st.integers(1, 2**31 - 1)
)
changes = st.lists(st.tuples(hashes, st.none() | said), max_size=60)


def put(table: TagTable, some: Sequence[tuple[int, Met | None]]) -> None:
    values = [0 if one is None else packed(one) for _, one in some]
    table.put(np.array([h for h, _ in some], np.uint64), np.array(values, np.int64))


@settings(max_examples=300, deadline=None)
@given(batches=st.lists(changes, max_size=6), asked=st.lists(hashes, max_size=10))
def test_it_answers_as_a_dict_does(batches: list[list[tuple[int, Met | None]]], asked: list[int]) -> None:
    table, known = TagTable(), dict[int, Met | None]()
    for batch in batches:
        put(table, batch)
        known |= dict(batch)
    for h in [*known, *asked]:
        expected = known.get(h)
        assert table.get(h, 0) == (0 if expected is None else packed(expected))
        if expected is not None:
            assert table.get(h, expected.until) == 0
            assert unpacked(table.get(h, expected.until - 1)) == expected


@settings(max_examples=50, deadline=None)
@given(batches=st.lists(changes, max_size=8))
def test_it_is_never_more_than_five_eighths_full_so_a_search_ends(batches: list[list[tuple[int, Met | None]]]) -> None:
    table = TagTable()
    for batch in batches:
        put(table, batch)
        slots = len(table.words) // 2
        assert slots & (slots - 1) == 0
        assert int((table.words[::2] != 0).sum()) == table.taken <= slots * 5 // 8


def test_what_is_forgotten_makes_room_when_it_grows() -> None:
    table = TagTable()
    for round_ in range(200):
        one = [(round_ * 1_000 + i + 1, Met(1, 1, 0, False, 9)) for i in range(100)]
        put(table, one)
        put(table, [(h, None) for h, _ in one])
    assert len(table.words) <= 2_048


@pytest.mark.parametrize(
    "wrong", [Met(0, 1, 0, False, 1), Met(256, 1, 0, False, 1), Met(1, 6, 0, False, 1), Met(1, 0, 0, False, 1),
              Met(1, 1, SETS_MAX, False, 1), Met(1, 1, 0, False, 2**31), Met(1, 1, 0, False, -1)], ids=str,
)  # fmt: skip
def test_what_does_not_fit_is_refused(wrong: Met) -> None:
    with pytest.raises(InputError, match="bounds"):
        packed(wrong)
