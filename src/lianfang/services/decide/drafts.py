"""A change of rules, parameters, packs or the model from a draft to the traffic: who may do what, what is then in force.

draft -> approved -> shadow -> (share ->) live; back in one step from anywhere. Nobody approves their own draft, and nothing
is approved whose past was not looked at, unless the approver says why. In shadow and in share the new rule stands beside
the old one as `<id>.next`; in share they divide the traffic by the payer's account.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from lianfang.engines.rules.parameters import called_by, written
from lianfang.kernel import limits
from lianfang.kernel.errors import ConflictError, InputError
from lianfang.wire import Rule, RuleSet
from lianfang.wire.rule import FeatureName, RuleId

NEXT: Final = ".next"
"""What a new rule's id ends in until it is live."""
RULES_A_DRAFT: Final = 200
PACKS_A_DRAFT: Final = 200
RULE_ID_MAX: Final = 64
Value = int | float
BACKTEST_BYTES_MAX: Final = 4 << 20

State = Literal["draft", "approved", "shadow", "share", "live", "withdrawn", "rolled_back"]
Stage = Literal["shadow", "share", "live"]
ACTIVE: Final[tuple[State, ...]] = ("shadow", "share")
"""Where a draft holds its rules: no other may touch them."""
STEPS: Final[Mapping[State, tuple[State, ...]]] = {
    "draft": ("approved", "withdrawn"),
    "approved": ("shadow", "withdrawn"),
    "shadow": ("share", "live", "rolled_back"),
    "share": ("share", "live", "rolled_back"),
    "live": ("rolled_back",),
}


class Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a draft would do: rules to make or replace or remove, a model to score by, values of parameters, packs on or off."""

    rules: Annotated[tuple[Rule, ...], Meta(max_length=RULES_A_DRAFT)] = ()
    remove: Annotated[tuple[RuleId, ...], Meta(max_length=RULES_A_DRAFT)] = ()
    model: Annotated[str, Meta(max_length=limits.ID_LENGTH_MAX)] = ""
    """Version of a model that the node has (`lianfang model list`); empty: the model stays."""
    parameters: Annotated[dict[FeatureName, Value], Meta(max_length=limits.PARAMETERS_MAX)] = {}
    """New values of parameters, by name."""
    packs: Annotated[dict[FeatureName, bool], Meta(max_length=PACKS_A_DRAFT)] = {}
    """Packs to switch on or off, by name."""

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of all rules it touches."""
        return (*(rule.id for rule in self.rules), *self.remove)


class Before(msgspec.Struct, frozen=True):
    """What was in force when the draft first took effect: each rule's text or null, and the model's version or null."""

    rules: dict[str, Rule | None] = {}
    model: str | None = None
    parameters: dict[str, Value | None] = {}
    """Null: the value of the files."""
    packs: dict[str, bool] = {}
    shadows: tuple[str, ...] = ()
    """Rules that stand in shadow for those that read its parameters."""


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """One draft and how far it is. Times are microseconds UTC; who: ids of keys."""

    id: int
    state: State
    change: Change
    reason: str
    made_by: str
    made_at: int
    share: float | None = None
    approved_by: str | None = None
    approved_at: int | None = None
    backtest: msgspec.Raw | None = None
    """What `lianfang backtest --json` said of it."""
    before: Before | None = None


class InForce(msgspec.Struct, frozen=True):
    """What a stage makes of the rules: those to put and those to drop; the model's roles, where it has a model."""

    put: tuple[Rule, ...] = ()
    drop: tuple[str, ...] = ()
    model: str | None = None
    challenger: str | None = None
    parameters: dict[str, Value | None] = {}
    packs: dict[str, bool] = {}


def checked_change(change: Change) -> Change:
    """The change, if it is one. Raises `InputError` for an empty one, or for a rule that stands in it twice."""
    ids = change.ids
    if not (ids or change.model or change.parameters or change.packs):
        raise InputError(
            "a draft changes a rule, removes one, names a model, gives a parameter a value, or switches a pack", "$"
        )
    if twice := sorted({one for one in ids if ids.count(one) > 1}):
        raise InputError(f"the rule {twice[0]} stands twice in the draft", "$.rules")
    for i, rule in enumerate(change.rules):
        if rule.id.endswith(NEXT):
            raise InputError(f"an id that ends in {NEXT} is kept for rules on their way", f"$.rules[{i}].id")
        if len(rule.id) + len(NEXT) > RULE_ID_MAX:
            raise InputError(
                f"the id {rule.id} is too long for a draft: at most {RULE_ID_MAX - len(NEXT)}", f"$.rules[{i}].id"
            )
        if rule.share_from or rule.share_key:
            raise InputError("a draft divides the traffic itself: leave out share_from and share_key", f"$.rules[{i}]")
    return change


