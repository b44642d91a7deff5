"""Gradient-boosted trees on the declared inputs: LightGBM, early stopping on a later period, the same trees every time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lianfang.kernel.errors import InputError

Floats = NDArray[np.floating[Any]]

SETTINGS: Final[Mapping[str, float | bool | str]] = MappingProxyType(
    {
        "learning_rate": 0.03,
        "num_leaves": 15,
        "min_child_samples": 40,
        "feature_fraction": 0.5,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": 5.0,
    }
)
"""Small trees, slowly: chosen on weeks before any that is reported (docs/reference/accuracy.md)."""
ROUNDS_MAX: Final = 1_500
PATIENCE: Final = 60
"""Rounds without a gain on the later period before it stops."""
TREES_MAX: Final = 10_000


class Fitted(NamedTuple):
    """The trees and what came of the fit."""

    booster: Any
    """`lightgbm.Booster`."""
    trees: str
    """LightGBM's own text."""
    rounds: int
    gains: NDArray[np.float64]
    """Total gain of each input, float64[inputs]."""

    def margins(self, rows: Floats) -> NDArray[np.float64]:
        """Log-odds, float64[n], of float[n, inputs]."""
        made: NDArray[np.float64] = self.booster.predict(np.asarray(rows, np.float64), raw_score=True, num_threads=1)
        return made


def best_rounds(
    names: Sequence[str],
    fit: tuple[Floats, NDArray[Any], NDArray[np.float64]],
    later: tuple[Floats, NDArray[Any]],
    settings: Mapping[str, float | bool | str] = SETTINGS,
    *,
    seed: int = 1,
    rounds_max: int = ROUNDS_MAX,
    progress: Callable[[int], None] | None = None,
) -> int:
    """How many trees: where average precision on the later period stops growing. `fit`: rows, labels, weights."""
    import lightgbm as lgb

    rows, labels = later
    if not (labels == 1).any() or not (labels == 0).any():
        raise InputError("the period that the number of trees is chosen on needs frauds and genuine payments")
    train = lgb.Dataset(fit[0], fit[1], weight=fit[2], feature_name=list(names), free_raw_data=False)
    valid = lgb.Dataset(rows, labels, reference=train, free_raw_data=False)
    callbacks: list[Any] = [lgb.early_stopping(PATIENCE, verbose=False)]
    if progress is not None:
        callbacks.append(lambda env: progress(env.iteration + 1))
    params = _params(settings, seed) | {"metric": "average_precision"}
    booster = lgb.train(params, train, rounds_max, valid_sets=[valid], callbacks=callbacks)
    return max(int(booster.best_iteration), 1)


def fit_trees(
    names: Sequence[str],
    rows: Floats,
    labels: NDArray[Any],
    weights: NDArray[np.float64],
    rounds: int,
    settings: Mapping[str, float | bool | str] = SETTINGS,
    *,
    seed: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Fitted:
    """So many trees on these rows: float[n, inputs] (NaN null), labels 1 and 0, weights. The same input gives the same trees."""
    import lightgbm as lgb

    if not 1 <= rounds <= TREES_MAX:
        raise InputError(f"between 1 and {TREES_MAX:,} trees", "--rounds")
    callbacks: list[Any] = [] if progress is None else [lambda env: progress(env.iteration + 1)]
    data = lgb.Dataset(rows, labels, weight=weights, feature_name=list(names))
    booster = lgb.train(_params(settings, seed), data, rounds, callbacks=callbacks)
    gains = np.asarray(booster.feature_importance("gain"), np.float64)
    return Fitted(booster, booster.model_to_string(), rounds, gains)


def _params(settings: Mapping[str, float | bool | str], seed: int) -> dict[str, Any]:
    fixed = {
        "objective": "binary",
        "verbosity": -1,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
    }
    return dict(settings) | fixed
