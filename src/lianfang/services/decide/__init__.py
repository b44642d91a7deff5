"""The decision of a payment: features, lists, model, rules, policy; and the door it comes through."""

from lianfang.services.decide.book import RuleBook, hot_path, merge, rule_book, version_of
from lianfang.services.decide.decider import DECISION, OUTCOME, Decider, Journal
from lianfang.services.decide.door import Codecs, Door, Message, Report, Slot
from lianfang.services.decide.facts import column_hints, flattener
from lianfang.services.decide.lists import LIST_SCHEMA, ListBook, ListHit, list_table
from lianfang.services.decide.policy import settle
from lianfang.services.decide.replaying import NOT_FRAUD, RISK_STEP, Judged, Replayer

__all__ = [
    "DECISION",
    "LIST_SCHEMA",
    "NOT_FRAUD",
    "OUTCOME",
    "RISK_STEP",
    "Codecs",
    "Decider",
    "Door",
    "Journal",
    "Judged",
    "ListBook",
    "ListHit",
    "Message",
    "Replayer",
    "Report",
    "RuleBook",
    "Slot",
    "column_hints",
    "flattener",
    "hot_path",
    "list_table",
    "merge",
    "rule_book",
    "settle",
    "version_of",
]
