"""GB 11643-1999: the 18 places of a Chinese citizen identification number, with its ISO 7064 MOD 11-2 check character."""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from lianfang.kernel.errors import InputError

_FORM: Final = re.compile(r"[1-9][0-9]{16}[0-9X]")
_WEIGHTS: Final = tuple(2 ** (17 - i) % 11 for i in range(17))
_CHECKS: Final = "10X98765432"


def check_character(first17: str) -> str:
    """The 18th place."""
    return _CHECKS[sum(int(d) * w for d, w in zip(first17, _WEIGHTS, strict=True)) % 11]


def chinese_id(text: str) -> str:
    """The number in its normal form. Raises `InputError`; what was wrong is said, never the number."""
    value = "".join(text.split()).upper()
    if len(value) == 15:
        raise InputError("a 15-place identification number is no longer valid; give the 18-place one")
    if not _FORM.fullmatch(value):
        raise InputError("a Chinese identification number has 17 digits and a digit or X")
    try:
        date(int(value[6:10]), int(value[10:12]), int(value[12:14]))
    except ValueError as why:
        raise InputError("places 7 to 14 of the identification number are no date of birth") from why
    if check_character(value[:17]) != value[17]:
        raise InputError("the identification number's check character is wrong: a typing mistake")
    return value
