"""Records become a run: their words hashed, their columns filled, each outcome joined to the decision it is about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np

from lianfang.engines.keyed import HashKey
from lianfang.infra.finding import codes
from lianfang.infra.finding.keys import Keys, decision_words, hashed, outcome_words
from lianfang.infra.finding.run import COLUMNS, Array, Run, make_run
from lianfang.infra.lake.columns import Answered, Told

HASH_AT_ONCE: Final = 20_000
"""Words held as text; then they become keys."""


class Seen(NamedTuple):
    """A decision's columns, found again for an outcome."""

    seq: int
    amount: int
    currency: int
    action: int
    kind: int
    channel: int
    flags: int


Resolve = Callable[[np.uint64, int], Seen | None]
"""The newest decision with this payment key and a seq below the one given."""
_NOBODY: Final = Seen(0, 0, 0, 0, 0, 0, 0)


class Gathering:
    """Rows of a run to be, in the order of their seqs."""

    def __init__(self, key: HashKey, resolve: Resolve = lambda key, below: None) -> None:
        self._key, self._resolve = key, resolve
        self._rows: list[tuple[int, ...]] = []
        self._words: list[str] = []
        self._counts: list[int] = []
        self._keys: list[Keys] = []
        self._outcomes: list[int] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, record: Answered | Told) -> None:
        """One record; its seq is above all before."""
        if isinstance(record, Told):
            words = outcome_words(record.outcome)
            self._outcomes.append(len(self._rows))
            self._rows.append((record.seq, record.at, 0, 0, 0, 0, 0, codes.OUTCOME))
        else:
            payment, decision = record.payment, record.decision
            words = decision_words(payment, decision)
            self._rows.append((
                record.seq,
                record.at,
                payment.amount,
                codes.currency_code(payment.currency),
                codes.code_of(decision.action, codes.ACTIONS),
                codes.code_of(payment.kind, codes.KINDS),
                codes.code_of(payment.channel, codes.CHANNELS),
                codes.UNSURE if decision.unsure else 0,
            ))  # fmt: skip
        self._words += words
        self._counts.append(len(words))
        if len(self._words) >= HASH_AT_ONCE:
            self._hash()

    def _hash(self) -> None:
        self._keys.append(hashed(self._words, self._key))
        self._words.clear()

    def finish(self) -> Run:
        """The run; this gathering is empty afterwards. There must be a row."""
        self._hash()
        keys = np.concatenate(self._keys)
        counts = np.array(self._counts, np.int64)
        owners = np.repeat(np.arange(len(counts)), counts)
        payments = keys[np.cumsum(counts) - counts]
        columns = {name: np.array([row[i] for row in self._rows], kind) for i, (name, kind) in enumerate(COLUMNS)}
        about = self._join(columns, payments)
        outcomes = np.array(self._outcomes, np.uint32), np.array(about, np.uint64)
        for rest in (self._rows, self._words, self._counts, self._keys):
            rest.clear()
        self._outcomes = []
        return make_run(columns, keys, owners, outcomes)

    def _join(self, columns: dict[str, Array], payments: Keys) -> list[int]:
        """Each outcome takes its decision's columns; the seqs of those decisions."""
        if not self._outcomes:
            return []
        decided = np.flatnonzero(columns["flags"] & codes.OUTCOME == 0)
        order = np.argsort(payments[decided], kind="stable")
        by_key = payments[decided][order]
        found = []
        for row in self._outcomes:
            low, high = (int(by_key.searchsorted(payments[row], side)) for side in ("left", "right"))
            before = [int(one) for one in decided[order[low:high]] if one < row]
            seen = _seen(columns, before[-1]) if before else self._resolve(payments[row], int(columns["seq"][row]))
            seen = seen or _NOBODY
            for name, value in zip(Seen._fields[1:-1], seen[1:-1], strict=True):
                columns[name][row] = value
            columns["flags"][row] = codes.OUTCOME | seen.flags & codes.UNSURE
            found.append(seen.seq)
        return found


def _seen(columns: dict[str, Any], row: int) -> Seen:
    return Seen(*(int(columns[name][row]) for name in Seen._fields))


def newest_decision(runs: list[Run], key: np.uint64, below: int) -> Seen | None:
    """What `Resolve` asks of runs, the newest run last."""
    for run in reversed(runs):
        if run.sizes.first >= below:
            continue
        rows = run.slice_of(key)
        for row in rows[: int(rows.searchsorted(np.uint32(run.row_of(below))))][::-1]:
            if not run.flags[row] & codes.OUTCOME:
                return _seen(run.arrays, int(row))
    return None