def step(draft: Draft, to: State) -> None:
    """Raises `ConflictError` if a draft that is so far cannot go there."""
    allowed = STEPS.get(draft.state, ())
    if to not in allowed:
        then = ", ".join(allowed) or "nothing more"
        raise ConflictError(f"draft {draft.id} is {draft.state}: after that comes {then}, not {to}", "$.stage")


def approvable(draft: Draft, by: str, without: str) -> None:
    """Raises `ConflictError` unless `by` may approve: another person, and its past was looked at or `without` says why not."""
    step(draft, "approved")
    if by == draft.made_by:
        raise ConflictError("nobody approves their own draft: another key with the scope `approve` has to", "$")
    if draft.backtest is None and not without.strip():
        raise ConflictError(
            f"draft {draft.id} has no backtest: attach one (`lianfang draft backtest`), or say why it needs none",
            "$.without_backtest",
        )


def shadows_of(change: Change, ruleset: RuleSet) -> tuple[Rule, ...]:
    """Rules in shadow that stand for the live ones that read its parameters, with the new values written out.

    They have no examples: those prove the condition as it is. A rule whose id has no room for `NEXT` has no shadow.
    """
    own = set(change.ids)
    return tuple(
        _next(rule, mode="shadow", when=written(rule.when, change.parameters), examples=())
        for rule in ruleset.rules
        if rule.mode == "live"
        and rule.id not in own
        and not rule.id.endswith(NEXT)
        and len(rule.id) + len(NEXT) <= RULE_ID_MAX
        and called_by(rule.when) & set(change.parameters)
    )


def in_force(draft: Draft, stage: Stage, share: float | None, shadows: tuple[Rule, ...] = ()) -> InForce:
    """What is in force at a stage of a draft whose `before` is known. Pure; the caller writes it. Raises `InputError`.

    `shadows`: of its parameters, for the stage `shadow` (`shadows_of`).
    """
    assert draft.before is not None
    if stage != "share" and share is not None:
        raise InputError("only the stage `share` takes a share", "$.share")
    match stage:
        case "shadow":
            return _in_shadow(draft.change, draft.before, shadows)
        case "share":
            if share is None or not 0 < share < 1:
                raise InputError("say which share of the traffic: more than 0, less than 1", "$.share")
            return _in_share(draft.change, draft.before, share)
        case _:
            return _live(draft.change, draft.before)


def _in_shadow(change: Change, before: Before, shadows: tuple[Rule, ...]) -> InForce:
    put = tuple(_next(rule, mode="shadow") for rule in change.rules)
    return InForce((*put, *shadows), (), before.model, change.model or None)


def _in_share(change: Change, before: Before, share: float) -> InForce:
    if change.model:
        raise ConflictError("a model scores all of the traffic or none: from shadow it goes live", "$.stage")
    if change.parameters or change.packs:
        raise ConflictError("a parameter or a pack is for all of the traffic: from shadow it goes live", "$.stage")
    put = [_next(rule, share=share, share_key=rule.id) for rule in change.rules if rule.mode == "live"]
    put += [_next(rule) for rule in change.rules if rule.mode != "live"]
    for rule_id in change.ids:
        old = before.rules.get(rule_id)
        if old is not None and old.mode == "live":
            put.append(msgspec.structs.replace(old, share_from=share, share=1.0, share_key=rule_id))
    return InForce(tuple(put))


def _live(change: Change, before: Before) -> InForce:
    gone = tuple(rule.id + NEXT for rule in change.rules)
    drop = (*gone, *change.remove, *before.shadows)
    return InForce(change.rules, drop, change.model or before.model, None, {**change.parameters}, change.packs)


def rolled_back(draft: Draft) -> InForce:
    """What was before, whatever the stage."""
    assert draft.before is not None
    put = tuple(rule for rule in draft.before.rules.values() if rule is not None)
    new = (rule_id for rule_id, rule in draft.before.rules.items() if rule is None)
    drop = (*new, *(rule.id + NEXT for rule in draft.change.rules), *draft.before.shadows)
    before = draft.before
    return InForce(put, drop, before.model, None, before.parameters, before.packs)


def _next(rule: Rule, **changed: Any) -> Rule:
    return msgspec.structs.replace(rule, id=rule.id + NEXT, **changed)
