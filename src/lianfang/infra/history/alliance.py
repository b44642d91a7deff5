"""A simulated alliance as files: by institution and day what that institution sees; the truth; what became known, when.

    member=bank-a/day=2026-03-02/part.parquet       payments in the native layout, and `side`: whose account it keeps
    outcomes/member=bank-a/day=2026-03-05/part.parquet   what that member learned on that day
    truth/payments/day=2026-03-02/part.parquet      every payment of a story: crime, role, chain, layer, step
    truth/accounts.parquet, truth/people.parquet, truth/crews.parquet

A day is written by itself, so that several processes share the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lianfang.engines.world import NEVER, Column, DayBatch, Life
from lianfang.infra.history.arrow import compute
from lianfang.infra.history.writer import TYPES, arrow_column
from lianfang.kernel.errors import DependencyError
from lianfang.kernel.instant import DAY, HOUR, moment
from lianfang.wire import catalogue

_LOCAL: Final = 8 * HOUR
_SOURCE: Final = "simulator"


class Written(NamedTuple):
    """What one day came to."""

    day: int
    payments: int
    rows: int
    """In all institutions' files together: a payment between two of them stands in both."""
    frauds: int
    files: tuple[Path, ...]
    outcomes: pa.Table
    """What will become known of the day's payments, with `member`: who keeps the payer's account."""


def write_day(life: Life, day: int, root: Path) -> Written:
    """Writes one day under `root`. Raises `DependencyError` where the disk refuses."""
    moves = life.day(day)
    date = _date(life.config.first_day + day * DAY)
    names = life.wardrobe.words["member"].tolist()
    files: list[Path] = []
    rows = 0
    for member, name in enumerate(names):
        table = _table(life.wardrobe.seen_by(member, day, moves))
        rows += table.num_rows
        files.append(_write(table, root / f"member={name}" / f"day={date}" / "part.parquet"))
    told = life.wardrobe.batch(day, moves[moves["role"] >= 0])
    files.append(_write(truth_table(told), root / "truth" / "payments" / f"day={date}" / "part.parquet"))
    reported = moves[(moves["known_at"] != NEVER) & (moves["reported_kind"] >= 0)]
    outcomes = outcome_table(life.wardrobe.batch(day, reported))
    return Written(day, len(moves), rows, int(moves["label"].sum()), tuple(files), outcomes)


def write_outcomes(days: Sequence[Written], root: Path) -> list[Path]:
    """All that became known, by member and by the local day on which it did."""
    if not days:
        return []
    every = pa.concat_tables([one.outcomes for one in sorted(days, key=lambda one: one.day)]).sort_by("known_at")
    local = (every["known_at"].cast(pa.int64()).to_numpy() + _LOCAL) // DAY
    every = every.append_column("day", pa.array(local))
    files = []
    for pair in (
        every.group_by(["member", "day"])
        .aggregate([])
        .sort_by([("member", "ascending"), ("day", "ascending")])
        .to_pylist()
    ):
        mask = compute.and_(compute.equal(every["member"], pair["member"]), compute.equal(every["day"], pair["day"]))
        part = every.filter(mask).drop_columns(["member", "day"])
        folder = root / "outcomes" / f"member={pair['member']}" / f"day={_date(pair['day'] * DAY - _LOCAL)}"
        files.append(_write(part, folder / "part.parquet"))
    return files


def write_population(life: Life, root: Path) -> list[Path]:
    """Who is who: people, accounts, and which accounts crews use from when to when."""
    people, accounts, words = life.world.people, life.world.accounts, life.wardrobe.words
    holder = accounts.holder
    tables = {
        "people": pa.table(
            {
                "person": pa.array(np.arange(len(people.age))),
                "age": pa.array(people.age),
                "profile": pa.array(people.profile),
                "household": pa.array(people.household),
                "income_yuan": pa.array(np.rint(people.income).astype(np.int64)),
                "phone": pa.array(words["phone"], pa.string()),
            }
        ),
        "accounts": pa.table(
            {
                "account": pa.array(words["account"], pa.string()),
                "member": pa.array(words["member"], pa.string()).take(pa.array(accounts.member)),
                "person": pa.array(holder, mask=holder < 0),
                "opened": pa.array(accounts.opened).cast(TYPES["time"]),
            }
        ),
        "crews": _crew_table(life),
    }
    return [_write(table, root / "truth" / f"{name}.parquet") for name, table in tables.items()]


def _crew_table(life: Life) -> pa.Table:
    lives = life.crews.lives
    crew, slot, nth = np.indices(lives.account.shape).reshape(3, -1)
    since = np.concatenate(
        [np.full_like(lives.until[:, :, :1], life.config.first_day - 60 * DAY), lives.until[:, :, :-1]], axis=2
    )
    return pa.table(
        {
            "crew": pa.array(crew),
            "slot": pa.array(slot),
            "nth": pa.array(nth),
            "account": pa.array(life.wardrobe.words["account"], pa.string()).take(pa.array(lives.account.reshape(-1))),
            "since": pa.array(since.reshape(-1)).cast(TYPES["time"]),
            "until": pa.array(lives.until.reshape(-1)).cast(TYPES["time"]),
        }
    )


def truth_table(batch: DayBatch) -> pa.Table:
    """The truth of some payments: a row each."""
    columns = {
        "payment_id": arrow_column(batch.columns["id"], pa.string()),
        "time": arrow_column(batch.columns["time"], TYPES["time"]),
        "amount": arrow_column(batch.columns["amount"], pa.int64()),
        "label": pa.array(batch.label),
        "crime": arrow_column(batch.label_kind, pa.string()),
        "story": arrow_column(batch.story, pa.string()),
    }
    for name, column in batch.truth.items():
        columns[name] = arrow_column(column, pa.string() if column.words is not None else pa.int64())
    return pa.table(columns)


def outcome_table(batch: DayBatch) -> pa.Table:
    """Reports about some payments as they are made: late, and now and then wrong."""
    return pa.table(
        {
            "payment_id": arrow_column(batch.columns["id"], pa.string()),
            "label": pa.array(["fraud"] * batch.rows, pa.string()),
            "known_at": pa.array(batch.known_at).cast(TYPES["time"]),
            "source": pa.array([_SOURCE] * batch.rows, pa.string()),
            "kind": arrow_column(batch.truth["reported_kind"], pa.string()),
            "member": arrow_column(batch.columns["payer.member"], pa.string()),
        }
    )


def _table(columns: dict[str, Column]) -> pa.Table:
    known = catalogue()
    return pa.table(
        {
            path: arrow_column(c, TYPES[known[path].type] if path in known else pa.string())
            for path, c in columns.items()
        }
    )


def _write(table: pa.Table, path: Path) -> Path:
    """A file appears under its name when it is whole."""
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, partial, compression="zstd", compression_level=1)
        partial.replace(path)
    except OSError as why:
        raise DependencyError(f"writing the history failed: {why}") from why
    return path


def _date(at: int) -> str:
    return moment(at + _LOCAL).date().isoformat()
