"""The model's place on the path. Until a model is trained and loaded, the score is null: no rule on it fires."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

__all__ = ["NEUTRAL", "NoModel", "Scorer"]

NEUTRAL = math.nan
"""The score where there is none. NaN is the null of the hot path."""


class Scorer(Protocol):
    """A trained model: features in, a probability out."""

    @property
    def version(self) -> str | None:
        """Name of the model's version, null where there is no model."""
        ...

    def __call__(self, features: Sequence[float]) -> float:
        """Score in [0, 1] of one payment, or NaN."""
        ...


class NoModel:
    """Stands where a model will: answers null. A policy with `model_required` is then unsure."""

    version: str | None = None

    def __call__(self, features: Sequence[float]) -> float:
        """Always `NEUTRAL`."""
        return NEUTRAL
