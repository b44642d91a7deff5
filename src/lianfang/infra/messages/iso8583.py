"""Card authorisations in ISO 8583:1987: requests to payments, decisions to responses, reversals to outcomes.

The encoding is the plain one: ASCII, bitmaps as hexadecimal digits; names of shops may be GB 18030. PINs, tracks and chip
data are never kept. `FIELDS` is the table, and docs/reference/messages.md is made of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from datetime import UTC, datetime, tzinfo
from typing import Any, Final, NamedTuple

import iso8583
from iso8583.specs import default_ascii

from lianfang.infra.messages.currencies import LETTERS, NUMBERS
from lianfang.infra.messages.forms import clean
from lianfang.infra.messages.identifiers import is_luhn
from lianfang.infra.messages.lost import Lost, counted
from lianfang.infra.messages.payments import flat
from lianfang.kernel.errors import ConflictError, DependencyError, InputError
from lianfang.wire import Outcome, Payment, build, read_decision

MESSAGE_BYTES_MAX: Final = 4_096
"""One message. Whole ones with chip data have a few hundred."""

AUTHORISATIONS: Final = {"0100": "0110", "0101": "0110", "0200": "0210", "0201": "0210"}
REVERSALS: Final = {"0400": "0410", "0401": "0410", "0420": "0430", "0421": "0430"}
NETWORK: Final = {"0800": "0810", "0801": "0810"}
ANSWERS: Final = AUTHORISATIONS | REVERSALS | NETWORK
"""Message type of a request to that of its response. A repeat (..1) is the same request."""

RESPONSES: Final = {
    "allow": ("00", "approved"),
    "challenge": ("01", "refer to the card's issuer: ask the customer first"),
    "hold": ("05", "do not honour: held until somebody has looked"),
    "block": ("59", "suspected fraud"),
}
"""Response code (DE 39) of each action."""
FORMAT_ERROR: Final = "30"
BAD_CARD: Final = "14"
NOT_SUPPORTED: Final = "40"
DUPLICATE: Final = "94"
UNAVAILABLE: Final = "91"
MALFUNCTION: Final = "96"
REFUSALS: Final = {
    FORMAT_ERROR: "a field is missing or wrong",
    BAD_CARD: "the card's number has a wrong check digit",
    NOT_SUPPORTED: "not a payment (a balance inquiry, another message type)",
    DUPLICATE: "another payment was decided under the same trace number, time and institutions",
    UNAVAILABLE: "the decision cannot be recorded, or too much is waiting; the same request may be sent again",
    MALFUNCTION: "a fault of ours",
}
"""Response codes of what was not decided."""


class FieldRow(NamedTuple):
    """A data element, our field, and a remark."""

    element: str
    ours: str
    remark: str = ""


FIELDS: Final = (
    FieldRow("2", "card", "check digit checked; from DE 35 where DE 2 is absent"),
    FieldRow("3", "kind", "see below; whole in `attributes.processing_code`"),
    FieldRow("4", "amount", "minor units, as in the message"),
    FieldRow("7", "time", "GMT; the year is the one nearest to now"),
    FieldRow("11", "attributes.stan", "systems trace audit number"),
    FieldRow("18", "merchant.category", "ISO 18245"),
    FieldRow("19", "attributes.acquiring_country", "ISO 3166 digits"),
    FieldRow("22", "attributes.pos_entry_mode", "03 makes `kind` qr, 10 and 81 `channel` web"),
    FieldRow("25", "attributes.pos_condition", "08 makes `channel` phone, 59 web"),
    FieldRow("32", "payee.member", "acquiring institution"),
    FieldRow("33", "attributes.forwarding_member", ""),
    FieldRow("37", "attributes.retrieval_reference", ""),
    FieldRow("41", "merchant.terminal", ""),
    FieldRow("42", "merchant.id", ""),
    FieldRow("43", "merchant.name", "characters 1 to 25; 26 to 38 are `place.city`, 39 and 40 `merchant.country`"),
    FieldRow("49", "currency", "ISO 4217 digits"),
    FieldRow("52", "session.authentication", "`pin` where a PIN came; the PIN itself is not read"),
    FieldRow("102", "payer.account", ""),
    FieldRow("103", "payee.account", ""),
)
KINDS: Final = {
    "00": "card", "09": "card", "01": "withdrawal", "17": "withdrawal", "20": "card", "21": "topup", "26": "transfer",
    "28": "topup", "40": "transfer", "50": "transfer",
}  # fmt: skip
"""First two digits of the processing code (DE 3) to the kind of payment; 30 to 39 are inquiries, the rest is `card`."""
PROCESSING: Final = {"card": "000000", "qr": "000000", "withdrawal": "010000", "topup": "210000", "transfer": "400000"}

_ECHOED: Final = ("2", "3", "4", "7", "11", "12", "13", "32", "33", "37", "41", "42", "49", "70", "90")
_REQUIRED: Final = ("3", "4", "7", "11", "49")
_SPACE_PADDED: Final = frozenset({"41", "42", "43", "37"})


def _spec() -> dict[str, dict[str, Any]]:
    made = deepcopy(dict(default_ascii))
    made["43"]["data_enc"] = "gb18030"
    return made


_SPEC: Final = _spec()


class CardMessage(NamedTuple):
    """A decoded message: its type and its fields by number, as text."""

    kind: str
    fields: Mapping[str, str]

    @property
    def answered_by(self) -> str:
        """The response's type; empty for what is no request we answer."""
        return ANSWERS.get(self.kind, "")


