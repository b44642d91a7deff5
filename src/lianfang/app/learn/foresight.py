"""A look through a history's times and labels before it is judged: from when to when, and how late labels come."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from lianfang.infra.history import FRAUD, NEVER, HistoryReport, Mapping, read_history
from lianfang.kernel.errors import InputError
from lianfang.services.learn import label_delay

REPORTS_MAX: Final = 4_000_000
"""Reported frauds whose delay is remembered: 16 bytes each. The first so many tell."""
ROWS: Final = 65_536


class Glance(NamedTuple):
    """Instants and microseconds."""

    begins: int
    ends: int
    """Just after the last payment."""
    rows: int
    delay: int
    """After so long a payment that nobody reported counts as genuine."""
    labelled: bool


def look_ahead(history: Path, mapping: Mapping, delay: int | None) -> Glance:
    """`delay` microseconds as given, None to find it: as long as nine tenths of the reports took.

    Raises `InputError` for a history without payments, and for labels of which nobody says when they became known.
    """
    begins, ends, rows, reports = NEVER, -NEVER, 0, 0
    labelled = dated = False
    parts = []
    for batch in read_history(history, mapping, ["time"], batch_rows=ROWS, report=HistoryReport()):
        times = np.array(batch.columns["time"], np.int64)
        begins, ends, rows = min(begins, int(times.min())), max(ends, int(times.max()) + 1), rows + batch.rows
        if batch.labels is None:
            continue
        labelled = labelled or bool((batch.labels >= 0).any())
        if batch.known_at is not None:
            dated = True
            on = (batch.labels == FRAUD) & (batch.known_at < NEVER)
            if on.any() and reports < REPORTS_MAX:
                parts.append((times[on], batch.known_at[on]))
                reports += int(on.sum())
    if not rows:
        raise InputError("the history has no payments", str(history))
    if labelled and not dated and delay is None:
        raise InputError(
            "the history does not say when its labels became known, so nothing keeps a figure from using them too early; "
            "give `known_at` or `known_after` in the mapping, or --label-delay 7d",
            str(history),
        )
    if delay is None:
        paid, known = (np.concatenate([part[i] for part in parts] or [np.zeros(0, np.int64)]) for i in (0, 1))
        delay = label_delay(np.full(len(paid), FRAUD), known, paid, NEVER)
    return Glance(begins, ends, rows, delay, labelled)
