"""Any file of payments, decisions or outcomes, told by its content where nobody says what it is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from lianfang.infra.history import Mapping, native_mapping, read_history
from lianfang.infra.messages import (
    Lost,
    Refused,
    parse,
    payment_of,
    read_iso8583,
    read_payments_of,
    read_recalls,
    read_status,
    reversal_of,
)
from lianfang.infra.messages.iso8583 import REVERSALS
from lianfang.kernel.errors import InputError, TooLargeError
from lianfang.kernel.instant import moment
from lianfang.wire import (
    Decision,
    Finding,
    Outcome,
    Payment,
    build,
    catalogue,
    read_decision,
    read_outcome,
    read_payment,
)

FILE_BYTES_MAX: Final = 64 << 20
"""A file that is read at once: XML, JSON, ISO 8583. CSV and Parquet are read in pieces."""
TRANSACTIONS_MAX: Final = 100_000
"""Of one XML file."""

TABLES: Final = ("csv", "parquet")
XML: Final = ("pacs.008", "pain.001", "pacs.002", "camt.056", "camt.029", "camt.052", "camt.053", "camt.054")
SOURCES: Final = ("auto", "json", *XML, "iso8583", *TABLES)

Item = Payment | Decision | Outcome


class Held(NamedTuple):
    """What a file holds: all payments, all decisions, or all outcomes; the form it had; what was lost in reading it."""

    form: str
    items: tuple[Item, ...]
    lost: tuple[Lost, ...]


class Reading(NamedTuple):
    """How to read: the form or `auto`, the zone of local times, the clock for dates without a year, the mapping of columns."""

    form: str
    zone: tzinfo
    now: datetime
    mapping: Mapping | None


def read_any(file: str, how: Reading) -> Held:
    """A file, or `-` for standard input. Raises `InputError` saying what it is and why it cannot be read."""
    if how.form not in SOURCES:
        raise InputError(f"{how.form!r} is not a form that is read: {', '.join(SOURCES)}", "--from")
    form = how.form
    path = Path(file)
    if form == "auto" and path.suffix.lower() in (".csv", ".tsv", ".parquet"):
        form = "parquet" if path.suffix.lower() == ".parquet" else "csv"
    if form in TABLES or path.is_dir():
        return _table(path, form, how.mapping or native_mapping())
    raw = _bytes(file)
    if form == "auto":
        form = _form_of(raw)
    if form == "json":
        return Held("json", _json(raw), ())
    if form == "iso8583":
        return _cards(raw, how.now)
    return _xml(raw, form, how.zone)


def _bytes(file: str) -> bytes:
    """All of it. The size is looked at first: nothing that is too large is read, let alone parsed."""
    too_large = f"more than {FILE_BYTES_MAX:,} bytes"
    try:
        if file == "-":
            raw = sys.stdin.buffer.read(FILE_BYTES_MAX + 1)
        else:
            path = Path(file)
            if path.stat().st_size > FILE_BYTES_MAX:
                raise TooLargeError(too_large, file)
            raw = path.read_bytes()
    except OSError as why:
        raise InputError(f"cannot be read: {why.strerror}", file) from why
    if len(raw) > FILE_BYTES_MAX:
        raise TooLargeError(too_large, file)
    return raw


def _form_of(raw: bytes) -> str:
    start = raw[:256].removeprefix(b"\xef\xbb\xbf").lstrip()
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff") or start.startswith(b"<"):
        return "xml"
    if start.startswith((b"{", b"[")):
        return "json"
    if start[:8].isalnum() and all(c in b"0123456789abcdefABCDEF" for c in start[:8]):
        return "iso8583"
    raise InputError("this is neither XML, JSON, nor ISO 8583 in hexadecimal digits; say what it is with --from")


def _xml(raw: bytes, form: str, zone: tzinfo) -> Held:
    parsed = parse(raw, bytes_max=FILE_BYTES_MAX)
    name = parsed.message.name
    if form not in ("xml", name):
        raise InputError(f"this is a {name}, not a {form}", "--from")
    if name == "pacs.002":
        return Held(name, *read_status(parsed, zone=zone))
    if name in ("camt.056", "camt.029"):
        return Held(name, *read_recalls(parsed, zone=zone))
    found = read_payments_of(parsed, zone=zone, transactions_max=TRANSACTIONS_MAX)
    return Held(name, found.payments, found.lost)


def _json(raw: bytes) -> tuple[Item, ...]:
    """An object, a list, or an object a line; the first object says of which kind all are."""
    text = raw.removeprefix(b"\xef\xbb\xbf").strip()
    try:
        bodies = (
            [bytes(one) for one in msgspec.json.decode(text, type=list[msgspec.Raw])]
            if text.startswith(b"[")
            else [line for line in text.splitlines() if line.strip()]
            if not _is_one(text)
            else [text]
        )
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as why:
        raise InputError(f"not JSON: {why}") from why
    if not bodies:
        raise InputError("nothing is in it")
    read = _reader_of(bodies[0])
    items = []
    for number, body in enumerate(bodies, 1):
        try:
            items.append(read(body))
        except InputError as why:
            raise type(why)(why.what, f"item {number}, {why.where}") from why
    return tuple(items)


def _is_one(text: bytes) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
    return True


def _reader_of(first: bytes) -> Callable[[bytes], Item]:
    try:
        keys = msgspec.json.decode(first, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as why:
        raise InputError(f"not JSON: {why}", "item 1") from why
    if set(keys) == set(Refused.__struct_fields__):
        raise InputError("the first answer is a refusal; there is no decision to convert", "item 1")
    if "payment_id" in keys:
        return read_decision if "action" in keys else read_outcome
    return read_payment


def _cards(raw: bytes, now: datetime) -> Held:
    """A message a line, in hexadecimal digits."""
    items: list[Item] = []
    lost: dict[str, Lost] = {}
    for number, line in enumerate(raw.split(), 1):
        try:
            asked = read_iso8583(bytes.fromhex(line.decode("ascii")))
            if asked.kind in REVERSALS:
                items.append(reversal_of(asked, now))
                continue
            payment, gone = payment_of(asked, now)
        except ValueError as why:
            raise InputError("hexadecimal digits are expected", f"message {number}") from why
        except InputError as why:
            raise InputError(why.what, f"message {number}, {why.where}") from why
        items.append(payment)
        for one in gone:
            lost[one.path] = Lost(one.path, one.times + (lost[one.path].times if one.path in lost else 0))
    if len({type(item) for item in items}) > 1:
        raise InputError("reversals and authorisations are converted apart")
    return Held("iso8583", tuple(items), tuple(lost.values()))


def _table(path: Path, form: str, mapping: Mapping) -> Held:
    """Rows by a mapping file, or in the native layout. Attributes are texts: a table does not say what else they are."""
    known = catalogue()
    names = [
        *(name for name in known if name in mapping.payment or mapping.layout == "native"),
        *(f"{name}:text" if name.startswith("attributes.") else name for name in mapping.payment if name not in known),
    ]
    if mapping.layout == "native" and "surroundings" not in names:
        names.append("surroundings")
    items: list[Payment] = []
    for batch in read_history(path, mapping, names):
        items += [_row({name: batch.columns[name][i] for name in names}) for i in range(batch.rows)]
    return Held(form, tuple(items), ())


def _row(values: dict[str, Any]) -> Payment:
    known = catalogue()
    tree: dict[str, Any] = {}
    for name, value in values.items():
        if value is None or value == ():
            continue
        if name == "surroundings":
            tree[name] = tuple(Finding(code=code) for code in value)
            continue
        held = moment(value) if name in known and known[name].type == "time" else value
        part, _, rest = name.partition(".")
        if rest:
            tree.setdefault(part, {})[rest.removesuffix(":text")] = held
        else:
            tree[name] = held
    return build(Payment, tree)


def kind_of(items: Sequence[Item]) -> str:
    """`payments`, `decisions` or `outcomes`."""
    first = items[0] if items else None
    return "decisions" if isinstance(first, Decision) else "outcomes" if isinstance(first, Outcome) else "payments"
