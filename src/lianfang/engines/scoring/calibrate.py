"""From a margin (log-odds) to a probability, in compiled code; docs/reference/model.md gives the formulas."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numba import njit
from numba import uint64 as u
from numpy.typing import NDArray

from lianfang.engines.native import float64s
from lianfang.engines.scoring.errors import ModelError
from lianfang.wire import Calibration, Isotonic, Platt

LOGISTIC: Final = 0
ISOTONIC: Final = 1
_1: Final = u(1)


def calibration_numbers(calibration: Calibration) -> tuple[int, NDArray[np.float64]]:
    """The kind, and its numbers float64[2 n]: (a, b), or the points' x and then their y. Raises `ModelError`."""
    if isinstance(calibration, Platt):
        if not (calibration.a > 0 and math.isfinite(calibration.a) and math.isfinite(calibration.b)):
            raise ModelError("a is above 0, and both a and b are numbers", "$.calibration")
        return LOGISTIC, np.array([calibration.a, calibration.b])
    if not isinstance(calibration, Isotonic):
        return LOGISTIC, np.array([1.0, 0.0])
    x, y = np.array(calibration.x), np.array(calibration.y)
    if len(x) != len(y):
        raise ModelError(f"{len(x)} x have {len(y)} y", "$.calibration")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ModelError("a point is no number", "$.calibration")
    if (np.diff(x) <= 0).any():
        raise ModelError("x does not rise strictly", "$.calibration.x")
    if (np.diff(y) < 0).any() or y[0] < 0 or y[-1] > 1:
        raise ModelError(
            "y falls, or leaves 0 to 1: a higher margin must not be a lower probability", "$.calibration.y"
        )
    return ISOTONIC, np.concatenate([x, y])


@njit(cache=True, nogil=True)
def probability(margin, kind, address, points):
    """`address` of the numbers of `calibration_numbers`, `points` half as many."""
    numbers = float64s(address)
    if kind == LOGISTIC:
        return 1.0 / (1.0 + math.exp(-(numbers[u(0)] * margin + numbers[_1])))
    n = u(points)
    if not margin > numbers[u(0)]:
        return numbers[n]
    low, high = u(0), n - _1
    if margin >= numbers[high]:
        return numbers[n + high]
    while high - low > _1:
        middle = (low + high) >> _1
        if margin >= numbers[middle]:
            low = middle
        else:
            high = middle
    share = (margin - numbers[low]) / (numbers[high] - numbers[low])
    # Written so that a point gives its own y, and the two ends of a level give it throughout.
    return numbers[n + low] + share * (numbers[n + high] - numbers[n + low])
