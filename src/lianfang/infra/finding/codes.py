"""Short numbers for the few words that columns hold. They stand in files: new ones go to the end, none is ever moved."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

ACTIONS: Final = ("allow", "challenge", "hold", "block")
KINDS: Final = ("transfer", "card", "qr", "withdrawal", "topup", "crypto")
CHANNELS: Final = ("mobile", "web", "counter", "atm", "pos", "phone", "api")

OUTCOME: Final = 1
"""Flag of a row: it is an outcome, and its columns are those of the decision that it is about."""
UNSURE: Final = 2
_LETTERS: Final = 27


def code_of(name: str | None, names: tuple[str, ...]) -> int:
    """1 and up; 0 for none, or for one that we do not know."""
    return names.index(name) + 1 if name in names else 0


def name_of(code: int, names: tuple[str, ...]) -> str | None:
    """The other way."""
    return names[code - 1] if 0 < code <= len(names) else None


def currency_code(currency: str | None) -> int:
    """Three letters as a number below 2**16; 0 for anything else."""
    if currency is None or len(currency) != 3 or not (currency.isascii() and currency.isalpha() and currency.isupper()):
        return 0
    made = 0
    for letter in currency:
        made = made * _LETTERS + ord(letter) - 64
    return made


def currency_name(code: int) -> str | None:
    """The other way."""
    letters: Iterable[int] = (code // _LETTERS**2, code // _LETTERS % _LETTERS, code % _LETTERS)
    return "".join(chr(64 + one) for one in letters) if code else None
