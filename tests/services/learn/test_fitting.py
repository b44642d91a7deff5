"""The trees learn, stop on a later period, and are the same every time."""

from __future__ import annotations

import numpy as np
import pytest

from lianfang.engines.evaluate import auc
from lianfang.kernel.errors import InputError
from lianfang.services.learn.fitting import best_rounds, fit_trees

NAMES = ("much", "little", "nothing")


def world(seed: int, rows: int = 4_000) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    columns = random.normal(size=(rows, 3))
    labels = (random.random(rows) < 1 / (1 + np.exp(3 - 2 * columns[:, 0] - columns[:, 1]))).astype(np.int8)
    columns[::7, 1] = np.nan
    return columns, labels


def test_the_trees_rank_and_name_what_helped() -> None:
    rows, labels = world(1)
    seen: list[int] = []
    made = fit_trees(NAMES, rows, labels, np.ones(len(labels)), 60, progress=seen.append)
    later, truth = world(2)
    assert auc(made.margins(later), truth) > 0.85
    assert int(np.argmax(made.gains)) == 0
    assert seen == list(range(1, 61))
    again = fit_trees(NAMES, rows, labels, np.ones(len(labels)), 60)
    assert again.trees == made.trees


def test_rounds_stop_before_the_most() -> None:
    rows, labels = world(1, 1_000)
    rounds = best_rounds(NAMES, (rows, labels, np.ones(len(labels))), world(2), rounds_max=400)
    assert 1 <= rounds < 400


def test_a_later_period_without_frauds_is_refused() -> None:
    rows, labels = world(1, 500)
    with pytest.raises(InputError, match="frauds and genuine"):
        best_rounds(NAMES, (rows, labels, np.ones(500)), (rows, np.zeros(500)))
    with pytest.raises(InputError, match="trees"):
        fit_trees(NAMES, rows, labels, np.ones(500), 0)
