"""The compiled half of the screen: walks the weakened conditions that `screening` writes down. Bare pointers.

words    rules; for each rule its head; then clauses: where it ends, then tests
head     hints that the payment must have; the value compared first; where the rule's other clauses begin and end
test     what is asked; words of the left value, that value; words of the right value, that value
value    backwards (postfix), two words a step: code, argument
numbers  for each rule the sign and the bound of its first comparison (sign * value >= bound); constants; the stack
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import int64, njit

from lianfang.engines.native import pointer

# Tests: what two values are compared by, or what is asked.
LESS: Final = 0
AT_MOST: Final = 1
MORE: Final = 2
AT_LEAST: Final = 3
EQUAL: Final = 4
DIFFERS: Final = 5
NULL: Final = 6
KNOWN: Final = 7
LISTED: Final = 8
HINT: Final = 9
# Steps of a value.
FEATURE: Final = 0
AMOUNT: Final = 1
CONST: Final = 2
ADD: Final = 3
SUBTRACT: Final = 4
MULTIPLY: Final = 5
DIVIDE: Final = 6
OR_DEFAULT: Final = 7

HEAD_WORDS: Final = 4
FIRST_AMOUNT: Final = -1
"""In a head: the payment's amount is compared first ..."""
NO_FIRST: Final = -2
"""... or nothing; else the feature of this number."""
LISTED_BIT: Final = 62
"""Of the hints that a rule needs: any subject is on a list. The hints themselves stand below it."""
STACK: Final = 16
"""Values that one sum may hold at once; longer ones are left out."""


@njit(inline="always")
def _read(words, at, n, numbers, stack, features, amount):
    """The value whose `n` words begin at `at`. NaN is null."""
    if n == 2:
        code = words[at]
        return amount if code == AMOUNT else features[words[at + 1]] if code == FEATURE else numbers[words[at + 1]]
    top = stack - 1
    i = at
    while i < at + n:
        code = words[i]
        if code == FEATURE:
            top += 1
            numbers[top] = features[words[i + 1]]
        elif code == AMOUNT:
            top += 1
            numbers[top] = amount
        elif code == CONST:
            top += 1
            numbers[top] = numbers[words[i + 1]]
        else:
            top -= 1
            a, b = numbers[top], numbers[top + 1]
            if code == ADD:
                a += b
            elif code == SUBTRACT:
                a -= b
            elif code == MULTIPLY:
                a *= b
            elif code == DIVIDE:
                a = a / b if b != 0.0 else np.nan
            elif a != a:
                a = b
            numbers[top] = a
        i += 2
    return numbers[stack]


@njit(inline="always")
def _holds(test, a, b):
    if test == MORE:
        return a > b
    if test == LESS:
        return a < b
    if test == AT_LEAST:
        return a >= b
    if test == AT_MOST:
        return a <= b
    if test == EQUAL:
        return a == b
    if test == DIFFERS:
        return a < b or a > b
    return (a != a) == (test == NULL)


@njit(cache=True, nogil=True)
def screen(words, numbers, stack, features, amount, listed, hints, found):
    """Puts the indices of the rules that may be true into `found`; how many. Bare pointers.

    `stack`: where the constants end in `numbers`. `features` float64, NaN for null; `listed`: any subject is on a list;
    `hints`: bit i says that hint i is so.
    """
    count = 0
    asked = hints | int64(listed) << LISTED_BIT
    for rule in range(words[0]):
        head = 1 + rule * HEAD_WORDS
        if words[head] & ~asked != 0:
            continue
        first = words[head + 1]
        if first != NO_FIRST:
            value = amount if first == FIRST_AMOUNT else features[first]
            if not numbers[2 * rule] * value >= numbers[2 * rule + 1]:
                continue
        at, end = words[head + 2], words[head + 3]
        possible = True
        while at < end and possible:
            clause_end = words[at]
            at += 1
            possible = False
            while at < clause_end and not possible:
                test = words[at]
                n = words[at + 1]
                m = words[at + 2 + n]
                if test == LISTED:
                    possible = listed
                elif test == HINT:
                    possible = (hints >> words[at + 2]) & 1 == 1
                else:
                    a = _read(words, at + 2, n, numbers, stack, features, amount)
                    b = _read(words, at + 3 + n, m, numbers, stack, features, amount) if m > 0 else 0.0
                    possible = _holds(test, a, b)
                at += 3 + n + m
            at = clause_end
        if possible:
            found[count] = rule
            count += 1
    return count


@njit(cache=True, nogil=True)
def screen_arrays(words, numbers, stack, features, amount, listed, hints, found):
    at = numbers.shape[0] - stack
    return screen(pointer(words), pointer(numbers), at, pointer(features), amount, listed, hints, pointer(found))


@njit(cache=True, nogil=True)
def screen_rows(words, numbers, features, amounts, listed, hints):
    """`screen` for each row of `features` float64[n, features]: (where each row's rules end, the rules of all rows in turn)."""
    n = features.shape[0]
    own = np.empty(max(features.shape[1], 1), np.float64)
    found = np.empty(max(words[0], 1), np.int64)
    ends = np.empty(n, np.int64)
    rules = np.empty(n + 16, np.int64)
    stack = numbers.shape[0] - STACK
    at = 0
    for i in range(n):
        own[: features.shape[1]] = features[i]
        count = screen(
            pointer(words), pointer(numbers), stack, pointer(own), amounts[i], listed[i], hints[i], pointer(found)
        )
        if at + count > rules.shape[0]:
            more = np.empty(2 * (at + count), np.int64)
            more[:at] = rules[:at]
            rules = more
        rules[at : at + count] = found[:count]
        at += count
        ends[i] = at
    return ends, rules[:at]
