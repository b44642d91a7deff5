"""A tuned choice keeps its limits, does something where something can be done; the steps can be followed by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.services.learn.tuning import Choice, Limits, Rules, Seen, actions_of, reach, tune, within

INF = float("inf")
NO_SCORES = (INF, INF, INF)


def seen_of(fired: list[list[int]], genuine: list[int], money: list[int], score: list[float] | None = None) -> Seen:
    groups = np.array(fired, np.bool_)
    scores = np.full(len(fired), np.nan) if score is None else np.array(score)
    counts = np.array(genuine, np.int64)
    return Seen(groups, scores, counts + 1, counts, np.array(money, np.float64))


def choice(*kept: int, points: tuple[int, int, int] = (50, 100, 200)) -> Choice:
    return Choice(np.array(kept, np.bool_), points, NO_SCORES)


def test_the_rule_that_wrongly_stops_too_much_is_left_out() -> None:
    seen = seen_of([[1, 0], [0, 1], [0, 0]], [1, 50, 949], [500, 900, 0])
    rules = Rules(np.array([2, 2]), np.array([0, 0]), np.array([False, False]))
    found, steps = tune(seen, rules, choice(1, 1), Limits(0.01, 1.0))
    assert found.kept.tolist() == [True, False]
    assert reach(seen, rules, found).money == 500
    assert steps[-1] == "take rule 0: stopped 500, challenged 0, false alarms 0.100%, challenges 0.000%"
    assert tune(seen, rules, choice(1, 1), Limits(0.06, 1.0))[0].kept.all()


def test_a_threshold_of_points_is_lowered_where_that_stops_fraud() -> None:
    seen = seen_of([[1], [0]], [1, 999], [700, 0])
    rules = Rules(np.array([0]), np.array([60]), np.array([False]))
    found, _ = tune(seen, rules, choice(1), Limits(0.003, 0.01))
    assert found.points[1] <= 60
    assert reach(seen, rules, found).money == 700


def test_a_threshold_of_the_score_is_found() -> None:
    seen = seen_of([[0]] * 4, [0, 1, 50, 949], [900, 100, 100, 0], [0.9, 0.7, 0.5, 0.1])
    rules = Rules(np.array([2]), np.array([0]), np.array([False]))
    found, _ = tune(seen, rules, choice(1), Limits(0.003, 0.01))
    assert reach(seen, rules, found).money == 1_000
    assert 0.5 < found.scores[1] <= 0.7


def test_of_the_lane_first_only_the_first_kept_counts() -> None:
    seen = seen_of([[1, 1]], [1], [10])
    rules = Rules(np.array([1, 3]), np.array([0, 0]), np.array([True, True]))
    assert actions_of(seen, rules, choice(1, 1)).tolist() == [1]
    assert actions_of(seen, rules, choice(0, 1)).tolist() == [3]


groups = st.lists(
    st.tuples(st.lists(st.booleans(), min_size=3, max_size=3), st.integers(0, 50), st.integers(0, 1_000)),
    min_size=1,
    max_size=8,
)
asks = st.lists(st.tuples(st.integers(0, 3), st.integers(-20, 120), st.booleans()), min_size=3, max_size=3)


@given(groups, asks, st.floats(0, 0.5), st.floats(0, 0.5))
@settings(max_examples=60, deadline=None)
def test_limits_are_kept_and_something_is_done_where_it_can_be(
    drawn: Any, asked: Any, alarms: float, challenges: float
) -> None:
    seen = seen_of([one[0] for one in drawn], [one[1] for one in drawn], [one[2] for one in drawn])
    rules = Rules(
        np.array([one[0] for one in asked]), np.array([one[1] for one in asked]), np.array([one[2] for one in asked])
    )
    limits = Limits(alarms, challenges)
    found, _ = tune(seen, rules, choice(1, 1, 1), limits)
    got = reach(seen, rules, found)
    assert within(got, limits)
    assert list(found.points) == sorted(found.points)
    alone = [reach(seen, rules, choice(*(int(i == rule) for i in range(3)))) for rule in range(3)]
    if any(within(one, limits) and limits.worth(one) > 0 for one in alone):
        assert limits.worth(got) > 0, "what one rule can do within the limits is not left undone"
