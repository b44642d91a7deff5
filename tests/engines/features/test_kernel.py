"""The compiled kernel against the naive reference, on payments that Hypothesis makes up."""

from __future__ import annotations

import io
import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.engines.expr import Environment, check, compile_predicates
from lianfang.engines.features import Declared, FeatureState, Plan, Windowed, compile_plan, declare, feed
from lianfang.engines.features import memory as m
from lianfang.engines.features import plan as plan_module
from lianfang.engines.features import state as state_module
from lianfang.engines.features.index import sweep_all
from lianfang.engines.features.layout import RING_WORDS
from lianfang.engines.keyed import HashKey
from lianfang.kernel.errors import EvidenceError
from lianfang.kernel.instant import DAY, HOUR, MINUTE, SECOND
from lianfang.wire import Feature
from tests.engines.features.reference import WHERES, Event, Reference

LAYOUT = ("payer.account", "payee.account", "device.id", "amount", "kind", "channel", "session.failed_attempts")
START = 1_700_000_000 * SECOND
KEY = HashKey(0x0706050403020100, 0x0F0E0D0C0B0A0908)

aggregates = st.sampled_from(
    [
        "count of",
        "sum(amount) of",
        "mean(amount) of",
        "max(amount) of",
        "sum(session.failed_attempts) of",
        "max(session.failed_attempts) of",
        "mean(session.failed_attempts) of",
        "distinct(payee.account) of",
        "distinct(device.id) of",
        "first",
        "last",
    ]
)
keys = st.sampled_from(["payer.account", "payee.account", "device.id", "payer.account, payee.account"])
windows = st.sampled_from(["1m", "90s", "1h", "24h", "25h", "7d", "30d", "90d"])
wheres = st.sampled_from(["", *(f" where {w}" for w in WHERES)])


@st.composite
def definitions(draw: st.DrawFn) -> str:
    agg = draw(aggregates)
    fraud = agg not in ("first", "distinct(payee.account) of", "distinct(device.id) of") and draw(st.booleans())
    noun = "fraud" if fraud else "payment"
    head = f"seconds since {agg} {noun}" if agg in ("first", "last") else f"{agg} {noun}s"
    including = "" if fraud else draw(st.sampled_from(["", " including this"]))
    return f"{head}{draw(wheres)} by {draw(keys)} over {draw(windows)}{including}"


def few(letter: str, n: int) -> st.SearchStrategy[str | None]:
    return st.sampled_from([None, *(f"{letter}{i}" for i in range(n))])


steps = st.one_of(
    st.just(0),
    st.sampled_from([SECOND, MINUTE, HOUR, DAY, 7 * DAY]),
    st.sampled_from([-1, 1, -SECOND, -MINUTE, -HOUR - 1, -2 * HOUR, -DAY, -8 * DAY, HOUR - 1, DAY + 1]),
    st.integers(-2 * HOUR, 3 * DAY),
)
payments = st.fixed_dictionaries(
    {
        "payer.account": few("a", 2),
        "payee.account": few("b", 3),
        "device.id": few("d", 2),
        "amount": st.integers(0, 100),
        "kind": st.sampled_from(["qr", "card"]),
        "channel": st.sampled_from([None, "web", "atm"]),
        "session.failed_attempts": st.sampled_from([None, 0, 1, 5]),
    }
)
histories = st.lists(st.tuples(steps, payments), min_size=1, max_size=25)
outcomes = st.lists(st.tuples(st.integers(0, 24), st.integers(0, 24), steps), max_size=8)
"""(after so many payments, one of those before, how much later or earlier than the newest of them) became known to be fraud."""


class Live:
    """A feature state fed by rows, as the decider feeds it."""

    def __init__(self, declared: tuple[Declared, ...], plan: Plan | None = None) -> None:
        self.plan = plan or compile_plan(declared)
        self.state = FeatureState(self.plan, KEY, memory_bytes=1 << 24)
        self.text = feed(self.plan, LAYOUT)
        self.mask = compile_predicates([check(f, Environment()) for f in self.plan.filters], LAYOUT)

    def learn(self, event: Event) -> None:
        row = tuple(event.values[path] for path in LAYOUT)
        numbers = [int(event.values[path] or 0) for path in self.plan.integers]
        self.state.learn(self.text(row), numbers, event.at, self.mask(row))

    def observe(self, event: Event) -> list[float]:
        row = tuple(event.values[path] for path in LAYOUT)
        numbers = [int(event.values[path] or 0) for path in self.plan.integers]
        return self.state.observe(self.text(row), numbers, event.at, self.mask(row))


