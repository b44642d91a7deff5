"""What members and keyholders say to each other, version 1. Nothing here tells a holder what is asked about."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta

from lianfang.wire.listing import SubjectKind
from lianfang.wire.payment import Id, Part
from lianfang.wire.sharing import Epoch, Purpose, TagId

ELEMENTS_MAX: Final = 1_000
Lane = Literal["bulk", "query"]
"""`bulk`: the member's own subjects. `query`: strangers met in payments and cases."""
Element = Annotated[bytes, Meta(min_length=32, max_length=32)]
"""Of ristretto255 (RFC 9496)."""
Person = Annotated[str, Meta(pattern=r"^[0-9a-f]{16}$")]
"""A salted hash that the member makes of whoever asks."""


class EvaluationRequest(Part, frozen=True, kw_only=True, tag_field="schema", tag="evaluation-request/1"):
    """Blinded subjects of one kind, for one purpose, in one epoch. `reference` stands in both sides' access logs."""

    kind: SubjectKind
    purpose: Purpose
    epoch: Epoch
    lane: Literal["bulk", "query"]
    person: Person
    reference: TagId
    elements: Annotated[tuple[Element, ...], Meta(min_length=1, max_length=ELEMENTS_MAX)]
    consumer: bool = False


class EvaluationAnswer(Part, frozen=True, kw_only=True, tag_field="schema", tag="evaluation-answer/1"):
    """This holder's part of the tokens, in the order of the questions, with the proof, and what may still be asked."""

    place: int
    answers: tuple[Element, ...]
    proof: Annotated[bytes, Meta(min_length=64, max_length=64)]
    left: int
    full_at: int


class ConfirmationRequest(Part, frozen=True, kw_only=True, tag_field="schema", tag="confirmation-request/1"):
    """What came of questions: tags that were opened, payments or cases (as random references) that were confirmed."""

    person: Person
    opened: Annotated[tuple[TagId, ...], Meta(max_length=ELEMENTS_MAX)] = ()
    confirmed: Annotated[tuple[Id, ...], Meta(max_length=ELEMENTS_MAX)] = ()
