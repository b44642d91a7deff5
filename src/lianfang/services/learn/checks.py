"""What is wrong with a history or with a model's inputs, said before anything is learned from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lianfang.engines.evaluate import auc
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import DAY, moment
from lianfang.services.learn.labels import FRAUD, UNKNOWN

Instants = NDArray[np.int64]
Floats = NDArray[np.floating[Any]]

ROWS_SHOWN: Final = 5
EARLIEST: Final = 946_684_800_000_000
"""2000-01-01: a payment before it is a time in the wrong unit."""
SMALL_AMOUNT: Final = 100
"""Minor units. Where most payments are below, the amounts are probably whole units of the currency."""
TIME_TEXT: Final = "a time before 2000 or in the future; is its unit right? (`unit`, `timezone` of the mapping)"
ORDER_TEXT: Final = "earlier than a payment before it; sort the history by time"
EARLY_TEXT: Final = "a fraud known before its payment; `known_at` is when the outcome became known"
SMALL_TEXT: Final = (
    f"an amount below {SMALL_AMOUNT} minor units, more than half of all; are they whole units? (`scale` of the mapping)"
)
BAD_ROWS_MAX: Final = 1_000
"""After so many bad rows a history that passes in chunks is read no further."""
LEAK_AUC: Final = 0.99
"""No honest single number tells fraud that well."""
LEAK_FRAUDS: Final = 30
"""Fewer frauds can lie in order by chance."""


class Finding(NamedTuple):
    """One thing that is wrong: what, in how many rows, and some of them (counting from 1)."""

    what: str
    rows: int
    samples: tuple[str, ...]

    def __str__(self) -> str:
        shown = "; ".join(self.samples)
        return f"{self.what}: {self.rows:,} rows ({shown}{'; ...' if self.rows > len(self.samples) else ''})"


class RefusedHistoryError(InputError):
    """A history that must not be learned from. `findings` says everything that is wrong."""

    code = "bad-history"

    def __init__(self, findings: Sequence[Finding], where: str) -> None:
        super().__init__(
            "\n".join(["this history is not learned from as it is:", *(f"- {one}" for one in findings)]), where
        )
        self.findings = tuple(findings)


class LeakError(InputError):
    """Inputs that know the answer. `inputs` names them."""

    code = "leaking-input"

    def __init__(self, leaks: Sequence[tuple[str, str]]) -> None:
        lines = [f"- {name}: {why}" for name, why in leaks]
        super().__init__("\n".join(["the model would be told the answer; training is refused:", *lines]))
        self.inputs = tuple(name for name, _ in leaks)


def check_history(
    ids: NDArray[np.uint64],
    times: Instants,
    amounts: NDArray[np.int64],
    labels: NDArray[Any],
    known_at: Instants,
    now: int,
) -> list[Finding]:
    """Everything wrong with a history, in the order it was read. `ids`: a hash of each payment's id. Instants in microseconds.

    Unsorted times, repeated ids, labels known before their payment, times and amounts in the wrong unit.
    """
    found: list[Finding] = []

    def say(what: str, bad: NDArray[np.bool_], sample: Any) -> None:
        rows = np.flatnonzero(bad)
        if len(rows):
            found.append(
                Finding(what, len(rows), tuple(f"row {r + 1}: {sample(r)}" for r in rows[:ROWS_SHOWN].tolist()))
            )

    strange = (times < EARLIEST) | (times > now + DAY)
    say(
        TIME_TEXT,
        strange,
        lambda r: f"{times[r]} us",
    )
    if not strange.any():  # nonsense is in no order
        earlier = np.r_[False, times[1:] < np.maximum.accumulate(times)[:-1]]
        say(
            ORDER_TEXT,
            earlier,
            lambda r: f"{moment(int(times[r])):%Y-%m-%d %H:%M:%S}",
        )
    order = np.argsort(ids, kind="stable")
    twice = np.zeros(len(ids), np.bool_)
    twice[order[1:]] = ids[order[1:]] == ids[order[:-1]]
    say("an id that stands before already; a payment is learned from once", twice, lambda r: "repeated id")
    early = (labels == FRAUD) & (known_at < times)
    say(
        EARLY_TEXT,
        early,
        lambda r: f"{(times[r] - known_at[r]) / DAY:.1f} days before",
    )
    small = amounts < SMALL_AMOUNT
    if len(amounts) and small.mean() > 0.5:
        say(
            SMALL_TEXT,
            small,
            lambda r: f"{amounts[r]}",
        )
    if not (labels != UNKNOWN).any():
        found.append(Finding("no label at all; say in the mapping which payments were fraud", len(labels), ()))
    return found


def refuse_leaks(names: Sequence[str], columns: Floats, labels: NDArray[Any]) -> None:
    """Raises `LeakError` for inputs that tell the labels. `columns`: float[n, inputs], NaN null; labels 1 and 0, others left out.

    An input that equals the label, is there only for frauds (or only for genuine payments), or orders them with an AUC above
    `LEAK_AUC` was computed after the outcome was known, or from it.
    """
    known = labels >= 0
    labels = labels[known]
    if int((labels == 1).sum()) < LEAK_FRAUDS or not (labels == 0).any():
        return
    leaks: list[tuple[str, str]] = []
    for i, name in enumerate(names):
        why = _leak(np.asarray(columns[known, i], np.float64), labels)
        if why:
            leaks.append((name, why))
    if leaks:
        raise LeakError(leaks)


def _leak(values: NDArray[np.float64], labels: NDArray[Any]) -> str:
    there = ~np.isnan(values)
    fraud = labels == 1
    if (there == fraud).all() or (there == ~fraud).all():
        return "it is there for one of fraud and genuine only: it was filled in once the outcome was known"
    if (
        there.all()
        and len(np.unique(values[:1_000])) <= 2
        and (np.equal(values, labels).all() or np.equal(values, 1 - labels).all())
    ):
        return "it equals the label"
    over_all = auc(np.where(there, values, -np.inf), labels)
    best = max(over_all, 1 - over_all)
    if best > LEAK_AUC:
        return (
            f"alone it tells fraud with an AUC of {best:.4f}: it was computed after the outcome was known, or from it"
        )
    return ""


def refuse_label_columns(read: dict[str, str], label_columns: Sequence[str]) -> None:
    """Raises `LeakError` where a field of the payment is read from a column that says how it turned out.

    `read`: field path to column, of the fields that inputs or features use.
    """
    leaks = [
        (path, f"the mapping reads it from the column {column!r}, which says how the payment turned out")
        for path, column in read.items()
        if column in label_columns
    ]
    if leaks:
        raise LeakError(leaks)


class HistoryChecks:
    """`check_history` for a history that passes in chunks, without keeping it. Ids that repeat are the engine's to find."""

    def __init__(self, now: int) -> None:
        self._now = now
        self._found: dict[str, tuple[int, tuple[str, ...]]] = {}
        self._latest = EARLIEST
        self._rows = self._small = 0

    def add(
        self, times: Instants, amounts: NDArray[np.int64], labels: NDArray[Any], known_at: Instants, first: int
    ) -> None:
        """Some rows, the first of them number `first` (from 0). Raises `RefusedHistoryError` after `BAD_ROWS_MAX` bad ones."""
        strange = (times < EARLIEST) | (times > self._now + DAY)
        self._say(TIME_TEXT, strange, first, lambda r: f"{times[r]} us")
        if not strange.any():
            highest = np.maximum.accumulate(np.r_[self._latest, times])
            self._say(ORDER_TEXT, times < highest[:-1], first, lambda r: f"{moment(int(times[r])):%Y-%m-%d %H:%M:%S}")
            self._latest = int(highest[-1])
        early = (labels == FRAUD) & (known_at < times)
        self._say(EARLY_TEXT, early, first, lambda r: f"{(times[r] - known_at[r]) / DAY:.1f} days before")
        self._rows += len(times)
        self._small += int((amounts < SMALL_AMOUNT).sum())
        if sum(rows for rows, _ in self._found.values()) > BAD_ROWS_MAX:
            self.refuse("read no further")

    def _say(self, what: str, bad: NDArray[np.bool_], first: int, sample: Callable[[int], str]) -> None:
        rows = np.flatnonzero(bad)
        if not len(rows):
            return
        count, samples = self._found.get(what, (0, ()))
        more = tuple(f"row {first + r + 1}: {sample(r)}" for r in rows[: ROWS_SHOWN - len(samples)].tolist())
        self._found[what] = count + len(rows), samples + more

    def refuse(self, where: str) -> None:
        """Raises `RefusedHistoryError` if anything was wrong."""
        found = [Finding(what, rows, samples) for what, (rows, samples) in self._found.items()]
        if self._rows and self._small > self._rows / 2:
            found.append(Finding(SMALL_TEXT, self._small, ()))
        if found:
            raise RefusedHistoryError(found, where)
