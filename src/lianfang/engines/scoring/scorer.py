"""The model's place on the path, and what stands there while there is none: the score is then null."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from lianfang.engines.scoring.reasons import Why
from lianfang.wire import Feature

NEUTRAL: Final = math.nan
"""The score where there is none. NaN is the null of the hot path."""


class BoundScorer(Protocol):
    """A model bound to a node's rows: features in, a probability out."""

    @property
    def version(self) -> str | None:
        """Name of the model's version, null where there is no model."""
        ...

    def __call__(self, row: tuple[Any, ...], features: NDArray[np.float64]) -> float:
        """Score in [0, 1] of one payment, or NaN. `row`: in the layout it was bound to; `features` float64[n]."""
        ...

    def why(self) -> tuple[Why, ...]:
        """What raised the score of the payment last scored most, the strongest first."""
        ...


class Scorer(Protocol):
    """A trained model, not yet bound to a node."""

    @property
    def version(self) -> str | None:
        """Name of the model's version, null where there is no model."""
        ...

    @property
    def paths(self) -> frozenset[str]:
        """Columns of the row that it reads."""
        ...

    def bind(self, layout: Sequence[str], features: Sequence[Feature]) -> BoundScorer:
        """For rows of this layout and these declared features. Raises `ModelError` naming what does not fit."""
        ...


class NoModel:
    """Stands where a model will: answers null. A policy with `model_required` is then unsure."""

    version: str | None = None
    paths: frozenset[str] = frozenset()

    def bind(self, layout: Sequence[str], features: Sequence[Feature]) -> NoModel:
        """Itself."""
        return self

    def __call__(self, row: tuple[Any, ...], features: NDArray[np.float64]) -> float:
        """Always `NEUTRAL`."""
        return NEUTRAL

    def why(self) -> tuple[Why, ...]:
        """Nothing."""
        return ()
