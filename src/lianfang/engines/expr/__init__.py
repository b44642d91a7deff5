"""The expression language of rules and feature filters: a small typed subset of Python, checked, compiled to Python.

Nothing here evaluates text: text becomes a checked tree, and only the tree becomes code (docs/reference/rules.md).
"""

from lianfang.engines.expr.check import Checked, check, check_number
from lianfang.engines.expr.errors import ExpressionError
from lianfang.engines.expr.functions import FUNCTIONS, UTC_OFFSET_HOURS, Function
from lianfang.engines.expr.generate import Generator, columns_of, compile_numbers, compile_predicates, unpack
from lianfang.engines.expr.names import Environment, is_reserved, suggestion

__all__ = [
    "FUNCTIONS",
    "UTC_OFFSET_HOURS",
    "Checked",
    "Environment",
    "ExpressionError",
    "Function",
    "Generator",
    "check",
    "check_number",
    "columns_of",
    "compile_numbers",
    "compile_predicates",
    "is_reserved",
    "suggestion",
    "unpack",
]
