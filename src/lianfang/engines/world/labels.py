"""What becomes known of a crime, when, and how wrongly: reports come late, some never, some name another kind."""

from __future__ import annotations

from typing import Final

import numpy as np

from lianfang.engines.world.config import WorldConfig
from lianfang.engines.world.moves import NEVER, NONE, Moves
from lianfang.engines.world.plots import Plot
from lianfang.engines.world.tables import CRIMES, MULE
from lianfang.kernel.instant import DAY, HOUR

SILENCE: Final = 30 * DAY
"""A payment nobody complains about for this long counts as genuine."""
MULE_UNTRACED: Final = 0.35
"""Share of chains behind a reported story that nobody follows."""


def report(config: WorldConfig, plot: Plot, moves: Moves, rng: np.random.Generator) -> Moves:
    """The moves of some stories of one plot with `known_at` and `reported_kind`. Delays are ours: a median of 1.3 days.

    What a victim paid becomes known at once, after the last payment; what ran on follows days later, by tracing, or never.
    """
    numbers, place = np.unique(moves["story"], return_inverse=True)
    count = len(numbers)
    silent = rng.random(count) < min(config.never_known * plot.silence, 1.0)
    ends = np.zeros(count, np.int64)
    np.maximum.at(ends, place, np.where(moves["story_kind"] == MULE, 0, moves["time"]))
    known = ends + (rng.lognormal(0.26, 1.0, count) * DAY).astype(np.int64) + HOUR
    traced = known + (rng.lognormal(0.9, 0.8, count) * DAY).astype(np.int64)
    kind = np.where(rng.random(count) < config.wrong_kind, rng.integers(0, MULE, count), plot.crime)
    mule = moves["story_kind"] == MULE
    untraced = rng.random(count) < MULE_UNTRACED
    at = np.maximum(np.where(mule, traced[place], known[place]), moves["time"] + HOUR)
    hidden = silent[place] | (mule & untraced[place])
    moves["known_at"] = np.where(moves["label"] == 0, NONE, np.where(hidden, NEVER, at))
    moves["reported_kind"] = np.where(mule, MULE, kind[place])
    assert len(CRIMES) == MULE + 1
    return moves


def false_reports(config: WorldConfig, moves: Moves, rng: np.random.Generator) -> None:
    """Marks some genuine payments as reported: a forgotten purchase, a family quarrel, a customer who wants it back."""
    genuine = moves["label"] == 0
    wrong = genuine & (rng.random(len(moves)) < config.false_reports)
    count = int(wrong.sum())
    moves["reported_kind"][wrong] = rng.integers(0, MULE, count)
    later = moves["time"] + SILENCE
    moves["known_at"] = np.where(genuine, later, moves["known_at"])
    moves["known_at"][wrong] = moves["time"][wrong] + (rng.lognormal(0.9, 0.9, count) * DAY).astype(np.int64) + HOUR