def read_iso8583(raw: bytes) -> CardMessage:
    """The fields of one message. Raises `InputError` with the data element."""
    if len(raw) > MESSAGE_BYTES_MAX:
        raise InputError(f"a message has at most {MESSAGE_BYTES_MAX:,} bytes")
    try:
        fields, _ = iso8583.decode(raw, _SPEC)
    except iso8583.DecodeError as why:
        raise InputError(f"not ISO 8583 in ASCII: {why.msg}", f"DE {why.field}, byte {why.pos}") from why
    kind = fields.pop("t")
    for name in ("h", "p", "1"):
        fields.pop(name, None)
    return CardMessage(kind, fields)


def write_iso8583(kind: str, fields: Mapping[str, str]) -> bytes:
    """One message. Raises `InputError` for a value that does not fit its data element."""
    try:
        raw, _ = iso8583.encode({"h": "", "t": kind, **fields}, _SPEC)
    except iso8583.EncodeError as why:
        raise InputError(f"does not fit: {why.msg}", f"DE {why.field}") from why
    return bytes(raw)


def response(asked: CardMessage, code: str, seq: int = 0) -> bytes:
    """The response to a request, with what it must repeat, the response code, and an approval's number."""
    fields = {name: asked.fields[name] for name in _ECHOED if name in asked.fields}
    fields["39"] = code
    if code == "00" and asked.kind in AUTHORISATIONS:
        fields["38"] = f"{seq % 1_000_000:06d}"
    return write_iso8583(asked.answered_by, fields)


def refusal_code(why: Exception) -> str:
    """The response code for what was not decided."""
    if isinstance(why, ConflictError):
        return DUPLICATE
    if isinstance(why, InputError):
        return {"DE 2": BAD_CARD, "DE 3": NOT_SUPPORTED}.get(why.where, FORMAT_ERROR)
    return UNAVAILABLE if isinstance(why, DependencyError) else MALFUNCTION


# requests to payments


def payment_of(asked: CardMessage, now: datetime) -> tuple[Payment, tuple[Lost, ...]]:
    """The payment of a 0100 or 0200, and which data elements have no place in it. Raises `InputError` with the element."""
    fields = asked.fields
    if asked.kind not in AUTHORISATIONS:
        raise InputError(f"a {asked.kind} asks for no payment", "DE 3")
    for name in _REQUIRED:
        if name not in fields:
            raise InputError("missing", f"DE {name}")
    taken = {row.element for row in FIELDS}
    tree = _tree(fields, now)
    lost = {f"DE {name}": 1 for name in fields if name not in taken}
    if "35" in fields and "2" not in fields:
        tree["card"] = _card(fields["35"].replace("D", "=").partition("=")[0])
    return build(Payment, tree), counted(lost, ())


