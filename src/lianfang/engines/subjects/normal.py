"""One normal form a kind. What cannot be normalised is refused with the reason, and the reason never repeats the value.

phone E.164; id_document GB 11643 or `country:number`; account `bank:number`, IBAN, or the member's own; card with Luhn;
domain IDNA 2008 (UTS 46); url after the Safe Browsing canonical form; ip RFC 5952; wallet_address with its checksum.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable
from typing import Final

import idna
import phonenumbers
from stdnum import bitcoin, iban, luhn
from stdnum.exceptions import ValidationError

from lianfang.engines.subjects.identity import chinese_id
from lianfang.engines.subjects.links import canonical_url
from lianfang.kernel import limits
from lianfang.kernel.errors import InputError
from lianfang.wire.listing import SubjectKind

HOME: Final = "CN"
"""Whose numbers are meant where a number names no country."""
_SPACES: Final = re.compile(r"[\s\-]+")
_ACCOUNT: Final = re.compile(r"[A-Z0-9]{1,34}(:[A-Z0-9]{1,34})?")
_TOKEN: Final = re.compile(r"[a-z0-9._:@/+-]{1,64}")
_DOCUMENT: Final = re.compile(r"[A-Z]{2}:[A-Z0-9]{3,40}")
_ETHEREUM: Final = re.compile(r"0X[0-9A-F]{40}")
_TRON: Final = re.compile(r"T[1-9A-HJ-NP-Za-km-z]{33}")
_MAC: Final = re.compile(r"[0-9a-f]{12}")


def normalise(kind: SubjectKind, value: str) -> str:
    """The normal form of a subject. Raises `InputError` saying what is wrong with it, never what it is."""
    if not value or len(value) > limits.TEXT_LENGTH_MAX:
        raise InputError(f"a subject has 1 to {limits.TEXT_LENGTH_MAX} characters")
    text = unicodedata.normalize("NFKC", value).strip()
    if not text or any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Cn"} for c in text):
        raise InputError("a subject holds no control characters, and is not blank")
    return _KINDS[kind](text)


def canonical(kind: SubjectKind, value: str) -> bytes:
    """What is put into the oblivious function: `kind || 0x00 || normal form`."""
    return kind.encode() + b"\0" + normalise(kind, value).encode()


def _phone(text: str) -> str:
    try:
        number = phonenumbers.parse(text, HOME)
    except phonenumbers.NumberParseException as why:
        raise InputError("this is no phone number: write it with its country, as in +86 138 0000 0000") from why
    if not phonenumbers.is_possible_number(number):
        raise InputError("a phone number of its country has another length")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _document(text: str) -> str:
    value = "".join(text.split()).upper()
    if ":" not in value:
        return chinese_id(value)
    if not _DOCUMENT.fullmatch(value):
        raise InputError("a document of another country is written `country:number`, as in SG:S1234567D")
    return f"CN:{chinese_id(value[3:])}"[3:] if value.startswith("CN:") else value


def _account(text: str) -> str:
    value = _SPACES.sub("", text).upper()
    if not _ACCOUNT.fullmatch(value):
        raise InputError("an account has letters and digits, after its bank's code and a colon if it has one")
    if len(value) > 4 and value[:2].isalpha() and value[2:4].isdigit() and ":" not in value and iban_country(value):
        try:
            return str(iban.validate(value))
        except ValidationError as why:
            raise InputError("the IBAN's check digits or length are wrong: a typing mistake") from why
    return value


def iban_country(value: str) -> bool:
    """Whether an IBAN of the country that these letters name is known (ISO 13616)."""
    return bool(iban._ibandb.info(value[:2])[0][1])


def _card(text: str) -> str:
    value = _SPACES.sub("", text)
    if not (value.isascii() and value.isdigit() and 12 <= len(value) <= 19):
        raise InputError("a card number has 12 to 19 digits")
    if not luhn.is_valid(value):
        raise InputError("the card number's check digit is wrong: a typing mistake")
    return value


def _token(text: str) -> str:
    value = text.lower()
    if not _TOKEN.fullmatch(value):
        raise InputError("an id has at most 64 letters, digits and . _ : @ / + -")
    return value


def _email(text: str) -> str:
    name, at, host = text.rpartition("@")
    if not at or not name or len(name) > 64 or any(c.isspace() for c in name):
        raise InputError("an e-mail address is written name@host")
    return f"{name.lower()}@{_domain(host)}"


def _domain(text: str) -> str:
    host = text.rstrip(".").lower()
    try:
        return idna.encode(host, uts46=True).decode().lower()
    except (idna.IDNAError, UnicodeError) as why:
        raise InputError("this is no domain name (IDNA 2008)") from why


def _ip(text: str) -> str:
    try:
        found = ipaddress.ip_address(text)
    except ValueError as why:
        raise InputError("this is no IPv4 or IPv6 address") from why
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).compressed


def _wallet(text: str) -> str:
    if _ETHEREUM.fullmatch(text.upper()):
        return text.lower()
    if _TRON.fullmatch(text):
        return text
    try:
        return str(bitcoin.validate(text))
    except ValidationError as why:
        raise InputError("this is no address of Bitcoin, Ethereum or Tron, or its checksum is wrong") from why


def _wifi(text: str) -> str:
    value = re.sub(r"[:.\-]", "", text.lower())
    return value if _MAC.fullmatch(value) else _token(text)


_KINDS: Final[dict[SubjectKind, Callable[[str], str]]] = {
    "phone": _phone,
    "id_document": _document,
    "account": _account,
    "card": _card,
    "device": _token,
    "ip": _ip,
    "email": _email,
    "merchant": _token,
    "url": canonical_url,
    "domain": _domain,
    "app": _token,
    "wallet_address": _wallet,
    "wifi": _wifi,
    "cell": _token,
}
