"""A history becomes a model folder, or a refusal that says which rows and why."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import lightgbm
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lianfang.app.learn.folder import write
from lianfang.app.learn.matrix import read_matrix
from lianfang.app.learn.recipe import Ingredients, find_recipe, ingredients
from lianfang.app.learn.train import Job, Result, train
from lianfang.app.replay import load_rules
from lianfang.infra.history import NEVER, native_mapping
from lianfang.infra.models import read_model
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import DAY
from lianfang.services.learn import LeakError, RefusedHistoryError
from lianfang.wire import Feature, Input
from tests.app.learn.conftest import CONFIG

NOW = CONFIG.first_day + 100 * DAY


def job(history: Path, made: Ingredients | None = None) -> Job:
    made = made or find_recipe(None, "the native layout", load_rules([]))
    return Job(history, native_mapping(), made, "small", NOW, gap=3 * DAY)


def few() -> Ingredients:
    features = [Feature(name="n", define="count of payments by payer.account over 7d")]
    return ingredients(features, [Input(name="n", define="n"), Input(name="amount_minor", define="amount")], "test")


@pytest.fixture(scope="module")
def result(history: Path) -> Result:
    return train(job(history))


def changed(history: Path, folder: Path, name: str, column: pa.Array) -> Path:
    table = pq.read_table(history)
    path = folder / "changed.parquet"
    pq.write_table(table.set_column(table.column_names.index(name), name, column), path)
    return path


def test_it_tells_fraud_on_the_held_out_period(result: Result) -> None:
    assert result.metrics["auc"] > 0.75
    assert result.metrics["average_precision"] > 10 * result.matrix.labels.mean()
    uses = [one.use for one in result.periods]
    assert uses == ["train", "choose", "calibrate", "held-out"]
    assert all(a.ends <= b.begins for a, b in zip(result.periods, result.periods[1:], strict=False))


def test_the_folder_proves_itself_and_its_trees_give_the_same_scores(result: Result, tmp_path: Path) -> None:
    write(result, tmp_path / "model")
    found = read_model(tmp_path / "model")
    assert found.manifest.trained.metrics == result.metrics
    booster = lightgbm.Booster(model_str=found.trees.decode())
    rows = result.judged.rows[:500]
    margins = booster.predict(result.matrix.columns[rows].astype(np.float64), raw_score=True)
    assert np.array_equal(margins, result.judged.margins[:500])
    page = found.files["report.html"].decode()
    assert page.count("<figure>") == 5
    assert "http" not in page.replace("http-equiv", "")
    assert "留出" in found.files["card.zh-CN.md"].decode()
    assert "held out" in found.files["card.md"].decode()
    assert "nan" not in re.sub(r"<[^>]*>", " ", page).lower().split()


def test_the_held_out_period_changes_nothing_but_the_report(history: Path, result: Result, tmp_path: Path) -> None:
    table = pq.read_table(history)
    labels = table["label"].to_numpy().copy()
    held = result.split.held_out.rows(result.matrix.times)
    labels[held] = np.random.default_rng(1).permutation(labels[held])
    again = train(job(changed(history, tmp_path, "label", pa.array(labels))))
    assert again.fitted.trees == result.fitted.trees


def test_a_fraud_is_counted_from_when_it_was_known(history: Path) -> None:
    features = [Feature(name="known", define="count of frauds by payer.account over 90d")]
    matrix = read_matrix(
        history, native_mapping(), ingredients(features, [Input(name="known", define="known")], "test")
    )
    table = pq.read_table(history, columns=["payer.account"])
    payer = np.array(table["payer.account"].to_pylist())
    frauds = np.flatnonzero((matrix.labels == 1) & (matrix.known_at < NEVER))
    for row in np.flatnonzero(matrix.columns[:, 0] > 0)[:200].tolist():
        mine = frauds[payer[frauds] == payer[row]]
        assert matrix.columns[row, 0] == (matrix.known_at[mine] < matrix.times[row]).sum()
    assert (matrix.columns[:, 0] > 0).any()


def test_an_unsorted_history_with_repeats_is_refused_with_its_rows(history: Path, tmp_path: Path) -> None:
    table = pq.read_table(history)
    rows = np.arange(table.num_rows)
    rows[[100, 5_000]] = rows[[5_000, 100]]
    rows[200] = 199
    path = tmp_path / "mixed.parquet"
    pq.write_table(table.take(pa.array(rows)), path)
    with pytest.raises(RefusedHistoryError) as caught:
        train(job(path, few()))
    said = str(caught.value)
    assert "sort the history" in said
    assert "row 201: repeated id" in said


def test_labels_known_before_their_payment_are_refused(history: Path, tmp_path: Path) -> None:
    table = pq.read_table(history)
    early = pa.compute.subtract(table["time"].cast(pa.int64()), DAY).cast(pa.timestamp("us", tz="UTC"))
    with pytest.raises(RefusedHistoryError, match=r"known before its payment.*1\.0 days before"):
        train(job(changed(history, tmp_path, "known_at", early), few()))


def test_labels_without_their_date_are_refused_unless_a_delay_is_given(history: Path, tmp_path: Path) -> None:
    table = pq.read_table(history)
    path = tmp_path / "undated.parquet"
    pq.write_table(table.drop_columns(["known_at"]), path)
    with pytest.raises(InputError, match="--label-delay 7d"):
        train(job(path, few()))
    assert train(replace(job(path, few()), label_delay=2 * DAY, gap=None)).split.gap == 2 * DAY


def test_an_attribute_that_is_the_label_is_refused(history: Path, tmp_path: Path) -> None:
    table = pq.read_table(history)
    path = tmp_path / "leak.parquet"
    pq.write_table(table.append_column("device.rooted_", table["label"]), path)
    leaking = native_mapping()
    from lianfang.infra.history import Source

    leaking = leaking.__class__(
        layout="native",
        label=leaking.label,
        evaluate=leaking.evaluate,
        payment={"session.failed_attempts": Source(column="device.rooted_")},
    )
    made = ingredients(
        [], [Input(name="amount_minor", define="amount"), Input(name="hint", define="session.failed_attempts")], "t"
    )
    with pytest.raises(LeakError, match="hint: it equals the label"):
        train(replace(job(path, made), mapping=leaking))
    own = replace(
        job(history, made),
        mapping=leaking.__class__(
            layout="native", label=leaking.label, payment={"session.failed_attempts": Source(column="label")}
        ),
    )
    with pytest.raises(LeakError, match="says how the payment turned out"):
        train(own)
