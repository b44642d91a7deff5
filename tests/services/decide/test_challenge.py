"""What is asked of the customer: all kinds that standing reasons ask for, the strongest named first."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.services.decide.challenge import WARNINGS_SHOWN, Challenges
from lianfang.services.decide.policy import settle
from lianfang.wire import CHALLENGES, Challenge, Policy, Reason, RuleSet, WarningText, build
from tests.services.decide.twins import Bench, book_of, entry, payment, rule

TEXTS = tuple(WarningText(code=f"w{i}", zh=f"警告{i}", en=f"Warning {i}") for i in range(5))
NONE = float("nan")


def reason(name: str, action: str | None = "challenge") -> Reason:
    return Reason(code="c", source="rule", name=name, zh="z", en="e", action=action)  # type: ignore[arg-type]


def challenges(*asked: Challenge, policy: Policy | None = None) -> Challenges:
    rules = tuple(rule(f"r{i}", "amount > 1", action="challenge", challenge=one) for i, one in enumerate(asked))
    return Challenges(RuleSet(policy=policy, rules=rules, warnings=TEXTS))


asks = st.one_of(
    st.sampled_from(["warning", "second_factor", "call_back"]).flatmap(
        lambda kind: st.sampled_from([t.code for t in TEXTS]).map(
            lambda w: build(Challenge, {"kind": kind, "warning": w})
        )
    ),
    st.integers(1, 600).map(lambda s: Challenge(kind="delay", delay_s=s)),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(asks, min_size=1, max_size=6))
def test_all_kinds_asked_for_stand_together_and_the_strongest_is_named_first(asked: list[Challenge]) -> None:
    found = challenges(*asked).of("challenge", [reason(f"r{i}") for i in range(len(asked))])
    assert found is not None
    kinds = [found.kind, *found.also]
    warned = list(dict.fromkeys(one.warning for one in asked if one.warning))[:WARNINGS_SHOWN]
    assert kinds == sorted(set(kinds), key=CHALLENGES.index, reverse=True)
    assert set(kinds) == {one.kind for one in asked} | ({"warning"} if warned else set())
    assert found.delay_s == max((one.delay_s for one in asked if one.delay_s), default=None)
    assert [text.code for text in found.warnings] == warned


@pytest.mark.parametrize("action", ["allow", "block"])
def test_nothing_is_asked_where_the_answer_is_final(action: str) -> None:
    assert challenges(Challenge(kind="call_back")).of(action, [reason("r0")]) is None  # type: ignore[arg-type]


def test_without_a_word_from_the_reasons_the_policy_says_what_is_asked() -> None:
    found = challenges(policy=Policy(challenge="call_back")).of("hold", [reason("other")])
    assert found is not None
    assert (found.kind, found.also, found.delay_s, found.warnings) == ("call_back", (), None, ())


def test_what_an_allow_list_lifted_asks_nothing() -> None:
    asking = [
        rule("a", "amount > 1", action="challenge", challenge=Challenge(kind="delay", delay_s=60)),
        rule("b", "amount > 1", points=10, challenge=Challenge(kind="call_back")),
    ]
    book = book_of(asking, [entry("friends", "allow", "account", "x")])
    assert Bench(book).ask(payment(payee={"account": "x"})).challenge is None
    plain = Bench(book).ask(payment("p2", payee={"account": "y"})).challenge
    assert plain is not None
    assert (plain.kind, plain.also, plain.delay_s) == ("call_back", ("delay",), 60)


def test_an_unsure_answer_asks_what_the_policy_says() -> None:
    answer = Bench(book_of()).ask(payment())
    assert answer.unsure
    assert answer.challenge is not None
    assert answer.challenge.kind == Policy().challenge


def test_a_softened_block_is_asked_about_like_any_hold() -> None:
    policy = Policy(challenge="call_back")
    reasons = [Reason(code="c", source="system", name="s", zh="z", en="e", action="hold")]
    action, ordered, _ = settle(policy, reasons, NONE)
    asked = challenges(policy=policy).of(action, ordered)
    assert asked is not None
    assert asked.kind == "call_back"
