"""The memory of answered payments: at least the last N, at most 2 N of the table's size, and its snapshot."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.engines.lookup import RecentIds, recall
from lianfang.kernel.errors import EvidenceError

hashes = st.one_of(st.integers(1, (1 << 64) - 1), st.integers(1, 60), st.integers(0, 30).map(lambda i: (i << 40) | 1))


def ask(recent: RecentIds, h: int, seq: int) -> int:
    return int(recall(recent.ids, recent.state, np.uint64(h), seq))


@settings(max_examples=200, deadline=None)
@given(remember=st.sampled_from([1, 2, 3, 8, 20]), asked=st.lists(hashes, max_size=200))
def test_it_never_forgets_the_last_n_and_never_tells_a_wrong_seq(remember: int, asked: list[int]) -> None:
    recent = RecentIds(remember)
    given_seq: dict[int, int] = {}
    order: list[int] = []
    for seq, h in enumerate(asked, 1):
        before = ask(recent, h, seq)
        if before >= 0:
            assert before == given_seq[h]
        else:
            assert h not in order[-remember:]
            given_seq[h] = seq
            order.append(h)
    for h in order[-remember:]:
        assert recent.peek(h) == given_seq[h]


def test_the_emptied_generation_is_empty_whenever_its_turn_comes() -> None:
    recent = RecentIds(8)
    for h in range(1, 1_001):
        younger = recent.state[0]
        ask(recent, h, h)
        if recent.state[0] != younger:
            assert np.count_nonzero(recent.ids[recent.state[0], ::2]) == 1, "the one just remembered"


def test_there_are_two_generations_and_then_forgetting() -> None:
    recent = RecentIds(8)
    for h in range(1, 1_001):
        assert ask(recent, h, h) == -1
    assert all(recent.peek(h) == h for h in range(1_000 - 7, 1_001))
    remembered = sum(recent.peek(h) >= 0 for h in range(1, 1_001))
    assert 8 <= remembered <= 16
    counted = [recent.state[0], (recent.state[0] + 2) % 3]
    assert np.count_nonzero(recent.ids[counted, ::2]) == remembered


def test_asking_counts_nothing() -> None:
    recent = RecentIds(4)
    assert recent.peek(9) == -1
    assert ask(recent, 9, 5) == -1
    assert recent.peek(9) == 5


@settings(max_examples=50, deadline=None)
@given(before=st.lists(hashes, max_size=60, unique=True), after=st.lists(hashes, max_size=60))
def test_a_snapshot_goes_on_as_the_original(before: list[int], after: list[int]) -> None:
    first, second = RecentIds(16), RecentIds(16)
    for seq, h in enumerate(before):
        ask(first, h, seq)
    kept = io.BytesIO()
    first.snapshot(kept.write)
    kept.seek(0)
    second.restore(kept.read)
    for seq, h in enumerate(after, 1_000):
        assert ask(first, h, seq) == ask(second, h, seq)


def test_a_snapshot_of_another_size_is_refused() -> None:
    kept = io.BytesIO()
    RecentIds(16).snapshot(kept.write)
    kept.seek(0)
    with pytest.raises(EvidenceError):
        RecentIds(64).restore(kept.read)
