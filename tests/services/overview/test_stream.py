"""A tick is small however much came, shows what was stopped first, and says what it left out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lianfang.kernel.instant import SECOND
from lianfang.services.overview import Stream
from lianfang.services.overview.stream import ROWS_KEPT, SECONDS_KEPT, TICK_ROWS
from tests.services.overview.test_rollup import START, seen


@given(st.lists(st.sampled_from(["allow", "allow", "allow", "hold"]), max_size=300))
def test_those_stopped_are_shown_before_the_others_and_the_rest_is_counted(actions: list[str]) -> None:
    stream = Stream()
    stream.add([seen(i, START, action) for i, action in enumerate(actions)])
    tick = stream.tick(START + SECOND, len(actions))
    assert (tick.of, tick.shown) == (len(actions), min(len(actions), TICK_ROWS))
    assert len(tick.rows) == tick.shown
    stopped = sum(one.action == "hold" for one in tick.rows)
    assert stopped == min(actions.count("hold"), TICK_ROWS)
    assert sum(tick.actions.values()) == len(actions)
    assert [one.seq for one in tick.rows] == sorted({one.seq for one in tick.rows})
    after = stream.tick(START + 2 * SECOND, len(actions))
    assert (after.of, after.number) == (0, tick.number + 1)


def test_the_rate_is_that_since_the_tick_before() -> None:
    stream = Stream()
    stream.tick(START, 0)
    stream.add([seen(i, START) for i in range(100)])
    assert stream.tick(START + SECOND // 2, 100).per_s == 200.0


def test_what_is_kept_has_a_bound() -> None:
    stream = Stream()
    for i in range(3 * ROWS_KEPT):
        stream.add([seen(i, START + i * SECOND, "hold" if i % 10 == 0 else "allow")])
    newest = stream.newest(10**6)
    assert [one.seq for one in newest[:2]] == [3 * ROWS_KEPT - 1, 3 * ROWS_KEPT - 2]
    assert len(newest) == ROWS_KEPT
    assert {one.action for one in stream.newest(5, stopped_only=True)} == {"hold"}
    end = START + 3 * ROWS_KEPT * SECOND
    assert stream.seconds(end) == [1] * SECONDS_KEPT
    assert stream.seconds(end + 10 * SECOND)[-10:] == [0] * 10
    assert len(stream._seconds) <= 2 * SECONDS_KEPT
    assert len(stream.tick(end, 1).rows) == TICK_ROWS


def test_rows_of_a_sample_come_from_the_whole_stretch() -> None:
    stream = Stream()
    stream.add([seen(i, START) for i in range(1_000)])
    seqs = [one.seq for one in stream.tick(START + SECOND, 1_000).rows]
    assert seqs == list(range(0, 1_000, 50))


@given(st.lists(st.tuples(st.integers(0, 2 * SECONDS_KEPT), st.sampled_from(["allow", "hold", "block"])), max_size=400))
def test_seconds_by_action_add_up_to_the_seconds(came: list[tuple[int, str]]) -> None:
    stream = Stream()
    for i, (second, action) in enumerate(sorted(came)):
        stream.add([seen(i, START + second * SECOND, action)])
    at = START + (2 * SECONDS_KEPT + 1) * SECOND
    split = stream.seconds_by_action(at)
    assert [sum(column) for column in zip(*split.values(), strict=True)] == stream.seconds(at)
    assert split["hold"] == [
        sum(a == "hold" and s == k for s, a in came) for k in range(SECONDS_KEPT + 1, 2 * SECONDS_KEPT + 1)
    ]
