"""A recent period of a history against the one before it: inputs, the model's score, what is missing, how late labels come."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lianfang.app.learn.columns import check_input
from lianfang.app.learn.matrix import Matrix, read_matrix
from lianfang.app.learn.recipe import Ingredients
from lianfang.engines.expr import Environment
from lianfang.engines.features import Ratio, Windowed, declare
from lianfang.engines.scoring import TrainedModel
from lianfang.infra.history import FRAUD, NEVER, Mapping
from lianfang.infra.models import ModelFolder
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import SECOND
from lianfang.services.learn.drift import Drift, drift

SCORE: Final = "score"
SCORED_AT_ONCE: Final = 50_000
_ORDER: Final = {"shifted": 0, "moved": 1, "too few": 2, "steady": 3}


class Job(NamedTuple):
    """What is looked at. Times in microseconds; `until` excluded, 0 for the history's end."""

    history: Path
    mapping: Mapping
    made: Ingredients
    model: ModelFolder | None
    recent: int
    reference: int
    until: int = 0
    alpha: float = 0.01
    label_delay: int | None = None


class Period(NamedTuple):
    """One of the two periods, microseconds, end excluded."""

    begins: int
    ends: int
    payments: int
    customers: int
    frauds: int
    """Reported by the end of the period."""
    delay_median_s: float
    delay_p90_s: float
    """From payment to report, of the frauds reported within the period; NaN without any."""


class Watched(NamedTuple):
    """What was found, the largest changes first."""

    before: Period
    now: Period
    drifts: tuple[Drift, ...]
    alpha: float
    filling: frozenset[str] = frozenset()
    """Inputs with a window longer than the history before the recent period: they grow by themselves."""

    @property
    def changed(self) -> tuple[Drift, ...]:
        """Those that are more than chance."""
        return tuple(one for one in self.drifts if one.verdict in ("moved", "shifted"))


def watch(job: Job, progress: Callable[[int], None] | None = None) -> Watched:
    """Reads, counts and compares. Raises `InputError` for a history that has not both periods."""
    matrix = read_matrix(job.history, job.mapping, job.made, progress, label_delay=job.label_delay)
    ends = job.until or int(matrix.times.max()) + 1
    now_at, before_at = ends - job.recent, ends - job.recent - job.reference
    before, now = _rows(matrix.times, before_at, now_at), _rows(matrix.times, now_at, ends)
    if not before.any() or not now.any():
        raise InputError(
            "the history has no payments in one of the two periods: give a shorter `--recent` or `--reference`",
            str(job.history),
        )
    names, values = _numbers(job, matrix)
    periods = _period(matrix, before, before_at, now_at), _period(matrix, now, now_at, ends)
    customers = periods[0].customers, periods[1].customers
    found = [
        drift(name, column[before], column[now], customers, alpha=job.alpha, looked_at=len(names))
        for name, column in zip(names, values, strict=True)
    ]
    ordered = tuple(sorted(found, key=lambda one: (_ORDER[one.verdict], -one.psi)))
    return Watched(*periods, ordered, job.alpha, still_filling(job.made, now_at - int(matrix.times.min())))


def still_filling(made: Ingredients, past_us: int) -> frozenset[str]:
    """Inputs that read a window longer than the past of so many microseconds."""
    windows = {one.name: one.window_s for one in declare(made.features) if isinstance(one, Windowed)}
    long = {name for name, window_s in windows.items() if window_s * SECOND > past_us}
    long |= {one.name for one in declare(made.features) if isinstance(one, Ratio) and {one.top, one.bottom} & long}
    env = Environment(features=tuple(one.name for one in made.features))
    return frozenset(one.name for one in made.inputs if check_input(one, env).features & long)


def as_json(found: Watched) -> dict[str, Any]:
    """Both periods and every number's change, as plain values."""
    return {
        "alpha": found.alpha,
        "before": found.before._asdict(),
        "now": found.now._asdict(),
        "drifts": [one._asdict() | {"filling": one.name in found.filling} for one in found.drifts],
    }


def _rows(times: NDArray[np.int64], begins: int, ends: int) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = (times >= begins) & (times < ends)
    return inside


def _numbers(job: Job, matrix: Matrix) -> tuple[list[str], list[NDArray[np.float64]]]:
    """Every input and, with a model, its score; each float64[payments]."""
    names, values = list(matrix.names), [matrix.columns[:, i] for i in range(len(matrix.names))]
    if job.model is not None:
        trees = TrainedModel(job.model.manifest, job.model.trees).trees()
        parts = [
            trees.rows(matrix.columns[at : at + SCORED_AT_ONCE])[1] for at in range(0, len(matrix), SCORED_AT_ONCE)
        ]
        names, values = [SCORE, *names], [np.concatenate(parts), *values]
    return names, values


def _period(matrix: Matrix, rows: NDArray[np.bool_], begins: int, ends: int) -> Period:
    reported = (
        (matrix.labels == FRAUD) & (matrix.known_at < ends) & (matrix.known_at >= begins) & (matrix.known_at != NEVER)
    )
    delays: NDArray[Any] = (matrix.known_at[reported] - matrix.times[reported]) / 1e6
    late = np.quantile(delays, [0.5, 0.9]) if len(delays) else np.array([np.nan, np.nan])
    known = matrix.customers[rows]
    customers = len(np.unique(known[known >= 0])) or int(rows.sum())
    return Period(begins, ends, int(rows.sum()), customers, int(reported.sum()), float(late[0]), float(late[1]))
