"""What was read, written in another form, with the list of what that form has no place for."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import tzinfo
from typing import Any, Final

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from lianfang.app.convert.sources import Held, Item, kind_of
from lianfang.infra.messages import Lost, request_of, write_decisions, write_payments_as, write_recalls_as
from lianfang.infra.messages.payments import flat
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import instant
from lianfang.wire import Decision, FieldType, Outcome, Payment, catalogue, write
from lianfang.wire.iso20022 import CAMT_029, CAMT_056, PACS_008, PAIN_001

TARGETS: Final = ("json", "pacs.008", "pain.001", "pacs.002", "camt.056", "camt.029", "iso8583", "csv", "parquet")
_NEEDS: Final = {
    "pacs.008": "payments",
    "pain.001": "payments",
    "iso8583": "payments",
    "csv": "payments",
    "parquet": "payments",
    "pacs.002": "decisions",
    "camt.056": "outcomes",
    "camt.029": "outcomes",
}
_ARROW: Final[dict[FieldType, pa.DataType]] = {
    "text": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "time": pa.timestamp("us", tz="UTC"),
}


def write_any(held: Held, form: str, zone: tzinfo) -> tuple[bytes, tuple[Lost, ...]]:
    """The items in a form, and what of them is lost. Raises `InputError` where the form is for something else."""
    if form not in TARGETS:
        raise InputError(f"{form!r} is not a form that is written: {', '.join(TARGETS)}", "--to")
    if not held.items:
        raise InputError(f"the {held.form} holds nothing to convert")
    kind = kind_of(held.items)
    if _NEEDS.get(form, kind) != kind:
        hint = "; `lianfang decide FILE --json` gives decisions" if form == "pacs.002" else ""
        raise InputError(f"a {form} is made of {_NEEDS[form]}, and these are {kind}{hint}", "--to")
    if form == "json":
        return b"".join(write(item) + b"\n" for item in held.items), ()
    if form in ("csv", "parquet"):
        return _table(_payments(held.items), form)
    if form == "iso8583":
        return _cards(_payments(held.items), zone)
    if form == "pacs.002":
        return write_decisions([item for item in held.items if isinstance(item, Decision)])
    if form in ("camt.056", "camt.029"):
        message = CAMT_056 if form == "camt.056" else CAMT_029
        return write_recalls_as(message, [item for item in held.items if isinstance(item, Outcome)])
    return write_payments_as(PACS_008 if form == "pacs.008" else PAIN_001, _payments(held.items))


def _payments(items: Sequence[Item]) -> list[Payment]:
    return [item for item in items if isinstance(item, Payment)]


def _cards(payments: Sequence[Payment], zone: tzinfo) -> tuple[bytes, tuple[Lost, ...]]:
    made = []
    lost: dict[str, int] = {}
    for number, payment in enumerate(payments, 1):
        try:
            raw, gone = request_of(payment, zone)
        except InputError as why:
            raise InputError(why.what, f"payment {number}, {why.where}") from why
        made.append(raw.hex())
        for one in gone:
            lost[one.path] = lost.get(one.path, 0) + one.times
    return "".join(line + "\n" for line in made).encode(), tuple(Lost(path, count) for path, count in lost.items())


def _table(payments: Sequence[Payment], form: str) -> tuple[bytes, tuple[Lost, ...]]:
    """The native layout: a column a path. Attributes and the details of findings have no column in it."""
    known = catalogue()
    rows = [flat(payment) for payment in payments]
    lost: dict[str, int] = {}
    for payment, row in zip(payments, rows, strict=True):
        if payment.surroundings:
            row["surroundings"] = " ".join(finding.code for finding in payment.surroundings)
            if any(finding.severity != "info" or finding.source for finding in payment.surroundings):
                lost["surroundings[].severity and source"] = lost.get("surroundings[].severity and source", 0) + 1
        for name in row:
            if name not in known and name not in ("schema", "surroundings"):
                lost[name] = lost.get(name, 0) + 1
    columns: dict[str, Any] = {}
    for name in (*known, "surroundings"):
        values = [row.get(name) for row in rows]
        kind: FieldType = known[name].type if name in known else "text"
        if kind == "time" and form == "csv":
            kind, values = "int", [None if at is None else instant(at) for at in values]  # as the native layout has it
        if any(value is not None for value in values):
            columns[name] = pa.array(values, _ARROW[kind])
    table = pa.table(columns)
    out = io.BytesIO()
    if form == "parquet":
        pq.write_table(table, out, compression="zstd")
    else:
        pa_csv.write_csv(table, out)
    return out.getvalue(), tuple(Lost(path, count) for path, count in lost.items())
