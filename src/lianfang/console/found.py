"""What pages about found payments share: asking the finder off the event loop, addresses, rows of a table, fields of a search."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from lianfang.console.signed import Form
from lianfang.infra.asgi import AnyRequest
from lianfang.infra.finding import Finder, FoundRow, Query, Records, Shown
from lianfang.infra.finding.query import check_query
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import instant
from lianfang.kernel.money import major_text, minor_units
from lianfang.wire import SUBJECTS

T = TypeVar("T")
PLAIN_ID: Final = re.compile(r"[A-Za-z0-9_~:-][A-Za-z0-9._~:-]{0,63}")
"""Ids that stand in an address as they are; all others are named by their seq."""
KINDS: Final = tuple(dict.fromkeys(SUBJECTS.values()))
"""Kinds of subject that a payment can have."""
DEFAULT_CURRENCY: Final = "CNY"
TEXT_FIELDS: Final = ("rule", "shadow", "reason", "scam", "label", "kind", "channel")
FIELDS: Final = (
    "q", "subject_kind", "side", *TEXT_FIELDS, "currency", "amount_from", "amount_to", "time_from", "time_to", "unsure",
)  # fmt: skip
ACTION_FIELD: Final = "action"


class Row(NamedTuple):
    """One line of a table of found payments. `shown`: None where the record itself is no longer kept."""

    found: FoundRow
    shown: Shown | None
    address: str


async def asking(request: AnyRequest, ask: Callable[[Finder, Records], T]) -> T:
    """`ask(finder, records)` in a thread of its own."""
    state: Any = request.app.state
    return await asyncio.to_thread(ask, state.finder, state.found_records)


def address(payment_id: str, seq: int) -> str:
    """Where a decision is shown."""
    if PLAIN_ID.fullmatch(payment_id) and payment_id != "seq":
        return f"/console/payments/{payment_id}"
    return f"/console/payments/seq/{seq}"


def rows_of(rows: tuple[FoundRow, ...], records: Records) -> list[Row]:
    """With what the records say of each."""
    shown = records.by_seq([one.seq for one in rows])
    made = []
    for one in rows:
        whole = shown.get(one.seq)
        made.append(Row(one, whole, address(whole.payment.id, whole.seq) if whole else ""))
    return made


def query_of(fields: dict[str, str], actions: tuple[str, ...], zone: ZoneInfo) -> Query:
    """The fields of a form as a query. Raises `InputError` naming the field."""
    currency = fields["currency"].upper()
    money = {
        name: _minor(fields[name], currency or DEFAULT_CURRENCY, name)
        for name in ("amount_from", "amount_to")
        if fields[name]
    }
    made: dict[str, Any] = {name: fields[name] for name in TEXT_FIELDS if fields[name]}
    made |= money
    if currency or money:
        made["currency"] = currency or DEFAULT_CURRENCY
    if fields["unsure"]:
        made["unsure"] = fields["unsure"] == "yes"
    for name in ("time_from", "time_to"):
        if fields[name]:
            made[name] = _micros(fields[name], zone, name)
    if fields["q"]:
        made["subject"] = {
            "value": fields["q"], "kind": fields["subject_kind"] or None, "side": fields["side"] or None
        }  # fmt: skip
    if actions:
        made["actions"] = actions
    try:
        return check_query(msgspec.convert(made, Query))
    except msgspec.ValidationError as why:
        raise InputError(f"this cannot be looked for: {why}", "search") from why


def fields_of(query: Query, zone: ZoneInfo) -> dict[str, str]:
    """The other way: what the form shows of a query."""
    shown = dict.fromkeys(FIELDS, "")
    for name in TEXT_FIELDS:
        shown[name] = getattr(query, name) or ""
    if query.subject is not None:
        shown |= {
            "q": query.subject.value, "subject_kind": query.subject.kind or "", "side": query.subject.side or ""
        }  # fmt: skip
    elif query.payment_id:
        shown["q"] = query.payment_id
    currency = query.currency or ""
    shown["currency"] = currency
    for name in ("amount_from", "amount_to"):
        if (minor := getattr(query, name)) is not None:
            shown[name] = _major(minor, currency or DEFAULT_CURRENCY)
    for name in ("time_from", "time_to"):
        if (at := getattr(query, name)) is not None:
            shown[name] = datetime.fromtimestamp(at / 1_000_000, zone).strftime("%Y-%m-%dT%H:%M")
    if query.unsure is not None:
        shown["unsure"] = "yes" if query.unsure else "no"
    return shown


def fields_sent(form: Form) -> dict[str, str]:
    """Every field of the search form; empty where it is not there."""
    return {name: form.get(name) for name in FIELDS}


def sought_id(query: Query) -> str | None:
    """The text that may be a payment's id: a bare value with no kind, no side and nothing else."""
    subject = query.subject
    if subject is None or subject.kind is not None or subject.side is not None:
        return None
    bare = msgspec.structs.replace(query, subject=None, before_seq=None)
    return subject.value if bare == Query(limit=query.limit) else None


def _minor(text: str, currency: str, name: str) -> int:
    try:
        return minor_units(text.replace(",", ""), currency)
    except InputError as why:
        raise InputError(why.what, name) from why


def _major(minor: int, currency: str) -> str:
    return major_text(minor, currency).replace(",", "")


def _micros(text: str, zone: ZoneInfo, name: str) -> int:
    try:
        return int(instant(datetime.fromisoformat(text).replace(tzinfo=zone)))
    except ValueError as why:
        raise InputError(f"{text!r} is not a time: write it as 2026-11-24T15:30", name) from why