def _tree(fields: Mapping[str, str], now: datetime) -> dict[str, Any]:
    entry, condition = fields.get("22", "")[:2], fields.get("25", "")
    kind = "qr" if entry == "03" else _kind(fields["3"])
    name, city, country = _shop(fields.get("43", ""))
    tree: dict[str, Any] = {
        "id": payment_id(fields["11"], fields["7"], fields.get("32", ""), fields.get("33", ""), now),
        "time": time_of(fields["7"], now),
        "kind": kind,
        "amount": int(_digits(fields["4"], "4")),
        "currency": _currency(fields["49"]),
        "channel": _channel(kind, entry, condition),
        "card": _card(fields["2"]) if "2" in fields else None,
        "payer": {"account": fields.get("102")},
        "payee": {"account": fields.get("103"), "member": fields.get("32")},
        "merchant": {
            "id": fields.get("42", "").strip() or None,
            "terminal": fields.get("41", "").strip() or None,
            "category": fields.get("18"),
            "name": name,
            "country": country,
        },
        "place": {"city": city},
        "session": {"authentication": "pin" if "52" in fields else None},
    }
    tree["attributes"] = {
        row.ours.removeprefix("attributes."): clean(fields[row.element].strip())
        for row in FIELDS
        if row.ours.startswith("attributes.") and fields.get(row.element, "").strip()
    } | {"processing_code": fields["3"]}
    return tree


def _kind(code: str) -> str:
    if _digits(code, "3")[:1] == "3":
        raise InputError("an inquiry is no payment", "DE 3")
    return KINDS.get(code[:2], "card")


def _channel(kind: str, entry: str, condition: str) -> str:
    if kind == "withdrawal":
        return "atm"
    if entry in ("10", "81") or condition == "59":
        return "web"
    return "phone" if condition == "08" else "pos"


def _shop(text: str) -> tuple[str | None, str | None, str | None]:
    """Name, city and country of DE 43, by ISO 8583's own division of its 40 characters."""
    clean_text = clean(text)
    country = clean_text[38:40].strip()
    return clean_text[:25].strip() or None, clean_text[25:38].strip() or None, country if len(country) == 2 else None


def _card(number: str) -> str:
    if not is_luhn(number) or not 12 <= len(number) <= 19:
        raise InputError("the card's number has a wrong check digit or length", "DE 2")
    return number


def _currency(number: str) -> str:
    if number not in LETTERS:
        raise InputError("not an active ISO 4217 currency number", "DE 49")
    return LETTERS[number]


def _digits(text: str, element: str) -> str:
    if not text.isascii() or not text.isdigit():
        raise InputError("digits are expected", f"DE {element}")
    return text


def time_of(text: str, now: datetime, element: str = "7") -> datetime:
    """MMDDhhmmss in GMT, in the year that brings it nearest to `now`."""
    _digits(text, element)
    month, day, hour, minute, second = (int(text[i : i + 2] or "0") for i in range(0, 10, 2))
    candidates = []
    for year in (now.year - 1, now.year, now.year + 1):
        try:
            candidates.append(datetime(year, month, day, hour, minute, second, tzinfo=UTC))
        except ValueError:  # not a date, or the 29th of February of another year
            continue
    if not candidates:
        raise InputError("not a date and time", f"DE {element}")
    return min(candidates, key=lambda at: abs(at - now))


def payment_id(stan: str, transmitted: str, acquirer: str, forwarder: str, now: datetime, element: str = "") -> str:
    """Of what DE 90 of a reversal repeats: trace number, transmission time with its year, both institutions."""
    year = time_of(transmitted, now, element or "7").year
    parts = (
        _digits(stan, element or "11"),
        _digits(acquirer or "0", element or "32"),
        _digits(forwarder or "0", element or "33"),
    )
    return f"8583-{year}{transmitted}-{parts[0]}-{parts[1]:0>11}-{parts[2]:0>11}"


