"""`lianfang bench accuracy`: how well fraud is told, on the handbook's data and on made-up worlds, published figures beside.

Every choice (inputs, settings, numbers of trees, which of two trainings) was made on weeks before those tested here
(docs/reference/accuracy.md). The tested weeks are read once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from lianfang.app.bench.handbook import CHOSEN_ON, DELTA, FOLDS, FRAUDS, TESTS, TRAIN_STARTS, handbook_rows
from lianfang.app.bench.report import Figure, publish
from lianfang.app.learn.matrix import Matrix, read_matrix
from lianfang.app.learn.recipe import of_recipe
from lianfang.app.replay.sources import CHECKOUT
from lianfang.engines.evaluate import auc, average_precision, card_precision_at
from lianfang.infra.history import read_mapping
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import DAY
from lianfang.services.learn import fit_trees, sampled

ROUNDS_WEEK: Final = 150
ROUNDS_HISTORY: Final = 300
"""Trees, chosen on `CHOSEN_ON`."""
SEED: Final = 7
PUBLISHED: Final = (0.871, 0.658, 0.291)
"""AUC, average precision, CardPrecision@100: the best of each in chapter 3.4."""
PUBLISHED_PREQUENTIAL: Final = (0.879, 0.687, 0.305)
AIMS: Final = (0.895, 0.745, 0.31)
EXAMPLE: Final = CHECKOUT / "examples" / "fdh"
BESIDE: Final = CHECKOUT.parent / "shared" / "data" / "card-fraud-fdh"
"""Where the transactions are looked for when nobody says."""


class Triple(NamedTuple):
    """The handbook's three figures."""

    auc: float
    ap: float
    cp100: float


class Handbook(NamedTuple):
    """All that was measured on the handbook's data."""

    chosen: dict[str, Triple]
    """By training, the mean over the weeks that choices were made on."""
    single: dict[str, Triple]
    prequential: dict[str, Triple]
    ceiling: Triple
    ceiling_prequential: Triple
    ceiling_chosen: Triple

    @property
    def better(self) -> str:
        """The training with the higher average precision on the weeks that choices were made on."""
        return max(self.chosen, key=lambda name: self.chosen[name].ap)


def bench_accuracy(data: Path | None, json_file: Path | None, *, worlds: bool = True, quick: bool = False) -> None:
    """Measure, print, write. `data`: folder or file of the handbook's transactions; None: that part is left out, and said so."""
    figures: list[Figure] = []
    about: dict[str, Any] = {}
    if data is not None:
        found = measure_handbook(data)
        _show(found)
        figures += handbook_figures(found)
        about["handbook"] = f"{data.name}; figures of the training on {found.better}, which was better on earlier weeks"
    else:
        about["handbook"] = "not measured: give its transactions with --handbook"
    if worlds:
        from lianfang.app.bench.worlds import Sizes, world_figures

        figures += world_figures(Sizes.quick() if quick else Sizes(), about)
    publish("accuracy", figures, about, json_file)


def handbook_figures(found: Handbook) -> list[Figure]:
    """Names that never change."""
    figures = []
    for prefix, rows, published in (
        ("fdh", found.single, PUBLISHED),
        ("fdh_prequential", found.prequential, PUBLISHED_PREQUENTIAL),
    ):
        for name, value, other, aim in zip(Triple._fields, rows[found.better], published, AIMS, strict=True):
            said = f">= {aim}; published {other}" if prefix == "fdh" else f"published {other}"
            figures.append(Figure(f"{prefix}_{name}", value, "of 1", said))
        for training, triple in rows.items():
            figures += [Figure(f"{prefix}_{training}_{name}", v, "of 1") for name, v in triple._asdict().items()]
    for prefix, best in (("fdh_ceiling", found.ceiling), ("fdh_prequential_ceiling", found.ceiling_prequential)):
        figures += [Figure(f"{prefix}_{name}", v, "of 1, estimated") for name, v in best._asdict().items()]
    return figures


def read_handbook(data: Path) -> tuple[Matrix, NDArray[np.int64]]:
    """The handbook's payments as the recipe's matrix, and each one's terminal."""
    import pyarrow.parquet as pq

    matrix = read_matrix(data, read_mapping(EXAMPLE / "mapping.toml"), of_recipe(EXAMPLE / "recipe.toml"))
    terminals: NDArray[np.int64] = (
        pq.read_table(data, columns=["TERMINAL_ID"])["TERMINAL_ID"].to_numpy().astype(np.int64)
    )
    if len(terminals) != len(matrix):
        raise InputError("some rows of the handbook's transactions could not be read", str(data))
    return matrix, terminals


