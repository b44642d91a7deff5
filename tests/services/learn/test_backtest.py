"""Counts, money and overlap of a tally are those of a plain loop, however the history is cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.kernel.errors import TooLargeError
from lianfang.kernel.instant import DAY
from lianfang.services.learn import CELLS_MAX, Chunk, Comparison, Sample, Tally, change, weeks, worths

START = 20_000 * DAY
ITEMS = 3
payments = st.lists(
    st.tuples(
        st.integers(0, 20),  # day
        st.integers(0, 3),  # action
        st.integers(-1, 1),  # label
        st.integers(1, 10**15),  # amount
        st.integers(0, 1),  # currency
        st.frozensets(st.integers(1, ITEMS)),
    ),
    min_size=1,
    max_size=30,
)


def chunk(drawn: list[Any]) -> Chunk:
    reasons: dict[tuple[int, ...], int] = {}
    sets = [reasons.setdefault(tuple(sorted(one[5])), len(reasons)) if one[5] else -1 for one in drawn]
    columns = [np.array([one[i] for one in drawn], np.int64) for i in range(5)]
    day, action, label, amount, currency = columns
    return Chunk(
        START + day * DAY,
        action.astype(np.int8),
        label.astype(np.int8),
        amount,
        currency.astype(np.int32),
        np.array(sets, np.int64),
        list(reasons),
    )


def tallied(drawn: list[Any], cut: int) -> Tally:
    tally = Tally(START, START + 21 * DAY, ITEMS)
    for start in range(0, len(drawn), cut):
        tally.add(chunk(drawn[start : start + cut]))
    return tally


@settings(max_examples=80, deadline=None)
@given(payments, st.integers(1, 30))
def test_a_tally_is_the_plain_loops(drawn: list[Any], cut: int) -> None:
    tally = tallied(drawn, cut)
    whole, *rules = worths(tally, ("a", "b", "c"), minutes=30, seed=1)
    frauds = [one for one in drawn if one[2] == 1]
    touched = [one for one in drawn if one[1]]
    assert (whole.hits, whole.frauds) == (len(touched), sum(one[2] == 1 for one in touched))
    assert whole.hours == sum(one[1] >= 2 for one in drawn) / 2
    for number, rule in enumerate(rules, 1):
        hit = [one for one in drawn if number in one[5]]
        assert (rule.hits, rule.frauds, rule.unknown) == (
            len(hit),
            sum(one[2] == 1 for one in hit),
            sum(one[2] == -1 for one in hit),
        )
        assert rule.stopped == sum(one[1] >= 2 for one in hit)
        alone = [one for one in hit if len(one[5]) == 1]
        assert rule.alone == tuple(sum(one[2] == label for one in alone) for label in (1, 0, -1))
        for other in rule.beside:
            both = [one for one in hit if other.item in one[5]]
            assert (other.hits, other.frauds) == (len(both), sum(one[2] == 1 for one in both))
        if frauds:
            assert rule.recall.value == rule.frauds / len(frauds)
        for currency, money in enumerate(rule.money):
            mine = [one for one in hit if one[4] == currency]
            assert money.stopped.value == sum(one[3] for one in mine if one[2] == 1 and one[1] >= 2)
            assert money.wrongly_stopped.value == sum(one[3] for one in mine if one[2] == 0 and one[1] >= 2)
            assert money.challenged == sum(one[3] for one in mine if one[2] == 1 and one[1] == 1)
    of_weeks = weeks(tally)
    assert sum(week.payments for week in of_weeks) == len(drawn)
    assert sum(week.worth_hits for week in of_weeks) == whole.hits
    assert all((week.begins // DAY + 3) % 7 == 0 for week in of_weeks), "weeks begin on Mondays"


def test_money_is_exact_past_63_bits() -> None:
    tally = Tally(START, START + DAY, ITEMS)
    one = (0, 3, 1, 10**15, 0, frozenset({1}))
    for _ in range(4):
        tally.add(chunk([one] * 5_000))
    assert worths(tally, ("a", "b", "c"), 6, 1)[1].money[0].stopped.value == 20_000 * 10**15


def test_too_many_days_and_rules_are_refused_before_memory_is_taken() -> None:
    with pytest.raises(TooLargeError, match="shorter period"):
        Tally(0, (CELLS_MAX + 1) * DAY, 1)


def test_changes_have_names() -> None:
    allow, challenge, hold, block = range(4)
    assert change(allow, hold) == change(challenge, block) == "newly_stopped"
    assert change(hold, allow) == change(block, challenge) == "newly_let_through"
    assert (change(allow, challenge), change(challenge, allow)) == ("newly_challenged", "no_longer_challenged")
    assert change(hold, block) == "otherwise"


@given(payments, st.integers(1, 30))
@settings(max_examples=40, deadline=None)
def test_a_comparison_counts_every_payment_once_and_draws_the_same_samples(drawn: list[Any], cut: int) -> None:
    def compared(cut: int) -> Comparison:
        found = Comparison()
        for start in range(0, len(drawn), cut):
            of, part = chunk(drawn[start : start + cut]), drawn[start : start + cut]
            after = np.array([3 - one[1] for one in part], np.int8)

            def sample(i: int, of: Chunk = of, after: Any = after, start: int = start) -> Sample:
                return Sample(f"p{start + i}", 0, 1, 0, int(of.labels[i]), int(of.actions[i]), int(after[i]), ())

            found.add(of.actions, after, of.labels, of.amounts, of.currencies, sample)
        return found

    whole, parts = compared(len(drawn)), compared(cut)
    assert whole.counts.sum() == len(drawn)
    assert np.array_equal(whole.counts, parts.counts)
    assert whole.money(0).sum() + whole.money(1).sum() == sum(one[3] for one in drawn)
    assert list(whole.samples()) == list(parts.samples())
