"""The two text forms that all C2SP files share, read strictly: one value has one spelling."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from lianfang.engines.tlog.hashing import HASH_BYTES
from lianfang.kernel.errors import EvidenceError

SIZE_MAX: Final = (1 << 63) - 1
"""Leaves of a tree, and seconds of a cosignature."""
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


def read_decimal(text: str, what: str) -> int:
    """ASCII digits without leading zeros, at most `SIZE_MAX`. Raises `EvidenceError`."""
    if _DECIMAL.fullmatch(text) is None or (number := int(text)) > SIZE_MAX:
        raise EvidenceError(
            f"{what} is not a decimal number of 0 to 2^63-1 without leading zeros: {text[:40]!r}; "
            "ask its publisher for a sound copy"
        )
    return number


def read_base64(text: str, what: str) -> bytes:
    """Standard base64 with padding (RFC 4648 section 4), in its one canonical spelling. Raises `EvidenceError`."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        data = None
    if data is None or write_base64(data) != text:
        raise EvidenceError(f"{what} is not canonical base64: {text[:40]!r}; ask its publisher for a sound copy")
    return data


def write_base64(data: bytes) -> str:
    """Standard base64."""
    return base64.b64encode(data).decode("ascii")


def read_hash(text: str, what: str) -> bytes:
    """A SHA-256 in base64. Raises `EvidenceError`."""
    data = read_base64(text, what)
    if len(data) != HASH_BYTES:
        raise EvidenceError(f"{what} has {len(data)} bytes where a SHA-256 has {HASH_BYTES}")
    return data