def declared_from(texts: list[str]) -> tuple[Declared, ...]:
    return declare([Feature(name=f"f{i}", define=text) for i, text in enumerate(texts)])


def events_from(history: list[tuple[int, dict[str, str | int | None]]]) -> list[Event]:
    at, events = START, []
    for step, values in history:
        at += step
        events.append(Event(at, values))
    return events


def same(a: list[float], b: list[float]) -> bool:
    return len(a) == len(b) and all(x == y or (math.isnan(x) and math.isnan(y)) for x, y in zip(a, b, strict=True))


@settings(max_examples=400, deadline=None)
@given(st.lists(definitions(), min_size=1, max_size=6), histories, outcomes)
def test_every_feature_equals_the_naive_reference(
    texts: list[str],
    history: list[tuple[int, dict[str, str | int | None]]],
    learnt: list[tuple[int, int, int]],
) -> None:
    declared = declared_from(texts)
    live, reference = Live(declared), Reference(declared)
    events = events_from(history)
    for n, event in enumerate(events):
        want, got = reference.observe(event), live.observe(event)
        assert same(want, got), (n, texts, want, got)
        for after, which, step in learnt:
            if after == n and which <= n:
                known = events[which]._replace(at=event.at + step)
                reference.learn(known)
                live.learn(known)


@settings(max_examples=40, deadline=None)
@given(st.lists(definitions(), min_size=1, max_size=4), st.integers(0, 2**32))
def test_a_growing_index_changes_no_number(texts: list[str], seed: int) -> None:
    declared = declared_from(texts)
    live, calm = Live(declared), Live(declared)
    live.state.index = np.zeros(64, np.uint64)
    draw = random.Random(seed)
    grown = 0
    for i in range(120):
        values = {
            "payer.account": f"a{draw.randrange(60)}",
            "payee.account": f"b{draw.randrange(60)}",
            "device.id": f"d{i}",
        }
        event = Event(START + i * SECOND, {**dict.fromkeys(LAYOUT), **values, "amount": i, "kind": "qr"})
        assert same(calm.observe(event), live.observe(event))
        grown += len(live.state.old_index) > 0
    counts_payments = any(isinstance(one, Windowed) and one.source == "payments" for one in declared)
    assert grown > 0 or not counts_payments
    assert (live.state.keys, live.state.counters["full"]) == (calm.state.keys, 0)


def one(text: str, *history: tuple[int, dict[str, str | int | None]]) -> list[float]:
    live = Live(declared_from([text]))
    return [
        live.observe(Event(START + at, {**dict.fromkeys(LAYOUT), "amount": 10, "kind": "qr", **v}))[0]
        for at, v in history
    ]


def test_the_lower_edge_is_inside_the_window_and_the_upper_is_not() -> None:
    a: dict[str, str | int | None] = {"payer.account": "a"}
    history = [(0, a), (0, a), (HOUR, a), (HOUR + 1, a)]
    assert one("count of payments by payer.account over 1h", *history) == [0, 0, 2, 1]


def test_a_late_payment_sees_only_what_was_before_it_and_counts_for_later_ones() -> None:
    a: dict[str, str | int | None] = {"payer.account": "a"}
    history = [(10 * MINUTE, a), (5 * MINUTE, a), (11 * MINUTE, a)]
    assert one("count of payments by payer.account over 1h", *history) == [0, 0, 2]


def test_a_null_key_makes_a_null_feature() -> None:
    assert math.isnan(one("count of payments by payer.account over 1h", (0, {}))[0])


def test_a_correction_is_a_payment_of_its_own_and_both_are_counted() -> None:
    a: dict[str, str | int | None] = {"payer.account": "a"}
    history = [(0, a), (MINUTE, {**a, "amount": 7}), (2 * MINUTE, a)]
    assert one("sum(amount) of payments by payer.account over 1h", *history) == [0, 10, 17]


