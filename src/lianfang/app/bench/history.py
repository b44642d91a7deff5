"""How fast a Parquet history runs through the engine: the benchmark's features and rules, one core."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lianfang.app.bench.report import Figure
from lianfang.app.bench.scenario import LISTS, Traffic, ruleset, today
from lianfang.app.replay import Replay, replay
from lianfang.app.replay.run import REPLAY_KEY
from lianfang.infra.history import native_mapping
from lianfang.kernel.instant import DAY
from lianfang.services.decide import LIST_SCHEMA, ListBook, rule_book
from lianfang.wire import catalogue


def replay_speed(path: Path, accounts: int, count: int) -> list[Figure]:
    """Writes `count` payments of three days as Parquet, and replays them."""
    traffic = Traffic(accounts)
    start, step = today() - 3 * DAY, 3 * DAY // count
    rows = [_flat(traffic.payment(start + i * step)) for i in range(count)]
    columns = {name: [row.get(name) for row in rows] for name in catalogue() if any(name in row for row in rows[:100])}
    table = pa.table(columns)
    pq.write_table(
        table.set_column(
            table.column_names.index("time"), "time", pa.array(columns["time"]).cast(pa.timestamp("us", "UTC"))
        ),
        path,
    )
    book = rule_book(ruleset(), ListBook(LIST_SCHEMA.empty_table(), REPLAY_KEY, "none"), LISTS)
    result = replay(Replay(path, native_mapping(), book))
    return [Figure("replay_per_s", result.timed / result.seconds, "payments/s", ">= 60,000")]


def _flat(payment: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in payment.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{inner}": v for inner, v in value.items()}
        else:
            flat[name] = value
    return flat
