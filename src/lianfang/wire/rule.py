"""`Feature`, `Parameter`, `Rule`, `Policy` and the `RuleSet` that holds them, version 1: what a risk engineer writes.

The structs say what shape the text has; `engines.features` and `engines.rules` say what it means.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from msgspec import Meta

from lianfang.kernel import limits
from lianfang.wire.decision import Action, ChallengeKind, WarningText
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


class Law(Part, frozen=True, kw_only=True):
    """Where a number of the law stands. `zh` and `en` name the text and its article; reasons quote them."""

    jurisdiction: Annotated[str, Meta(min_length=2, max_length=2)]
    """ISO 3166-1 alpha-2."""
    zh: Annotated[str, Meta(min_length=1, max_length=limits.TEXT_LENGTH_MAX)]
    en: Annotated[str, Meta(min_length=1, max_length=limits.TEXT_LENGTH_MAX)]
    text: Text = ""
    """What the article says, in short, in its own language."""


class Parameter(Part, frozen=True, kw_only=True):
    """A number that rules call by name: `param.victim_new_payee_amount`. Compiled in as if it were written out."""

    name: FeatureName
    value: Annotated[int, Meta(ge=-(2**62), le=2**62)] | float
    unit: Text
    since: date
    """The day from which this value stands here."""
    source: Annotated[str, Meta(min_length=1, max_length=limits.TEXT_LENGTH_MAX)]
    zh: Text = ""
    en: Text = ""
    law: Law | None = None
    valid_from: Moment | None = None
    """A rule that reads it holds only from here, by the payment's time ..."""
    valid_until: Moment | None = None
    """... and until before here."""


class Pack(Part, frozen=True, kw_only=True):
    """The rules of one file, switched on and off together."""

    name: FeatureName
    zh: Text
    en: Text


class Challenge(Part, frozen=True, kw_only=True):
    """What a rule asks of the customer. A `warning` may stand with any kind."""

    kind: ChallengeKind
    warning: Id | None = None
    """Code of the text to be read."""
    delay_s: Annotated[int, Meta(ge=1, le=limits.DELAY_MAX_S)] | None = None
    """Seconds to wait, for the kind `delay`; or ..."""
    delay: FeatureName | None = None
    """... the parameter that says how many."""


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
    share_from: Annotated[float, Meta(ge=0, le=1)] = 0.0
    """Where its share begins: 0.2 and `share` 1 are the four fifths that another rule's first fifth leaves over."""
    share_key: RuleId | None = None
    """The rule whose buckets are drawn, so that two rules can divide the traffic. Without: its own."""
    valid_from: Moment | None = None
    valid_until: Moment | None = None
    owner: Text = ""
    source: Text = ""
    examples: Annotated[tuple[Example, ...], Meta(max_length=limits.EXAMPLES_MAX)] = ()
    challenge: Challenge | None = None
    """What to ask, where the answer is a challenge or a hold. Without: the policy's kind."""


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
    veto_most: Literal["challenge", "hold"] = "hold"
    """The most that lists, rules and score can do to a subject on a veto list."""
    challenge: ChallengeKind = "second_factor"
    """What is asked where no reason says what to ask."""


class RuleSet(Part, frozen=True, kw_only=True):
    """One file's worth of policy, parameters, features, warnings and rules."""

    schema: Literal["ruleset/1"] = "ruleset/1"
    policy: Policy | None = None
    features: Annotated[tuple[Feature, ...], Meta(max_length=limits.FEATURES_MAX)] = ()
    rules: Annotated[tuple[Rule, ...], Meta(max_length=limits.RULES_MAX)] = ()
    parameters: Annotated[tuple[Parameter, ...], Meta(max_length=limits.PARAMETERS_MAX)] = ()
    warnings: Annotated[tuple[WarningText, ...], Meta(max_length=limits.WARNINGS_MAX)] = ()
    pack: Pack | None = None
    """The pack that this file's rules make up; null for a set of several files."""