def test_a_busy_key_is_counted_over_its_newest_payments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_module, "EVENTS_MAX", 8)
    declared = declared_from(
        ["count of payments by payer.account over 1h", "sum(amount) of payments by payer.account over 1h"]
    )
    live = Live(declared)
    for ring in range(1):
        at = int(live.plan.words[4 + 5]) + ring * RING_WORDS
        live.plan.words[at + 4] = 8
    reference = Reference(declared, events_max=8)
    for i in range(40):
        event = Event(START + i * SECOND, {**dict.fromkeys(LAYOUT), "payer.account": "a", "amount": i, "kind": "qr"})
        assert same(reference.observe(event), live.observe(event))
    assert live.state.counters["truncated"] > 0


def test_expired_keys_give_their_memory_back() -> None:
    live = Live(declared_from(["count of payments by payer.account over 1m"]))
    for i in range(2_000):
        live.observe(
            Event(START + i * SECOND, {**dict.fromkeys(LAYOUT), "payer.account": f"a{i}", "amount": 1, "kind": "qr"})
        )
    used = live.state.used_bytes
    later = START + 10 * DAY
    for i in range(40_000):  # the sweep looks at two slots a payment, of an index of 65,536
        live.observe(Event(later + i, {**dict.fromkeys(LAYOUT), "payer.account": "b", "amount": 1, "kind": "qr"}))
    assert live.state.keys == 1
    assert live.state.counters["expired"] == 2_000
    for i in range(2_000):
        live.observe(Event(later + i, {**dict.fromkeys(LAYOUT), "payer.account": f"c{i}", "amount": 1, "kind": "qr"}))
    assert live.state.used_bytes <= used * 1.6  # "b" alone grew a ring of its own


ordered = st.lists(
    st.tuples(
        st.one_of(st.sampled_from([0, 1, HOUR, DAY, DAY + HOUR + 1, 8 * DAY, 31 * DAY]), st.integers(0, 40 * DAY)),
        st.one_of(st.just(0), st.integers(0, HOUR)),
        payments,
    ),
    min_size=1,
    max_size=25,
)
"""(how long after the newest before it, how much of that late, payment): nothing is later than an hour."""


@settings(max_examples=300, deadline=None)
@given(st.lists(definitions(), min_size=1, max_size=6), ordered, outcomes)
def test_giving_back_what_no_window_reads_changes_no_number(
    texts: list[str],
    history: list[tuple[int, int, dict[str, str | int | None]]],
    learnt: list[tuple[int, int, int]],
) -> None:
    declared = declared_from(texts)
    swept, never = Live(declared), Live(declared)
    newest, events = START, []
    for n, (step, late, values) in enumerate(history):
        newest += step
        events.append(Event(newest - late, values))
        assert same(never.observe(events[n]), swept.observe(events[n])), (n, texts)
        for after, which, ahead in learnt:
            if after == n and which <= n:
                known = events[which]._replace(at=max(newest + ahead, newest - HOUR))
                newest = max(newest, known.at)
                never.learn(known)
                swept.learn(known)
        sweep_all(swept.plan.words, swept.state.mem, swept.state.index)
    assert swept.state.keys <= never.state.keys


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([64, 128, 256]))
def test_a_sweep_of_a_crowded_index_frees_every_silent_key_and_loses_no_other(seed: int, slots: int) -> None:
    declared = declared_from(["count of payments by payer.account over 1h"])
    live = Live(declared)
    live.state.index = np.zeros(slots, np.uint64)
    draw = random.Random(seed)
    many = slots * 6 // 10
    silent = {i for i in range(many) if draw.random() < 0.5}
    blank: dict[str, str | int | None] = {**dict.fromkeys(LAYOUT), "amount": 1, "kind": "qr"}
    for i in range(many):
        live.observe(Event(START, {**blank, "payer.account": f"a{i}"}))
    later = START + 2 * HOUR  # a key's hour, and one more for late payments, ends when the clock goes on by one
    for i in set(range(many)) - silent:
        live.observe(Event(later, {**blank, "payer.account": f"a{i}"}))
    live.observe(Event(later + 1, {**blank, "payer.account": "z"}))
    sweep_all(live.plan.words, live.state.mem, live.state.index)
    assert live.state.keys == many - len(silent) + 1
    for i in range(many):
        got = live.observe(Event(later + 1, {**blank, "payer.account": f"a{i}"}))
        assert got == [0.0 if i in silent else 1.0]


