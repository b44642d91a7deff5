"""Two periods of a lake side by side, as they were decided: counts over every payment, numbers over a sample of customers.

Nothing is counted anew: features, score, hits and action are those on record. A payment belongs to the period in which it
was decided. Memory does not grow with the lake: counts are sums, and the sample is bounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import duckdb
import msgspec
import numpy as np
from numpy.typing import NDArray

from lianfang.infra.lake.manifest import Manifest, reading
from lianfang.infra.lake.views import FEATURE_PREFIX, column_of, decisions_sql, outcomes_sql
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import DAY, Instant, moment
from lianfang.wire import catalogue

MEMORY_MB: Final = 1_024
"""Of DuckDB; what does not fit waits in a temporary folder that only this user can read."""
SAMPLE: Final = 300_000
"""Payments of both periods, about so many, whose numbers are looked at: whole customers, drawn by hash."""
LATE_DAYS: Final = 90
"""A report is looked for in payments of so many days before the first period, too."""
_DRAWN_OF: Final = 1_000_000
SHADOW: Final = " (shadow)"

Sums = tuple[int, int, int]
"""Count; by customer, its squares summed; and its products with the customer's payments summed."""


class Spans(NamedTuple):
    """Instants: the earlier period, and the recent one that follows it; ends excluded."""

    begins: Instant
    middle: Instant
    ends: Instant


class Half(NamedTuple):
    """One period."""

    exposure: Sums
    """Payments; squares of payments by customer; customers."""
    hits: dict[str, Sums]
    """By what fired; rules in shadow have `(shadow)` after their name."""
    actions: dict[str, Sums]
    customers: NDArray[np.int64]
    """Of the sample, int64[sampled]: codes from 0 without gaps."""
    numbers: dict[str, NDArray[np.float64]]
    """Features, score and numeric fields of the sample by name; NaN is null."""
    blank: dict[str, NDArray[np.bool_]]
    """Other fields of the sample by path: whether they are null."""
    reported: NDArray[np.int64]
    """Of the frauds that became known within the period: microseconds from payment to report."""
    reporters: int
    """Customers whose payments these were: one victim reports several at once."""
    unlabelled: int
    """Payments of which nobody had said anything by the end of both periods."""
    versions: tuple[str, ...]
    """Of the rules that decided."""


class Labels(NamedTuple):
    """What had become known by the end, of payments decided in one stretch of time."""

    begins: Instant
    ends: Instant
    payments: int
    unlabelled: int
    frauds: int
    delays: NDArray[np.int64]
    """Microseconds from payment to report, of those frauds."""


class Halves(NamedTuple):
    """Both periods, and labels stretch by stretch, the latest last."""

    before: Half
    now: Half
    labels: tuple[Labels, ...]
    sampled: float
    """Share of customers whose numbers were looked at."""


def first_decision(lake: Path) -> Instant | None:
    """Midnight of the first day that the lake has decisions of; None where it has none."""
    with reading(lake) as manifest:
        days = [part.day for part in manifest.of("decisions")]
    return Instant((min(days).toordinal() - 719_163) * DAY) if days else None


def read_halves(lake: Path, spans: Spans, stretch: int, sample: int = SAMPLE) -> Halves:
    """Reads them. `stretch` in microseconds. Raises `InputError` for a period without a decision."""
    with _open(lake, spans) as connection:
        exposure = _exposure(connection)
        for place, name in enumerate(("reference", "recent")):
            if not exposure[place][0]:
                raise InputError(f"the lake has no decisions in the {name} period", str(lake))
        share = min(1.0, sample / (exposure[0][0] + exposure[1][0]))
        hits, actions = _fired(connection, _HITS), _fired(connection, _ACTIONS)
        codes, numbers, blank = _sample(connection, share)
        versions = connection.execute("SELECT DISTINCT recent, rules_version FROM d ORDER BY ALL").fetchall()
        unlabelled = dict(connection.execute("SELECT recent, sum(CASE WHEN told IS NULL THEN 1 ELSE 0 END)::BIGINT "
                                             "FROM l GROUP BY ALL").fetchall())  # fmt: skip
        made = [
            Half(
                exposure[at],
                hits[at],
                actions[at],
                codes[at],
                numbers[at],
                blank[at],
                *_delays(connection, *((spans.begins, spans.middle), (spans.middle, spans.ends))[at]),
                unlabelled.get(bool(at), 0),
                tuple(str(version) for recent, version in versions if recent == bool(at)),
            )
            for at in (0, 1)
        ]
        return Halves(made[0], made[1], tuple(_labels(connection, spans, stretch)), share)


