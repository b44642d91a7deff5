"""How single values are written in ISO 20022: from text to our value, and back where the value fits the form."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo
from hashlib import sha256
from typing import Any, Final

from lianfang.infra.messages.identifiers import is_bic, is_uuid4, phone_from_iso, phone_to_iso, why_not_iban
from lianfang.kernel.errors import InputError
from lianfang.wire.iso20022 import Form

LINE_LENGTH: Final = 140
"""Of remittance text, ISO 20022 Max140Text."""
REASON_LENGTH: Final = 105
"""Of the lines beside a reason code, ISO 20022 Max105Text."""

_REFUSED: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_LAYOUT: Final = re.compile("[\t\r\n]")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_COUNTRY: Final = re.compile(r"[A-Z]{2}")
_NUMBER: Final = re.compile(r"[0-9]{1,10}(\.[0-9]{1,10})?")
_MONEY: Final = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,5})?) ([A-Z]{3})")
_CODE: Final = re.compile(r"[a-zA-Z0-9]{1,4}")


def clean(text: str) -> str:
    """Text as it may be kept: line breaks and tabs become single spaces, a value without them stays as it is.

    Raises `InputError` for control characters and for those that change the direction of what follows (U+202A to U+202E,
    U+2066 to U+2069): with them a name reads otherwise than it is.
    """
    if text.isascii() and text.isprintable():
        return text
    found = _REFUSED.search(text)
    if found:
        what = "a control character" if found[0] < "\u2000" else "a character that turns the reading direction"
        raise InputError(f"{what} is not text: U+{ord(found[0]):04X}")
    return " ".join(text.split()) if _LAYOUT.search(text) else text


def read_time(text: str, zone: tzinfo) -> datetime:
    """An ISODateTime, or a date as its first moment. One without an offset is in `zone`. Raises `InputError`."""
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError as why:
        raise InputError("this is not a time we can hold: years 0001 to 9999, seconds below 60") from why
    return at.replace(tzinfo=zone) if at.tzinfo is None else at


def write_time(at: datetime) -> str:
    """UTC, to the microsecond where there is one: `2026-05-01T08:00:00Z`."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def _fits(length: int) -> Callable[[Any], str | None]:
    def write(value: Any) -> str | None:
        return value if isinstance(value, str) and 0 < len(value) <= length else None

    return write


def _matching(test: Callable[[str], Any]) -> Callable[[Any], str | None]:
    def write(value: Any) -> str | None:
        return value if isinstance(value, str) and test(value) else None

    return write


def _write_account(value: Any) -> str | None:
    return value if isinstance(value, str) and not why_not_iban(value) else None


def _write_other_account(value: Any) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= 34 else None


def _never(value: Any) -> None:
    return None


WRITE: Final[dict[Form, Callable[[Any], str | None]]] = {
    "BIC": _matching(is_bic),
    "Country": _matching(_COUNTRY.fullmatch),
    "Date": _matching(_DATE.fullmatch),
    "DateTime": write_time,
    "IBAN": _write_account,
    "Max4Text": _matching(_CODE.fullmatch),
    "Max34Text": _write_other_account,
    "Max35Text": _fits(35),
    "Max140Text": _fits(140),
    "Number": _matching(_NUMBER.fullmatch),
    "Phone": lambda value: phone_to_iso(value) if isinstance(value, str) else None,
    "ReadDate": _never,
    "ReadDateTime": _never,
    "ReadPhone": _never,
    "ReadText": _never,
    "UUID": _matching(is_uuid4),
}
"""A value's text in a form, or None where it does not fit. `Amount`, `Money`, `Lines140` and `Reasons` are the table's."""


def _read_iban(text: str) -> str:
    text = text.replace(" ", "").upper()
    why = why_not_iban(text)
    if why:
        raise InputError(f"the IBAN {why}")
    return text


READ: Final[dict[Form, Callable[[str], str]]] = {
    "IBAN": _read_iban,
    "Phone": phone_from_iso,
    "ReadPhone": phone_from_iso,
}
"""Forms whose text is not our value yet; all others are."""


def reference(of: str) -> str:
    """A reference of ISO 20022's Max35Text for what has none that short: the same of the same text."""
    return "LF" + sha256(of.encode()).hexdigest()[:33]


def lines_of(text: str, length: int = LINE_LENGTH) -> list[str]:
    """Text in lines of at most `length` characters, all but the last one full."""
    return [text[i : i + length] for i in range(0, len(text), length)]


def joined(lines: Sequence[str], length: int = LINE_LENGTH) -> str:
    """Lines as one text. After a full line the text goes on; after a shorter one stands a space."""
    text = ""
    before = length
    for line in lines:
        text += line if before == length else f" {line}"
        before = len(line)
    return text


def money_parts(text: str) -> tuple[str, str] | None:
    """`100.00 USD` as number and currency."""
    found = _MONEY.fullmatch(text)
    return (found[1], found[2]) if found else None