def reversal_of(asked: CardMessage, now: datetime) -> Outcome:
    """A reversal as the outcome `disputed`, kind `reversal`, of the payment that DE 90 names. Raises `InputError`."""
    original = asked.fields.get("90", "")
    if len(original) != 42 or original[:4] not in AUTHORISATIONS:
        raise InputError("it does not name the original authorisation", "DE 90")
    named = payment_id(original[4:10], original[10:20], original[20:31], original[31:42], now, "90")
    return Outcome(
        payment_id=named,
        label="disputed",
        known_at=now,
        source="iso8583",
        kind="reversal",
        note=f"{asked.kind}, response code {clean(asked.fields.get('39', 'none'))}",
    )


# payments to requests


def request_of(payment: Payment, zone: tzinfo = UTC, kind: str = "0100") -> tuple[bytes, tuple[Lost, ...]]:
    """A payment as an authorisation request, and what of it has no place there. Raises `InputError` if it has no card."""
    held = flat(payment)
    attributes = payment.attributes
    at = payment.time.astimezone(UTC)
    local = payment.time.astimezone(zone)
    if payment.kind not in PROCESSING:
        raise InputError(f"a payment of kind {payment.kind} is no card authorisation", "$.kind")
    fields: dict[str, str] = {
        "3": str(attributes.get("processing_code", PROCESSING[payment.kind])),
        "4": f"{payment.amount:012d}",
        "7": f"{at:%m%d%H%M%S}",
        "11": str(attributes.get("stan", "000000")),
        "12": f"{local:%H%M%S}",
        "13": f"{local:%m%d}",
        "49": NUMBERS[payment.currency],
    }
    kept = {"schema", "kind", "amount", "currency", "attributes.processing_code", "attributes.stan"}
    if not payment.time.microsecond:
        kept.add("time")
    for row in FIELDS:
        name, value = row.element, held.get(row.ours)
        if name not in fields and name not in ("43", "52") and isinstance(value, str) and _holds(name, value):
            fields[name] = value.ljust(_SPEC[name]["max_len"]) if name in _SPACE_PADDED else value
            kept.add(row.ours)
    fields |= _place(payment, kept)
    kept |= _told(payment, fields)
    lost = {name: 1 for name in held if name not in kept}
    return write_iso8583(kind, fields), counted(lost, ())


def _told(payment: Payment, fields: Mapping[str, str]) -> set[str]:
    """What the request tells although no element holds it: the channel, and the id where it is of our making."""
    told = set()
    if payment.channel == _channel(payment.kind, fields.get("22", "")[:2], fields.get("25", "")):
        told.add("channel")
    made = payment_id(fields["11"], fields["7"], fields.get("32", ""), fields.get("33", ""), payment.time)
    if made == payment.id:
        told.add("id")
    return told


def _holds(element: str, value: str) -> bool:
    if element == "2":
        return is_luhn(value) and 12 <= len(value) <= 19
    rule = _SPEC[element]
    exact = rule["len_type"] == 0 and element not in _SPACE_PADDED
    fits = len(value) == rule["max_len"] if exact else len(value) <= rule["max_len"]
    digits = element not in ("32", "33") or value.isdigit()
    return fits and digits and value.isascii() and value == value.strip() and bool(value)


def _place(payment: Payment, kept: set[str]) -> dict[str, str]:
    """DE 43: 25, 13 and 2 characters, where all three fit; ASCII, for their lengths are in bytes."""
    shop = (payment.merchant.name or "", payment.place.city or "", payment.merchant.country or "")
    fits = all(len(text) <= most and text.isascii() for text, most in zip(shop, (25, 13, 2), strict=True))
    if not any(shop) or not fits:
        return {}
    kept |= {"merchant.name", "place.city", "merchant.country"}
    return {"43": f"{shop[0]:<25}{shop[1]:<13}{shop[2]:<2}"}


class CardPayment:
    """One authorisation request on its way to a decision. The shape that `services.decide` asks for."""

    def __init__(self, asked: CardMessage, payment: Payment) -> None:
        self._asked = asked
        self.payments: Sequence[Payment] = (payment,)

    def answer(self, answers: Sequence[bytes]) -> bytes:
        """The response, of the decision in JSON."""
        decision = read_decision(answers[0])
        return response(self._asked, RESPONSES[decision.action][0], decision.seq)
