"""One step of the hot path: fresh or seen before, features, and the lists a payment's subjects belong to."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.engines.features import FeatureState, Plan, compile_plan, declare, feed
from lianfang.engines.hotpath import FRESH, HotPath
from lianfang.engines.hotpath.journey import LIST_PATHS, SUBJECT_KINDS, hash_subjects
from lianfang.engines.keyed import HashKey
from lianfang.engines.lookup import EMPTY_TABLE, build_table
from lianfang.kernel.instant import SECOND
from lianfang.wire import SUBJECTS, Feature

KEY = HashKey(11, 13)
START = 1_700_000_000 * SECOND
LAYOUT = ("id", "time", "amount", *LIST_PATHS)
PLAN: Plan = compile_plan(
    declare(
        [
            Feature(name="n", define="count of payments by payer.account over 1h"),
            Feature(name="s", define="sum(amount) of payments by payer.account over 24h including this"),
            Feature(name="d", define="distinct(payee.account) of payments by device.id over 7d"),
            Feature(name="l", define="seconds since last payment by payer.account, payee.account over 30d"),
        ]
    )
)


def hot_path(plan: Plan = PLAN, ids: int = 64) -> HotPath:
    return HotPath(plan, KEY, memory_bytes=1 << 22, ids_remembered=ids)


def row(payment_id: str, at: int, amount: int = 1, **subjects: str | None) -> tuple[Any, ...]:
    named = {name.replace("__", "."): value for name, value in subjects.items()}
    return (payment_id, at, amount, *(named.get(path) for path in LIST_PATHS))


def step(hot: HotPath, one: tuple[Any, ...], seq: int) -> int:
    return hot.step(hot.text(LAYOUT)(one), seq, one[1], 0, [one[2]])


def table_of(*subjects: tuple[str, str]) -> Any:
    """A list table in which subject i, (kind, value), is group i."""
    raw = [value.encode() for _, value in subjects]
    offsets = np.cumsum([0, *map(len, raw)]).astype(np.int64)
    kinds = np.array([SUBJECT_KINDS.index(kind) + 1 for kind, _ in subjects], np.int64)
    return build_table(hash_subjects(b"".join(raw), offsets, kinds, KEY), np.arange(len(subjects), dtype=np.int64))


few = st.sampled_from([None, "a", "b", "c"])
payments = st.lists(
    st.tuples(st.integers(0, 12), st.integers(-3_600, 90_000), st.integers(0, 1_000), few, few, few), max_size=40
)


@settings(max_examples=150, deadline=None)
@given(given_payments=payments)
def test_a_step_counts_as_the_feature_state_alone_and_duplicates_count_nothing(
    given_payments: list[tuple[int, int, int, str | None, str | None, str | None]],
) -> None:
    hot = hot_path()
    alone = FeatureState(PLAN, KEY, memory_bytes=1 << 22)
    text = feed(PLAN, LAYOUT)
    seen: dict[str, int] = {}
    for seq, (number, after, amount, payer, payee, device) in enumerate(given_payments, 1):
        one = row(
            f"p{number}",
            START + after * SECOND,
            amount,
            payer__account=payer,
            payee__account=payee,
            device__id=device,
        )
        if one[0] in seen:
            assert step(hot, one, seq) == seen[one[0]]
            continue
        seen[one[0]] = seq
        assert hot.seen(one[0]) == -1
        assert step(hot, one, seq) == FRESH
        assert hot.seen(one[0]) == seq
        expected = alone.observe(text(one), [one[2]], one[1])
        assert np.array_equal(hot.features, np.array(expected), equal_nan=True)
    assert hot.state.counters == alone.counters


def test_a_single_listed_subject_is_found() -> None:
    hot = hot_path()
    hot.lists = table_of(("account", "mule"))
    assert step(hot, row("p1", START, payee__account="mule"), 1) == FRESH
    assert hot.listed
    assert hot.groups.tolist() == [0 if path == "payee.account" else -1 for path in LIST_PATHS]


subjects = st.lists(
    st.tuples(st.sampled_from(sorted(set(SUBJECTS.values()))), st.sampled_from(["x", "y", "z", "电话"])),
    unique=True,
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(known=subjects, values=st.lists(st.sampled_from([None, "x", "y", "z", "电话"]), min_size=12, max_size=12))
def test_exactly_the_listed_subjects_are_found_by_kind(known: list[tuple[str, str]], values: list[str | None]) -> None:
    hot = hot_path()
    hot.lists = table_of(*known) if known else EMPTY_TABLE
    one = ("p", START, 1, *values)
    assert step(hot, one, 1) == FRESH
    expected = [
        known.index((SUBJECTS[path], value)) if value and (SUBJECTS[path], value) in known else -1
        for path, value in zip(LIST_PATHS, values, strict=True)
    ]
    assert hot.listed == any(group >= 0 for group in expected)
    if hot.listed:
        assert hot.groups.tolist() == expected


def test_another_table_is_used_at_once() -> None:
    hot = hot_path()
    hot.lists = table_of(("card", "c"), ("card", "d"))
    hot.lists = table_of(("ip", "10.0.0.1"))
    step(hot, row("p1", START, card="c"), 1)
    assert not hot.listed
    step(hot, row("p2", START, network__ip="10.0.0.1"), 2)
    assert hot.listed


def test_more_keys_than_the_first_index_holds_are_still_told_apart() -> None:
    plan = compile_plan(declare([Feature(name="n", define="count of payments by payer.account over 1h")]))
    hot = HotPath(plan, KEY, memory_bytes=1 << 26, ids_remembered=1 << 17)
    text = hot.text(LAYOUT)
    before = len(hot.state.index)
    seq = 0
    for round_ in range(2):
        for i in range(50_000 if round_ == 0 else 1_000):
            seq += 1
            one = row(f"{round_}-{i}", START + round_ * SECOND, payer__account=f"a{i}")
            assert hot.step(text(one), seq, one[1], 0, []) == FRESH
            assert hot.features[0] == round_
    assert len(hot.state.index) > before


def test_full_memory_is_told_and_only_for_that_payment() -> None:
    plan = compile_plan(declare([Feature(name="n", define="count of payments by payer.account over 1h")]))
    hot = HotPath(plan, KEY, memory_bytes=1 << 15, ids_remembered=1 << 14)
    seq, full_at = 0, None
    while full_at is None and seq < 5_000:
        seq += 1
        hot.step(hot.text(LAYOUT)(row(f"p{seq}", START, payer__account=f"a{seq}")), seq, START, 0, [])
        if hot.full:
            full_at = seq
    assert full_at is not None
    assert math.isnan(hot.features[0])
    step_again = row("again", START + SECOND, payer__account="a1")
    hot.step(hot.text(LAYOUT)(step_again), seq + 1, step_again[1], 0, [])
    assert not hot.full
    assert hot.features[0] == 1


def test_a_snapshot_goes_on_where_it_was() -> None:
    first, second = hot_path(), hot_path()
    for seq in range(1, 30):
        step(first, row(f"p{seq}", START + seq * SECOND, payer__account="a", device__id="d"), seq)
    kept = io.BytesIO()
    first.state.snapshot(kept.write, {"seq": 29})
    first.recent.snapshot(kept.write)
    kept.seek(0)
    assert second.restore(kept.readinto, kept.read) == {"seq": 29}
    one = row("next", START + 60 * SECOND, payer__account="a", device__id="d")
    assert step(first, one, 30) == step(second, one, 30) == FRESH
    assert np.array_equal(first.features, second.features, equal_nan=True)
    assert step(second, row("p7", START), 31) == 7
