"""`lianfang bench world`: how fast a world is made, in how much memory, and how hard its fraud is to tell.

Fraud is what the label says: every payment of a story of crime: victims', strangers' from a taken account or card, gamblers'
deposits, crews' rewards, and the money's run through mules to the way out. The honest half of a story (a loan) is genuine.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from lianfang.app.bench.hardness import (
    Floats,
    Single,
    baseline_ap,
    field_features,
    learnable_ap,
    single_aucs,
    traced_features,
)
from lianfang.app.bench.report import Figure, publish
from lianfang.app.replay import Replay, book_of, load_rules, replay
from lianfang.app.replay.run import REPLAY_KEY
from lianfang.app.world import make_alliance
from lianfang.engines.world import WorldConfig, generate
from lianfang.infra.history import native_mapping, write_history

WARM: Final = 1 / 3
"""The first share of the days only fills the windows."""
MULE: Final = "mule"
TRAIN: Final = 0.6
"""Share of the rest that is trained on; the later rest is tested."""


class Sizes(msgspec.Struct, frozen=True):
    """How large the benchmark is. `quick` is for trying the command, not for quoting."""

    payments: int = 10_000_000
    people: int = 300_000
    hard_people: int = 45_000
    hard_days: int = 21
    workers: int = 2

    @classmethod
    def quick(cls) -> Sizes:
        """A fiftieth of it."""
        return cls(payments=200_000, people=20_000, hard_people=8_000, hard_days=15)


class Hardness(NamedTuple):
    """What was found."""

    singles: list[Single]
    baseline: float
    learnable: float
    fraud_rate: float
    frauds: int
    rows: int
    by_kind: list[tuple[str, int]]
    apart: dict[str, Single]
    """The strongest feature against victims' and takers' payments alone, and against the money's run alone."""


def bench_world(sizes: Sizes, json_file: Path | None, folder: Path | None = None) -> None:
    """Measure, print, write."""
    root = Path(tempfile.mkdtemp(prefix="lianfang-world-", dir=folder))
    try:
        speed = _speed(sizes, root / "alliance")
        hard = measure_hardness(root, hard_config(sizes))
    finally:
        shutil.rmtree(root, ignore_errors=True)
    _show(hard)
    best = hard.singles[0]
    figures = [
        *speed,
        Figure("best_single_feature_auc", best.worst, f"AUC of {best.name}", "<= 0.75"),
        Figure(
            "best_single_feature_auc_over_all", max(s.over_all for s in hard.singles), "AUC, null as lowest", "<= 0.75"
        ),
        *(
            Figure(f"best_single_feature_auc_{part}", one.worst, f"AUC of {one.name}; {part} alone")
            for part, one in hard.apart.items()
        ),
        Figure("baseline_ap", hard.baseline, "average precision", "< 0.25"),
        Figure("learnable_ap", hard.learnable, "average precision", "well above the baseline"),
        Figure("fraud_rate", hard.fraud_rate, "of payments", "< 0.005"),
        Figure("frauds_measured", hard.frauds, "payments"),
        Figure("single_features", len(hard.singles), "features", ">= 40"),
    ]
    about = {
        "speed": f"an alliance of {sizes.people:,} people to Parquet by institution and day, {sizes.workers} processes",
        "hardness": f"{hard.rows:,} payments after the windows were filled; fraud is every payment of a crime, mules' included",
    }
    publish("world", figures, about, json_file)


def hard_config(sizes: Sizes) -> WorldConfig:
    """The world whose hardness is measured: the default one, larger."""
    return WorldConfig(
        seed=20_26, people=sizes.hard_people, merchants=max(sizes.hard_people // 15, 20), days=sizes.hard_days
    )


def _speed(sizes: Sizes, folder: Path) -> list[Figure]:
    config = WorldConfig(people=sizes.people, merchants=sizes.people // 15)
    a_day = config.people * config.payments_per_person * 0.9
    config = msgspec.structs.replace(config, days=int(np.ceil(sizes.payments / a_day)))
    console = Console()
    with console.status("making the alliance ...") as status:

        def progress(days: int) -> None:
            status.update(f"making the alliance: day {days} of {config.days}")

        made = make_alliance(config, folder, sizes.workers, progress)
    shutil.rmtree(folder, ignore_errors=True)
    return [
        Figure("payments_per_s", made.payments / made.seconds, "payments/s", ">= 55,600 (10 million in 3 minutes)"),
        Figure("payments_made", made.payments, "payments"),
        Figure("rows_written", made.rows, "rows in institutions' files"),
        Figure("make_s", made.seconds, "s", "<= 180 for 10 million"),
        Figure("peak_mb", made.peak_mb, "MB, all processes", "<= 4,000"),
    ]


def measure_hardness(root: Path, config: WorldConfig) -> Hardness:
    """Writes a history, runs the real engine over it, and measures features one by one and together."""
    history, trace = root / "history.parquet", root / "trace.parquet"
    write_history(generate(config), history)
    book = book_of(load_rules(()), (), REPLAY_KEY)
    replay(Replay(history, native_mapping(), book, trace=trace))
    features, labels, kinds = field_features(history)
    features |= traced_features(trace)
    rest = slice(int(len(labels) * WARM), None)
    features = {name: values[rest] for name, values in features.items()}
    return _hardness(features, labels[rest], kinds[rest])


def _hardness(features: dict[str, Floats], labels: NDArray[np.int8], kinds: NDArray[Any]) -> Hardness:
    cut = int(len(labels) * TRAIN)
    train, test = slice(0, cut), slice(cut, None)
    names, counts = np.unique(kinds[labels == 1].astype(str), return_counts=True)
    return Hardness(
        singles=single_aucs(features, labels),
        baseline=baseline_ap(features, labels, train, test),
        learnable=learnable_ap(features, labels, train, test),
        fraud_rate=float(labels.mean()),
        frauds=int(labels.sum()),
        rows=len(labels),
        apart={
            "first_payments": _strongest(features, labels, kinds != MULE),
            "mules": _strongest(features, labels, kinds == MULE),
        },
        by_kind=sorted(zip(names.tolist(), counts.tolist(), strict=True), key=lambda pair: -pair[1]),
    )


def _strongest(features: dict[str, Floats], labels: NDArray[np.int8], kept: NDArray[np.bool_]) -> Single:
    """Of all features, against the frauds that are kept and every genuine payment."""
    rows = kept | (labels == 0)
    return single_aucs({name: values[rows] for name, values in features.items()}, labels[rows])[0]


def _show(hard: Hardness) -> None:
    console = Console(width=120)
    table = Table(title="every feature alone: AUC, the better of high and low")
    for column in ("feature", "over all (null lowest)", "where known"):
        table.add_column(column, justify="left" if column == "feature" else "right")
    for one in hard.singles:
        known = "-" if np.isnan(one.where_known) else f"{one.where_known:.3f}"
        table.add_row(one.name, f"{one.over_all:.3f}", known)
    console.print(table)
    kinds = Table(title="fraud by kind")
    kinds.add_column("kind")
    kinds.add_column("payments", justify="right")
    for name, count in hard.by_kind:
        kinds.add_row(name, f"{count:,}")
    console.print(kinds)
