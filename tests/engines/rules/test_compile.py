"""One function for all rules: what fires, what counts, and what happens when one of them breaks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest

from lianfang.engines.expr import FUNCTIONS, Environment, Function
from lianfang.engines.rules import NO_HITS, Compiled, Hits, RuleError, compile_rules, in_share
from lianfang.kernel.instant import instant
from lianfang.wire import Rule, build


def _raise(_: int) -> int:
    raise ZeroDivisionError("on purpose")


ENV = Environment(
    ("f_a", "f_b"), frozenset({"mules", "watch"}), {**FUNCTIONS, "boom": Function(("int",), "int", call=_raise)}
)
LAYOUT = ("id", "amount", "payer.account", "payee.account", "time")


def rule(id: str, when: str, **more: Any) -> Rule:  # noqa: A002
    return build(Rule, {"id": id, "zh": "规则", "en": "rule", "when": when, "code": "X", "points": 1, **more})


def run(
    rules: Sequence[Rule] | Compiled,
    *,
    amount: int = 100,
    account: str | None = "a",
    payment: str = "p",
    features: Sequence[float] = (1.0, math.nan),
    listed: Any = {},  # noqa: B006
    tags: Any = {},  # noqa: B006
    score: float = math.nan,
    at_us: int = 0,
) -> Hits:
    compiled = rules if isinstance(rules, Compiled) else compile_rules(rules, ENV)
    return compiled.bind(LAYOUT)((payment, amount, account, "b", at_us), features, listed, tags, score, at_us)


def test_rules_fire_in_order_and_only_where_true() -> None:
    hits = run([rule("a", "amount > 50"), rule("b", "amount > 500"), rule("c", "f_a == 1"), rule("d", "f_b < 5")])
    assert hits == Hits(fired=(0, 2))


def test_nothing_fired_is_one_shared_result() -> None:
    assert run([rule("a", "amount > 500")]) is NO_HITS
    assert run([]) is NO_HITS


def test_a_rule_that_raises_is_reported_and_stops_no_other() -> None:
    hits = run([rule("a", "amount > 1"), rule("b", "boom(amount) > 1"), rule("c", "amount > 1")])
    assert hits.fired == (0, 2)
    [(index, why)] = hits.failed
    assert index == 1
    assert isinstance(why, ZeroDivisionError)
    assert why.__traceback__ is None


def test_in_the_lane_first_only_the_first_live_rule_counts() -> None:
    rules = [
        rule("s", "amount > 1", lane="first", mode="shadow"),
        rule("a", "amount > 500", lane="first"),
        rule("b", "amount > 1", lane="first"),
        rule("c", "amount > 1"),
        rule("d", "amount > 1", lane="first"),
    ]
    assert run(rules) == Hits(fired=(2, 3), shadow=(0,))


def test_shadow_is_on_record_and_off_is_checked_but_not_compiled() -> None:
    rules = [rule("a", "amount > 1", mode="off"), rule("b", "amount > 1", mode="shadow")]
    compiled = compile_rules(rules, ENV)
    assert [r.id for r in compiled.rules] == ["b"]
    assert run(compiled) == Hits(shadow=(0,))
    with pytest.raises(RuleError, match="rule `a`: unknown name `amont`"):
        compile_rules([rule("a", "amont > 1", mode="off")], ENV)


def test_validity_is_from_inclusive_until_exclusive_on_the_payments_time() -> None:
    bounded = rule("a", "True", valid_from="2026-01-01T00:00:00Z", valid_until="2026-02-01T00:00:00Z")
    begin, end = (instant(t) for t in (bounded.valid_from, bounded.valid_until) if t is not None)
    assert [run([bounded], at_us=at).fired for at in (begin - 1, begin, end - 1, end)] == [(), (0,), (0,), ()]


def test_a_share_takes_about_its_part_of_accounts_and_always_the_same() -> None:
    half = compile_rules([rule("half", "True", share=0.5)], ENV)
    taken = [account for account in map(str, range(2_000)) if run(half, account=account).fired]
    assert 900 < len(taken) < 1_100
    assert taken == [account for account in map(str, range(2_000)) if run(half, account=account, payment="q").fired]


def test_shares_of_two_rules_are_drawn_independently() -> None:
    both = compile_rules([rule("one", "True", share=0.5), rule("two", "True", share=0.5)], ENV)
    together = sum(run(both, account=account).fired == (0, 1) for account in map(str, range(2_000)))
    assert 400 < together < 600


def test_without_an_account_the_payments_id_chooses_the_bucket() -> None:
    half = compile_rules([rule("half", "True", share=0.5)], ENV)
    fired = {run(half, account=None, payment=str(i)).fired for i in range(50)}
    assert fired == {(), (0,)}


def test_buckets_never_change_between_releases() -> None:
    drawn = [in_share("r", str(i), "p", 1 << 63) for i in range(8)]
    assert drawn == [False, True, True, True, False, False, True, False]


def test_a_share_of_zero_takes_nobody() -> None:
    assert not any(run([rule("none", "True", share=0.0)], account=str(i)).fired for i in range(200))


def test_membership_and_tags_are_read_by_path() -> None:
    rules = [
        rule("a", "payee.account in mules"),
        rule("b", "payee.account not in mules"),
        rule("c", "payer.account in watch and tag(payee.account).severity >= 2"),
        rule("d", 'tag(payer.account).category != "mule"'),
    ]
    compiled = compile_rules(rules, ENV)
    assert compiled.list_pairs == (("payee.account", "mules"), ("payer.account", "watch"))
    assert compiled.tag_paths == ("payee.account", "payer.account")
    assert run(compiled).fired == (1,)
    listed = {"payee.account": {"mules"}, "payer.account": {"watch"}}
    tags = {"payee.account": ("mule", 3, 1), "payer.account": (None, 3, 1)}
    assert run(compiled, listed=listed, tags=tags).fired == (0, 2)
    assert run(compiled, listed=listed).fired == (0,)


def test_paths_name_every_column_needed_and_those_of_the_bucket() -> None:
    compiled = compile_rules([rule("a", "amount > 1 and hour(time) < 5")], ENV)
    assert compiled.paths == ("amount", "id", "payer.account", "time")


def test_rules_can_be_taken_out() -> None:
    compiled = compile_rules([rule("a", "amount > 1"), rule("b", "boom(amount) > 1"), rule("c", "amount > 1")], ENV)
    rest = compiled.without(["b"])
    assert [r.id for r in rest.rules] == ["a", "c"]
    assert run(rest) == Hits(fired=(0, 1))


def test_a_profile_times_each_rule_alone_with_the_clock_it_is_given() -> None:
    compiled = compile_rules([rule("a", "amount > 1"), rule("b", "boom(amount) > 1")], ENV)
    ticks = iter([0, 5, 10, 40])
    row = ("p", 100, "a", "b", 0)
    taken = compiled.profile(row, (1.0, 2.0), {}, {}, 0.5, 0, layout=LAYOUT, clock=lambda: next(ticks))
    assert taken == [(0, 5), (1, 30)]


def test_a_wrong_rule_is_refused_with_its_place() -> None:
    with pytest.raises(RuleError) as caught:
        compile_rules([rule("late", "amount > 1\nand memmo == 'x'")], ENV)
    error = caught.value
    assert (error.rule, error.line, error.column) == ("late", 2, 5)
    assert error.caret() == "and memmo == 'x'\n    ^^^^^"


def test_two_thousand_rules_compile_into_one_function() -> None:
    compiled = compile_rules([rule(f"r{i}", f"amount == {i} and f_a > 0") for i in range(2_000)], ENV)
    assert run(compiled, amount=1_999).fired == (1_999,)


def test_two_rules_that_divide_the_traffic_leave_nobody_out_and_take_nobody_twice() -> None:
    rules = [rule("new", "True", share=0.3, share_key="old"), rule("old", "True", share_from=0.3)]
    fired = [run(rules, account=str(i)).fired for i in range(2_000)]
    assert set(fired) == {(0,), (1,)}
    assert 500 < fired.count((0,)) < 700


def test_a_share_that_begins_where_it_ends_is_refused() -> None:
    with pytest.raises(RuleError, match=r"its share begins at 0.5 and ends at 0.5: nothing"):
        compile_rules([rule("none", "True", share=0.5, share_from=0.5)], ENV)
