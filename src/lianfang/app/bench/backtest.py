"""`lianfang bench backtest`: how fast a history is judged, in how much memory, and whether both ways to a feature agree."""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from lianfang.app.bench.made_history import BEGINS, DAYS, write_made_history
from lianfang.app.bench.models import ROWS as SCORED
from lianfang.app.bench.models import benchmark_model, costs
from lianfang.app.bench.report import Figure, publish
from lianfang.app.bench.scenario import LISTS, features, ruleset
from lianfang.app.learn.backtest import Backtest, backtest
from lianfang.app.learn.backtest_figures import figures
from lianfang.app.learn.parity import differences, payments_table
from lianfang.app.replay.run import FOREVER, REPLAY_KEY
from lianfang.infra.history import native_mapping
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import DAY
from lianfang.services.decide import LIST_SCHEMA, ListBook

ROWS: Final = 1_300_000
ROWS_MAX: Final = 200_000_000
DAYS_MAX: Final = 3_650
PARITY_ROWS: Final = 60_000
"""Payments of which every feature is computed both ways."""
_MB: Final = 1 << 20


def bench_backtest(json_file: Path | None, rows: int = ROWS, parity_rows: int = PARITY_ROWS, days: int = DAYS) -> None:
    """Measure, print, write. `days`: of the history. Raises `InputError` for numbers of rows or days that cannot be."""
    if not 1_000 <= rows <= ROWS_MAX:
        raise InputError(f"from 1,000 to {ROWS_MAX:,} rows", "--rows")
    if not 1 <= days <= DAYS_MAX:
        raise InputError(f"from 1 to {DAYS_MAX:,} days", "--days")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "history.parquet"
        write_made_history(path, rows, days=days)
        seconds, cpu = _run(path, days)
        peak = peak_mb()
        few = Path(folder) / "few.parquet"
        write_made_history(few, min(parity_rows, rows), accounts=2_000)
        found = differences(features(), payments_table(few, native_mapping(), features()))
    score, _ = costs(benchmark_model("lightgbm"), SCORED)
    made = [
        Figure("backtest_s", seconds, "s, features, rules, policy and figures, from file to figures", "<= 30"),
        Figure("backtest_cpu_s", cpu, "s of processor time; one core is used"),
        Figure("rows", rows, "payments, 60 features, 100 rules", ">= 1,300,000"),
        Figure("rows_per_s", rows / seconds, "payments/s"),
        Figure("peak_mb", peak, "MiB, highest resident memory of the process until then", "<= 4,096"),
        Figure("score_us", score, "us a row, 400 LightGBM trees of 31 leaves, from Python", "<= 10"),
        Figure("parity_differences", found.differences, f"of {found.compared:,} features computed both ways", "0"),
    ]
    about: dict[str, Any] = {
        "history": f"{rows:,} made-up payments of {days} days, one Parquet file",
        "parity": f"{found.payments:,} payments, {found.doubtful:,} doubtful and left out",
    }
    publish("backtest", made, about, json_file)


def _run(path: Path, days: int) -> tuple[float, float]:
    """Seconds and processor seconds from the open file to all figures, compilation included."""
    job = Backtest(
        rules=ruleset(),
        history=path,
        mapping=native_mapping(),
        lists=ListBook(LIST_SCHEMA.empty_table(), REPLAY_KEY, "none"),
        now=BEGINS + (days + 1) * DAY,
        known_lists=LISTS,
        since=-FOREVER,
    )
    began, cpu = time.perf_counter(), time.process_time()
    figures(backtest(job))
    return time.perf_counter() - began, time.process_time() - cpu


def peak_mb() -> float:
    """The most memory this process ever held, MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / _MB if sys.platform == "darwin" else peak / 1_024
