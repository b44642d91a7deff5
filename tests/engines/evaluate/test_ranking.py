"""Ranking figures against scikit-learn, and against definitions written out naively."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from lianfang.engines.evaluate import auc, average_precision, card_precision_at, recall_at_false_alarm_rates
from lianfang.kernel.errors import InputError

# Few distinct scores: rules give many ties, and ties are where rankings go wrong.
scored = st.lists(st.tuples(st.integers(0, 6), st.sampled_from([0, 1])), min_size=2, max_size=60).filter(
    lambda rows: len({label for _, label in rows}) == 2
)


def _arrays(rows: list[tuple[int, int]]) -> tuple[NDArray[Any], NDArray[Any]]:
    return np.array([s for s, _ in rows], float), np.array([label for _, label in rows], np.int8)


@given(scored)
def test_auc_and_average_precision_are_those_of_scikit_learn(rows: list[tuple[int, int]]) -> None:
    scores, labels = _arrays(rows)
    assert auc(scores, labels) == pytest.approx(roc_auc_score(labels, scores))
    assert average_precision(scores, labels) == pytest.approx(average_precision_score(labels, scores))


@given(scored, st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0]))
def test_recall_at_a_false_alarm_rate_is_the_best_point_of_the_roc_curve_within_it(
    rows: list[tuple[int, int]], rate: float
) -> None:
    scores, labels = _arrays(rows)
    false_alarms, recall, _ = roc_curve(labels, scores, drop_intermediate=False)
    best = recall[false_alarms <= rate + 1e-12].max()
    assert recall_at_false_alarm_rates(scores, labels, [rate])[rate] == pytest.approx(best)


@given(scored, st.integers(0, 2**32 - 1))
def test_unknown_labels_and_the_order_of_rows_change_nothing(rows: list[tuple[int, int]], seed: int) -> None:
    scores, labels = _arrays(rows)
    more = np.concatenate([scores, [99.0, -99.0]])
    some = np.concatenate([labels, np.array([-1, -1], np.int8)])
    order = np.random.default_rng(seed).permutation(len(more))
    assert auc(more[order], some[order]) == pytest.approx(auc(scores, labels))
    assert average_precision(more[order], some[order]) == pytest.approx(average_precision(scores, labels))


def test_where_labels_cannot_answer_the_figures_are_nan() -> None:
    scores, genuine = np.array([0.1, 0.2]), np.array([0, 0])
    assert math.isnan(auc(scores, genuine))
    assert math.isnan(average_precision(scores, genuine))
    assert all(math.isnan(r) for r in recall_at_false_alarm_rates(scores, genuine).values())
    assert math.isnan(card_precision_at(scores, np.array([-1, -1]), np.array([0, 0]), ["a", "b"]))


def test_scores_that_are_not_numbers_are_refused() -> None:
    with pytest.raises(InputError):
        auc(np.array([np.nan, 1.0]), np.array([0, 1]))


def _handbook(rows: list[tuple[int, int, int, int]], k: int) -> float:
    """The handbook's loop, with dictionaries."""
    detected: set[int] = set()
    per_day = []
    for day in sorted({day for _, _, day, _ in rows}):
        best: dict[int, float] = {}
        fraud: dict[int, bool] = {}
        for score, label, at, card in rows:
            if at == day and card not in detected:
                best[card] = max(best.get(card, -1.0), score)
                fraud[card] = fraud.get(card, False) or label == 1
        top = sorted(best, key=lambda card: (-best[card], card))[:k]
        hits = [card for card in top if fraud[card]]
        detected.update(hits)
        per_day.append(len(hits) / k)
    return sum(per_day) / len(per_day)


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.sampled_from([0, 1]), st.integers(3, 6), st.integers(0, 8)),
        min_size=1,
        max_size=60,
    ),
    st.integers(1, 5),
)
def test_card_precision_follows_the_handbooks_loop(rows: list[tuple[int, int, int, int]], k: int) -> None:
    score, label, day, card = (np.array(column) for column in zip(*rows, strict=True))
    assert card_precision_at(score, label, day, card, k) == pytest.approx(_handbook(rows, k))
