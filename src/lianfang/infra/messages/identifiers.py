"""Identifiers with a form of their own: IBAN (ISO 13616), BIC (ISO 9362), card numbers (ISO/IEC 7812), telephone numbers.

Only the form is checked, and check digits where there are some; whether an account exists is another matter.
"""

from __future__ import annotations

import re
from typing import Final

_IBAN: Final = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
_BIC: Final = re.compile(r"[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?")
_UUID4: Final = re.compile(r"[a-f0-9]{8}-[a-f0-9]{4}-4[a-f0-9]{3}-[89ab][a-f0-9]{3}-[a-f0-9]{12}")
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_DIGITS_OF_LETTERS: Final = {ord("A") + i: str(10 + i) for i in range(26)}

IBAN_LENGTHS: Final = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27, "BR": 29,
    "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28, "EE": 20, "EG": 29,
    "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28,
    "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28,
    "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MN": 20,
    "MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18, "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29, "PT": 25,
    "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24, "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27,
    "SO": 23, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20, "YE": 30,
}  # fmt: skip
"""Characters of an IBAN by country, from the IBAN registry. A country that is not here is judged by check digits alone."""

_ONE_DIGIT_CODES: Final = "17"
_TWO_DIGIT_CODES: Final = {
    "2": "07", "3": "0123469", "4": "013456789", "5": "12345678", "6": "0123456", "8": "1246", "9": "0123458",
}  # fmt: skip
"""ITU-T E.164 country codes of one digit, and of two by their first; all others have three."""


def why_not_iban(text: str) -> str:
    """What is wrong with an IBAN, as a phrase; empty when nothing is. ISO 13616-1, ISO 7064 MOD 97-10."""
    if not _IBAN.fullmatch(text):
        return "is not in the form of an IBAN"
    length = IBAN_LENGTHS.get(text[:2])
    if length is not None and len(text) != length:
        return f"has {len(text)} characters, an IBAN of {text[:2]} has {length}"
    if int((text[4:] + text[:4]).translate(_DIGITS_OF_LETTERS)) % 97 != 1:
        return "has wrong check digits"
    return ""


def is_bic(text: str) -> bool:
    """Eight or eleven characters of ISO 9362."""
    return _BIC.fullmatch(text) is not None


def is_uuid4(text: str) -> bool:
    """The form of a UETR: a version 4 UUID in small letters."""
    return _UUID4.fullmatch(text) is not None


def is_luhn(digits: str) -> bool:
    """Whether a card number's check digit is right (ISO/IEC 7812-1, annex B)."""
    if not digits.isascii() or not digits.isdigit():
        return False
    total = 0
    for place, digit in enumerate(map(int, reversed(digits))):
        doubled = digit * 2 if place % 2 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def phone_to_iso(text: str) -> str | None:
    """`+8613800138000` as ISO 20022 writes it, `+86-13800138000`; None for what is not an E.164 number."""
    if not _E164.fullmatch(text):
        return None
    digits = text[1:]
    code = 1 if digits[0] in _ONE_DIGIT_CODES else 2 if digits[1] in _TWO_DIGIT_CODES.get(digits[0], "") else 3
    return f"+{digits[:code]}-{digits[code:]}"


def phone_from_iso(text: str) -> str:
    """ISO 20022's `+86-138(0)013-8000` with nothing but its sign and digits."""
    return "+" + "".join(c for c in text if c.isdigit())
