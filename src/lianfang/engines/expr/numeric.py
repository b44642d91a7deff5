"""Python's arithmetic as column expressions, to the last bit. Backends divide, round and treat NaN each in their own way.

A null number is null and never NaN: every backend has its own idea of what NaN equals.
"""

from __future__ import annotations

from typing import Any, Final

import ibis

Number = Any
"""An Ibis numeric expression. Ibis has no types that say more."""

SPLIT: Final = float(2**27 + 1)
"""Splits a float into two halves of 26 bits (T. J. Dekker, "A Floating-Point Technique", 1971)."""
EXACT: Final = float(2**53)
"""Whole numbers up to here are floats of the same value."""


def known(x: Number) -> Number:
    """A float with NaN made null."""
    return x.isnan().ifelse(ibis.null("float64"), x)


def number(x: Number) -> Number:
    """Any number as a float."""
    return x.cast("float64")


def unless_zero(x: Number) -> Number:
    """Null for zero, so that dividing by it gives null."""
    return (x == 0).ifelse(ibis.null(x.type()), x)


def modulo(a: Number, b: Number) -> Number:
    """`a % b` with the sign of `b`; null for `b` 0. Both whole or both floats."""
    b = unless_zero(b)
    rest = a % b  # the sign of `a`, as C and SQL have it; exact, also for floats
    turned = (rest != 0) & ((rest < 0) != (b < 0))
    return turned.ifelse(rest + b, rest)


def floor_divide_whole(a: Number, b: Number) -> Number:
    """`a // b` of whole numbers below 2**53; null for `b` 0."""
    return (number(a - modulo(a, b)) / number(unless_zero(b))).cast("int64")


def floor_divide(a: Number, b: Number) -> Number:
    """`a // b` of floats as CPython has it (`float_floor_div`), which is not `floor(a / b)`; null for `b` 0."""
    b = unless_zero(b)
    rest = a % b
    turned = (rest != 0) & ((rest < 0) != (b < 0))
    quotient = (a - rest) / b
    quotient = turned.ifelse(quotient - 1.0, quotient)
    floor = floored(quotient)
    return (quotient - floor > 0.5).ifelse(floor + 1.0, floor)  # noqa: PLR2004


def floored(x: Number) -> Number:
    """The largest whole number not above a float, as a float: SQL's floor may give an integer, which overflows."""
    large = x.abs() >= EXACT
    return large.ifelse(x, number(large.ifelse(0.0, x).floor()))


def divide(a: Number, b: Number) -> Number:
    """`a / b` as floats; null for `b` 0."""
    return number(a) / unless_zero(number(b))


def rounded(x: Number, digits: int) -> Number:
    """`round(x, digits)`: the nearest decimal to the float's exact value, a tie to the even one.

    The product with a power of ten is taken exactly, in two parts, because `x * 100` alone turns 2.675, which is a
    little less than that, into a tie.
    """
    scale = float(10**digits)
    size = x.abs()
    # From here on a float's neighbours are further apart than the decimals, so it is its own nearest.
    small = size < EXACT / scale
    size = small.ifelse(size, 0.0)
    split = size * SPLIT
    high = split - (split - size)
    part = high * scale
    rest = (size - high) * scale
    floor, floor_rest = floored(part), floored(rest)
    whole = floor + floor_rest
    a, b = part - floor, rest - floor_rest
    both = a + b
    lost = (a - (both - (both - a))) + (b - (both - a))  # what the sum above rounded away (D. E. Knuth, TwoSum)
    over = (both > 1.0) | ((both == 1.0) & (lost >= 0.0))
    whole = over.ifelse(whole + 1.0, whole)
    left = over.ifelse(both - 1.0, both)
    odd = whole % 2.0 == 1.0
    up = (left > 0.5) | ((left == 0.5) & ((lost > 0.0) | ((lost == 0.0) & odd)))
    near = up.ifelse(whole + 1.0, whole) / scale
    return small.ifelse((x < 0).ifelse(-near, near), x)