def test_a_key_that_is_silent_for_a_day_gives_back_its_short_windows_and_keeps_its_long_ones() -> None:
    texts = ["count of payments by payer.account over 24h", "count of payments by payer.account over 90d"]
    live = Live(declared_from(texts))
    blank: dict[str, str | int | None] = {**dict.fromkeys(LAYOUT), "amount": 1, "kind": "qr"}
    for i in range(500):
        live.observe(Event(START + i, {**blank, "payer.account": f"a{i}"}))
    before = live.state.arena_bytes
    live.observe(Event(START + 2 * DAY, {**blank, "payer.account": "b"}))
    sweep_all(live.plan.words, live.state.mem, live.state.index)
    assert live.state.keys == 501
    rows = live.plan.words[4 + 2] * 8  # of a new key; its first blocks, 64 bytes each
    for i in range(250):
        live.observe(Event(START + 2 * DAY + i, {**blank, "payer.account": f"c{i}"}))
    assert live.state.arena_bytes - before <= 256 * (rows + 64)
    assert live.observe(Event(START + 2 * DAY + 999, {**blank, "payer.account": "a7"})) == [0.0, 1.0]


def test_memory_is_looked_through_only_when_some_was_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_module, "RECLAIM_WORDS", 4_000)
    declared = declared_from(["count of payments by payer.account over 1m"])
    live, never = Live(declared), Live(declared)
    looked = []
    for i in range(2_000):
        at = START + i * 5 * MINUTE  # an hour and a minute later a key is forgotten
        event = Event(at, {**dict.fromkeys(LAYOUT), "payer.account": f"a{i}", "amount": 1, "kind": "qr"})
        assert same(never.observe(event), live.observe(event))
        looked.append(live.state.reclaim())
    assert 2 <= sum(looked) <= 10
    assert live.state.arena_bytes < never.state.arena_bytes / 3
    live.state.grow()
    assert not live.state.reclaim()
    assert len(live.state.old_index) > 0


def test_full_memory_makes_features_null_and_says_so_but_never_wrong() -> None:
    declared = declared_from(["count of payments by payer.account over 24h"])
    plan = compile_plan(declared)
    live = Live(declared, plan)
    live.state = FeatureState(plan, KEY, memory_bytes=8 * (m.FIRST_WORD + 200))
    seen = [
        live.observe(Event(START + i, {**dict.fromkeys(LAYOUT), "payer.account": f"a{i}", "amount": 1, "kind": "qr"}))[
            0
        ]
        for i in range(100)
    ]
    assert live.state.counters["full"] > 0
    assert all(math.isnan(v) or v == 0 for v in seen)
    assert math.isnan(seen[-1])


@settings(max_examples=50, deadline=None)
@given(st.lists(definitions(), min_size=1, max_size=4), histories, histories)
def test_a_restored_snapshot_goes_on_with_the_same_numbers(
    texts: list[str],
    before: list[tuple[int, dict[str, str | int | None]]],
    after: list[tuple[int, dict[str, str | int | None]]],
) -> None:
    declared = declared_from(texts)
    first, second = Live(declared), Live(declared)
    for event in events_from(before):
        first.observe(event)
    kept = io.BytesIO()
    first.state.snapshot(kept.write, {"seq": 7})
    kept.seek(0)
    assert second.state.restore(kept.readinto) == {"seq": 7}
    for event in events_from(after):
        assert same(first.observe(event), second.observe(event))


def test_a_snapshot_of_other_declarations_is_refused() -> None:
    kept = io.BytesIO()
    Live(declared_from(["count of payments by payer.account over 1h"])).state.snapshot(kept.write, {})
    kept.seek(0)
    other = Live(declared_from(["count of payments by payer.account over 2h"]))
    with pytest.raises(EvidenceError, match="other feature declarations"):
        other.state.restore(kept.readinto)


def test_a_cut_snapshot_is_refused() -> None:
    live = Live(declared_from(["count of payments by payer.account over 1h"]))
    kept = io.BytesIO()
    live.state.snapshot(kept.write, {})
    with pytest.raises(EvidenceError, match="ends too early"):
        live.state.restore(io.BytesIO(kept.getvalue()[:-1]).readinto)
