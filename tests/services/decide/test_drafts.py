"""A change goes from a draft to the traffic by two people's hands, one stage after the other, and back in one step."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest

from lianfang.kernel.errors import ConflictError, InputError
from lianfang.services.decide.drafts import (
    STEPS,
    Before,
    Change,
    Draft,
    State,
    approvable,
    checked_change,
    in_force,
    rolled_back,
    shadows_of,
    step,
)
from lianfang.wire import Rule, RuleSet

OLD = Rule(id="r", zh="旧", en="old", when="amount > 1", code="R", action="hold")
NEW = Rule(id="r", zh="新", en="new", when="amount > 2", code="R", action="challenge")
FRESH = Rule(id="fresh", zh="初", en="fresh", when="amount > 3", code="F", points=60)
GONE = Rule(id="gone", zh="去", en="gone", when="amount > 4", code="G", points=9)
BEFORE = Before({"r": OLD, "fresh": None, "gone": GONE})


def draft(**more: Any) -> Draft:
    change = Change(rules=(NEW, FRESH), remove=("gone",))
    made = Draft(id=7, state="draft", change=change, reason="x", made_by="ann", made_at=1, before=BEFORE)
    return msgspec.structs.replace(made, **more)


def after(rules: dict[str, Rule], stage: Any, share: float | None = None) -> dict[str, Rule]:
    wanted = in_force(draft(), stage, share)
    return {k: v for k, v in (rules | {r.id: r for r in wanted.put}).items() if k not in wanted.drop}


START = {"r": OLD, "gone": GONE}


def test_in_shadow_the_new_stands_beside_the_old_without_effect() -> None:
    rules = after(START, "shadow")
    assert rules["r"] == OLD
    assert rules["gone"] == GONE
    assert {k: r.mode for k, r in rules.items()} == {
        "r": "live",
        "gone": "live",
        "r.next": "shadow",
        "fresh.next": "shadow",
    }
    assert rules["r.next"].when == NEW.when


def test_in_share_old_and_new_divide_the_traffic() -> None:
    rules = after(after(START, "shadow"), "share", 0.2)
    assert (rules["r.next"].mode, rules["r.next"].share, rules["r.next"].share_from) == ("live", 0.2, 0)
    assert (rules["r"].share, rules["r"].share_from, rules["r"].when) == (1, 0.2, OLD.when)
    assert (rules["gone"].share, rules["gone"].share_from) == (1, 0.2)
    assert rules["fresh.next"].share == 0.2
    assert {rules["r"].share_key, rules["r.next"].share_key} == {"r"}


def test_live_is_what_was_drafted_and_a_way_back_leads_to_what_was_from_every_stage() -> None:
    stages = [after(START, "shadow")]
    stages.append(after(stages[-1], "share", 0.5))
    stages.append(after(stages[-1], "live"))
    assert stages[-1] == {"r": NEW, "fresh": FRESH}
    back = rolled_back(draft())
    for rules in stages:
        restored = {k: v for k, v in (rules | {r.id: r for r in back.put}).items() if k not in back.drop}
        assert restored == START


READS = Rule(
    id="reads", zh="读", en="reads", when="amount > param.large and hour(time) < param.late", code="P", points=5
)
SET = Change(parameters={"large": 700}, packs={"law": False})


def test_a_parameter_is_shadowed_by_the_rules_that_read_it_and_then_set() -> None:
    off = msgspec.structs.replace(READS, id="off", mode="off")
    (shadow,) = shadows_of(SET, RuleSet(rules=(OLD, READS, off)))
    assert (shadow.id, shadow.mode, shadow.when) == (
        "reads.next",
        "shadow",
        "amount > 700 and hour(time) < param.late",
    )
    before = Before(parameters={"large": None}, packs={"law": True}, shadows=("reads.next",))
    made = draft(change=SET, before=before)
    watched = in_force(made, "shadow", None, (shadow,))
    assert (watched.put, watched.parameters, watched.packs) == ((shadow,), {}, {})
    live = in_force(made, "live", None)
    assert (live.drop, live.parameters, live.packs) == (("reads.next",), {"large": 700}, {"law": False})
    back = rolled_back(made)
    assert (back.drop, back.parameters, back.packs) == (("reads.next",), {"large": None}, {"law": True})
    with pytest.raises(ConflictError, match="from shadow it goes live"):
        in_force(made, "share", 0.5)


def test_every_step_that_is_not_named_is_refused() -> None:
    states: tuple[State, ...] = ("draft", "approved", "shadow", "share", "live", "withdrawn", "rolled_back")
    for state, to in itertools.product(states, states):
        if to in STEPS.get(state, ()):
            step(draft(state=state), to)
        else:
            with pytest.raises(ConflictError, match=f"draft 7 is {state}"):
                step(draft(state=state), to)


def test_nobody_approves_their_own_draft_nor_one_whose_past_was_not_looked_at() -> None:
    with pytest.raises(ConflictError, match="nobody approves their own draft"):
        approvable(draft(), "ann", "urgent")
    with pytest.raises(ConflictError, match="draft 7 has no backtest"):
        approvable(draft(), "bob", " ")
    approvable(draft(), "bob", "an attack is under way")
    approvable(draft(backtest=msgspec.Raw(b"{}")), "bob", "")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (Change(), "a draft changes a rule"),
        (Change(rules=(NEW, NEW)), "the rule r stands twice"),
        (Change(rules=(NEW,), remove=("r",)), "the rule r stands twice"),
        (Change(rules=(msgspec.structs.replace(NEW, id="r.next"),)), r"an id that ends in .next"),
        (Change(rules=(msgspec.structs.replace(NEW, id="a" * 60),)), "is too long for a draft"),
        (Change(rules=(msgspec.structs.replace(NEW, share_from=0.5),)), "a draft divides the traffic itself"),
    ],
)
def test_what_is_no_change_is_refused(change: Change, says: str) -> None:
    with pytest.raises(InputError, match=says):
        checked_change(change)


def test_shares_are_more_than_none_and_less_than_all_and_only_of_rules() -> None:
    for share in (None, 0.0, 1.0):
        with pytest.raises(InputError, match="say which share"):
            in_force(draft(), "share", share)
    with pytest.raises(InputError, match="only the stage `share`"):
        in_force(draft(), "live", 0.5)
    with pytest.raises(ConflictError, match="a model scores all of the traffic or none"):
        in_force(draft(change=Change(model="abc")), "share", 0.5)
