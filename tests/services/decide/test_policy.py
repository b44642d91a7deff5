"""How reasons become one action: the properties that must hold for every policy and every set of findings."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Literal, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.services.decide import ListHit, settle
from lianfang.services.decide.policy import UNSURE_TEXTS, list_reason, rule_reason, unsure_reason
from lianfang.wire import ACTIONS, SEVERITY, Action, ListEffect, Policy, Reason, read_decision, write
from tests.services.decide.twins import rule

NONE = math.nan
actions = st.sampled_from(ACTIONS)
strict: st.SearchStrategy[Literal["challenge", "hold", "block"]] = st.sampled_from(["challenge", "hold", "block"])
thresholds = st.tuples(*[st.integers(1, 300)] * 3).map(sorted)
scores = st.tuples(*[st.floats(0.01, 1)] * 3).map(sorted)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    points, score = draw(thresholds), draw(scores)
    return Policy(
        challenge_points=points[0],
        hold_points=points[1],
        block_points=points[2],
        challenge_score=score[0],
        hold_score=score[1],
        block_score=score[2],
        watch_points=draw(st.integers(0, 100)),
        veto_most=draw(st.sampled_from(["challenge", "hold"])),
        unsure=draw(strict),
        late=draw(strict),
    )


def reason(source: str, action: Action | None, points: int, code: str = "c", name: str = "n") -> Reason:
    return Reason(code=code, source=source, name=name, zh="z", en="e", action=action, points=points)  # type: ignore[arg-type]


rules = st.builds(
    reason,
    st.just("rule"),
    st.one_of(st.none(), actions),
    st.integers(-50, 150),
    st.sampled_from(["a", "b"]),
    st.sampled_from(["r1", "r2", "r3"]),
)
effects = st.builds(
    ListHit,
    st.sampled_from(["payer.account", "card"]),
    st.sampled_from(["l1", "l2"]),
    st.just(""),
    st.just("p"),
    st.just("s"),
)
model = st.one_of(st.just(NONE), st.floats(0, 1))


@st.composite
def findings(draw: st.DrawFn, policy: Policy) -> list[Reason]:
    found = draw(st.lists(rules, max_size=6))
    for hit in draw(st.lists(effects, max_size=3)):
        found.append(list_reason(hit._replace(effect=draw(st.sampled_from(get_args(ListEffect)))), policy))
    found += [unsure_reason(code, policy) for code in draw(st.lists(st.sampled_from(sorted(UNSURE_TEXTS)), max_size=2))]
    return found


@settings(max_examples=300, deadline=None)
@given(data=st.data(), policy=policies(), score=model, seed=st.integers(0, 99))
def test_the_order_of_findings_does_not_matter(data: st.DataObject, policy: Policy, score: float, seed: int) -> None:
    found = data.draw(findings(policy))
    mixed = found[:]
    random.Random(seed).shuffle(mixed)
    assert settle(policy, found, score) == settle(policy, mixed, score)


@settings(max_examples=300, deadline=None)
@given(data=st.data(), policy=policies(), score=model, more=rules)
def test_one_more_rule_never_softens_the_action(
    data: st.DataObject, policy: Policy, score: float, more: Reason
) -> None:
    found = data.draw(findings(policy))
    harder = reason("rule", more.action, max(more.points, 0), more.code, more.name)
    before, after = settle(policy, found, score)[0], settle(policy, [*found, harder], score)[0]
    assert SEVERITY[after] >= SEVERITY[before]


@settings(max_examples=300, deadline=None)
@given(data=st.data(), policy=policies(), score=model)
def test_an_unsure_answer_is_at_least_what_the_policy_says(data: st.DataObject, policy: Policy, score: float) -> None:
    found = data.draw(findings(policy))
    for code in UNSURE_TEXTS:
        doubt = unsure_reason(code, policy)
        action, _, _ = settle(policy, [*found, doubt], score)
        least = policy.late if code == "deadline-passed" else policy.unsure
        assert SEVERITY[action] >= SEVERITY[least] > SEVERITY["allow"]


@settings(max_examples=300, deadline=None)
@given(data=st.data(), policy=policies(), score=model)
def test_an_allow_list_never_lifts_a_block_and_never_hardens(data: st.DataObject, policy: Policy, score: float) -> None:
    found = data.draw(findings(policy))
    allowed = list_reason(ListHit("payer.account", "friends", "allow", "p", "s"), policy)
    before, after = settle(policy, found, score)[0], settle(policy, [*found, allowed], score)[0]
    assert SEVERITY[after] <= SEVERITY[before]
    assert (before == "block") == (after == "block")


@settings(max_examples=300, deadline=None)
@given(data=st.data(), policy=policies(), score=model)
def test_the_first_reason_is_the_one_that_decided(data: st.DataObject, policy: Policy, score: float) -> None:
    found = data.draw(findings(policy))
    action, ordered, points = settle(policy, found, score)
    assert points == sum(r.points for r in found)
    if action != "allow":
        assert ordered[0].action == action
    assert [r for r in ordered if r in found or r.code in ("points", "score", "veto-softened")] == list(ordered)
    assert len(ordered) >= len(found)


@pytest.mark.parametrize(
    ("points", "action"),
    [(0, "allow"), (49, "allow"), (50, "challenge"), (99, "challenge"), (100, "hold"), (199, "hold"), (200, "block")],
)
def test_points_reach_their_thresholds_exactly(points: int, action: Action) -> None:
    assert settle(Policy(), [reason("rule", None, points)], NONE)[0] == action


@pytest.mark.parametrize(
    ("score", "action"),
    [(NONE, "allow"), (0.0, "allow"), (0.899, "allow"), (0.9, "challenge"), (0.97, "hold"), (1.0, "block")],
)
def test_the_score_reaches_its_thresholds_exactly(score: float, action: Action) -> None:
    assert settle(Policy(), [], score)[0] == action


def test_an_allow_list_lifts_rules_points_and_score_up_to_hold() -> None:
    allowed = list_reason(ListHit("payer.account", "friends", "allow", "p", "s"), Policy())
    held = [reason("rule", "hold", 120)]
    assert settle(Policy(), held, 0.98)[0] == "hold"
    assert settle(Policy(), [*held, allowed], 0.98)[0] == "allow"
    assert settle(Policy(), [reason("rule", None, 250), allowed], NONE)[0] == "block"
    assert settle(Policy(), [allowed], 1.0)[0] == "block"


def test_a_block_list_goes_before_an_allow_list() -> None:
    both = [list_reason(ListHit("card", "l", effect, "p", "s"), Policy()) for effect in ("allow", "block")]
    action, ordered, _ = settle(Policy(), both, NONE)
    assert action == "block"
    assert ordered[0].code == "list-block"


def test_watch_lists_add_their_points() -> None:
    watched = [list_reason(ListHit("card", name, "watch", "p", "s"), Policy(watch_points=25)) for name in ("a", "b")]
    assert settle(Policy(), watched, NONE)[0::2] == ("challenge", 50)
    assert settle(Policy(), watched[:1], NONE)[0::2] == ("allow", 25)


def test_no_findings_allow_without_reasons() -> None:
    assert settle(Policy(), [], NONE) == ("allow", (), 0)


def test_every_reason_fits_the_wire() -> None:
    policy = Policy()
    made = [unsure_reason(code, policy, "x" * 64) for code in UNSURE_TEXTS]
    made += [
        list_reason(ListHit("payer.id_document", "l" * 40, e, "p" * 256, "s" * 256), policy)
        for e in get_args(ListEffect)
    ]
    made.append(rule_reason(rule("r", "amount > 1", action="hold", points=5)))
    made += settle(policy, [reason("rule", None, 300)], 0.95)[1]
    versions = {"rules": "a", "lists": "b", "features": "c"}
    plain = {"payment_id": "p", "action": "hold", "decided_at": "2026-05-01T00:00:00Z", "seq": 1, "versions": versions}
    assert len(read_decision(write({**plain, "reasons": made})).reasons) == len(made)


PAGE = Path(__file__).parents[3] / "docs" / "reference" / "policy.md"
_, _, TRUTH = PAGE.read_text("utf-8").partition("## Truth table")
ROWS = [
    tuple(cell.strip() for cell in line.strip("|").split("|")) for line in TRUTH.splitlines() if line.startswith("| ")
]


@pytest.mark.parametrize("row", ROWS[2:], ids=" ".join)
def test_the_truth_table_of_the_documentation_holds(row: tuple[str, ...]) -> None:
    lists, asked, points, score, unsure, expected = row
    policy = Policy()
    found = [
        list_reason(ListHit("card", f"l{i}", e, "p", "s"), policy) for i, e in enumerate(lists.split()) if e != "-"
    ]
    found.append(reason("rule", None if asked == "-" else asked, int(points)))  # type: ignore[arg-type]
    if unsure == "yes":
        found.append(unsure_reason("no-rules", policy))
    assert settle(policy, found, NONE if score == "-" else float(score))[0] == expected


def test_the_documentation_names_every_doubt() -> None:
    assert all(f"`{code}`" in PAGE.read_text("utf-8") for code in UNSURE_TEXTS)
