"""Found payments as a file that a spreadsheet or a program opens: bounded, identifiers masked, no cell that is a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from typing import IO, Any, Final, Literal

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from lianfang.infra.finding import Finder, Query, Records, Shown
from lianfang.infra.finding.query import LIMIT_MAX
from lianfang.kernel.money import major_text

EXPORT_ROWS_MAX: Final = 100_000
Format = Literal["csv", "parquet"]
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet read a cell as a formula (OWASP, CSV injection)."""
COLUMNS: Final = (
    ("seq", pa.int64()), ("decided_at", pa.string()), ("payment_id", pa.string()), ("kind", pa.string()),
    ("channel", pa.string()), ("amount", pa.string()), ("currency", pa.string()), ("action", pa.string()),
    ("unsure", pa.bool_()), ("score", pa.float64()), ("points", pa.int64()), ("reasons", pa.string()),
    ("payer_account", pa.string()), ("payee_account", pa.string()), ("device", pa.string()),
)  # fmt: skip
"""Amounts as decimal text in major units; accounts and devices masked."""
SCHEMA: Final = pa.schema(list(COLUMNS))
Mask = Callable[[str | None], str]


def defused(cell: str) -> str:
    """A text cell that no spreadsheet runs."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def pages(finder: Finder, records: Records, query: Query, most: int = EXPORT_ROWS_MAX) -> Iterator[list[Shown]]:
    """Everything a query finds, the newest first, at most `most`."""
    left = most
    asked = msgspec.structs.replace(query, limit=min(LIMIT_MAX, left))
    while left > 0:
        page = finder.find(asked)
        found = records.read(page.seqs, outcomes=False)
        yield found[:left]
        left -= len(found)
        if page.next is None:
            return
        asked = msgspec.structs.replace(asked, before_seq=page.next)


def row_of(shown: Shown, mask: Mask) -> tuple[Any, ...]:
    """One row, in the order of `COLUMNS`."""
    payment, decision = shown.payment, shown.decision
    return (
        shown.seq, decision.decided_at.isoformat(), payment.id, payment.kind, payment.channel or "",
        major_text(payment.amount, payment.currency).replace(",", ""), payment.currency, decision.action, decision.unsure,
        decision.score, decision.points, " ".join(one.code for one in decision.reasons),
        mask(payment.payer.account), mask(payment.payee.account), mask(payment.device.id),
    )  # fmt: skip


def write_export(out: IO[bytes], how: Format, found: Iterator[list[Shown]], mask: Mask) -> int:
    """Write a whole export to `out`; how many rows."""
    if how == "csv":
        return _write_csv(out, found, mask)
    written = 0
    with pq.ParquetWriter(out, SCHEMA) as writer:
        for page in found:
            rows = [row_of(one, mask) for one in page]
            columns = list(zip(*rows, strict=True)) or [()] * len(COLUMNS)
            writer.write_table(
                pa.table([pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)], schema=SCHEMA)
            )
            written += len(rows)
    return written


def _write_csv(out: IO[bytes], found: Iterator[list[Shown]], mask: Mask) -> int:
    text = io.TextIOWrapper(out, "utf-8-sig", newline="")  # with its mark: spreadsheets then read Chinese
    writer = csv.writer(text)
    writer.writerow([name for name, _ in COLUMNS])
    written = 0
    for page in found:
        for one in page:
            writer.writerow([defused(cell) if isinstance(cell, str) else cell for cell in row_of(one, mask)])
            written += 1
    text.flush()
    text.detach()
    return written
