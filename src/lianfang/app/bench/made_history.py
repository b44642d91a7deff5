"""A history of any length for the backtest's figures: the benchmark's payments as columns, drawn in bulk, with labels.

Made up, seeded, the same each time; not a world (`engines/world`): its frauds differ from the rest only in being larger.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lianfang.app.bench.scenario import SEED
from lianfang.infra.history.arrow import compute
from lianfang.kernel.instant import DAY

PART: Final = 250_000
"""Rows drawn at once: a row group of the file."""
DAYS: Final = 90
BEGINS: Final = 1_767_225_600_000_000
"""2026-01-01."""
FRAUDS: Final = 0.005
KNOWN_AFTER_DAYS: Final = 14
"""A fraud becomes known within so many days."""


def write_made_history(path: Path, rows: int, accounts: int = 200_000, days: int = DAYS) -> None:
    """Writes `rows` payments of so many days between `accounts` accounts as one Parquet file in the native layout."""
    step = days * DAY // rows
    with pq.ParquetWriter(path, _part(0, 1, step, accounts).schema, compression="zstd") as writer:
        for first in range(0, rows, PART):
            writer.write_table(_part(first, min(PART, rows - first), step, accounts))


def _part(first: int, rows: int, step: int, accounts: int) -> pa.Table:
    """Payments `first` to `first + rows`: half of them from a busy tenth of the accounts, a fifth at merchants."""
    draw = np.random.default_rng((SEED, first))
    busy = draw.random(rows) < 0.5
    payer = np.where(busy, draw.integers(0, accounts // 10, rows), draw.integers(0, accounts, rows))
    payee = (payer * 31 + draw.integers(0, 20, rows) * 7_919) % accounts
    shop = draw.random(rows) < 0.2
    fraud = draw.random(rows) < FRAUDS
    at = BEGINS + (first + np.arange(rows)) * step
    known = at + draw.integers(1, KNOWN_AFTER_DAYS * DAY, rows)
    amount = draw.lognormal(np.where(fraud, 10.5, 9.5), 1.2).astype(np.int64) + 1
    address = [
        f"10.{p % 256}.{p // 256 % 256}.{host}" for p, host in zip(payer, draw.integers(0, 4, rows), strict=True)
    ]
    columns: dict[str, Any] = {
        "id": _named("made-", first + np.arange(rows), 12),
        "time": pa.array(at).cast(pa.timestamp("us", "UTC")),
        "kind": pa.array(np.where(shop, "qr", "transfer")),
        "amount": pa.array(amount),
        "currency": pa.array(["CNY"] * rows),
        "channel": pa.array(["mobile"] * rows),
        "payer.account": _named("622202", payer, 13),
        "payee.account": _named("621700", payee, 13),
        "device.id": _named("device-", payer % (accounts // 2 + 1), 24),
        "network.ip": pa.array(address),
        "merchant.id": _named("merchant-", payee % 20_000, 8, where=shop),
        "session.screen_shared": pa.array(draw.random(rows) < 0.002),
        "session.call_in_progress": pa.array(draw.random(rows) < 0.01),
        "label": pa.array(fraud.astype(np.int8)),
        "known_at": pa.array(known, mask=~fraud).cast(pa.timestamp("us", "UTC")),
    }
    return pa.table(columns)


def _named(prefix: str, numbers: NDArray[np.int64], digits: int, where: NDArray[np.bool_] | None = None) -> Any:
    """Texts of a prefix and a number of so many digits; null where `where` is false."""
    texts = compute.utf8_lpad(pa.array(numbers).cast(pa.string()), digits, "0")
    made = compute.binary_join_element_wise(prefix, texts, "")
    return made if where is None else compute.if_else(pa.array(where), made, None)
