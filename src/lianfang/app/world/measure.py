"""What a report draws: the arrays of a world's payments, or of the handbook's, in the same form."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lianfang.engines.world import CRIMES, NEVER, Life, WorldConfig
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import DAY, HOUR

ROWS_MAX: Final = 3_000_000
"""A report draws so many payments at most: the first days of a larger world."""
_LOCAL: Final = 8 * HOUR
_HANDBOOK: Final = ("TX_DATETIME", "CUSTOMER_ID", "TERMINAL_ID", "TX_AMOUNT", "TX_FRAUD")

Ints = NDArray[np.int64]


class Sample(NamedTuple):
    """Payments, an entry each; `place`: who or what is paid, -1 unknown. Amounts in major units, times local (us)."""

    time: Ints
    payer: Ints
    place: Ints
    amount: NDArray[np.float64]
    fraud: NDArray[np.bool_]


class CrimeRow(NamedTuple):
    """One kind of crime in the world."""

    crime: str
    stories: int
    payments_per_story: float
    median_loss: float
    mean_loss: float
    loss_share: float
    reported: float


class Measured(NamedTuple):
    """The whole of it."""

    sample: Sample
    days: int
    per_day: list[tuple[int, int]]
    """Local midnight, payments."""
    crimes: list[CrimeRow]
    ages: Ints
    """Of the deceived, a story each."""
    delays: NDArray[np.float64]
    """Days from a victim's last payment to its report."""
    means: dict[str, float]
    """Mean amounts by what published figures speak of."""


def measure_world(config: WorldConfig) -> Measured:
    """Lives through the world, up to ROWS_MAX payments."""
    life = Life(config)
    kept, per_day, rows = [], [], 0
    for day in range(config.days):
        moves = life.day(day)
        kept.append(moves)
        per_day.append((config.first_day + day * DAY + _LOCAL, len(moves)))
        rows += len(moves)
        if rows > ROWS_MAX:
            break
    moves = np.concatenate(kept)
    place = np.where(moves["merchant"] >= 0, moves["merchant"] + 10_000_000, moves["payee"])
    sample = Sample(
        moves["time"] + _LOCAL, moves["payer"].astype(np.int64), place, moves["amount"] / 100.0, moves["label"] == 1
    )
    victims = moves[
        (moves["role"] >= 0) & (moves["layer"] == 0) & (moves["reported_kind"] >= 0) & (moves["story"] >= 0)
    ]
    victims = victims[np.isin(victims["role"], (0, 1, 3))]
    _, first = np.unique(victims["story"], return_index=True)
    ages = life.world.people.age[np.maximum(life.world.accounts.holder[victims["payer"][first]], 0)]
    known = victims[victims["known_at"] != NEVER]
    return Measured(sample, len(kept), per_day, _crimes(victims), ages, _delays(known), _means(life, moves))


def _crimes(victims: NDArray[Any]) -> list[CrimeRow]:
    rows = []
    total = max(float(victims["amount"].sum()), 1.0)
    for code in np.unique(victims["story_kind"]).tolist():
        mine = victims[victims["story_kind"] == code]
        stories, place = np.unique(mine["story"], return_inverse=True)
        loss = np.bincount(place, mine["amount"]) / 100
        known = np.bincount(place, mine["known_at"] != NEVER) > 0
        rows.append(
            CrimeRow(
                crime=CRIMES[code],
                stories=len(stories),
                payments_per_story=len(mine) / len(stories),
                median_loss=float(np.median(loss)),
                mean_loss=float(loss.mean()),
                loss_share=float(loss.sum() * 100 / total),
                reported=float(known.mean()),
            )
        )
    return sorted(rows, key=lambda row: -row.stories)


def _delays(known: NDArray[Any]) -> NDArray[np.float64]:
    if not len(known):
        return np.zeros(0)
    _, place = np.unique(known["story"], return_inverse=True)
    last = np.zeros(place.max() + 1, np.int64)
    np.maximum.at(last, place, known["time"])
    at = np.zeros_like(last)
    np.maximum.at(at, place, known["known_at"])
    return np.asarray((at - last) / DAY)


def _means(life: Life, moves: NDArray[Any]) -> dict[str, float]:
    """Mean amounts (yuan) of wallets' and of banks' mobile payments: what the central bank publishes apart."""
    kinds = life.world.member_kind[life.world.accounts.member[moves["payer"]]]
    mobile = (moves["device"] >= 0) & (moves["channel"] == 0)
    amount = moves["amount"] / 100
    return {
        "wallets": float(amount[mobile & (kinds > 0)].mean()) if (mobile & (kinds > 0)).any() else float("nan"),
        "banks": float(amount[mobile & (kinds == 0)].mean()) if (mobile & (kinds == 0)).any() else float("nan"),
    }


def read_handbook(path: Path) -> Sample:
    """The handbook's simulated transactions, where somebody has them. Raises `InputError` for another file."""
    try:
        table = pq.read_table(path, columns=list(_HANDBOOK))
    except (OSError, pa.ArrowInvalid, KeyError) as why:
        raise InputError(f"not the handbook's transactions: {why}", str(path)) from why
    if table.num_rows > ROWS_MAX:
        table = table.slice(0, ROWS_MAX)
    return Sample(
        table["TX_DATETIME"].cast(pa.timestamp("us")).cast(pa.int64()).to_numpy(),
        table["CUSTOMER_ID"].cast(pa.int64()).to_numpy(),
        table["TERMINAL_ID"].cast(pa.int64()).to_numpy(),
        table["TX_AMOUNT"].cast(pa.float64()).to_numpy(),
        table["TX_FRAUD"].cast(pa.int64()).to_numpy() == 1,
    )


def gaps_h(sample: Sample) -> NDArray[np.float64]:
    """Hours between one payer's payments."""
    order = np.lexsort((sample.time, sample.payer))
    payer, time = sample.payer[order], sample.time[order]
    return np.asarray(np.diff(time)[payer[1:] == payer[:-1]] / HOUR)


def degrees(sample: Sample) -> tuple[Ints, Ints]:
    """How many different places each payer pays, and how many different payers each place has."""
    known = sample.place >= 0
    pairs = np.unique(np.column_stack([sample.payer[known], sample.place[known]]), axis=0)
    out = np.unique(pairs[:, 0], return_counts=True)[1]
    into = np.unique(pairs[:, 1], return_counts=True)[1]
    return out, into
