"""Two periods of a history side by side: counted, scored and judged anew by the engine that decides live."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lianfang.app.learn.backtest import Backtest
from lianfang.app.learn.judging import Answers, answers
from lianfang.app.learn.matrix import Matrix, read_matrix
from lianfang.app.learn.recipe import Ingredients
from lianfang.app.replay import named_lists
from lianfang.app.replay.run import REPLAY_KEY
from lianfang.engines.scoring import NoModel, TrainedModel
from lianfang.infra.history import FRAUD, NEVER, UNKNOWN, Mapping
from lianfang.infra.lake.halves import Half, Halves, Labels, Spans, Sums
from lianfang.infra.models import ModelFolder
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import Instant
from lianfang.services.decide import LIST_SCHEMA, ListBook
from lianfang.services.learn.rates import Exposure, Hits, exposure, hits_of
from lianfang.wire import ACTIONS, RuleSet

SCORE: Final = "score"
SCORED_AT_ONCE: Final = 50_000


class Looked(NamedTuple):
    """What of a history is looked at."""

    history: Path
    mapping: Mapping
    made: Ingredients
    model: ModelFolder | None
    rules: RuleSet | None
    label_delay: int | None


def history_halves(
    asked: Looked,
    recent: int,
    reference: int,
    until: int,
    stretch: int,
    progress: Callable[[int], None] | None = None,
) -> tuple[Halves, Spans, int]:
    """Both periods, from when to when they are, and when the history begins. Lengths in microseconds; `until` 0: its end.

    Raises `InputError` for a history that has not both periods.
    """
    matrix = read_matrix(asked.history, asked.mapping, asked.made, progress, label_delay=asked.label_delay)
    ends = until or int(matrix.times.max()) + 1
    spans = Spans(Instant(ends - recent - reference), Instant(ends - recent), Instant(ends))
    rows = [_rows(matrix.times, *pair) for pair in ((spans.begins, spans.middle), (spans.middle, spans.ends))]
    if not all(one.any() for one in rows):
        raise InputError(
            "the history has no payments in one of the two periods: give a shorter `--recent` or `--reference`",
            str(asked.history),
        )
    names, values = _numbers(asked, matrix)
    said = answers(_job(asked, asked.rules), progress) if asked.rules is not None else None
    if said is not None and len(said.actions) != len(matrix):
        raise InputError("rows with bad values cannot be judged: mend them, or leave them out", str(asked.history))
    made = [
        _half(matrix, one, dict(zip(names, values, strict=True)), said, begins, until_, spans.ends)
        for one, begins, until_ in zip(rows, spans[:2], spans[1:], strict=True)
    ]
    labels = tuple(_labels(matrix, spans, stretch))
    return Halves(made[0], made[1], labels, 1.0), spans, int(matrix.times.min())


def _job(asked: Looked, rules: RuleSet) -> Backtest:
    model = asked.model
    return Backtest(
        rules=rules,
        history=asked.history,
        mapping=asked.mapping,
        lists=ListBook(LIST_SCHEMA.empty_table(), REPLAY_KEY, "none"),
        now=NEVER,
        known_lists=named_lists(rules),
        scorer=NoModel() if model is None else TrainedModel(model.manifest, model.trees),
        label_delay=asked.label_delay,
    )


def _rows(times: NDArray[np.int64], begins: int, ends: int) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = (times >= begins) & (times < ends)
    return inside


def _numbers(asked: Looked, matrix: Matrix) -> tuple[list[str], list[NDArray[np.float64]]]:
    """Every input and, with a model, its score; each float64[payments]."""
    names, values = list(matrix.names), [matrix.columns[:, i] for i in range(len(matrix.names))]
    if asked.model is not None:
        trees = TrainedModel(asked.model.manifest, asked.model.trees).trees()
        parts = [
            trees.rows(matrix.columns[at : at + SCORED_AT_ONCE])[1] for at in range(0, len(matrix), SCORED_AT_ONCE)
        ]
        names, values = [SCORE, *names], [np.concatenate(parts), *values]
    return names, values


def _half(
    matrix: Matrix,
    rows: NDArray[np.bool_],
    numbers: dict[str, NDArray[np.float64]],
    said: Answers | None,
    begins: int,
    ends: int,
    known_by: int,
) -> Half:
    customers = matrix.customers[rows]
    if not (customers >= 0).any():  # nobody known at all: each payment stands for itself
        customers = np.arange(len(customers))
    hits: dict[str, Sums] = {}
    actions: dict[str, Sums] = {}
    if said is not None:
        actions = {
            name: _sums(hits_of(customers, said.actions[rows] == severity)) for severity, name in enumerate(ACTIONS)
        }
        fired = np.unique(said.items[rows[said.rows]])
        hits = {said.names[item]: _sums(hits_of(customers, said.on(item)[rows])) for item in fired.tolist()}
    reported = (matrix.labels == FRAUD) & (matrix.known_at != NEVER)
    reported &= (matrix.known_at >= begins) & (matrix.known_at < ends)
    return Half(
        _sums(exposure(customers)),
        hits,
        actions,
        customers,
        {name: values[rows] for name, values in numbers.items()},
        {},
        np.sort(matrix.known_at[reported] - matrix.times[reported]),
        exposure(matrix.customers[reported]).customers,
        int((_untold(matrix, known_by) & rows).sum()),
        ("",),
    )


def _sums(one: Exposure | Hits) -> Sums:
    a, b, c = one
    return a, b, c


def _untold(matrix: Matrix, known_by: int) -> NDArray[np.bool_]:
    """Payments of which nobody had said anything by then."""
    untold: NDArray[np.bool_] = (matrix.labels == UNKNOWN) | (matrix.known_at >= known_by)
    return untold


def _labels(matrix: Matrix, spans: Spans, stretch: int) -> list[Labels]:
    made: list[Labels] = []
    ends: int = spans.ends
    untold: Any = _untold(matrix, spans.ends)
    while ends > spans.begins:
        begins = max(ends - stretch, spans.begins)
        rows = _rows(matrix.times, begins, ends)
        frauds = rows & (matrix.labels == FRAUD) & ~untold
        delays = np.sort(matrix.known_at[frauds] - matrix.times[frauds])
        made.append(
            Labels(Instant(begins), Instant(ends), int(rows.sum()), int((rows & untold).sum()), len(delays), delays)
        )
        ends = begins
    return made[::-1]
