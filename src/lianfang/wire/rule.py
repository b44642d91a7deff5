"""`Feature`, `Rule`, `Policy` and the `RuleSet` that holds them, version 1: what a risk engineer writes.

The structs say what shape the text has; `engines.features` and `engines.rules` say what it means.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from lianfang.kernel import limits
from lianfang.wire.decision import Action
from lianfang.wire.payment import Id, Moment, Part, Text

FeatureName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
RuleId = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_.-]{0,63}$")]
Expression = Annotated[str, Meta(min_length=1, max_length=limits.EXPRESSION_LENGTH_MAX)]
Lane = Literal["first", "all"]
Mode = Literal["live", "shadow", "off"]


class Feature(Part, frozen=True, kw_only=True):
    """A number about the recent past, declared: `sum(amount) of payments by payer.account over 24h`."""

    name: FeatureName
    define: Expression
    zh: Text = ""
    en: Text = ""


class Example(Part, frozen=True, kw_only=True):
    """A rule's own proof: a payment (only the fields that matter), and whether the rule must fire on it."""

    fires: bool
    payment: dict[str, Any] = {}
    features: dict[FeatureName, float] = {}
    lists: dict[str, list[str]] = {}
    """Field path to the names of the lists it stands on: `{"payee.account": ["mules"]}`."""
    tags: dict[str, dict[str, Any]] = {}
    """Field path to the shared tag on it: `{"payee.account": {"category": "mule", "severity": 3}}`."""
    score: float | None = None
    note: Text = ""


class Rule(Part, frozen=True, kw_only=True):
    """A condition with a consequence. It fires only where the condition is true; null is not true."""

    schema: Literal["rule/1"] = "rule/1"
    id: RuleId
    zh: Annotated[str, Meta(min_length=1, max_length=limits.TEXT_LENGTH_MAX)]
    en: Annotated[str, Meta(min_length=1, max_length=limits.TEXT_LENGTH_MAX)]
    when: Expression
    action: Action | None = None
    points: Annotated[int, Meta(ge=-1_000, le=1_000)] = 0
    code: Id
    lane: Lane = "all"
    """`first`: in its lane only the first rule that fires counts, in the order of the file. `all`: every one counts."""
    mode: Mode = "live"
    share: Annotated[float, Meta(ge=0, le=1)] = 1.0
    """Share of traffic it applies to, by a stable bucket of the payer's account (else of the payment's id)."""
    valid_from: Moment | None = None
    valid_until: Moment | None = None
    owner: Text = ""
    source: Text = ""
    examples: Annotated[tuple[Example, ...], Meta(max_length=limits.EXAMPLES_MAX)] = ()


class Policy(Part, frozen=True, kw_only=True):
    """How list hits, rule hits, points and the model's score become one action (docs/reference/policy.md)."""

    challenge_points: Annotated[int, Meta(ge=1)] = 50
    hold_points: Annotated[int, Meta(ge=1)] = 100
    block_points: Annotated[int, Meta(ge=1)] = 200
    challenge_score: Annotated[float, Meta(gt=0, le=1)] = 0.9
    hold_score: Annotated[float, Meta(gt=0, le=1)] = 0.97
    block_score: Annotated[float, Meta(gt=0, le=1)] = 1.0
    watch_points: Annotated[int, Meta(ge=0, le=1_000)] = 20
    """Points for each watch-list hit."""
    unsure: Literal["challenge", "hold", "block"] = "challenge"
    """The least action when something needed was missing or failed. `allow` is not a choice."""
    late: Literal["challenge", "hold", "block"] = "challenge"
    """The answer when the deadline has passed before the rules could run."""
    model_required: bool = False


class RuleSet(Part, frozen=True, kw_only=True):
    """One file's worth of policy, features and rules."""

    schema: Literal["ruleset/1"] = "ruleset/1"
    policy: Policy | None = None
    features: Annotated[tuple[Feature, ...], Meta(max_length=limits.FEATURES_MAX)] = ()
    rules: Annotated[tuple[Rule, ...], Meta(max_length=limits.RULES_MAX)] = ()
