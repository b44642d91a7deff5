"""Figures about decisions already made: ranking, money, rules, latency. Pure functions of arrays."""

from lianfang.engines.evaluate.kinds import KindFigures, by_kind
from lianfang.engines.evaluate.latency import Histogram
from lianfang.engines.evaluate.outcomes import Money, RuleFigures, RuleTally, money
from lianfang.engines.evaluate.ranking import (
    CARDS_A_DAY,
    FALSE_ALARM_RATES,
    auc,
    average_precision,
    card_precision_at,
    recall_at_false_alarm_rates,
)

__all__ = [
    "CARDS_A_DAY",
    "FALSE_ALARM_RATES",
    "Histogram",
    "KindFigures",
    "Money",
    "RuleFigures",
    "RuleTally",
    "auc",
    "average_precision",
    "by_kind",
    "card_precision_at",
    "money",
    "recall_at_false_alarm_rates",
]