_HITS: Final = f"list_distinct(hits || list_transform(shadow, lambda s: s || '{SHADOW}'))"
_ACTIONS: Final = "[action]"


@contextmanager
def _open(lake: Path, spans: Spans) -> Iterator[Any]:
    """A connection with the tables `d` (decisions of both periods), `per`, `o` (what became known) and `l` (both)."""
    with reading(lake) as manifest, TemporaryDirectory(prefix="lianfang-") as folder:
        if not manifest.of("decisions"):
            raise InputError("the lake has no decisions yet", str(lake))
        connection = duckdb.connect(config={"memory_limit": f"{MEMORY_MB}MB", "temp_directory": folder, "threads": 1})
        try:
            connection.execute("SET TimeZone = 'UTC'")
            for name, sql in _views(lake, manifest, spans):
                connection.execute(f"CREATE VIEW {name} AS {sql}")
            connection.execute("CREATE TEMP TABLE per AS SELECT recent, who, count(*) AS n FROM d GROUP BY ALL")
            connection.execute(f"CREATE TEMP TABLE o AS {_KNOWN.format(ends=_at(spans.ends))}")
            connection.execute(f"CREATE VIEW l AS {_LABELLED}")
            yield connection
        except duckdb.Error as why:
            raise InputError(f"the lake cannot be read: {' '.join(str(why).split())[:300]}", str(lake)) from why
        finally:
            connection.close()


def _views(lake: Path, manifest: Manifest, spans: Spans) -> list[tuple[str, str]]:
    begins, middle, ends = map(_at, spans)
    old = moment(Instant(max(spans.begins - LATE_DAYS * DAY, 0))).date()
    late = _since(manifest, old)
    both = _since(manifest, moment(spans.begins).date())
    when = f"decided_at >= {begins} AND decided_at < {ends}"
    who = "hash(coalesce(payer_account, payment_id)) AS who"
    return [
        ("told", outcomes_sql(lake, manifest, salt=None)),
        ("late", decisions_sql(lake, late, salt=None)),
        ("whole", decisions_sql(lake, both, salt=None)),
        ("d", f"SELECT *, decided_at >= {middle} AS recent, {who} FROM whole WHERE {when}"),
    ]


_KNOWN: Final = """
    SELECT payment_id, arg_max(label, (known_at, seq)) AS label, min(known_at) AS known_at
    FROM told WHERE known_at < {ends} GROUP BY payment_id
"""
_LABELLED: Final = """
    SELECT d.decided_at, d.recent, d.time AS paid, o.label, o.known_at, o.payment_id AS told
    FROM d LEFT JOIN o USING (payment_id)
"""
_EXPOSURE: Final = "SELECT recent, sum(n)::BIGINT, sum(n * n)::DOUBLE, count(*) FROM per GROUP BY recent"
_FIRED: Final = """
    WITH h AS (SELECT recent, who, unnest({what}) AS item FROM d),
         c AS (SELECT recent, who, item, count(*) AS h FROM h GROUP BY ALL)
    SELECT item, recent, sum(h)::BIGINT, sum(h * h)::DOUBLE, sum(h * n)::DOUBLE
    FROM c JOIN per USING (recent, who) GROUP BY item, recent
"""


def _since(manifest: Manifest, day: Any) -> Manifest:
    """Only decisions of this day and later; at least one part, so that there is something to select from."""
    kept = [part for part in manifest.of("decisions") if part.day >= day] or [manifest.of("decisions")[-1]]
    return msgspec.structs.replace(manifest, parts=(*kept, *manifest.of("outcomes")))


def _exposure(connection: Any) -> list[Sums]:
    found = {
        bool(recent): (n, int(squares), who) for recent, n, squares, who in connection.execute(_EXPOSURE).fetchall()
    }
    return [found.get(False, (0, 0, 0)), found.get(True, (0, 0, 0))]


