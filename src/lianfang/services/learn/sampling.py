"""Which rows a model is fitted on, and with what weight: all frauds, and enough genuine payments to tell them from."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lianfang.kernel.errors import InputError

GENUINE_PER_FRAUD: Final = 60
GENUINE_LEAST: Final = 150_000
"""Up to here every genuine payment is used, however few frauds there are."""
FRAUDS_LEAST: Final = 50
"""Fewer frauds teach nothing that would hold."""
FRAUD_WEIGHT_MAX: Final = 10_000.0


def sampled(
    labels: NDArray[np.integer[Any]], seed: int, *, fraud_weight: float = 1.0
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Places of the rows to fit on, rising, and their weights, float64 of the same length.

    Labels 1 and 0; others are left out. Genuine rows are drawn without bias and weighted up to the number there was, so that
    a probability keeps its meaning; a `fraud_weight` other than 1 bends it, which calibration sets right again. Raises
    `InputError` with fewer than `FRAUDS_LEAST` frauds or no genuine payment.
    """
    if not 0 < fraud_weight <= FRAUD_WEIGHT_MAX:
        raise InputError(f"a weight is above 0 and at most {FRAUD_WEIGHT_MAX:,.0f}", "--fraud-weight")
    frauds, genuine = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    if len(frauds) < FRAUDS_LEAST or not len(genuine):
        raise InputError(
            f"{len(frauds)} known frauds and {len(genuine):,} genuine payments to learn from: at least {FRAUDS_LEAST} frauds are "
            "needed; give a longer history, or a mapping that says which payments were fraud"
        )
    wanted = max(GENUINE_LEAST, GENUINE_PER_FRAUD * len(frauds))
    drawn = genuine
    if len(genuine) > wanted:
        drawn = np.random.default_rng(seed).choice(genuine, wanted, replace=False)
    rows = np.concatenate([frauds, drawn])
    weights = np.concatenate([np.full(len(frauds), fraud_weight), np.full(len(drawn), len(genuine) / len(drawn))])
    order = np.argsort(rows, kind="stable")
    return rows[order].astype(np.int64), weights[order]


def balanced_weight(labels: NDArray[np.integer[Any]]) -> float:
    """A weight for frauds half-way (in logarithm) to where both classes weigh the same: sqrt(genuine / frauds), at most 10.

    Full balance makes a few odd frauds outweigh thousands of ordinary payments.
    """
    frauds, genuine = int((labels == 1).sum()), int((labels == 0).sum())
    return float(min(np.sqrt(genuine / frauds), 10.0)) if frauds and genuine else 1.0
