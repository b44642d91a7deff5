"""The data standard as JSON Schema (2020-12), exported from the structs: `lianfang schema`."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from lianfang.wire.decision import Decision
from lianfang.wire.listing import ListEntry
from lianfang.wire.model import Model
from lianfang.wire.outcome import Outcome
from lianfang.wire.payment import Payment
from lianfang.wire.rule import Rule, RuleSet
from lianfang.wire.sharing import (
    Acknowledgement,
    AppealEntry,
    CeremonyEntry,
    MemberEntry,
    OpinionEntry,
    SessionRequest,
    Tag,
    TagEntry,
    TombstoneEntry,
    VetoEntry,
)
from lianfang.wire.tokens import ConfirmationRequest, EvaluationAnswer, EvaluationRequest

MESSAGES: Final[tuple[type[msgspec.Struct], ...]] = (
    Payment, Decision, Outcome, ListEntry, Rule, RuleSet, Model,
    Tag, TagEntry, TombstoneEntry, OpinionEntry, AppealEntry, VetoEntry, MemberEntry, CeremonyEntry, SessionRequest,
    Acknowledgement, EvaluationRequest, EvaluationAnswer, ConfirmationRequest,
)  # fmt: skip


def json_schema() -> dict[str, Any]:
    """One document with every message under `$defs`."""
    _, components = msgspec.json.schema_components(MESSAGES, ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Lianfang data standard, version 1",
        "$defs": components,
    }
