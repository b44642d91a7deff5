"""What a rule set answered to every payment of a history, and what fired: by the engine that decides live."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lianfang.app.learn.backtest import Backtest
from lianfang.app.learn.sides import sides_of
from lianfang.app.replay.run import calm
from lianfang.infra.history import FRAUD, read_history
from lianfang.services.decide import NOT_FRAUD


class Answers(NamedTuple):
    """In the order in which the history is read. Memory: a byte a payment, twelve for whatever fired on it."""

    names: tuple[str, ...]
    """Of what may fire."""
    actions: NDArray[np.int8]
    """By `SEVERITY`, an item a payment."""
    rows: NDArray[np.int64]
    """Of payments on which something fired, once for each ..."""
    items: NDArray[np.int32]
    """... thing that did: an index of `names`."""

    def on(self, item: int) -> NDArray[np.bool_]:
        """Payments on which it fired, bool[payments]."""
        found = np.zeros(len(self.actions), np.bool_)
        found[self.rows[self.items == item]] = True
        return found


def answers(job: Backtest, progress: Callable[[int], None] | None = None) -> Answers:
    """Judges them all by `job.rules`, whatever the period. Raises `InputError` as `backtest` does."""
    side = sides_of(job.rules, None, job.lists, job.known_lists, job.scorer)[0]
    actions: list[NDArray[np.int8]] = []
    rows: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
    items: list[NDArray[np.int32]] = [np.zeros(0, np.int32)]
    wanted = list(dict.fromkeys((*side.plain, "id", "amount")))
    seen = 0
    with calm():
        for batch in read_history(job.history, job.mapping, wanted, progress=progress):
            of = side.rows(batch.columns, batch.rows)
            steps = side.replayer.step(of, frauds_of(batch, job.label_delay))
            judged = side.replayer.judge_steps(of, steps, side.hints(batch.columns, batch.rows))
            actions.append(judged.actions)
            sets, reasons = side.sets(judged)
            places = np.flatnonzero(sets >= 0)
            fired = [reasons[of_set] for of_set in sets[places].tolist()]
            rows.append(np.repeat(seen + places, [len(one) for one in fired]).astype(np.int64))
            items.append(np.array([item - 1 for one in fired for item in one], np.int32))
            seen += batch.rows
    joined = np.concatenate(actions) if actions else np.zeros(0, np.int8)
    return Answers(side.items, joined, np.concatenate(rows), np.concatenate(items))


def frauds_of(batch: Any, label_delay: int | None) -> NDArray[np.int64]:
    """When each payment of a batch became known to be fraud, as a replayer takes it."""
    times = np.array(batch.columns["time"], np.int64)
    known_at = batch.known_at
    if known_at is None:
        known_at = np.full(batch.rows, NOT_FRAUD) if label_delay is None else times + label_delay
    fraud = np.zeros(batch.rows, bool) if batch.labels is None else batch.labels == FRAUD
    return np.where(fraud, known_at, NOT_FRAUD)
