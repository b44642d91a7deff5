"""The decider's core: unsure is never allow, nothing is counted that is not recorded, and the same answer again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.engines.scoring import Why
from lianfang.kernel import limits
from lianfang.kernel.errors import ConflictError, DependencyError, EvidenceError, InputError, TooLargeError
from lianfang.kernel.instant import SECOND, moment
from lianfang.services.decide import DECISION, OUTCOME
from lianfang.services.decide.decider import OVERRUNS, SLOW_TIMES
from lianfang.wire import ACTIONS, Feature, Outcome, Policy, read_outcome, read_payment, write
from tests.services.decide.twins import NOW, TIME, Bench, book_of, entry, payment, rule, with_function

QUIET = rule("quiet", "amount > 1000000000")
COUNT = Feature(name="n", define="count of payments by payer.account over 1h")
SUM = Feature(name="s", define="sum(amount) of payments by payer.account, payee.account over 7d including this")


class Model:
    """A scorer that says what the test wants."""

    def __init__(self, score: float) -> None:
        self.version: str | None = "m1"
        self.score = score
        self.paths: frozenset[str] = frozenset()

    def bind(self, layout: Sequence[str], features: Sequence[Feature]) -> Model:
        return self

    def __call__(self, row: Any, features: Any) -> float:
        return self.score

    def why(self) -> tuple[Why, ...]:
        return (Why("count_1h", 12.0, 1.5, "近1小时次数偏高", "payments in 1 h is high"),)


def codes(answer: Any) -> list[str]:
    return [r.code for r in answer.reasons]


def test_nothing_against_it_is_allowed_and_sure() -> None:
    bench = Bench(book_of([QUIET]))
    answer = bench.ask(payment())
    assert (answer.action, answer.reasons, answer.unsure, answer.seq) == ("allow", (), False, 1)
    assert answer.decided_at == moment(NOW)
    assert bench.journal.records[0][:2] == (DECISION, NOW)


@pytest.mark.parametrize("least", ["challenge", "hold", "block"])
@pytest.mark.parametrize("rules", [[], [rule("s", "amount > 0", mode="shadow")], [rule("o", "amount > 0", mode="off")]])
def test_without_a_live_rule_the_answer_is_unsure(rules: list[Any], least: Any) -> None:
    answer = Bench(book_of(rules, policy=Policy(unsure=least))).ask(payment())
    assert answer.unsure
    assert (answer.action, codes(answer)) == (least, ["no-rules"])


def test_an_allow_list_does_not_lift_an_unsure_answer() -> None:
    answer = Bench(book_of([], [entry("friends", "allow", "account", "a")])).ask(payment(payer={"account": "a"}))
    assert answer.unsure
    assert answer.action == "challenge"


def test_a_required_model_that_is_missing_is_unsure() -> None:
    bench = Bench(book_of([QUIET], policy=Policy(model_required=True)))
    assert codes(bench.ask(payment())) == ["model-missing"]
    with_one = Bench(book_of([QUIET], policy=Policy(model_required=True)), Model(0.1))
    assert with_one.ask(payment()).action == "allow"


def test_a_failing_rule_is_isolated_and_makes_the_answer_unsure(monkeypatch: pytest.MonkeyPatch) -> None:
    def boom(_: str) -> bool:
        raise ZeroDivisionError

    with_function(monkeypatch, "boom", boom)
    bench = Bench(book_of([rule("bad", "boom(memo)"), rule("good", "amount > 50", action="hold")]))
    answer = bench.ask(payment(memo="x"))
    assert answer.unsure
    assert answer.action == "hold"
    assert sorted(codes(answer)) == ["c-good", "rule-failed"]
    assert [r.name for r in answer.reasons if r.code == "rule-failed"] == ["bad"]
    assert bench.ask(payment("p2", amount=1)).action == "allow"  # no memo: the rule did not fail
    assert bench.ask(payment("p3", amount=1, memo="x")).action == "challenge"
    assert bench.decider.counters["rule_failures"] == 2


def test_a_failing_rule_in_shadow_disturbs_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    with_function(monkeypatch, "boom", lambda _: 1 // 0)
    bench = Bench(book_of([rule("bad", "boom(memo)", mode="shadow"), QUIET]))
    answer = bench.ask(payment(memo="x"))
    assert (answer.action, answer.unsure) == ("allow", False)
    assert bench.decider.counters["rule_failures"] == 1


def test_an_engines_fault_is_an_unsure_answer() -> None:
    class Broken(Model):
        def __call__(self, row: Any, features: Any) -> float:
            raise MemoryError

    bench = Bench(book_of([QUIET], policy=Policy(unsure="hold")), Broken(0))
    answer = bench.ask(payment())
    assert (answer.action, codes(answer), answer.unsure) == ("hold", ["engine-error"], True)
    assert bench.journal.records


def slow_bench(monkeypatch: pytest.MonkeyPatch, cost_ns: list[int]) -> Bench:
    bench: Bench

    def slow(_: str) -> bool:
        bench.ticks.ns += cost_ns[0]
        return True

    with_function(monkeypatch, "slow", slow)
    rules = [
        rule("slow-one", "slow(memo)", action="hold"),
        rule("on-list", "payer.account in empty_list", action="block"),
        rule("other", "amount > 50", points=10),
    ]
    bench = Bench(book_of(rules, known_lists=["empty_list"]), rule_budget_us=1_000)
    return bench


def test_a_rule_slow_again_and_again_is_quarantined_and_can_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    cost = [5_000_000]
    bench = slow_bench(monkeypatch, cost)
    needed = OVERRUNS + SLOW_TIMES - 1
    for i in range(needed):
        answer = bench.ask(payment(f"p{i}", memo="x"))
        assert (answer.action, answer.unsure) == ("hold", False)
    assert bench.decider.book.quarantined == {"slow-one"}
    answer = bench.ask(payment("after", memo="x"))
    assert answer.unsure
    assert sorted(codes(answer)) == ["c-other", "rule-quarantined"]
    assert answer.action == "challenge"
    bench.decider.without_quarantine()
    cost[0] = 0
    answer = bench.ask(payment("again", memo="x"))
    assert (answer.action, answer.unsure) == ("hold", False)
    assert bench.decider.book.quarantined == frozenset()


def test_a_rule_slow_now_and_then_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    cost = [0]
    bench = slow_bench(monkeypatch, cost)
    for i in range(4 * OVERRUNS):
        cost[0] = 5_000_000 if i % 2 and i < OVERRUNS else 0
        bench.ask(payment(f"p{i}", memo="x"))
    assert bench.decider.book.quarantined == frozenset()


def test_full_feature_memory_is_unsure() -> None:
    bench = Bench(book_of([QUIET], features=[COUNT]), memory_bytes=1 << 15)
    answer = None
    for i in range(5_000):
        answer = bench.ask(payment(f"p{i}", payer={"account": f"a{i}"}))
        if answer.unsure:
            break
    assert answer is not None
    assert (answer.action, codes(answer)) == ("challenge", ["features-full"])


def test_late_answers_by_the_policy_without_running_rules() -> None:
    bench = Bench(book_of([rule("r", "amount > 0", action="block")], policy=Policy(late="hold")))
    answer = bench.ask(payment(), late=True)
    assert (answer.action, codes(answer), answer.unsure) == ("hold", ["deadline-passed"], True)


def test_a_block_list_still_blocks_when_late() -> None:
    bench = Bench(book_of([QUIET], [entry("mules", "block", "account", "m")]))
    assert bench.ask(payment(payee={"account": "m"}), late=True).action == "block"


def test_lists_by_effect() -> None:
    entries = [
        entry("mules", "block", "account", "m"),
        entry("odd", "watch", "device", "d"),
        entry("friends", "allow", "account", "f"),
    ]
    rules = [rule("large", "amount >= 100", action="hold"), rule("listed", "payee.account in mules", points=7)]
    bench = Bench(book_of(rules, entries, policy=Policy(watch_points=60)))
    answer = bench.ask(payment("1", amount=1, payee={"account": "m"}))
    assert (answer.action, answer.points) == ("block", 7)
    answer = bench.ask(payment("2", amount=1, device={"id": "d"}))
    assert (answer.action, answer.points, codes(answer)[0]) == ("challenge", 60, "points")
    assert bench.ask(payment("3", payer={"account": "f"})).action == "allow"
    assert bench.ask(payment("4", payer={"account": "f"}, payee={"account": "m"})).action == "block"
    assert bench.ask(payment("5")).action == "hold"


@pytest.mark.parametrize(
    ("score", "action"), [(0.2, "allow"), (0.5, "hold"), (0.95, "hold"), (1.0, "block"), (math.nan, "allow")]
)
def test_the_lowest_threshold_counts_even_if_it_is_not_the_first(score: float, action: str) -> None:
    bench = Bench(book_of([QUIET], policy=Policy(challenge_score=0.9, hold_score=0.5)), Model(score))
    answer = bench.ask(payment())
    assert answer.action == action
    assert answer.score == (None if math.isnan(score) else score)


def test_shadow_rules_are_told_and_do_nothing() -> None:
    bench = Bench(book_of([QUIET, rule("s", "amount > 1", action="block", mode="shadow")]))
    answer = bench.ask(payment())
    assert (answer.action, answer.shadow, answer.reasons) == ("allow", ("s",), ())


def test_a_payment_ahead_of_the_clock_is_refused_and_not_counted() -> None:
    bench = Bench(book_of([QUIET], features=[COUNT]))
    ahead = NOW - limits.CLOCK_SKEW_MAX_S * SECOND
    raw = payment(payer={"account": "a"})
    with pytest.raises(InputError) as caught:
        bench.ask(raw, ahead - 1)
    assert caught.value.where == "$.time"
    assert (bench.journal.records, bench.hot.state.keys, bench.hot.seen("p1")) == ([], 0, -1)
    assert bench.ask(raw, ahead).seq == 1


def test_while_the_journal_cannot_be_written_nothing_is_counted() -> None:
    bench = Bench(book_of([QUIET], features=[COUNT]))
    bench.journal.failure = DependencyError("the disk is full")
    with pytest.raises(DependencyError):
        bench.ask(payment(payer={"account": "a"}))
    assert (bench.hot.state.keys, bench.hot.seen("p1")) == (0, -1)
    bench.journal.failure = None
    assert bench.ask(payment(payer={"account": "a"})).seq == 1


def test_a_payment_too_large_for_a_record_is_refused_and_not_counted() -> None:
    bench = Bench(book_of([QUIET], features=[COUNT]))
    with pytest.raises(TooLargeError):
        bench.ask(payment(payer={"account": "a"}) + b" " * limits.PAYMENT_BYTES_MAX)
    assert (bench.hot.state.keys, bench.hot.seen("p1")) == (0, -1)


def test_the_same_payment_has_the_same_answer_and_a_changed_one_is_refused() -> None:
    bench = Bench(book_of([rule("r", "n >= 1", action="hold")], features=[COUNT]))
    raw = payment(payer={"account": "a"})
    first = bench.decider.decide(raw, read_payment(raw), NOW)
    spaced = raw.replace(b",", b" , ")
    assert bench.decider.decide(spaced, read_payment(spaced), NOW + SECOND) == first
    for changed in (payment(amount=101, payer={"account": "a"}), payment(payer={"account": "b"})):
        with pytest.raises(ConflictError) as caught:
            bench.ask(changed)
        assert caught.value.where == "$.id"
    assert len(bench.journal.records) == 1
    assert bench.ask(payment("p2", "2026-05-01T01:46:41Z", payer={"account": "a"})).action == "hold"


def test_an_outcome_under_a_payments_seq_is_evidence_of_damage() -> None:
    bench = Bench(book_of([QUIET]))
    bench.ask(payment())
    bench.journal.records[0] = (OUTCOME, NOW, (b"{}",))
    with pytest.raises(EvidenceError):
        bench.ask(payment())


def test_a_decision_is_found_by_its_id_only() -> None:
    bench = Bench(book_of([QUIET]))
    raw = payment()
    answered = bench.decider.decide(raw, read_payment(raw), NOW)
    assert bench.decider.found("p1") == answered
    assert bench.decider.found("p2") is None
    assert bench.decider.found("p1\x1fx") is None


def test_outcomes_are_recorded() -> None:
    bench = Bench(book_of([QUIET]))
    raw = write(Outcome(payment_id="p", label="fraud", known_at=moment(NOW), source="customer"))
    assert bench.decider.learn(raw, read_outcome(raw), NOW) == 1
    assert bench.journal.records == [(OUTCOME, NOW, (raw,))]


def test_other_features_need_a_restart_other_rules_do_not() -> None:
    bench = Bench(book_of([QUIET], features=[COUNT]))
    with pytest.raises(ConflictError):
        bench.decider.use(book_of([QUIET], features=[SUM]))
    assert bench.ask(payment()).action == "allow"
    bench.decider.use(book_of([rule("r", "amount > 0", action="block")], features=[COUNT]))
    assert bench.ask(payment("p2")).action == "block"


people = st.sampled_from([None, "a", "b", "c"])


@settings(max_examples=60, deadline=None)
@given(
    asked=st.lists(
        st.tuples(st.integers(0, 15), st.integers(0, 7_200), st.integers(0, 500), people, people), max_size=30
    )
)
def test_reliving_the_journal_gives_the_same_state(asked: list[tuple[int, int, int, str | None, str | None]]) -> None:
    book = book_of([rule("r", "n > 2 or s > 600", action="hold")], features=[COUNT, SUM])
    first, second = Bench(book), Bench(book)
    for number, before, amount, payer, payee in asked:
        at = moment(NOW - before * SECOND).isoformat()
        raw = payment(f"p{number}", at, amount, payer={"account": payer}, payee={"account": payee})
        try:
            answer = first.ask(raw)
        except ConflictError:
            continue
        assert answer.action in ACTIONS
    for seq, (_, _, parts) in enumerate(first.journal.records, 1):
        assert second.decider.relive([(seq, parts)]) == 0
    assert np.array_equal(first.hot.recent.ids, second.hot.recent.ids)
    assert first.hot.state.counters == second.hot.state.counters
    second.journal.records = list(first.journal.records)
    for one in ("a", "b"):
        raw = payment("next-" + one, TIME, payer={"account": one}, payee={"account": "c"})
        assert first.ask(raw) == second.ask(raw)
        assert np.array_equal(first.hot.features, second.hot.features, equal_nan=True)


def test_a_journal_that_disagrees_is_noticed() -> None:
    book = book_of([QUIET], features=[COUNT])
    first, second = Bench(book), Bench(book)
    for i in range(2):
        first.ask(payment(f"p{i}", payer={"account": "a"}))
    assert second.decider.relive([(1, first.journal.records[0][2])]) == 0
    raw, answer, _ = first.journal.records[1][2]
    assert second.decider.relive([(2, (raw, answer, np.array([9.0]).tobytes()))]) == 1


EDGES = ["0001-01-01T00:00:00+23:59", "1600-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z", TIME]


@settings(max_examples=30, deadline=None)
@given(times=st.lists(st.sampled_from(EDGES), max_size=30))
def test_times_at_the_edges_of_the_calendar_are_decided_surely(times: list[str]) -> None:
    rules = [rule("r", "n > 1_000 or hour(time) > 24 or days_since(session.started) > 10_000_000")]
    bench = Bench(book_of(rules, features=[COUNT, SUM]))
    for i, time in enumerate(times):
        started = {"started": EDGES[i % 2]}
        answer = bench.ask(payment(f"p{i}", time, limits.AMOUNT_MAX, payer={"account": "a"}, session=started))
        assert (answer.action, answer.unsure) == ("allow", False)


FRAUDS = Feature(name="frauds", define="count of frauds by payee.account over 24h")


def outcome(payment_id: str, label: str = "fraud") -> tuple[bytes, Outcome]:
    made = Outcome(payment_id=payment_id, label=label, known_at=moment(NOW), source="customer")  # type: ignore[arg-type]
    return write(made), made


def test_a_fraud_counts_once_from_when_it_is_known_for_the_key_of_its_payment() -> None:
    bench = Bench(book_of([QUIET], features=[FRAUDS]))

    def frauds_seen(number: int) -> float:
        bench.ask(payment(f"n{number}", payee={"account": "mule"}))
        return float(bench.hot.features[0])

    bench.ask(payment("bad", payee={"account": "mule"}))
    bench.ask(payment("other", payee={"account": "shop"}))
    assert frauds_seen(1) == 0
    known = NOW - 10 * SECOND
    for said in (outcome("other"), outcome("bad", "genuine"), outcome("unheard-of"), outcome("bad"), outcome("bad")):
        bench.decider.learn(*said, known)
    assert frauds_seen(2) == 1
    assert bench.decider.counters["frauds_counted"] == 2
    assert bench.decider.counters["frauds_not_counted"] == 2
    bench.decider.learn(*outcome("bad", "genuine"), known)
    assert frauds_seen(3) == 1


def test_outcomes_counted_again_after_a_restart_give_the_same_state() -> None:
    book = book_of([QUIET], features=[FRAUDS, COUNT])
    first, second = Bench(book), Bench(book)
    for i in range(6):
        first.ask(payment(f"p{i}", payee={"account": "m"}, payer={"account": "a"}))
        first.decider.learn(*outcome(f"p{i // 2}"), NOW - (6 - i) * SECOND)
    second.journal.records = list(first.journal.records)
    for seq, (kind, at, parts) in enumerate(first.journal.records, 1):
        if kind == DECISION:
            assert second.decider.relive([(seq, parts)]) == 0
        else:
            second.decider.count_outcome(read_outcome(parts[0]), at)
    for bench in (first, second):
        bench.ask(payment("next", payee={"account": "m"}, payer={"account": "a"}))
    assert np.array_equal(first.hot.features, second.hot.features)
    assert first.hot.features[0] == 3
    assert np.array_equal(first.hot.recent.ids, second.hot.recent.ids)


def test_declarations_without_frauds_do_not_look_at_outcomes() -> None:
    bench = Bench(book_of([QUIET], features=[COUNT]))
    bench.ask(payment("p"))
    before = bench.hot.state.counters
    bench.decider.learn(*outcome("p"), NOW)
    assert bench.hot.state.counters == before
    assert not bench.decider.counters["frauds_not_counted"]
