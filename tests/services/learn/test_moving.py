"""Parameters move to where more money is stopped within the limits, and nowhere else."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.services.learn.moving import Variant, move, places
from lianfang.services.learn.tuning import Choice, Limits, Rules, reach, within
from tests.services.learn.test_tuning import choice, seen_of

LIMITS = Limits(0.01, 1.0)
HOLDS = Rules(np.array([2, 2]), np.array([0, 0]), np.array([False, False]))


def moved(fired: list[list[int]], genuine: list[int], money: list[int], given_: Choice, variants: list[Variant]) -> Any:
    seen = seen_of([row[:2] for row in fired], genuine, money)
    return move(seen, np.array(fired, np.bool_), HOLDS, given_, LIMITS, variants)


def test_a_value_that_stops_more_is_taken_and_one_that_touches_too_much_is_not() -> None:
    fired = [[1, 0, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0]]
    variants = [Variant("a", 5, {0: 2}), Variant("a", 1, {0: 3})]
    found = moved(fired, [1, 2, 90, 907], [100, 300, 50, 0], choice(1, 0), variants)
    assert found.values == {"a": 5}
    assert found.fired[:, 0].tolist() == [True, True, False, False]
    assert found.steps == ["param.a to 5: stopped 400, challenged 0, false alarms 0.300%, challenges 0.000%"]


def test_a_value_as_good_for_clearly_fewer_alarms_is_taken_too() -> None:
    fired = [[1, 0, 1], [1, 0, 0], [0, 0, 0]]
    found = moved(fired, [1, 8, 991], [100, 0, 0], choice(1, 0), [Variant("a", 9, {0: 2})])
    assert found.values == {"a": 9}


def test_a_rule_left_out_is_taken_with_a_value_that_makes_it_worth_it() -> None:
    fired = [[0, 1, 0], [0, 1, 1], [0, 0, 0]]
    found = moved(fired, [90, 1, 909], [0, 500, 0], choice(1, 0), [Variant("b", 3, {1: 2})])
    assert found.values == {"b": 3}
    assert found.choice.kept.tolist() == [True, True]


def test_two_parameters_of_one_rule_do_not_move_at_once() -> None:
    fired = [[0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]]
    variants = [Variant("a", 1, {0: 2}), Variant("b", 2, {0: 3})]
    found = moved(fired, [1, 1, 998], [100, 300, 0], choice(1, 0), variants)
    assert found.values == {"b": 2}  # which helps most


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1))
def test_a_move_never_breaks_the_limits_nor_gives_up_money(seed: int) -> None:
    rng = np.random.default_rng(seed)
    fired = rng.random((30, 6)) < 0.3
    seen = seen_of(
        fired[:, :2].astype(int).tolist(), rng.integers(0, 50, 30).tolist(), rng.integers(0, 99, 30).tolist()
    )
    limits = Limits(0.3, 1.0)
    start = choice(1, 1)
    variants = [
        Variant("a", 1, {0: 2}),
        Variant("a", 2, {0: 3}),
        Variant("b", 1, {1: 4}),
        Variant("b", 2, {0: 5, 1: 5}),
    ]
    found = move(seen, fired, HOLDS, start, limits, variants)
    after = reach(seen._replace(fired=found.fired), HOLDS, found.choice)
    before = reach(seen, HOLDS, start)
    if found.values:
        assert within(after, limits)
        assert limits.worth(after) >= 0.99 * limits.worth(before) or not within(before, limits)
    else:
        assert after == before


@given(
    st.lists(st.tuples(st.floats(-1e6, 1e6), st.booleans()), max_size=40),
    st.floats(-1e3, 1e3),
    st.floats(1, 1e3),
    st.integers(1, 12),
)
def test_places_lie_within_the_bounds_and_are_no_more_than_asked(
    rows: list[tuple[float, bool]], low: float, width: float, many: int
) -> None:
    values = np.array([*(value for value, _ in rows), np.nan])
    frauds = np.array([*(fraud for _, fraud in rows), False])
    found = places(values, frauds, low, low + width, many)
    assert 1 <= len(found) <= many
    assert found == sorted(set(found))
    assert all(low <= one <= low + width for one in found)
