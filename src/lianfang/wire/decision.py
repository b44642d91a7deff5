"""`Decision`, version 1: what the node answers, and why. Worst first: block > hold > challenge > allow."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta

from lianfang.kernel import limits
from lianfang.wire.listing import ListEffect
from lianfang.wire.payment import Id, Moment, Part, Text
from lianfang.wire.sharing import Grade, MemberId
from lianfang.wire.taxonomy import Category

Action = Literal["allow", "challenge", "hold", "block"]
ACTIONS: Final[tuple[Action, ...]] = ("allow", "challenge", "hold", "block")
SEVERITY: Final = {action: rank for rank, action in enumerate(ACTIONS)}
"""allow 0, challenge 1, hold 2, block 3."""

Source = Literal["rule", "list", "score", "system"]
ChallengeKind = Literal["warning", "second_factor", "delay", "call_back"]
CHALLENGES: Final[tuple[ChallengeKind, ...]] = ("warning", "second_factor", "delay", "call_back")
"""From the lightest to the strongest (docs/reference/policy.md says why in this order)."""


class ListedSubject(Part, frozen=True, kw_only=True):
    """What was met on a list: whose subject, and on whose word it stands there."""

    path: Id
    side: Literal["payer", "payee"]
    effect: ListEffect
    purpose: Text
    source: Text


class WarningText(Part, frozen=True, kw_only=True):
    """A text that the customer must read and answer, in both languages; `code` is what rules call it by."""

    code: Id
    zh: Annotated[str, Meta(min_length=1, max_length=limits.WARNING_LENGTH_MAX)]
    en: Annotated[str, Meta(min_length=1, max_length=limits.WARNING_LENGTH_MAX)]


class Asked(Part, frozen=True, kw_only=True):
    """What a challenge or a hold asks for: the strongest kind, and what stands with it."""

    kind: ChallengeKind
    also: tuple[ChallengeKind, ...] = ()
    """The other kinds asked for, the strongest first. All of them are to be met."""
    delay_s: int | None = None
    """The longest wait asked for, before the customer may confirm."""
    warnings: tuple[WarningText, ...] = ()
    """In the order of the reasons' weight."""


class Reason(Part, frozen=True, kw_only=True):
    """Why, as a code for machines and a sentence for people in both languages."""

    code: Id
    source: Source
    name: Id
    """Which rule, list or part of the node says so."""
    zh: str
    en: str
    action: Action | None = None
    """What this reason alone asks for; null when it only adds points."""
    points: int = 0
    listed: ListedSubject | None = None
    """What was met, where a list says so."""


class TagMet(Part, frozen=True, kw_only=True):
    """A shared tag that a subject of the payment bears, and whose word it is."""

    path: Id
    category: Category
    severity: Grade
    contributors: tuple[MemberId, ...]
    pending: bool = False
    """The log that carries it was not cosigned yet."""


class Versions(Part, frozen=True):
    """What was in force when the decision was made."""

    rules: str
    lists: str
    features: str
    model: str | None = None
    challenger: str | None = None
    """The model that scored in shadow."""


class Decision(Part, frozen=True, kw_only=True):
    """The answer to one payment. `reasons` stand in the order of weight: the first one decided."""

    schema: Literal["decision/1"] = "decision/1"
    payment_id: Id
    action: Action
    reasons: tuple[Reason, ...] = ()
    score: float | None = None
    """Model score in [0, 1]; null while no model is loaded."""
    points: int = 0
    """Sum of the points of the rules that fired."""
    unsure: bool = False
    """Something needed for a sure answer was missing or failed; policy then never answers a silent allow."""
    shadow: tuple[Id, ...] = ()
    """Rules in shadow that fired: on record, without effect."""
    challenger_score: float | None = None
    """What a model in shadow said: on record, without effect."""
    tags: tuple[TagMet, ...] = ()
    """What other members say of the payment's subjects, whether or not a rule heeded it."""
    challenge: Asked | None = None
    """What is asked of the customer; null where the action is `allow` or `block`."""
    decided_at: Moment
    seq: Annotated[int, Meta(ge=0)]
    """Place in the node's journal."""
    versions: Versions


BATCH_MAX: Final = limits.BATCH_PAYMENTS_MAX