def measure_handbook(data: Path) -> Handbook:
    """Everything on the handbook's data. Raises `InputError` where the protocol does not come to the published counts."""
    matrix, terminals = read_handbook(data)
    rows = handbook_rows(matrix.times, matrix.customers, matrix.labels, TRAIN_STARTS)
    if (len(rows.test), int(matrix.labels[rows.test].sum())) != (TESTS, FRAUDS):
        raise InputError(
            f"these are not the handbook's published transactions: {len(rows.test):,} rows would be tested", str(data)
        )
    folds = [TRAIN_STARTS - DELTA * k for k in range(FOLDS)]
    tested = {training: [_fold(matrix, start, training) for start in folds] for training in ("week", "history")}
    chosen = {training: _mean([_fold(matrix, s, training) for s in CHOSEN_ON]) for training in ("week", "history")}
    days = (matrix.times - matrix.times[0] // DAY * DAY) // DAY
    best = ceiling(matrix, terminals, days)
    reached = {
        start: triple(matrix, test, best[test])
        for start in (*folds, *CHOSEN_ON)
        for test in (handbook_rows(matrix.times, matrix.customers, matrix.labels, start).test,)
    }
    return Handbook(
        chosen=chosen,
        single={training: found[0] for training, found in tested.items()},
        prequential={training: _mean(found) for training, found in tested.items()},
        ceiling=reached[TRAIN_STARTS],
        ceiling_prequential=_mean([reached[start] for start in folds]),
        ceiling_chosen=_mean([reached[start] for start in CHOSEN_ON]),
    )


def ceiling(matrix: Matrix, terminals: NDArray[np.int64], days: NDArray[np.int64]) -> NDArray[np.float64]:
    """Scores of somebody who knows how the data was made."""
    from lianfang.app.bench.ceiling import ceiling_scores

    return ceiling_scores(matrix.times, days, matrix.customers, terminals, matrix.amounts, matrix.labels, DELTA * DAY)


def _fold(matrix: Matrix, train_starts: int, training: str) -> Triple:
    """One training and its test."""
    rows = handbook_rows(matrix.times, matrix.customers, matrix.labels, train_starts)
    train, rounds = (rows.train, ROUNDS_WEEK) if training == "week" else (rows.history, ROUNDS_HISTORY)
    place, weights = sampled(matrix.labels[train], SEED)
    train = train[place]
    fitted = fit_trees(matrix.names, matrix.columns[train], matrix.labels[train], weights, rounds, seed=SEED)
    return triple(matrix, rows.test, fitted.margins(matrix.columns[rows.test]))


def triple(matrix: Matrix, rows: NDArray[np.int64], scores: NDArray[np.float64]) -> Triple:
    """The handbook's figures of scores for some rows."""
    labels = matrix.labels[rows]
    days = matrix.times[rows] // DAY
    return Triple(
        auc(scores, labels),
        average_precision(scores, labels),
        card_precision_at(scores, labels, days, matrix.customers[rows]),
    )


def _mean(found: list[Triple]) -> Triple:
    return Triple(*np.mean(np.array(found), axis=0).tolist())


def _show(found: Handbook) -> None:
    table = Table(title="Fraud Detection Handbook: AUC / average precision / CardPrecision@100")
    for column in ("", "single split", "four folds", "weeks that choices were made on"):
        table.add_column(column)
    table.add_row("published, the best of each", _said(Triple(*PUBLISHED)), _said(Triple(*PUBLISHED_PREQUENTIAL)), "")
    for training, zh in (("week", "seven days alone"), ("history", "all labelled history")):
        table.add_row(
            f"trained on {zh}",
            _said(found.single[training]),
            _said(found.prequential[training]),
            _said(found.chosen[training]),
        )
    table.add_row(
        "who knows the generator (estimate)",
        _said(found.ceiling),
        _said(found.ceiling_prequential),
        _said(found.ceiling_chosen),
    )
    Console(width=120).print(table)


def _said(one: Triple) -> str:
    return " / ".join(f"{value:.3f}" for value in one)