def _fired(connection: Any, what: str) -> list[dict[str, Sums]]:
    made: list[dict[str, Sums]] = [{}, {}]
    for item, recent, count, squares, cross in connection.execute(_FIRED.format(what=what)).fetchall():
        made[recent][str(item)] = count, int(squares), int(cross)
    return made


def _sample(
    connection: Any, share: float
) -> tuple[list[NDArray[np.int64]], list[dict[str, NDArray[np.float64]]], list[dict[str, NDArray[np.bool_]]]]:
    """Of each period: customers, numbers and blanks."""
    numeric, other = _columns(connection)
    shown = [f'TRY_CAST("{column}" AS DOUBLE)' for column in numeric.values()]
    shown += [f'("{column}" IS NULL)' for column in other.values()]
    codes: list[NDArray[np.int64]] = []
    numbers: list[dict[str, NDArray[np.float64]]] = []
    blank: list[dict[str, NDArray[np.bool_]]] = []
    drawn = f"hash(who) % {_DRAWN_OF} < {int(share * _DRAWN_OF)}"
    for recent in ("NOT recent", "recent"):
        sql = f"SELECT who, {', '.join(shown)} FROM d WHERE {recent} AND {drawn}"
        table = connection.sql(sql).to_arrow_table()
        arrays = [table.column(i) for i in range(table.num_columns)]
        _, code = np.unique(arrays[0].to_numpy(), return_inverse=True)
        codes.append(code.reshape(-1).astype(np.int64))
        numbers.append({name: _floats(arrays[1 + i]) for i, name in enumerate(numeric)})
        at = 1 + len(numeric)
        blank.append({name: arrays[at + i].to_numpy().astype(np.bool_) for i, name in enumerate(other)})
    return codes, numbers, blank


def _floats(column: Any) -> NDArray[np.float64]:
    return np.asarray(column.to_numpy(), np.float64)


def _columns(connection: Any) -> tuple[dict[str, str], dict[str, str]]:
    """Names and columns of numbers; of the payment's other fields that may be null."""
    there = connection.sql("SELECT * FROM d LIMIT 0").to_arrow_table().schema.names
    numeric = {"score": "score", "challenger_score": "challenger_score"}
    numeric |= {name.removeprefix(FEATURE_PREFIX): name for name in there if name.startswith(FEATURE_PREFIX)}
    other = {}
    for path, field in catalogue().items():
        if field.type in ("int", "float", "bool"):
            numeric[path] = column_of(path)
        elif field.nullable:
            other[path] = column_of(path)
    return numeric, other


def _delays(connection: Any, begins: Instant, ends: Instant) -> tuple[NDArray[np.int64], int]:
    """And of how many customers; of frauds that became known within these instants, whenever they were paid."""
    rows = connection.sql(
        "SELECT epoch_us(o.known_at) - epoch_us(late.time) AS us, coalesce(payer_account, payment_id) AS who "
        "FROM o JOIN late USING (payment_id) "
        f"WHERE o.label = 'fraud' AND o.known_at >= {_at(begins)} AND o.known_at < {_at(ends)} ORDER BY us"
    ).to_arrow_table()
    return np.asarray(rows.column(0).to_numpy(), np.int64), len(rows.column(1).unique())


def _labels(connection: Any, spans: Spans, stretch: int) -> Iterator[Labels]:
    ends = spans.ends
    made: list[Labels] = []
    while ends > spans.begins:
        begins = Instant(max(ends - stretch, spans.begins))
        when = f"decided_at >= {_at(begins)} AND decided_at < {_at(ends)}"
        payments, told = connection.execute(f"SELECT count(*), count(told) FROM l WHERE {when}").fetchall()[0]
        delays = connection.sql(
            f"SELECT epoch_us(known_at) - epoch_us(paid) AS us FROM l WHERE {when} AND label = 'fraud' ORDER BY us"
        ).to_arrow_table()
        late = np.asarray(delays.column(0).to_numpy(), np.int64)
        made.append(Labels(begins, ends, payments, payments - told, len(late), late))
        ends = begins
    return reversed(made)


def _at(at: int) -> str:
    return f"make_timestamptz({at})"
