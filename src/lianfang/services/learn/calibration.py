"""From margins (log-odds) to probabilities that mean what they say: isotonic steps where there is enough, else a curve."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lianfang.kernel.errors import InputError

Floats = NDArray[np.float64]
Labels = NDArray[np.integer[Any]]

ISOTONIC_FRAUDS: Final = 300
"""From here the data draws the curve; below, two numbers are all that it can tell."""
POINTS_MAX: Final = 200
_RIDGE: Final = 1e-6


class Curve(NamedTuple):
    """Isotonic: points (margin, probability), straight lines between, level beyond. Both float64[n], n >= 2."""

    x: Floats
    y: Floats

    def __call__(self, margins: Floats) -> Floats:
        """Probabilities."""
        made: Floats = np.interp(margins, self.x, self.y)
        return made


class Sigmoid(NamedTuple):
    """Platt's: 1 / (1 + exp(-(a * margin + b))), `a` above 0."""

    a: float
    b: float

    def __call__(self, margins: Floats) -> Floats:
        """Probabilities."""
        return np.asarray(1 / (1 + np.exp(-np.clip(self.a * margins + self.b, -700, 700))))


Calibrator = Curve | Sigmoid


def calibrate(margins: Floats, labels: Labels) -> Calibrator:
    """The calibration that this many frauds can carry. Labels 1 and 0. Raises `InputError` without both."""
    if len(margins) != len(labels) or not (labels == 1).any() or not (labels == 0).any():
        raise InputError("calibration needs frauds and genuine payments in its own period; give a longer history")
    if int((labels == 1).sum()) >= ISOTONIC_FRAUDS:
        return isotonic(margins, labels)
    return platt(margins, labels)


def isotonic(margins: Floats, labels: Labels) -> Curve:
    """Pool-adjacent-violators (Ayer et al., 1955), each block at the mean of its margins, ends shrunk off 0 and 1.

    A strictly rising line: equal probabilities would throw payments together that the margin tells apart, so a block is a
    point and what lies between two is interpolated.
    """
    order = np.argsort(margins, kind="stable")
    x, first = np.unique(margins[order], return_index=True)
    weights = np.diff(np.r_[first, len(order)]).astype(np.float64)
    means = np.add.reduceat(labels[order].astype(np.float64), first) / weights
    blocks: list[list[float]] = []  # weight, mean of labels, mean of margins
    for at, weight, mean in zip(x.tolist(), weights.tolist(), means.tolist(), strict=True):
        blocks.append([weight, mean, at])
        while len(blocks) > 1 and blocks[-2][1] >= blocks[-1][1]:
            w, m, a = blocks.pop()
            v = blocks[-1]
            both = v[0] + w
            v[1], v[2], v[0] = (v[0] * v[1] + w * m) / both, (v[0] * v[2] + w * a) / both, both
    made = np.array(blocks)
    # Laplace: a block of n payments without a fraud says "less than about 1 in n", not "never".
    shares = (made[:, 0] * made[:, 1] + labels.mean()) / (made[:, 0] + 1)
    shares = np.maximum.accumulate(shares)
    if len(made) > POINTS_MAX:
        kept = np.unique(np.linspace(0, len(made) - 1, POINTS_MAX).astype(int))
        made, shares = made[kept], shares[kept]
    if len(made) < 2:
        return Curve(np.array([made[0, 2], made[0, 2] + 1.0]), np.repeat(shares, 2))
    return Curve(made[:, 2], np.clip(shares, 0, 1))


def platt(margins: Floats, labels: Labels) -> Sigmoid:
    """Logistic regression on the margin, by Newton's method, with Platt's softened targets ("Probabilistic Outputs", 1999).

    A slope that is not positive (the margin says nothing, or the wrong way round) becomes the smallest positive one.
    """
    frauds, genuine = float((labels == 1).sum()), float((labels == 0).sum())
    target = np.where(labels == 1, (frauds + 1) / (frauds + 2), 1 / (genuine + 2))
    design = np.column_stack([margins, np.ones(len(margins))])
    weights = np.array([1.0, 0.0])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        curve = design.T @ (design * (chance * (1 - chance))[:, None]) + _RIDGE * np.eye(2)
        step = np.linalg.solve(curve, design.T @ (chance - target) + _RIDGE * (weights - np.array([1.0, 0.0])))
        step *= min(1.0, 4.0 / max(float(np.abs(step).max()), 1e-12))  # far steps overshoot
        weights = weights - step
        if float(np.abs(step).max()) < 1e-9:
            break
    return Sigmoid(max(float(weights[0]), 1e-6), float(weights[1]))


class Reliability(NamedTuple):
    """Payments in groups of equal size by score, float64[groups] each."""

    said: Floats
    """Mean probability."""
    was: Floats
    """Share of fraud."""
    payments: Floats


def reliability(chances: Floats, labels: Labels, groups: int = 20) -> Reliability:
    """How often it was fraud where the model said so. Groups hold equally many frauds, so that the top is seen too."""
    order = np.argsort(-chances, kind="stable")
    frauds = np.cumsum(labels[order] == 1)
    total = int(frauds[-1]) if len(frauds) else 0
    if not total:
        nothing = np.zeros(0)
        return Reliability(nothing, nothing, nothing)
    group = np.minimum((frauds - (labels[order] == 1)) * groups // total, groups - 1)
    counts = np.bincount(group, minlength=groups).astype(np.float64)
    said = np.bincount(group, chances[order], minlength=groups)
    was = np.bincount(group, (labels[order] == 1).astype(np.float64), minlength=groups)
    on = counts > 0
    return Reliability(said[on] / counts[on], was[on] / counts[on], counts[on])


def brier(chances: Floats, labels: Labels) -> float:
    """Mean squared distance of probability and truth (Brier, 1950); NaN for nothing."""
    return float(np.mean((chances - labels) ** 2)) if len(labels) else float("nan")
