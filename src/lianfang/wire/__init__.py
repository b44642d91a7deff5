"""The alliance's data standard: every message, versioned, closed, frozen. Published versions never change."""

from lianfang.wire.codec import (
    Reader,
    build,
    input_error,
    read_decision,
    read_list_entry,
    read_outcome,
    read_payment,
    read_payments,
    read_rule,
    read_ruleset,
    write,
)
from lianfang.wire.decision import ACTIONS, SEVERITY, Action, Decision, Reason, Versions
from lianfang.wire.fields import SUBJECTS, Field, FieldType, catalogue
from lianfang.wire.listing import ListEffect, ListEntry, SubjectKind
from lianfang.wire.outcome import Label, Outcome
from lianfang.wire.payment import Device, Finding, Merchant, Network, Part, Party, Payment, Place, Session
from lianfang.wire.rule import Example, Feature, Policy, Rule, RuleSet
from lianfang.wire.schema import json_schema

__all__ = [
    "ACTIONS",
    "SEVERITY",
    "SUBJECTS",
    "Action",
    "Decision",
    "Device",
    "Example",
    "Feature",
    "Field",
    "FieldType",
    "Finding",
    "Label",
    "ListEffect",
    "ListEntry",
    "Merchant",
    "Network",
    "Outcome",
    "Part",
    "Party",
    "Payment",
    "Place",
    "Policy",
    "Reader",
    "Reason",
    "Rule",
    "RuleSet",
    "Session",
    "SubjectKind",
    "Versions",
    "build",
    "catalogue",
    "input_error",
    "json_schema",
    "read_decision",
    "read_list_entry",
    "read_outcome",
    "read_payment",
    "read_payments",
    "read_rule",
    "read_ruleset",
    "write",
]
