"""The functions of the language: one table. A function of a null is null, so none of them ever sees one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from lianfang.engines.expr.tree import Type
from lianfang.kernel.instant import DAY, HOUR, MINUTE, SECOND

UTC_OFFSET_HOURS: Final = 8
"""Clock functions read China's clock (UTC+8, no summer time) unless the expression gives another offset."""
UTC_OFFSET_MIN: Final = -12
UTC_OFFSET_MAX: Final = 14
ROUND_DIGITS_MAX: Final = 6
NAN: Final = float("nan")


@dataclass(frozen=True, slots=True)
class Function:
    """Parameter types, result type, and either `code`, a template of Python source, or `call`, a Python function."""

    takes: tuple[Type, ...]
    gives: Type
    code: str = ""
    call: Callable[..., Any] | None = None


FUNCTIONS: Final[Mapping[str, Function]] = MappingProxyType(
    {
        "lower": Function(("text",), "text", "{0}.lower()"),
        "upper": Function(("text",), "text", "{0}.upper()"),
        "length": Function(("text",), "int", "len({0})"),
        "contains": Function(("text", "text"), "bool", "({1} in {0})"),
        "starts_with": Function(("text", "text"), "bool", "{0}.startswith({1})"),
        "ends_with": Function(("text", "text"), "bool", "{0}.endswith({1})"),
        "digits": Function(("text",), "text", "_digits({0})"),
        "seconds_between": Function(("time", "time"), "float", f"(({{1}} - {{0}}) / {SECOND})"),
    }
)
"""Plain functions. Those that need more than types to check are in `check.SPECIAL`."""

CLOCK: Final[Mapping[str, str]] = MappingProxyType(
    {
        "hour": f"(({{0}} + {{offset}}) // {HOUR} % 24)",
        "minute": f"(({{0}} + {{offset}}) // {MINUTE} % 60)",
        "weekday": f"((({{0}} + {{offset}}) // {DAY} + 3) % 7)",  # 1970-01-01 was a Thursday
        "day": f"_day_of_month(({{0}} + {{offset}}) // {DAY})",
    }
)
"""Whole numbers read off an instant: arithmetic, not `datetime`, which is slower and ends at the year 9999."""


def day_of_month(days: int) -> int:
    """Day of the month, 1 to 31, of a day counted from 1970-01-01 (H. Hinnant, "Low-Level Date Algorithms")."""
    day_of_era = (days + 719_468) % 146_097
    year_of_era = (day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month = (5 * day_of_year + 2) // 153
    return day_of_year - (153 * month + 2) // 5 + 1


def _digits(text: str) -> str:
    return "".join(c for c in text if "0" <= c <= "9")


def _divide(a: float, b: float) -> float:
    return a / b if b else NAN


def _floor_divide(a: float, b: float) -> float:
    return a // b if b else NAN


def _modulo(a: float, b: float) -> float:
    return a % b if b else NAN


def _least(*values: float) -> float:
    return NAN if any(v != v for v in values) else min(values)


def _greatest(*values: float) -> float:
    return NAN if any(v != v for v in values) else max(values)


def _or_default(value: float, default: float) -> float:
    return value if value == value else default


def _is_nan(value: float) -> bool:
    return value != value


def _differ(a: float, b: float) -> bool:
    return a < b or a > b


HELPERS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "_digits": _digits,
        "_day_of_month": day_of_month,
        "_div": _divide,
        "_floordiv": _floor_divide,
        "_mod": _modulo,
        "_min": _least,
        "_max": _greatest,
        "_or_default": _or_default,
        "_is_nan": _is_nan,
        "_differ": _differ,
        "_nan": NAN,
    }
)
"""What generated code may call, besides the builtins abs, len, max, min and round."""
