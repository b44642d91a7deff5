"""Crews and the accounts they use: sold, rented or opened for them, each for a time, then the next; devices they share.

An account lives a sampled time. A caller that stops one early (`Crews.end`) sees the crew go on with its next account.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from lianfang.engines.world.config import HORIZON_DAYS, WorldConfig
from lianfang.engines.world.people import DEVICES, Flags, Ints, World, build_world, generator
from lianfang.kernel.instant import DAY

FRONTS: Final = 6
SECONDS: Final = 4
EXITS: Final = 2
SLOTS: Final = FRONTS + SECONDS + EXITS
"""Accounts of a crew at one time: those that take the victims' money, those behind them, those that cash out."""
BURNT_DAYS: Final = 2.5
"""Mean life of a front account that is soon found out; the accounts behind live twice as long. Ours, plausible."""
LASTING_DAYS: Final = 12.0
"""Mean life of one that nobody looks at, likewise."""
LASTING: Final = 0.4
"""Share of the latter: most accounts burn within days, some serve a crew for weeks. Ours, plausible."""
LIFE_DAYS: Final = (1 - LASTING) * BURNT_DAYS + LASTING * LASTING_DAYS
CREW_DEVICES: Final = 8
CREW_SHOPS: Final = 4
_OPENED: Final = 0.3
"""Share of accounts opened for the crew; the rest are bought or rented from people who have had them for long."""
_SELF: Final = 0.4
"""Share of accounts whose holder works them, from the holder's own phone."""
_CREWS_MAX: Final = 2_000


class Lives(NamedTuple):
    """(crews, SLOTS, lives) each."""

    account: Ints
    until: Ints
    """Instant at which the account is given up."""
    own_device: Flags


class Crews:
    """Who takes the money. Mutable only by `end`."""

    def __init__(self, world: World, lives: Lives, shops: Ints) -> None:
        self.world = world
        self.lives = lives
        self.shops = shops
        """(crews, CREW_SHOPS) merchants."""
        self.count = len(shops)
        self.devices = self.count * CREW_DEVICES
        self._last = lives.until.shape[2] - 1

    def life(self, crew: Ints, slot: Ints, time: Ints) -> Ints:
        """Which of its accounts a slot uses at that time."""
        passed: Ints = np.minimum((time[:, None] >= self.lives.until[crew, slot]).sum(1), self._last)
        return passed

    def account(self, crew: Ints, slot: Ints, time: Ints) -> Ints:
        """The account in a crew's slot."""
        found: Ints = self.lives.account[crew, slot, self.life(crew, slot, time)]
        return found

    def device(self, crew: Ints, slot: Ints, time: Ints) -> Ints:
        """The crew's device a slot is worked from; every device serves more than one account, and is replaced."""
        place = (slot // 2 + time // (12 * DAY)) % CREW_DEVICES
        made: Ints = DEVICES * self.world.config.people + crew * CREW_DEVICES + place
        return made

    def since(self, crew: Ints, slot: Ints, time: Ints) -> Ints:
        """When the account in the slot first saw the crew's device: soon after it was taken over."""
        life = self.life(crew, slot, time)
        before = np.where(
            life > 0, self.lives.until[crew, slot, np.maximum(life - 1, 0)], self.world.config.first_day - 30 * DAY
        )
        since: Ints = np.minimum(before - 5 * DAY, time - DAY // 4)
        return since

    def successor(self, account: int) -> int:
        """The account that follows in its slot; itself where it was the last."""
        crew, slot, life = (int(found[0]) for found in np.nonzero(self.lives.account == account))
        return int(self.lives.account[crew, slot, min(life + 1, self._last)])

    def end(self, account: int, at: int) -> int:
        """The account is of no more use from `at` on. How many slots that hit."""
        before = np.concatenate([np.zeros_like(self.lives.until[:, :, :1]), self.lives.until[:, :, :-1]], axis=2)
        hit = (self.lives.account == account) & (self.lives.until > at) & (before <= at)
        self.lives.until[hit] = at
        return int(hit.sum())


def crews_of(config: WorldConfig) -> int:
    """How many crews work."""
    return int(np.clip(math.ceil(config.stories_per_day / 2.5), 2, _CREWS_MAX))


def build_society(config: WorldConfig) -> tuple[World, Crews]:
    """The world, and the crews in it. The same config gives the same of both."""
    rng = generator(config, 6)
    count = crews_of(config)
    number = int((config.days + 2 * HORIZON_DAYS) / LIFE_DAYS * 1.5) + 4
    shape = (count, SLOTS, number)
    mean = np.where(rng.random(shape) < LASTING, LASTING_DAYS, BURNT_DAYS)
    mean = np.where(np.arange(SLOTS) < FRONTS, 1.0, 2.0)[None, :, None] * mean
    spans = np.maximum(rng.exponential(mean), 0.15) * DAY
    until = config.first_day - (HORIZON_DAYS + 1) * DAY + np.cumsum(spans, axis=2).astype(np.int64)
    opened = rng.random(shape) < _OPENED
    world = build_world(config, int(opened.sum()))
    account = _bought(world, rng, shape)
    first = 2 * config.people + world.employers
    account[opened] = first + np.arange(int(opened.sum()))
    started = np.concatenate([np.full((count, SLOTS, 1), config.first_day - 60 * DAY), until[:, :, :-1]], axis=2)
    age = (rng.gamma(1.5, 25.0, shape) * DAY).astype(np.int64) + 2 * DAY
    world.accounts.opened[first:] = (started - age)[opened]
    shops = rng.integers(0, config.merchants - 1, (count, CREW_SHOPS))
    return world, Crews(world, Lives(account, until, rng.random(shape) < _SELF), shops)


def _bought(world: World, rng: np.random.Generator, shape: tuple[int, int, int]) -> Ints:
    """Accounts of people; wallets only where they were open long before."""
    person = rng.integers(0, world.config.people, shape)
    early = np.full(shape, world.config.first_day - (HORIZON_DAYS + 40) * DAY)
    as_wallet = world.wallet(person.reshape(-1), early.reshape(-1)).reshape(shape)
    chosen: Ints = np.where(rng.random(shape) < 0.45, as_wallet, person)
    return chosen
