"""The world, a day at a time: ordinary life, the stories that run on that day, sorted and numbered.

A day depends on the config and the crews' accounts alone: any day can be made by itself, by any process.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lianfang.engines.world.config import HORIZON_DAYS, WorldConfig
from lianfang.engines.world.crews import Crews, build_society
from lianfang.engines.world.dress import DayBatch, Wardrobe
from lianfang.engines.world.habits import ordinary_day
from lianfang.engines.world.labels import false_reports
from lianfang.engines.world.moves import Moves
from lianfang.engines.world.people import World, generator
from lianfang.engines.world.telling import begin_crimes, begin_episodes
from lianfang.kernel.instant import DAY


class Life:
    """A world that can be lived through, whole or in parts, from the first day to the last."""

    def __init__(self, config: WorldConfig) -> None:
        self.config = config
        self.world: World
        self.crews: Crews
        self.world, self.crews = build_society(config)
        self.wardrobe = Wardrobe(self.world, self.crews)
        self._begun: dict[int, dict[int, list[Moves]]] = {}
        self._ended: list[tuple[int, int]] = []

    def day(self, day: int) -> Moves:
        """All moves of a day, sorted by time and numbered. Days are cheapest in order; stories begun earlier are kept."""
        if not 0 <= day < self.config.days:
            raise IndexError(day)
        for begun in range(day - HORIZON_DAYS, day + 1):
            if begun not in self._begun:
                self._begun[begun] = self._stories(begun)
        for begun in [b for b in self._begun if b < day - HORIZON_DAYS]:
            del self._begun[begun]
        told = [moves for begun in sorted(self._begun) if begun <= day for moves in self._begun[begun].get(day, [])]
        ordinary = ordinary_day(self.world, day)
        moves = np.concatenate([ordinary, *(self._after_ends(m) for m in told)])
        moves = moves[np.argsort(moves["time"], kind="stable")]
        moves["number"] = np.arange(len(moves))
        false_reports(self.config, moves, generator(self.config, 7, day))
        return moves

    def batches(self, first: int = 0, last: int | None = None) -> Iterator[DayBatch]:
        """Days `first` to before `last` (all), dressed, each payment once with everything that anybody knows."""
        for day in range(first, self.config.days if last is None else last):
            yield self.wardrobe.batch(day, self.day(day))

    def stop(self, account: str, at: int) -> bool:
        """A caller has blocked an account: if a crew uses it, it goes on with the next one. Whether it was a crew's.

        Holds for every day made after the call: payments to the account go to its successor, and what would leave it
        stays where it is.
        """
        found = np.flatnonzero(self.wardrobe.words["account"] == account)
        if not len(found) or not self.crews.end(int(found[0]), at):
            return False
        self._ended.append((int(found[0]), at))
        return True

    def _stories(self, day: int) -> dict[int, list[Moves]]:
        ahead: dict[int, list[Moves]] = {}
        for moves in (begin_crimes(self.world, self.crews, day), begin_episodes(self.world, self.crews, day)):
            on = (moves["time"] - self.config.first_day) // DAY
            for one in np.unique(on).tolist():
                ahead.setdefault(one, []).append(moves[on == one])
        return ahead

    def _after_ends(self, moves: Moves) -> Moves:
        for account, at in self._ended:
            later = (moves["time"] > at) & (moves["label"] == 1)
            successor = self.crews.successor(account)
            moves["payee"] = np.where(later & (moves["payee"] == account), successor, moves["payee"])
            moves = moves[~(later & (moves["payer"] == account) & (moves["layer"] > 0))]
        return moves


def generate(config: WorldConfig) -> Iterator[DayBatch]:
    """All days of a world. The same config gives the same bytes; nothing outside it is read."""
    yield from Life(config).batches()
