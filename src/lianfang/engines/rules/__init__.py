"""Rules: read from files, checked against the data standard, compiled to one function that never stops half-way."""

from lianfang.engines.rules.compile import (
    NO_HITS,
    Compiled,
    Evaluate,
    EvaluateSome,
    Hits,
    Listed,
    Row,
    Tags,
    compile_rules,
    in_share,
)
from lianfang.engines.rules.errors import RuleError
from lianfang.engines.rules.examples import DEFAULT_PAYMENT, ExampleResult, row_of, test_examples
from lianfang.engines.rules.parameters import delays_of, environment, features_of, in_force, laws_of
from lianfang.engines.rules.reading import check_ruleset, read_rules_text
from lianfang.engines.rules.screening import EMPTY_SCREEN, Screen
from lianfang.engines.rules.sieve import screen

__all__ = [
    "DEFAULT_PAYMENT",
    "EMPTY_SCREEN",
    "NO_HITS",
    "Compiled",
    "Evaluate",
    "EvaluateSome",
    "ExampleResult",
    "Hits",
    "Listed",
    "Row",
    "RuleError",
    "Screen",
    "Tags",
    "check_ruleset",
    "compile_rules",
    "delays_of",
    "environment",
    "features_of",
    "in_force",
    "in_share",
    "laws_of",
    "read_rules_text",
    "row_of",
    "screen",
    "test_examples",
]
