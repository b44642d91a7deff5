"""The handbook's protocol, on rows made by hand and, where it is there, on its own data."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest

from lianfang.app.bench.accuracy import BESIDE
from lianfang.app.bench.ceiling import ceiling_scores
from lianfang.app.bench.handbook import CHOSEN_ON, DELTA, FRAUDS, TESTS, TRAIN_STARTS, handbook_rows
from lianfang.engines.evaluate import auc
from lianfang.kernel.instant import DAY


def test_cards_known_to_be_compromised_are_dropped_from_the_day_they_are_known() -> None:
    starts = 100
    days = np.array([100, 101, 108, 114, 114, 115, 115, 116])
    customers = np.array([1, 2, 3, 1, 3, 3, 2, 3])
    labels = np.array([1, 0, 1, 0, 0, 0, 0, 0])
    rows = handbook_rows(days * DAY, customers, labels, starts)
    assert rows.train.tolist() == [0, 1]
    # Customer 1 is known from the training week; customer 3's fraud of day 108 is known on the third day of the test.
    assert rows.test.tolist() == [4, 5, 6]


def test_choices_end_before_any_prequential_test_begins() -> None:
    earliest_test = TRAIN_STARTS - 3 * DELTA + 2 * DELTA
    assert max(CHOSEN_ON) + 3 * DELTA <= earliest_test


def test_the_published_counts_come_out() -> None:
    if not BESIDE.exists():
        pytest.skip(f"no handbook transactions at {BESIDE}")
    table = pq.read_table(BESIDE, columns=["TX_DATETIME", "CUSTOMER_ID", "TX_FRAUD"])
    times = table["TX_DATETIME"].to_numpy().astype("datetime64[us]").astype(np.int64)
    labels = table["TX_FRAUD"].to_numpy()
    rows = handbook_rows(times, table["CUSTOMER_ID"].to_numpy().astype(np.int64), labels, TRAIN_STARTS)
    assert (len(rows.test), int(labels[rows.test].sum())) == (TESTS, FRAUDS)


def generator(customers: int = 150, terminals: int = 300, length: int = 60) -> dict[str, np.ndarray]:
    """The handbook's chapter 3.2, small: compromises as dense as there for each customer and terminal and day."""
    random = np.random.default_rng(4)
    means = random.uniform(500, 10_000, customers)
    n = customers * length * 2
    times = np.sort(random.integers(0, length * DAY, n))
    customer, terminal = random.integers(0, customers, n), random.integers(0, terminals, n)
    amounts = np.abs(random.normal(means[customer], means[customer] / 2)).astype(np.int64)
    days, labels = times // DAY, np.zeros(n, np.int8)
    for day in range(length):
        if day % 17 == 0:
            on = (terminal == random.integers(terminals)) & (days >= day) & (days < day + 28)
            labels[on] = 1
        if day % 11 == 0:
            mine = np.flatnonzero((customer == random.integers(customers)) & (days >= day) & (days < day + 14))
            third = mine[random.random(len(mine)) < 1 / 3]
            amounts[third] *= 5
            labels[third] = 1
    labels[amounts > 22_000] = 1
    return {
        "times": times,
        "days": days,
        "customers": customer,
        "terminals": terminal,
        "amounts": amounts,
        "labels": labels,
    }


def test_who_knows_the_generator_tells_its_fraud_and_reads_no_label_too_early() -> None:
    made = generator()
    scores = ceiling_scores(**made, delay=7 * DAY)
    late = made["days"] > 30
    assert auc(scores[late], made["labels"][late]) > 0.85
    assert not np.isnan(scores).any()
    cut = 50 * DAY
    changed = made["labels"].copy()
    hidden = made["times"] > cut - 7 * DAY
    changed[hidden] = 1 - changed[hidden]
    again = ceiling_scores(**(made | {"labels": changed}), delay=7 * DAY)
    before = made["times"] < cut
    assert (again[before] == scores[before]).all()
