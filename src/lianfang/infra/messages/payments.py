"""Payments in ISO 20022: pacs.008, pain.001 and the entries of camt.052, 053 and 054 to `Payment`; and back to the first two.

One payment a credit transfer. Its id is the UETR, else the transaction's id; a message that has neither gets an id made of
everything that tells this transfer from another, so that the same message sent again is the same payment.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from typing import Any, Final, NamedTuple

from lianfang.infra.messages.forms import read_time, reference, write_time
from lianfang.infra.messages.lost import Lost, counted
from lianfang.infra.messages.table import (
    Reading,
    Transaction,
    element,
    elements_of,
    ours_of,
    where_of,
    write,
)
from lianfang.infra.messages.xml import Parsed
from lianfang.kernel import limits
from lianfang.kernel.errors import InputError
from lianfang.kernel.money import exponent, minor_units
from lianfang.wire import Payment, build
from lianfang.wire.iso20022 import NOT_PROVIDED, PACS_008, PAIN_001, Message

STATEMENTS: Final = frozenset({"camt.052", "camt.053", "camt.054"})


class Payments(NamedTuple):
    """What a message holds: its own id and name, the payments in order, what they were called there, and what was lost."""

    message: Message
    version: str
    message_id: str
    payments: tuple[Payment, ...]
    lost: tuple[Lost, ...]


def read_payments_of(
    parsed: Parsed, *, zone: tzinfo = UTC, transactions_max: int = limits.BATCH_PAYMENTS_MAX
) -> Payments:
    """The payments of a message. Times without an offset are in `zone`. Raises `InputError`: one flaw refuses the whole."""
    if parsed.message.name not in STATEMENTS | {PACS_008.name, PAIN_001.name}:
        raise InputError(f"a {parsed.message.name} holds no payments to decide", "Document")
    reading = Reading(parsed, transactions_max)
    payments = []
    total = Decimal(0)
    for one in reading.transactions():
        payment, amount = _payment(parsed.message, one, reading.lost, zone)
        payments.append(payment)
        total += amount
    header = reading.header
    _check_sums(header, len(payments), total)
    return Payments(
        parsed.message,
        parsed.namespace[-2:],
        _text(header, "GrpHdr/MsgId"),
        tuple(payments),
        counted(reading.lost, parsed.notes),
    )


def _payment(message: Message, one: Transaction, lost: dict[str, int], zone: tzinfo) -> tuple[Payment, Decimal]:
    read = ours_of(message, one, lost)
    ours, at = read.ours, read.at
    if "amount" not in ours:
        raise InputError("there is no amount of this payment alone", f"{one.path}[{one.number}]")
    amount, currency = ours.pop("amount")
    tree: dict[str, Any] = {"kind": "transfer", "currency": currency, "amount": _minor(amount, currency, at, one)}
    try:
        tree["time"] = read_time(ours.pop("time"), zone)
    except InputError as why:
        raise InputError(why.what, where_of(at["time"], one)) from why
    if message.name in STATEMENTS:
        _owner(ours, lost)
    tree["id"] = ours.pop("id", None) or _made_id(one)
    attributes: dict[str, Any] = {}
    for name, value in ours.items():
        part, _, rest = name.partition(".")
        most = _length(name)
        text = value[:most]
        if len(value) > most:
            lost[f"{at[name]} (characters after {most})"] = 1
        if part == "attributes":
            attributes[rest] = text
        elif rest:
            tree.setdefault(part, {})[rest] = text
        else:
            tree[part] = text
    if attributes:
        tree["attributes"] = attributes
    try:
        return build(Payment, tree), Decimal(amount)
    except InputError as why:
        raise InputError(why.what, f"{one.path}[{one.number}] {why.where}") from why


def _length(name: str) -> int:
    if name == "memo" or name.startswith("attributes."):
        return limits.TEXT_LENGTH_MAX
    return limits.NAME_LENGTH_MAX if name.endswith(".name") else limits.ID_LENGTH_MAX


def _minor(amount: str, currency: str, at: dict[str, str], one: Transaction) -> int:
    try:
        return minor_units(amount, currency)
    except InputError as why:
        raise InputError(why.what, where_of(at["amount"], one)) from why


def _owner(ours: dict[str, Any], lost: dict[str, int]) -> None:
    """The account of a statement is the payee's of what came in, the payer's of what went out, where the entry says none."""
    side = "payee" if ours.get("attributes.credit_or_debit") == "CRDT" else "payer"
    for field in ("account", "member"):
        value = ours.pop(f"statement.{field}", None)
        if value is not None:
            ours.setdefault(f"{side}.{field}", value)
    ours.pop("attributes.statement_account_alias", None)


def _made_id(one: Transaction) -> str:
    """Of all values that tell transfers apart; equal for equal transfers of the same message."""
    told = sha256(str(one.number).encode())
    for path in sorted(one.values):
        for found in one.values[path]:
            told.update(f"\n{path}={found.value}".encode())
    named = next(
        (
            found[0].value
            for path, found in one.values.items()
            if path.endswith("/EndToEndId") and found[0].value != NOT_PROVIDED
        ),
        "",
    )
    return f"{named}-{told.hexdigest()[:24]}" if named else told.hexdigest()[:32]


def _check_sums(header: dict[str, Any], count: int, total: Decimal) -> None:
    """`NbOfTxs` and `CtrlSum` say what the sender meant to send: a message that was cut or added to is refused."""
    said = _text(header, "GrpHdr/NbOfTxs")
    if said and int(said) != count:
        raise InputError(f"the message says {int(said)} transactions and has {count}", "GrpHdr/NbOfTxs")
    control = _text(header, "GrpHdr/CtrlSum")
    try:
        if control and Decimal(control) != total:
            raise InputError("the amounts do not add up to the control sum", "GrpHdr/CtrlSum")
    except InvalidOperation as why:
        raise InputError("the control sum is not a number", "GrpHdr/CtrlSum") from why


def _text(header: dict[str, Any], path: str) -> str:
    return str(header[path][0].value) if path in header else ""


# writing


def flat(payment: Payment) -> dict[str, Any]:
    """Every value a payment holds, by our path: `payer.account`, `attributes.purpose`. Empty ones are left out."""
    found: dict[str, Any] = {}
    for name in payment.__struct_fields__:
        value = getattr(payment, name)
        inner = getattr(value, "__struct_fields__", None)
        if inner is not None:
            for part in inner:
                held = getattr(value, part)
                if held is not None:
                    found[f"{name}.{part}"] = held
        elif name == "attributes":
            found |= {f"attributes.{key}": held for key, held in value.items() if held is not None}
        elif value is not None and value not in ((), ""):
            found[name] = value
    return found


def write_payments_as(message: Message, payments: Sequence[Payment]) -> tuple[bytes, tuple[Lost, ...]]:
    """pacs.008 or pain.001 with these payments, and what of them it cannot say. Raises `InputError` for none."""
    if not payments:
        raise InputError("a message has at least one payment")
    lost: dict[str, int] = {}
    fixed = {path: element(path, text) for path, text in message.fixed}
    top = message.transaction.partition("/")[0] + "/"
    transactions = [_transaction(message, payment, fixed, top, lost) for payment in payments]
    message_id = reference("\n".join(p.id for p in payments))
    latest: datetime = max(p.time for p in payments)
    header = {path: made for path, made in fixed.items() if not path.startswith(top)}
    if message is PAIN_001 and any(p.time != latest for p in payments):
        lost["time"] = len(payments)
    for path, text in (
        ("GrpHdr/MsgId", message_id),
        ("GrpHdr/CreDtTm", write_time(latest)),
        ("GrpHdr/NbOfTxs", str(len(payments))),
    ):
        header[path] = element(path, text)
    return write(message, header, transactions), counted(lost, ())


_IMPLIED: Final = frozenset({"schema", "currency"})


def _transaction(
    message: Message, payment: Payment, fixed: dict[str, str], top: str, lost: dict[str, int]
) -> dict[str, str]:
    ours = {name: value for name, value in flat(payment).items() if name not in _IMPLIED}
    if ours.pop("kind") != "transfer":
        lost["kind"] = lost.get("kind", 0) + 1
    ours["amount"] = (_major(payment.amount, payment.currency), payment.currency)
    out = elements_of(message, ours)
    for name in out.lost:
        lost[name] = lost.get(name, 0) + 1
    elements = out.elements
    elements.pop("GrpHdr/CreDtTm", None)
    for path in [path for path in elements if path.endswith("Acct/Prxy/Id")]:  # an alias stands beside an id only
        number = path.replace("/Prxy/Id", "/Id/Othr/Id")
        if not _filled(number, elements):
            elements[number] = element(number, NOT_PROVIDED)
    for path, made in fixed.items():
        if path.startswith(top) and not _filled(path, elements):
            elements[path] = made
    if message is PACS_008 and "id" in out.lost:
        path = f"{message.transaction}/PmtId/TxId"
        elements[path] = element(path, reference(payment.id))
    if message is PAIN_001:
        _instruction(payment, elements)
    return elements


def _filled(path: str, elements: dict[str, str]) -> bool:
    """Whether an element, or another choice in its place, is there already: any account, any agent, any name."""
    if path.endswith("/Othr/Id"):
        around = path.removesuffix("Othr/Id")
        return any(held.startswith(around) for held in elements)
    return path in elements


def _instruction(payment: Payment, elements: dict[str, str]) -> None:
    """What pain.001 asks of each payment information: an id, and the day of execution."""
    path = "PmtInf/PmtInfId"
    elements[path] = element(path, reference(payment.id))
    day = "PmtInf/ReqdExctnDt/Dt"
    if day not in elements:
        elements[day] = element(day, payment.time.astimezone(UTC).date().isoformat())
    elements.setdefault("PmtInf/CdtTrfTxInf/PmtId/EndToEndId", element("EndToEndId", NOT_PROVIDED))


def _major(amount: int, currency: str) -> str:
    """1230, `CNY` as `12.30`, without the separators that are for people."""
    places = exponent(currency)
    whole, rest = divmod(amount, 10**places)
    return f"{whole}.{rest:0{places}d}" if places else str(whole)
