"""Python's arithmetic as column expressions, to the last bit. Backends divide, round and treat NaN each in their own way.

A null number is null and never NaN: every backend has its own idea of what NaN equals. SQL has no variables, and writing a
value out wherever it is used makes texts of megabytes, so what is used twice goes through `steps`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import ibis

Number = Any
"""An Ibis numeric expression. Ibis has no types that say more."""

SPLIT: Final = float(2**27 + 1)
"""Splits a float into two halves of 26 bits (T. J. Dekker, "A Floating-Point Technique", 1971)."""
EXACT: Final = float(2**53)
"""Whole numbers up to here are floats of the same value."""


Step = Callable[[Number], Sequence[Number]]
"""From a list of values (`v[0]`, `v[1]`, ...) to the next list."""


def steps(first: Sequence[Number], *then: Step) -> Number:
    """The first value of the last list. Each list is computed once: a list's lambda is SQL's one way to name a value.

    All values of a list have one type. One after the other, for lambdas inside lambdas take DuckDB seconds to plan.
    """
    found = ibis.array([ibis.array(list(first))])
    for step in then:
        found = found.map(_listed(step))
    return found[0][0]


def _listed(step: Step) -> Callable[[Number], Number]:
    return lambda v: ibis.array(list(step(v)))


def known(x: Number) -> Number:
    """A float with NaN made null. For DuckDB and Spark NaN equals NaN."""
    return x.nullif(ibis.literal(math.nan, "float64"))


def number(x: Number) -> Number:
    """Any number as a float."""
    return x if x.type().is_floating() else x.cast("float64")


def unless_zero(x: Number) -> Number:
    """Null for zero, so that dividing by it gives null."""
    return x.nullif(ibis.literal(0, x.type()))


def modulo(a: Number, b: Number) -> Number:
    """`a % b` with the sign of `b`; null for `b` 0. Both whole or both floats."""
    return steps(
        (a, unless_zero(b)), lambda v: (v[0] % v[1], v[1]), lambda v: (_turned(v[0], v[1]).ifelse(v[0] + v[1], v[0]),)
    )


def _turned(rest: Number, by: Number) -> Number:
    """Whether SQL's remainder, which has the sign of the dividend, has the wrong one."""
    return (rest != 0) & ((rest < 0) != (by < 0))


def clock(at: Number, whole: int) -> Number:
    """`at % whole` of a whole number by a positive one written out."""
    by = ibis.literal(whole, "int64")
    return (at % by + by) % by


def floor_divide_whole(a: Number, b: Number) -> Number:
    """`a // b` of whole numbers below 2**53; null for `b` 0."""
    return steps(
        (a, unless_zero(b)),
        lambda v: (v[0], v[1], v[0] % v[1]),
        lambda v: (v[0] - _turned(v[2], v[1]).ifelse(v[2] + v[1], v[2]), v[1]),
        lambda v: ((number(v[0]) / number(v[1])).cast("int64"),),
    )


def floor_divide(a: Number, b: Number) -> Number:
    """`a // b` of floats as CPython has it (`float_floor_div`), which is not `floor(a / b)`; null for `b` 0."""
    return steps(
        (a, unless_zero(b)),
        lambda v: (v[0], v[1], v[0] % v[1]),
        lambda v: ((v[0] - v[2]) / v[1] - _turned(v[2], v[1]).ifelse(1.0, 0.0),),
        lambda v: (v[0], floored(v[0])),
        lambda v: ((v[0] - v[1] > 0.5).ifelse(v[1] + 1.0, v[1]),),
    )


def floored(x: Number) -> Number:
    """The largest whole number not above a float, as a float: SQL's floor may give an integer, which overflows.

    `x` is written out four times.
    """
    large = x.abs() >= EXACT
    return large.ifelse(x, number(large.ifelse(0.0, x).floor()))


def divide(a: Number, b: Number) -> Number:
    """`a / b` as floats; null for `b` 0."""
    return number(a) / unless_zero(number(b))


def least(a: Number, b: Number) -> Number:
    """The smaller; null if either is, which SQL's own `least` is not. Both of one type."""
    return steps((a, b), lambda v: (ibis.cases((v[0] <= v[1], v[0]), (v[0] > v[1], v[1])),))


def greatest(a: Number, b: Number) -> Number:
    """The larger; null if either is. Both of one type."""
    return steps((a, b), lambda v: (ibis.cases((v[0] >= v[1], v[0]), (v[0] < v[1], v[1])),))


def rounded(x: Number, digits: int) -> Number:
    """`round(x, digits)`: the nearest decimal to the float's exact value, a tie to the even one.

    The product with a power of ten is taken exactly, in two parts, because `x * 100` alone turns 2.675, which is a
    little less than that, into a tie. From `EXACT / scale` on a float's neighbours are further apart than the decimals,
    so it is its own nearest.
    """
    scale = float(10**digits)

    def small(v: Number) -> Number:
        return v[0].abs() < EXACT / scale

    def halves(v: Number) -> Sequence[Number]:
        """x, size, high half of size"""
        return v[0], v[1], v[1] * SPLIT - (v[1] * SPLIT - v[1])

    def floors(v: Number) -> Sequence[Number]:
        """x, whole part, two fractions; of the two exact products"""
        a, b = number(v[1].floor()), number(v[2].floor())
        return v[0], a + b, v[1] - a, v[2] - b

    def summed(v: Number) -> Sequence[Number]:
        """x, whole part, sum of the fractions, and what that sum rounds away (D. E. Knuth, TwoSum)"""
        a, b = v[2], v[3]
        back = (a + b) - a
        return v[0], v[1], a + b, (a - ((a + b) - back)) + (b - back)

    def below_one(v: Number) -> Sequence[Number]:
        over = ((v[2] > 1.0) | ((v[2] == 1.0) & (v[3] >= 0.0))).ifelse(1.0, 0.0)
        return v[0], v[1] + over, v[2] - over, v[3]

    def nearest(v: Number) -> Sequence[Number]:
        odd = v[1] % 2.0 == 1.0
        up = (v[2] > 0.5) | ((v[2] == 0.5) & ((v[3] > 0.0) | ((v[3] == 0.0) & odd)))
        near = (v[1] + up.ifelse(1.0, 0.0)) / scale
        return (small(v).ifelse(near * (v[0] < 0).ifelse(-1.0, 1.0), v[0]),)

    return steps(
        (x,),
        lambda v: (v[0], small(v).ifelse(v[0].abs(), 0.0)),
        halves,
        lambda v: (v[0], v[2] * scale, (v[1] - v[2]) * scale),
        floors,
        summed,
        below_one,
        nearest,
    )
