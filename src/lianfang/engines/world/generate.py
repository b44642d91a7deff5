"""The world, a day at a time: ordinary life, the stories that run on that day, sorted, numbered and dressed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lianfang.engines.world.config import WorldConfig
from lianfang.engines.world.dress import Column, dress
from lianfang.engines.world.habits import ordinary_day
from lianfang.engines.world.moves import MOVE, Moves
from lianfang.engines.world.people import World, build_world
from lianfang.engines.world.stories import begin_stories
from lianfang.kernel.instant import DAY


class DayBatch(NamedTuple):
    """One local day of payments, sorted by time. `columns` go by field path; the rest is the truth, a row each."""

    day: int
    """0 is the first day."""
    rows: int
    columns: dict[str, Column]
    label: NDArray[np.int8]
    """1 fraud, 0 genuine: what is true, whether or not anybody ever learns it."""
    label_kind: Column
    """The scam, or `mule` for its money on the run; null for genuine payments."""
    story: Column
    known_at: NDArray[np.int64]
    """Instant at which the label became known; NEVER for stories nobody reports. Genuine: 30 days of silence later."""


def generate(config: WorldConfig) -> Iterator[DayBatch]:
    """All days of a world. The same config gives the same bytes; nothing outside it is read."""
    world = build_world(config)
    ahead: dict[int, list[Moves]] = {}
    stories = 0
    for day in range(config.days):
        begun = begin_stories(world, day, stories, _generator(config, 3, day))
        stories += len(begun)
        for moves in begun:
            _spread(moves, config, ahead)
        ordinary = ordinary_day(world, day, _generator(config, 1, day))
        yield _batch(world, day, np.concatenate([ordinary, *ahead.pop(day, [])]))


def _generator(config: WorldConfig, purpose: int, day: int) -> np.random.Generator:
    # One stream for each purpose and day: a change to one part of the world leaves the others as they were.
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([config.seed, purpose, day])))


def _spread(moves: Moves, config: WorldConfig, ahead: dict[int, list[Moves]]) -> None:
    days = (moves["time"] - config.first_day) // DAY
    for day in np.unique(days).tolist():
        ahead.setdefault(day, []).append(moves[days == day])


def _batch(world: World, day: int, moves: Moves) -> DayBatch:
    assert moves.dtype == MOVE
    moves = moves[np.argsort(moves["time"], kind="stable")]
    columns, truth = dress(world, day, moves)
    known_at: NDArray[Any] = truth.known_at
    return DayBatch(day, len(moves), columns, truth.label, truth.kind, truth.story, known_at)
