"""A probability means what it says, and never turns the order round."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from lianfang.kernel.errors import InputError
from lianfang.services.learn.calibration import Curve, Sigmoid, brier, calibrate, isotonic, platt, reliability


def world(rows: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    margins = random.normal(-3, 2, rows)
    chances = 1 / (1 + np.exp(-(0.6 * margins - 1)))
    return margins, chances, (random.random(rows) < chances).astype(np.int8)


@pytest.mark.parametrize("method", [isotonic, platt])
def test_both_find_the_true_chances(method) -> None:  # type: ignore[no-untyped-def]
    margins, chances, labels = world(200_000)
    found = method(margins, labels)(margins)
    assert np.abs(found - chances).mean() < 0.01
    assert found.mean() == pytest.approx(labels.mean(), abs=0.003)


def test_few_frauds_get_two_numbers_and_many_a_curve() -> None:
    margins, _, labels = world(1_000)
    assert isinstance(calibrate(margins, labels), Sigmoid)
    margins, _, labels = world(20_000)
    assert isinstance(calibrate(margins, labels), Curve)
    with pytest.raises(InputError, match="longer history"):
        calibrate(margins, np.zeros(len(margins), np.int8))


@given(st.integers(0, 10_000), st.integers(5, 300))
def test_probabilities_never_fall_as_the_margin_grows(seed: int, rows: int) -> None:
    random = np.random.default_rng(seed)
    margins = random.integers(-4, 5, rows) / 2
    labels = (random.random(rows) < 0.3).astype(np.int8)
    labels[:2] = 0, 1
    for made in (isotonic(margins, labels), platt(margins, labels)):
        chances = made(np.linspace(-5, 5, 101))
        assert (np.diff(chances) >= 0).all()
        assert ((chances >= 0) & (chances <= 1)).all()
    curve = isotonic(margins, labels)
    assert (np.diff(curve.x) > 0).all()


def test_blocks_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(3)
    margins = random.normal(size=2_000).round(2)
    labels = (random.random(2_000) < 1 / (1 + np.exp(-3 * margins))).astype(np.int8)
    theirs = IsotonicRegression(out_of_bounds="clip").fit_transform(margins, labels)
    ours = isotonic(margins, labels)(margins)
    assert np.abs(ours - theirs).mean() < 0.02


def test_a_margin_that_says_nothing_is_still_a_rising_curve() -> None:
    made = platt(np.linspace(-1, 1, 400), np.r_[np.ones(200), np.zeros(200)])
    assert made.a > 0


def test_reliability_counts_everything_once() -> None:
    _, chances, labels = world(20_000)
    found = reliability(chances, labels, 10)
    assert found.payments.sum() == 20_000
    assert np.abs(found.said - found.was).max() < 0.08
    assert not len(reliability(chances, np.zeros(20_000, np.int8)).said)
    assert brier(np.array([0.5, 1.0]), np.array([0, 1])) == 0.125
