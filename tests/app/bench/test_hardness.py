"""The figures of hardness: features alone, a regression that learns, and the world that the benchmark measures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lianfang.app.bench.hardness import KNOWN_LEAST, baseline_ap, logistic, single_aucs
from lianfang.app.bench.world import measure_hardness
from lianfang.engines.world import WorldConfig


def test_a_feature_that_tells_everything_stands_first_whichever_way_it_points() -> None:
    labels = (np.arange(1_000) < 300).astype(np.int8)
    features = {"noise": (np.arange(1_000) % 7).astype(np.float64), "falling": np.arange(1_000).astype(np.float64)}
    first, second = single_aucs(features, labels)
    assert (first.name, first.over_all) == ("falling", 1.0)
    assert second.over_all < 0.55


def test_nulls_count_as_lowest_and_apart() -> None:
    labels = np.array([1, 0] * KNOWN_LEAST * 2, np.int8)
    values = np.arange(len(labels)).astype(np.float64)
    values[: len(labels) // 4] = np.nan
    (one,) = single_aucs({"some": values}, labels)
    assert one.over_all == pytest.approx(0.5, abs=0.01)
    assert one.where_known == pytest.approx(0.5, abs=0.01)


def test_the_regression_finds_the_weights_that_made_its_labels() -> None:
    rng = np.random.default_rng(1)
    design = np.column_stack([np.ones(20_000), rng.normal(size=20_000)])
    labels = (rng.random(20_000) < 1 / (1 + np.exp(-(design @ [-1.0, 2.0])))).astype(np.float64)
    assert logistic(design, labels) == pytest.approx([-1.0, 2.0], abs=0.1)


def test_the_baseline_learns_from_the_amount() -> None:
    labels = (np.arange(4_000) % 10 == 0).astype(np.int8)
    features = {"amount": 100.0 + 10_000.0 * labels, "hour": np.zeros(4_000), "kind is qr": np.ones(4_000)}
    assert baseline_ap(features, labels, slice(0, 2_000), slice(2_000, None)) == pytest.approx(1.0)


@pytest.mark.slow
def test_the_world_is_hard_for_one_feature_and_not_for_all_together(tmp_path: Path) -> None:
    hard = measure_hardness(tmp_path, WorldConfig(seed=5, people=6_000, merchants=400, days=15))
    assert hard.singles[0].worst <= 0.75
    assert hard.baseline < 0.25
    assert hard.fraud_rate < 0.005
    assert len(hard.singles) >= 40
    assert hard.learnable > 3 * hard.baseline
