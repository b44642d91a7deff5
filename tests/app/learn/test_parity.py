"""One definition, two computations: real payments, a made-up world and Spark give the decider's numbers to the last bit."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pytest

from lianfang.app.learn.parity import differences, payments_table
from lianfang.engines.features.offline.placing import NOT_FRAUD
from lianfang.engines.world import Life, WorldConfig
from lianfang.infra.history import native_mapping, read_mapping, write_history
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import DAY, HOUR, SECOND
from lianfang.wire import Feature
from tests.services_required import missing

ROOT = Path(__file__).parents[3]
HANDBOOK = Path("shared", "data", "card-fraud-fdh")
"""Beside the repository, or beside the folder that it stands in."""
ROWS = 200_000

COUNTED = ("count of {}s", "sum(amount) of {}s", "mean(amount) of {}s", "max(amount) of {}s", "seconds since last {}")
PAYMENTS_ONLY = ("distinct({value}) of {}s", "seconds since first {}")
WINDOWS = ("10m", "24h", "25h", "7d", "30d")


def declarations(keys: tuple[str, ...], wheres: tuple[str, ...], value: str) -> list[Feature]:
    """Every aggregate, window kind, filter and key, of payments and frauds, and a ratio."""
    texts = []
    for aggregate, where, key, window in product((*COUNTED, *PAYMENTS_ONLY), wheres, keys, WINDOWS):
        filled = aggregate.replace("{value}", value)
        texts.append(f"{filled.format('payment')}{where} by {key} over {window}")
        if window in ("24h", "7d"):
            texts.append(texts[-1] + " including this")
        if aggregate in COUNTED:
            texts.append(f"{filled.format('fraud')}{where} by {key} over {window}")
    made = [Feature(name=f"f{i}", define=text) for i, text in enumerate(texts)]
    return [*made, Feature(name="share", define="ratio of f0 to f1")]


def handbook() -> Path:
    for folder in (ROOT.parent / HANDBOOK, ROOT.parent.parent / HANDBOOK):
        if folder.exists():
            return folder
    pytest.skip("NOT TESTED: the Fraud Detection Handbook's data are not here (../shared/data/card-fraud-fdh)")
    raise AssertionError


@pytest.mark.slow
def test_200_000_real_payments_have_the_same_numbers_both_ways() -> None:
    mapping = read_mapping(ROOT / "examples" / "fdh" / "mapping.toml")
    features = declarations(("payer.account", "merchant.terminal"), ("", " where amount > 5000"), "merchant.terminal")
    found = differences(features, payments_table(handbook(), mapping, features, ROWS))
    assert found.payments == ROWS
    assert found.doubtful == 0
    assert found.by_feature == {}, found.samples


def world(path: Path, **size: int) -> Path:
    life = Life(WorldConfig(**{"people": 150, "merchants": 12, "days": 6, **size}))  # type: ignore[arg-type]
    write_history(life.batches(), path / "world.parquet")
    return path / "world.parquet"


def disordered(table: pa.Table, share: float) -> pa.Table:
    """Some payments arrive up to half an hour late, and a few a day; the frauds become known at odd moments."""
    draw = np.random.default_rng(7)
    times = table["time"].to_numpy()
    delay = np.where(draw.random(len(times)) < share, draw.integers(0, HOUR // 2, len(times)), 0)
    delay = np.where(draw.random(len(times)) < share / 20, DAY + HOUR, delay)
    order = np.argsort(times + delay, kind="stable")
    known = np.where(draw.random(len(times)) < 0.05, times + draw.integers(0, 2 * DAY, len(times)), NOT_FRAUD)
    table = table.set_column(table.column_names.index("known_at"), "known_at", pa.array(known))
    return table.take(pa.array(order))


def test_a_made_up_world_with_late_payments_has_the_same_numbers_both_ways(tmp_path: Path) -> None:
    keys = ("payer.account", "device.id", "payer.account, payee.account", "merchant.id")
    features = declarations(keys, ("", ' where kind == "transfer"'), "payee.account")[::3]
    features = [Feature(name=f"f{i}", define=f.define) for i, f in enumerate(features) if "ratio" not in f.define]
    table = disordered(payments_table(world(tmp_path), native_mapping(), features), 0.02)
    found = differences(features, table)
    assert found.by_feature == {}, found.samples
    assert found.doubtful < found.payments / 20
    assert found.compared > 0


@pytest.mark.slow
@pytest.mark.filterwarnings(  # pyspark's own: how it reads a result, and the socket it leaves to the collector
    "ignore::pandas.errors.Pandas4Warning",
    "ignore:unclosed <socket:ResourceWarning",
    "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning",
)
def test_spark_gives_the_same_numbers(tmp_path: Path) -> None:
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        missing("pyspark is not installed: pip install lianfang[spark]")
    texts = (
        "count of payments by payer.account over 24h",
        "sum(amount) of payments where amount > 5000 by payer.account over 7d including this",
        "mean(amount) of payments by payer.account over 10m",
        "max(amount) of payments by payee.account over 30d",
        "distinct(payee.account) of payments by payer.account over 24h",
        "distinct(payee.account) of payments by payer.account over 7d including this",
        "seconds since last payment by payer.account, payee.account over 30d",
        "count of frauds by payee.account over 7d",
    )
    features = [Feature(name=f"f{i}", define=text) for i, text in enumerate(texts)]
    features.append(Feature(name="share", define="ratio of f1 to f0"))
    table = payments_table(world(tmp_path, people=1_200), native_mapping(), features)
    table = disordered(table.slice(0, 3_000), 0.02)
    try:
        session = _spark(SparkSession, tmp_path)
    except Exception as why:  # no Java, no room: whatever it says
        missing(f"Spark does not start: {why}")
    try:
        found = differences(features, table, backend=ibis.pyspark.connect(session), sets=True)
    finally:
        session.stop()
    assert found.payments == 3_000
    assert found.by_feature == {}, found.samples


def _spark(builder: Any, path: Path) -> Any:
    made = builder.builder.master("local[1]").appName("parity")
    for name, value in (
        ("spark.ui.enabled", "false"),
        ("spark.sql.shuffle.partitions", "2"),
        ("spark.driver.memory", "1g"),
        ("spark.sql.session.timeZone", "UTC"),
        ("spark.sql.warehouse.dir", str(path / "warehouse")),
    ):
        made = made.config(name, value)
    return made.getOrCreate()


def test_two_payments_agree_and_a_repeated_id_is_refused() -> None:
    features = [Feature(name="n", define="count of payments by payer.account over 1h")]
    start = 1_700_000_000 * SECOND
    columns = {"id": ["a", "b"], "time": [start, start + SECOND], "payer.account": ["x", "x"]}
    table = pa.table({**columns, "known_at": pa.array([NOT_FRAUD] * 2, pa.int64())})
    assert differences(features, table).differences == 0
    with pytest.raises(InputError, match="stands twice"):
        differences(features, table.set_column(0, "id", pa.array(["a", "a"])))
